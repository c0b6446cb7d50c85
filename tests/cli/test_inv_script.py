"""`./inv` sets up its environment once, and reports why if that fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose tasks print their arguments."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    shutil.copy(ROOT / "inv", folder)
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n[dependency-groups]\ndev = []\n')
    (folder / "tasks.py").write_text("import sys\nprint('tasks', *sys.argv[1:])\n")
    return folder


@pytest.fixture
def ready(checkout: Path) -> Path:
    """A checkout that was set up."""
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").symlink_to(sys.executable)
    (checkout / ".venv/.ready").touch()
    return checkout


def inv(script: Path | str, *words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `./inv` without uv on PATH and without a network."""
    offline = {"PATH": "/usr/bin:/bin", "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "KUBEPARCEL_"))}
    env = {**inherited, **offline, "PYTHON": sys.executable, **environment}
    command = ["/bin/sh", str(script), *words]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_failed_setup_is_not_remembered_as_complete(checkout):
    for _ in range(2):
        result = inv("inv", "--list", cwd=checkout)
        assert (result.returncode, result.stdout) == (3, "")
        assert "Setting up" in result.stderr
        assert "a minute or two" in result.stderr
        assert "PIP_INDEX_URL=" in result.stderr
        assert "Traceback" not in result.stderr
    assert not (checkout / ".venv/.ready").exists()


@pytest.mark.parametrize("missing", ["ensurepip", "venv"])
def test_python_without_venv_names_the_package_to_install(checkout, missing):
    python = checkout / "python"
    python.write_text(f"""#!/bin/sh\ncase "$*" in *"{missing}"*|*"import venv, pip"*) exit 1;; esac
exec {sys.executable} "$@"\n""")
    python.chmod(0o755)
    result = inv("inv", "--list", cwd=checkout, PYTHON=str(python), PATH="/nonexistent")
    assert result.returncode == 2
    assert "apt install python3-venv" in result.stderr
    assert not (checkout / ".venv/.ready").exists()


def test_missing_python_is_named(checkout):
    result = inv("inv", cwd=checkout, PYTHON="", PATH="/nonexistent")
    assert result.returncode == 2
    assert "Python 3.11 or newer was not found on PATH." in result.stderr


def test_environment_without_its_python_is_set_up_again(ready):
    (ready / ".venv/bin/python").unlink()
    (ready / ".venv/bin/python").symlink_to("/nonexistent/python3")
    result = inv("inv", "--list", cwd=ready)
    assert (result.returncode, result.stdout) == (3, "")
    assert "Setting up" in result.stderr


@pytest.mark.parametrize("target", ["{checkout}/inv", "../a checkout/inv"], ids=["absolute", "relative"])
def test_script_runs_behind_symbolic_links(ready, tmp_path, target):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/first").symlink_to(target.format(checkout=ready))
    (tmp_path / "second").symlink_to("bin/first")
    result = inv(tmp_path / "second", "build", "--quiet", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "tasks build --quiet\n", "")


@pytest.mark.parametrize("script", ["inv", "./inv", "../a checkout/inv"])
def test_script_needs_no_other_program_on_path(ready, script):
    result = inv(script, "help", cwd=ready, PATH="/nonexistent")
    assert (result.returncode, result.stdout, result.stderr) == (0, "tasks help\n", "")
