"""Empty rpms that provide, in the rpm database, what is installed as Debian packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from kubeparcel.packages import nfpm
from kubeparcel.process import run


def write_placeholders(placeholders: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Write an rpm for each name with the given Provides; raise ToolError if nfpm fails.

    A provide `NAME = VERSION` of the package itself sets its version.
    """
    for name, provides in placeholders.items():
        own_provide = f"{name} = "
        versions = [p.removeprefix(own_provide) for p in provides if p.startswith(own_provide)]
        version = next(iter(versions), "1")
        config = {
            "name": name,
            "arch": "noarch",
            "platform": "linux",
            "version": version,
            "version_schema": "none",
            "release": "1",
            "maintainer": "kubeparcel <noreply@kubeparcel.invalid>",
            "description": f"Placeholder for {name}, which is installed as a Debian package",
            "license": "Apache-2.0",
            "provides": [provide for provide in provides if not provide.startswith(own_provide)],
        }
        config_file = folder / f"{name}.yaml"
        config_file.write_text(yaml.safe_dump(config), "utf-8")
        target = folder / f"{name}-{version}-1.noarch.rpm"
        options = ["--config", str(config_file), "--packager", "rpm", "--target", str(target)]
        run([nfpm.program(), "package", *options], env={"SOURCE_DATE_EPOCH": "0"}, timeout=60)
        config_file.unlink()
