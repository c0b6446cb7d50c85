"""A module proxy in a folder, for GOPROXY=file://…, with modules that are written in a test."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path


def publish_module(proxy: Path, module: str, version: str, files: Mapping[str, str]) -> None:
    """Publish a version of a module in a folder (https://go.dev/ref/mod#goproxy-protocol)."""
    folder = proxy / module / "@v"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"v{version}.info").write_text(json.dumps({"Version": f"v{version}", "Time": "2026-07-22T18:07:38Z"}))
    (folder / f"v{version}.mod").write_text(files["go.mod"])
    with zipfile.ZipFile(folder / f"v{version}.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{module}@v{version}/{name}", text)
    with (folder / "list").open("a") as versions:
        versions.write(f"v{version}\n")
