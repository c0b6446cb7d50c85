"""The wheel contains the package and its templates, and works without a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.acceptance import mirrors
from tests.support.checkout import ROOT

DATA = {
    *("config/catalog.yaml", "config/distribution_packages.yaml"),
    *("hosts/hosts.yaml", "images/control_plane.yaml", "py.typed"),
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return file


def files_below(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheel_contains_the_package_the_templates_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = files_below(ROOT / "packaging/kubeparcel")
    assert {name for name in package if not name.endswith(".py")} <= DATA
    templates = {f"templates/{name}" for name in files_below(ROOT / "templates") if "/" in name}
    (man_page,) = [name for name in names if ".data/" in name]
    assert man_page.endswith(".data/data/share/man/man1/kubeparcel.1")
    assert names - {man_page} == {f"kubeparcel/{name}" for name in package | templates}


def test_wheel_has_its_metadata(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
    metadata = archive.read(name).decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert "License-File: LICENSE" in metadata
    assert "Requires-Python: >=3.11" in metadata


def test_installed_wheel_builds_packages(wheel, tmp_path):
    """A new environment has only the wheel; the dependencies are those of this environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (site,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    (dependencies,) = Path(sys.prefix).glob("lib/python*/site-packages")
    mirrors.fill(tmp_path / "mirror")
    program = "import sys; sys.path.append(sys.argv.pop(1)); from kubeparcel.cli import main; main()"
    result = subprocess.run(
        [tmp_path / "venv/bin/python", "-I", "-c", program, dependencies, "build", "--kubernetes", "1.36"],
        cwd=tmp_path,
        env={
            "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
            "KUBEPARCEL_CACHE": str(tmp_path / "cache"),
            "KUBEPARCEL_MIRROR": str(tmp_path / "mirror"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert len(list(tmp_path.glob("dist/*/*.deb"))) == 5
