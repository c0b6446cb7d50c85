"""Imports Invoke without `unittest.mock`, which is there for its MockContext alone.

With asyncio and TLS behind it, that takes two fifths of the time of starting any task.
"""

from __future__ import annotations

import sys
from types import ModuleType

_MOCK = "unittest.mock"


def _import() -> None:
    if _MOCK in sys.modules or "invoke" in sys.modules:
        return
    stand_in = ModuleType(_MOCK)
    stand_in.Mock = object  # type: ignore[attr-defined]
    sys.modules[_MOCK] = stand_in
    try:
        import invoke  # noqa: F401 - all who import it later get this one
    finally:
        del sys.modules[_MOCK]


_import()
