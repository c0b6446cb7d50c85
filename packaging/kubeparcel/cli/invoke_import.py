"""Imports Invoke without what a task of ours does not need, which takes most of its start.

That is `unittest.mock`, there for its MockContext, with asyncio and TLS behind it; the metadata
of installed packages, asked for its version; a second YAML, for configuration files of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any


def _read_yaml(stream: Any) -> Any:
    import yaml

    return yaml.safe_load(stream)


def _unknown(_: str) -> str:
    return "unknown"


_STAND_INS: Mapping[str, Mapping[str, Any]] = {
    "unittest.mock": {"Mock": object},
    "importlib.metadata": {"version": _unknown},
    "invoke.vendor.yaml": {"safe_load": _read_yaml},
}


def _import() -> None:
    if "invoke" in sys.modules:
        return
    names = [name for name in _STAND_INS if name not in sys.modules]
    for name in names:
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(_STAND_INS[name])
    try:
        import invoke  # noqa: F401 - all who import it later get this one
    except (ImportError, AttributeError):  # an Invoke that needs more of them
        for name in [one for one in sys.modules if one.partition(".")[0] == "invoke"]:
            del sys.modules[name]
    finally:
        for name in names:
            sys.modules.pop(name, None)


_import()
