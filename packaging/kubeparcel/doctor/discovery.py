"""Finds the apt suites and yum repositories at, or below, a location."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kubeparcel.doctor.http_reader import HttpReader
from kubeparcel.doctor.reader import FolderReader, RepositoryReader
from kubeparcel.errors import KubeparcelError, Unreachable, UsageError
from kubeparcel.repository import state_file
from kubeparcel.repository.model import State
from kubeparcel.sanitize import redact_url

_USUAL_SUITES = ("stable", "testing", "unstable", "prerelease", "main", "default")
_APT_FOLDERS = ("", "apt", "deb")
_YUM_FOLDERS = ("", "yum", "rpm")
_SKIPPED = {"pool/", "by-hash/", "repodata/", "packages/", "Packages/", "source/", "i18n/", "attestations/"}
_MAX_DEPTH, _MAX_FOLDERS = 6, 400
_FREE_FOLDERS, _FOLDERS_PER_REPOSITORY = 60, 10
"""How many folders of a server are listed, and how many more for each repository found; it may invent folders."""

_MAX_NAMES = 100
_RELEASE_FILES = {"InRelease", "Release"}


@dataclass(frozen=True)
class Suite:
    """An apt suite; paths in its indexes are relative to `base`.

    A flat repository has no name: its Release is in `base` itself.
    """

    base: str
    name: str

    @property
    def folder(self) -> str:
        """Return the folder of its Release."""
        return f"{self.base}/dists/{self.name}".lstrip("/") if self.name else self.base

    @property
    def label(self) -> str:
        """Return its name, or the folder of a flat repository."""
        return self.name or self.base


@dataclass(frozen=True)
class Discovery:
    """The apt suites and the folders of yum repositories; `state` is kubeparcel's own, if any."""

    suites: tuple[Suite, ...]
    yum_folders: tuple[str, ...]
    state: State | None = None

    def __bool__(self) -> bool:
        """Return whether there is any repository."""
        return bool(self.suites or self.yum_folders)

    def subject_name(self, repository: Suite | str) -> str:
        """Return the name for reports; it contains the folder if several have the same label."""
        if isinstance(repository, Suite):
            unique = [suite.label for suite in self.suites].count(repository.label) == 1
            return f"apt {repository.label if unique else repository.folder}".strip()
        unique = [*map(yum_label, self.yum_folders)].count(yum_label(repository)) == 1
        return f"yum {yum_label(repository) if unique else repository}".strip()


def yum_label(folder: str) -> str:
    """Return the label of a yum repository: its folder without `yum/` or `rpm/`."""
    first, _, rest = folder.partition("/")
    return rest if first in _YUM_FOLDERS and rest else folder


def discover(reader: RepositoryReader, names: Sequence[str] = ()) -> Discovery:
    """Search all folders that can be listed, or else the usual places; return only suites of these names, if any."""
    state = _read_state(reader)
    suites, yum_folders = _walk(reader)
    candidates = list(dict.fromkeys((*names, *(state.suites if state else ()), *_USUAL_SUITES)))
    candidates = candidates[:_MAX_NAMES]
    suites = suites or list(_probe_suites(reader, candidates))
    yum_folders = yum_folders or list(_probe_yum_folders(reader, candidates))
    if names:
        suites = [suite for suite in suites if suite.label in names]
        yum_folders = [folder for folder in yum_folders if yum_label(folder) in names]
    return Discovery(tuple(dict.fromkeys(suites)), tuple(dict.fromkeys(yum_folders)), state)


def _read_state(reader: RepositoryReader) -> State | None:
    data = reader.read(state_file.STATE_PATH)
    try:
        return None if data is None else state_file.parse(data, reader.location)
    except KubeparcelError:
        return None


def _walk(reader: RepositoryReader) -> tuple[list[Suite], list[str]]:
    suites: list[Suite] = []
    yum_folders: list[str] = []
    pending = deque([""])
    for visited in range(_MAX_FOLDERS):
        found = len(suites) + len(yum_folders)
        exhausted = visited >= _FREE_FOLDERS + _FOLDERS_PER_REPOSITORY * found and not isinstance(reader, FolderReader)
        if not pending or exhausted:
            break
        folder = pending.popleft()
        names = reader.list_folder(folder) or ()
        if _RELEASE_FILES & set(names):
            base, dists, name = f"/{folder}".rpartition("/dists/")
            suites.append(Suite(base.strip("/"), name) if dists else Suite(folder, ""))
            continue
        if "repodata/" in names and "repomd.xml" in (reader.list_folder(f"{folder}/repodata".lstrip("/")) or ()):
            yum_folders.append(folder)
        if folder.count("/") < _MAX_DEPTH:
            inner = (name for name in names if name.endswith("/") and name not in _SKIPPED)
            pending += [f"{folder}/{name}".strip("/") for name in inner if not name.startswith(".")]
    return sorted(suites, key=lambda suite: (suite.base, suite.name)), sorted(yum_folders)


def _probe_suites(reader: RepositoryReader, names: Sequence[str]) -> Iterator[Suite]:
    for base in _APT_FOLDERS:
        for suite in (Suite(base, ""), *(Suite(base, name) for name in names)):
            files = (f"{suite.folder}/{name}" for name in sorted(_RELEASE_FILES))
            if any(_looks_like_release(reader, file.lstrip("/")) for file in files):
                yield suite


def _looks_like_release(reader: RepositoryReader, path: str) -> bool:
    """Return whether a file starts like a Release: servers may answer with an HTML page."""
    start = (reader.read(path, 400) or b"").lstrip()
    return start.startswith(b"-----BEGIN PGP SIGNED") or (
        not start.startswith(b"<") and b": " in start.partition(b"\n")[0]
    )


def _probe_yum_folders(reader: RepositoryReader, names: Sequence[str]) -> Iterator[str]:
    for base in _YUM_FOLDERS:
        for folder in (base, *(f"{base}/{name}".lstrip("/") for name in names)):
            start = reader.read(f"{folder}/repodata/repomd.xml".lstrip("/"), 400)
            if start and b"<repomd" in start:
                yield folder


def nothing_found(reader: RepositoryReader, location: str, suites: Sequence[str]) -> UsageError | Unreachable:
    """Return the error for a location without a repository, or without these suites."""
    if isinstance(reader, HttpReader) and reader.forbidden_urls:
        return Unreachable(
            f"Access to {reader.forbidden_urls[0]} denied (HTTP 403).",
            "Check the URL. If the server needs a user name and password, put them into ~/.netrc.",
        )
    if variable := re.search(r"\$\{?\w+\}?", location):
        return UsageError(
            f"No repository at {redact_url(location)}: {variable[0]} is a variable of dnf.",
            "Replace it by its value, such as x86_64 for $basearch.",
        )
    named = f" with suite {' or '.join(suites)}" if suites else ""
    return UsageError(
        f"No repository at {redact_url(location)}{named}.",
        "An apt repository has dists/SUITE/InRelease, a yum repository repodata/repomd.xml. "
        "On servers without folder listings pass --suite NAME.",
    )
