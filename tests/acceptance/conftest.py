"""Fixtures of the acceptance tests: builds of real releases, a container engine, and a session on it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import KubeparcelError
from kubeparcel.hosts.engine import Engine
from kubeparcel.hosts.engine_cli import select_engine
from kubeparcel.hosts.session import Session, open_session
from kubeparcel.store import Store
from tests.acceptance.engines import require_programs

KUBERNETES, EARLIER = "1.36.3", "1.36.1"
PROGRAM = [sys.executable, "-m", "kubeparcel"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder: they need root, a network, containers or time."""
    folder = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(folder):
            item.add_marker(pytest.mark.acceptance)


@dataclass(frozen=True)
class Site:
    """A folder in which a user runs the program."""

    folder: Path
    env: dict[str, str]

    def run(self, *words: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the program; fail with its output if it exits with another code."""
        result = subprocess.run(
            [*PROGRAM, *words], cwd=self.folder, env={**self.env, **env}, capture_output=True, text=True, check=False
        )
        assert result.returncode == code, result.stdout + result.stderr
        return result

    def with_files(self, folder: Path, files: Mapping[str, str]) -> Site:
        """Return a site in another folder, with these files and separate keys."""
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return Site(folder, {**self.env, "KUBEPARCEL_CONFIG": str(folder / "config")})

    def json(self, *words: str, **env: str) -> Any:
        """Run the program with --json and return the document."""
        return json.loads(self.run(*words, "--json", **env).stdout)


@pytest.fixture(scope="session")
def binaries_cache() -> Path:
    """The user's own cache, which keeps compiled binaries and images between runs."""
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "kubeparcel"
    return Path(os.environ.get("KUBEPARCEL_CACHE", default))


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory, binaries_cache: Path) -> Site:
    """A folder with a finished build of all ten real packages."""
    return build_once(tmp_path_factory, binaries_cache, "real", KUBERNETES)


@pytest.fixture(scope="session")
def earlier(tmp_path_factory: pytest.TempPathFactory, binaries_cache: Path) -> Site:
    """The packages of an earlier release, to upgrade from."""
    return build_once(tmp_path_factory, binaries_cache, "earlier", EARLIER, "--no-sbom")


def build_once(factory: pytest.TempPathFactory, cache: Path, name: str, version: str, *options: str) -> Site:
    """Return a copy of a build that all processes of this run share; what it compiles is cached between runs."""
    base = factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    shared = Site(base / f"{name}-shared", {**os.environ, "KUBEPARCEL_CACHE": str(cache)})
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared.folder / "dist/SHA256SUMS").exists():
            shared.folder.mkdir(exist_ok=True)
            shared.run("build", "--kubernetes", version, "--source", "go", *options)
    return Site(shutil.copytree(shared.folder, factory.mktemp(name), dirs_exist_ok=True), shared.env)


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The first engine that works."""
    try:
        return select_engine()
    except KubeparcelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def session(engine: Engine, binaries_cache: Path) -> Iterator[Session]:
    """An open session on that engine; its images are kept between runs."""
    require_programs("mmdebstrap")
    with open_session(Store(binaries_cache), QuietLog()) as session:
        yield session
