"""Pairs of packages with one path, and whether dpkg and rpm refuse to install them together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.sample_packages import PackageDraft, SamplePackages

DIRECTORY = "/opt/shared/dir"
"""A directory that both packages have."""


@dataclass(frozen=True)
class SharedPath:
    """What two packages have at a path: a text is a file's content, `-> x` a symlink, `/` a directory.

    `refused` are the formats whose package manager does not install both. The second package has
    the architecture `arch`, the content at `other_path`, and `conflicts`.
    """

    name: str
    first: str
    second: str
    refused: tuple[str, ...] = ("deb", "rpm")
    modes: tuple[int, int] = (0, 0)
    other_path: str = ""
    arch: str = ""
    conflicts: str = ""
    path: str = "/opt/shared/path"
    on_merged_usr: bool = False

    def write(self, samples: SamplePackages, format_: str, folder: Path) -> list[Path]:
        """Write both packages, which are outside the catalog."""
        base = samples.manifest("kubectl", format_)
        return [
            samples.write(base, self._first, folder / "tools-a"),
            samples.write(base, self._second, folder / "tools-b"),
        ]

    def _first(self, draft: PackageDraft) -> None:
        _fill(draft, "tools-a", self.path, self.first, self.modes[0])

    def _second(self, draft: PackageDraft) -> None:
        _fill(draft, "tools-b", self.other_path or self.path, self.second, self.modes[1])
        if self.arch:
            arch = "noarch" if (self.arch, draft.format) == ("all", "rpm") else self.arch
            draft.config["arch"] = draft.config[draft.format]["arch"] = arch
        if self.conflicts:
            draft.config["conflicts"] = [self.conflicts]


def _fill(draft: PackageDraft, name: str, path: str, content: str, mode: int) -> None:
    info = {"mode": mode or (0o755 if content == "/" else 0o644), "owner": "root", "group": "root"}
    entry: dict[str, Any] = {"dst": path, "file_info": info}
    if content == "/":
        entry["type"] = "dir"
    elif content.startswith("-> "):
        entry |= {"type": "symlink", "src": content.removeprefix("-> ")}
    else:
        entry["src"] = str(draft.source_file(content))
    directory = {"dst": DIRECTORY, "type": "dir", "file_info": {"mode": 0o755, "owner": "root", "group": "root"}}
    for key in ("depends", "recommends", "conflicts", "replaces", "scripts"):
        draft.config.pop(key, None)
    draft.config |= {"name": name, "contents": [directory, entry]}


SHARED_PATHS = (
    SharedPath("two files", "one", "two"),
    SharedPath("equal files", "one", "one", ("deb",)),
    SharedPath("equal files with other modes", "one", "one", modes=(0o644, 0o755)),
    SharedPath("two symlinks", "-> a", "-> b"),
    SharedPath("equal symlinks to a file", "-> /etc/hostname", "-> /etc/hostname", ("deb",)),
    SharedPath("equal symlinks to a directory", "-> dir", "-> dir", ()),
    SharedPath("relative and absolute symlink to one directory", "-> dir", f"-> {DIRECTORY}", ("rpm",)),
    SharedPath("a file and a symlink", "one", "-> one"),
    SharedPath("a directory and a symlink to one", "/", "-> dir", ("rpm",)),
    SharedPath("a directory and a file", "/", "one"),
    SharedPath("a file where the other has a folder", "one", "two", other_path="/opt/shared/path/file"),
    SharedPath("equal directories", "/", "/", ()),
    SharedPath("directories with other modes", "/", "/", ("rpm",), modes=(0o755, 0o700)),
    SharedPath("a package for all architectures", "one", "two", arch="all"),
    SharedPath("a package for another architecture", "one", "two", (), arch="s390x"),
    SharedPath("a package that conflicts", "one", "two", (), conflicts="tools-a"),
    SharedPath(
        "one name in /lib and the other in /usr/lib",
        "one",
        "two",
        path="/lib/shared/path",
        other_path="/usr/lib/shared/path",
        on_merged_usr=True,
    ),
)
