"""Fixtures of the tests of diff: packages of any content, and the task."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.archive_builders import File, deb, member, rpm
from tests.support.repository_fixtures import configuration, key, session_key
from tests.support.task_runs import Run, runner

Diff = Callable[..., tuple[int, dict[str, Any]]]


@dataclass(frozen=True)
class Entry:
    """A file of a package, by default a regular one; `link` makes it a symlink."""

    data: str | bytes = "x\n"
    mode: int = 0o644
    owner: str = "root"
    link: str = ""
    folder: bool = False
    mtime: int = 0

    def member(self, path: str) -> bytes:
        """Return the member of a deb's payload."""
        data = self.data.encode() if isinstance(self.data, str) else self.data
        kind = tarfile.DIRTYPE if self.folder else tarfile.SYMTYPE if self.link else tarfile.REGTYPE
        content = b"" if self.folder or self.link else data
        more = {"mode": self.mode, "uname": self.owner, "linkname": self.link, "mtime": self.mtime}
        return member(f".{path}", content, kind, **more)


def write_deb(
    folder: Path,
    files: Mapping[str, Entry] | None = None,
    *,
    name: str = "small",
    version: str = "1.0-1",
    arch: str = "amd64",
    fields: str = "",
    **control: str,
) -> Path:
    """Write a deb; `fields` are lines of its control file, `control` its scripts and conffiles."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (
        f"Package: {name}\nVersion: {version}\nArchitecture: {arch}\nMaintainer: A <a@example.org>\n{fields}"
        "Description: small\n"
    )
    members = [entry.member(path) for path, entry in (files or {}).items()]
    path = folder / f"{name}_{version}_{arch}.deb"
    path.write_bytes(deb(*members, control={"control": text, **control}))
    return path


def write_rpm(folder: Path, *files: File, name: str = "small", **values: Any) -> Path:
    """Write an rpm; `values` are header values by their numbers, as `tag_1047`."""
    folder.mkdir(parents=True, exist_ok=True)
    tags = {int(tag.removeprefix("tag_")): value for tag, value in values.items()}
    path = folder / f"{name}-1.0-1.x86_64.rpm"
    path.write_bytes(rpm(*files, values={1000: name, 1044: f"{name}.src.rpm", **tags}))
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return tmp_path / "old"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return tmp_path / "new"


@pytest.fixture
def run_diff(capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(capsys, "diff")


@pytest.fixture
def diff(run_diff: Run) -> Diff:
    """Run the task for JSON: exit code and document."""

    def run(*words: object) -> tuple[int, dict[str, Any]]:
        code, out, _ = run_diff(*words, "--json")
        return code, json.loads(out)

    return run


def brief(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the changes of a document as tuples of topic, subject, attribute or action, old and new value."""
    return [
        (c["topic"], c["subject"], c.get("attribute", c["action"]), c.get("old", ""), c.get("new", ""))
        for c in document["changes"]
    ]
