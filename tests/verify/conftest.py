"""What the tests of checks share: the good packages, made once."""

from __future__ import annotations

import pytest

from kubeparcel.build.assembler import Made
from tests.support.package_workshop import Workshop, workshop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The packages in the layout `etc`."""
    return workshop(tmp_path_factory.mktemp("etc"))


@pytest.fixture(scope="session")
def official_shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The packages in the layout `official`."""
    return workshop(tmp_path_factory.mktemp("official"), layout="official")


@pytest.fixture(scope="session")
def good(shop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """Every package, unbroken, by its file name."""
    folder = tmp_path_factory.mktemp("good")
    return {
        name: shop.made(package, shop.write(package, None, folder / name))
        for name, package in shop.packages.items()
    }
