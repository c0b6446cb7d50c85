"""Fixtures of the report tests: the packages that the layout checks run on."""

from tests.verify.conftest import official_samples, samples, valid_packages
