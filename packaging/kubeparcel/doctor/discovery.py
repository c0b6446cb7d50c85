"""Finds the apt suites and yum repositories below a place."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.errors import KubeparcelError
from kubeparcel.repository import state_file
from kubeparcel.repository.model import State

_USUAL = ("stable", "testing", "unstable", "prerelease", "main")
_APT = ("", "apt", "deb")
_YUM = ("", "yum", "rpm")
_SKIPPED = {"pool/", "by-hash/", "repodata/", "packages/", "Packages/", "source/", "i18n/"}
_DEEPEST, _MOST = 6, 400
_RELEASE = {"InRelease", "Release"}


@dataclass(frozen=True)
class Suite:
    """An apt suite: `base` is what file names in its indexes are relative to.

    Without a name it is a flat repository: its Release is in the base itself.
    """

    base: str
    name: str

    @property
    def folder(self) -> str:
        """Where its Release is."""
        return f"{self.base}/dists/{self.name}".lstrip("/") if self.name else self.base

    @property
    def label(self) -> str:
        """What it is called by: its name, or the folder of a flat one."""
        return self.name or self.base


@dataclass(frozen=True)
class Discovery:
    """What there is: apt suites, the folders of yum repositories, our own state."""

    suites: tuple[Suite, ...]
    yum_folders: tuple[str, ...]
    state: State | None = None

    def subject_name(self, one: Suite | str) -> str:
        """What a report calls it: by its name, with its folder where several have that name."""
        if isinstance(one, str):
            same = [label for label in map(yum_label, self.yum_folders) if label == yum_label(one)]
            return f"yum {yum_label(one) if len(same) == 1 else one}".strip()
        same = [suite.label for suite in self.suites if suite.label == one.label]
        return f"apt {one.label if len(same) == 1 else one.folder}".strip()


def yum_label(yum: str) -> str:
    """What a yum repository is called by."""
    first, _, rest = yum.partition("/")
    return rest if first in _YUM and rest else yum


def discover(source: RepositoryReader, wanted: Sequence[str] = ()) -> Discovery:
    """Look through all folders that can be listed; else in the usual places.

    `wanted` are the suites to look for; all there are when it is empty.
    """
    state = _state(source)
    suites, yums = _walk(source)
    names = list(dict.fromkeys((*wanted, *(state.suites if state else ()), *_USUAL)))
    suites = suites or list(_probed_suites(source, names))
    yums = yums or list(_probed_yums(source, names))
    if wanted:
        suites = [suite for suite in suites if suite.label in wanted]
        yums = [yum for yum in yums if yum_label(yum) in wanted]
    return Discovery(tuple(dict.fromkeys(suites)), tuple(dict.fromkeys(yums)), state)


def _state(source: RepositoryReader) -> State | None:
    data = source.read(state_file.STATE_PATH)
    try:
        return None if data is None else state_file.parse(data, source.location)
    except KubeparcelError:
        return None


def _walk(source: RepositoryReader) -> tuple[list[Suite], list[str]]:
    suites: list[Suite] = []
    yums: list[str] = []
    todo = deque([""])
    for _ in range(_MOST):
        if not todo:
            break
        folder = todo.popleft()
        names = source.list_folder(folder) or ()
        if _RELEASE & set(names):
            suites.append(_suite(folder))
            continue
        if "repodata/" in names and _is_yum(source, folder):
            yums.append(folder)
        if folder.count("/") < _DEEPEST:
            inner = (name for name in names if name.endswith("/") and name not in _SKIPPED)
            todo += [f"{folder}/{n}".strip("/") for n in inner if not n.startswith(".")]
    return sorted(suites, key=lambda one: (one.base, one.name)), sorted(yums)


def _suite(folder: str) -> Suite:
    base, dists, name = f"/{folder}".rpartition("/dists/")
    return Suite(base.strip("/"), name) if dists else Suite(folder, "")


def _is_yum(source: RepositoryReader, folder: str) -> bool:
    names = source.list_folder(f"{folder}/repodata".lstrip("/"))
    return "repomd.xml" in (names or ())


def _probed_suites(source: RepositoryReader, names: Sequence[str]) -> Iterator[Suite]:
    for base in _APT:
        for suite in (Suite(base, ""), *(Suite(base, name) for name in names)):
            if any(_begins(source, f"{suite.folder}/{name}") for name in sorted(_RELEASE)):
                yield suite


def _begins(source: RepositoryReader, path: str) -> bool:
    """Whether it begins as a Release does: servers may answer anything with a page."""
    start = (source.read(path.lstrip("/"), 400) or b"").lstrip()
    return start.startswith(b"-----BEGIN PGP SIGNED") or (
        not start.startswith(b"<") and b": " in start.partition(b"\n")[0]
    )


def _probed_yums(source: RepositoryReader, names: Sequence[str]) -> Iterator[str]:
    for base in _YUM:
        for folder in (base, *(f"{base}/{name}".lstrip("/") for name in names)):
            start = source.read(f"{folder}/repodata/repomd.xml".lstrip("/"), 400)
            if start and b"<repomd" in start:
                yield folder
