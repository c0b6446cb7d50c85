"""Record the calls of a function that is called as before."""

from __future__ import annotations

from typing import Any
from unittest.mock import create_autospec

import pytest


def record_calls(patch: pytest.MonkeyPatch, owner: object, name: str) -> list[Any]:
    """Return the arguments of each call of a function; those of a method begin with the object."""
    function = getattr(owner, name)
    recorder = create_autospec(function, side_effect=function)
    patch.setattr(owner, name, recorder)
    return recorder.call_args_list
