"""Read the YAML files that are part of the program."""

from __future__ import annotations

from typing import Any

import yaml

from kubeparcel.paths import PACKAGE

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The faster loader of libyaml, where PyYAML was built with it."""


def load_data_file(name: str) -> Any:
    """Return the contents of a file such as `hosts/hosts.yaml`."""
    return yaml.load((PACKAGE / name).read_bytes(), LOADER)  # noqa: S506 - LOADER is a safe loader
