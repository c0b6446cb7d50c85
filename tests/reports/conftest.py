"""Fixtures of the report tests: the packages that the layout checks run on."""

from tests.verify.conftest import good, official_shop, shop
