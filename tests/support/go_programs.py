"""Programs of others that tests compile from Go modules, once, and keep in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def go_program(package: str, version: str) -> Path:
    """Return the program of a Go package, for example `example.org/tool/cmd/tool` at v1.2.3."""
    base = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    name = package.rpartition("/")[2]
    if name[0] == "v" and name[1:].isdecimal():  # a major version is not the program's name
        name = package.split("/")[-2]
    folder = base / "kubeparcel-tests" / f"{name}-{version}"
    program = folder / name
    if not program.exists():
        if not shutil.which("go"):
            pytest.skip(f"needs Go, to compile {name}")
        environment = {**os.environ, "GOBIN": str(folder), "GOFLAGS": "-trimpath"}
        subprocess.run(["nice", "go", "install", f"{package}@{version}"], env=environment, check=True)
    return program
