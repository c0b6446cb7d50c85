"""Empty rpms that say in rpm's books what a Debian below them really has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from kubeparcel.packages import nfpm
from kubeparcel.process import run


def write_placeholders(wanted: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Write a package for each name, that provides what its row says; raises ToolError."""
    for name, provides in wanted.items():
        own = f"{name} = "
        version = next((p.removeprefix(own) for p in provides if p.startswith(own)), "1")
        config = {
            "name": name,
            "arch": "noarch",
            "platform": "linux",
            "version": version,
            "version_schema": "none",
            "release": "1",
            "maintainer": "kubeparcel <noreply@kubeparcel.invalid>",
            "description": f"Says that the Debian below has {name}",
            "license": "Apache-2.0",
            "provides": [says for says in provides if not says.startswith(own)],
        }
        file = folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(config), "utf-8")
        target = folder / f"{name}-{version}-1.noarch.rpm"
        words = ["package", "--config", str(file), "--packager", "rpm", "--target", str(target)]
        run([nfpm.program(), *words], env={"SOURCE_DATE_EPOCH": "0"}, timeout=60)
        file.unlink()
