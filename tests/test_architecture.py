"""The layers of the program: the contracts are in pyproject.toml, `[tool.importlinter]`."""

from pathlib import Path

import pytest
from importlinter.cli import lint_imports

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


@pytest.mark.parametrize("contract", ["layers", "cycles"])
def test_imports_keep_the_contract(contract):
    assert lint_imports(str(PYPROJECT), (contract,), no_cache=True, no_logo=True) == 0
