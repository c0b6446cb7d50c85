"""The files that make a repository easy to use: keys, .sources, .repo, install scripts, pages."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, overload

from kubeparcel.model import Format
from kubeparcel.paths import template_dir
from kubeparcel.repository import directory_listing
from kubeparcel.repository.model import Package, State, compare_suites
from kubeparcel.repository.signing.signer import Signer
from kubeparcel.repository.storage.base import Storage

NAME = "kubernetes"
"""What the repository is called in the files of clients."""

_SUITE = re.compile(r"v(\d+)\.(\d+)")
_ENTRIES = {"InRelease", "repomd.xml"}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64el": "ppc64le"}


class Row(NamedTuple):
    """A row of the page's table: a version, and by package what it is there for, as lines."""

    version: str
    packages: Mapping[str, tuple[str, ...]]


def render_client_files(state: State, signer: Signer) -> dict[str, bytes]:
    """All of them, by path."""
    base = state.options.base_url.rstrip("/")
    armored = signer.export_public_keys(armored=True)
    found = {
        "key.asc": signer.export_public_keys(armored=True, retired=True)
        if signer.retired
        else armored,
        "key.gpg": signer.export_public_keys(armored=False, retired=True),
    }
    for suite, formats in state.formats_by_suite.items():
        if Format.DEB in formats:
            found[f"{suite}.sources"] = apt_sources(base, suite, armored.decode()).encode()
        if Format.RPM in formats:
            found[f"{suite}.repo"] = yum_repo(base, suite, state.options.sign_rpms).encode()
    context = _context(state, signer, base)
    for name in ("index.html", "install-apt.sh", "install-yum.sh"):
        found[name] = _render(f"repository/{name}.j2", context).encode()
    return found


class FolderPages(NamedTuple):
    """Pages for folders whose files changed, by path, and the paths of those that are gone."""

    new: Mapping[str, bytes]
    gone: Sequence[str]


def render_folder_pages(before: State, state: State) -> FolderPages:
    """The pages for folders: what a server would list, were it asked to."""
    touched = _entries(before) ^ _entries(state)
    for change in compare_suites(before.suites, state.suites):
        touched |= {p.repository_path(change.suite) for p in (*change.added, *change.removed)}
    changed = directory_listing.group_by_folder(touched).keys() - {""}
    there = directory_listing.group_by_folder(chain(state.packages_by_path, _entries(state)))
    new = {
        f"{folder}/{directory_listing.INDEX_PAGE}": directory_listing.render_page(
            folder, there[folder]
        )
        for folder in changed & there.keys()
        if not there[folder] & _ENTRIES
    }
    return FolderPages(
        new, [f"{folder}/{directory_listing.INDEX_PAGE}" for folder in changed - there.keys()]
    )


def write_client_files(
    storage: Storage, state: State, shown: Mapping[str, bytes], folders: FolderPages
) -> None:
    """Write those that changed, and pages for folders; they are no part of what clients trust."""
    wanted = {path: data for path, data in shown.items() if storage.read(path) != data}
    storage.remove(folders.gone)
    storage.write({**wanted, **folders.new})
    stale = [
        path
        for path in storage.file_names("")
        if path.endswith((".sources", ".repo")) and path.rpartition(".")[0] not in state.suites
    ]
    storage.remove(stale)


def _entries(state: State) -> set[str]:
    """The entry of each suite: pages show it beside packages, but its own folder has its own."""
    shown = set()
    for suite, formats in state.formats_by_suite.items():
        shown |= {f"apt/dists/{suite}/InRelease"} if Format.DEB in formats else set()
        shown |= {f"yum/{suite}/repodata/repomd.xml"} if Format.RPM in formats else set()
    return shown


def apt_sources(base: str, suite: str, key: str) -> str:
    """The deb822 file for apt (sources.list(5)), with the key in it."""
    lines = "\n".join(f" {line}" if line else " ." for line in key.strip().splitlines())
    return (
        f"# Kubernetes packages, suite {suite}: put this file into /etc/apt/sources.list.d\n"
        f"Types: deb\nURIs: {base}/apt\nSuites: {suite}\nComponents: main\nSigned-By:\n{lines}\n"
    )


def yum_repo(base: str, suite: str, signed: bool) -> str:
    """The file for dnf, yum and zypper."""
    return (
        f"# Kubernetes packages, suite {suite}: put this file into /etc/yum.repos.d\n"
        f"[{NAME}-{suite}]\nname=Kubernetes packages ({suite})\nbaseurl={base}/yum/{suite}\n"
        f"enabled=1\ngpgcheck={int(signed)}\nrepo_gpgcheck=1\ngpgkey={base}/key.asc\n"
    )


def _context(state: State, signer: Signer, base: str) -> dict[str, Any]:
    packages = state.packages
    names = sorted({p.name for p in packages})
    return {
        "base": base,
        "name": NAME,
        "title": "Kubernetes packages",
        "keys": signer.keys,
        "retired": signer.retired,
        "suites": sorted(state.suites, key=_suite_order),
        "formats": {s: sorted(map(str, formats)) for s, formats in state.formats_by_suite.items()},
        "default": "stable" if "stable" in state.suites else min(state.suites, default=""),
        "names": names,
        "tables": {s: Table(held) for s, held in state.suites.items()},
        "count": len(packages),
        "strict": state.options.sign_rpms,
    }


def _suite_order(name: str) -> tuple[int, int, int, str]:
    """The one that spans all, then minors, newest first, then the others."""
    minor = _SUITE.fullmatch(name)
    if minor:
        return (1, -int(minor[1]), -int(minor[2]), name)
    return (0 if name == "stable" else 2, 0, 0, name)


class Table(Sequence[Row]):
    """The versions of a suite, newest first. Rows are made when they are looked at: a page shows
    the first of maybe thousands."""

    def __init__(self, packages: Iterable[Package]) -> None:
        from kubeparcel.packages.relations import deb_key

        self._held: dict[str, list[Package]] = defaultdict(list)
        for package in packages:
            self._held[package.version].append(package)
        self._versions = sorted(self._held, key=deb_key, reverse=True)

    def __len__(self) -> int:
        return len(self._versions)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        if isinstance(at, slice):
            return [self._row(version) for version in self._versions[at]]
        return self._row(self._versions[at])

    def _row(self, version: str) -> Row:
        found: dict[str, dict[str, set[str]]] = {}
        for p in sorted(self._held[version]):
            formats = found.setdefault(p.name, {})
            formats.setdefault(str(p.format), set()).add(_MACHINES.get(p.arch, p.arch))
        return Row(version, {name: _offers(found[name]) for name in sorted(found)})


def _offers(formats: Mapping[str, set[str]]) -> tuple[str, ...]:
    """A line for each format: `deb amd64 arm64`."""
    return tuple(" ".join((name, *sorted(arches))) for name, arches in sorted(formats.items()))


def _render(name: str, context: Mapping[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_dir()),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(("html", "html.j2")),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["fingerprint"] = _fingerprint
    environment.filters["date"] = _date
    return environment.get_template(name).render(context)


def _fingerprint(text: str) -> str:
    """In groups of four, as people compare it."""
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _date(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d") if seconds else "never"
