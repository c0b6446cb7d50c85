"""Files for users of a repository: keys, .sources, .repo, install scripts and web pages.

apt and dnf do not read them, so they are written after the transaction's swap.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain
from typing import Any, NamedTuple

from kubeparcel.console import Log
from kubeparcel.model import Format
from kubeparcel.packages.architectures import common_name
from kubeparcel.packages.versions import deb_version_key
from kubeparcel.repository import directory_listing
from kubeparcel.repository.apt import release
from kubeparcel.repository.directory_listing import INDEX_PAGE
from kubeparcel.repository.model import State, index_folder, minor_of_suite
from kubeparcel.repository.package import Package
from kubeparcel.repository.signing.signer import Signer
from kubeparcel.repository.storage.base import Storage
from kubeparcel.repository.suites import STABLE
from kubeparcel.times import utc_date

NAME = "kubernetes"
"""The name of the repository in the configuration of clients."""

KEYRING = f"/usr/share/keyrings/{NAME}.gpg"
"""Where apt before 2.3.10 finds the key."""

_VERSIONS_SHOWN = 100
_ENTRY_FILES = {Format.DEB: "InRelease", Format.RPM: "repomd.xml"}
_TEMPLATES = {Format.DEB: ("sources", "list"), Format.RPM: ("repo",)}
"""The templates of a suite's client files, by format. apt before 2.3.10 cannot read a key inside .sources
(sources.list(5)), so there is a .list too. Both name architectures: otherwise apt also requests foreign ones."""


def render_client_files(state: State, signer: Signer) -> dict[str, bytes]:
    """Return the files in the top folder by name."""
    from kubeparcel import templates

    context = _template_context(state, signer)
    files = {
        "key.asc": signer.export_public_keys(armored=True, retired=True),
        "key.gpg": signer.export_public_keys(armored=False, retired=True),
    }
    for suite, format_ in state.index_keys:
        architectures = release.architectures(p for p in state.suites[suite] if p.format is format_)
        values = {**context, "suite": suite, "architectures": architectures}
        for name in _TEMPLATES[format_]:
            files[f"{suite}.{name}"] = templates.render(f"repository/{name}.j2", values).encode()
    for name in ("index.html", "install-apt.sh", "install-yum.sh"):
        files[name] = templates.render(f"repository/{name}.j2", context).encode()
    return files


class FolderPages(NamedTuple):
    """The pages of folders that changed, by path, and the paths of pages to remove."""

    changed: Mapping[str, bytes]
    removed: Sequence[str]


def render_folder_pages(published: State, state: State) -> FolderPages:
    """Return the directory listings to update, for servers that do not list folders."""
    paths = _entry_paths(published) ^ _entry_paths(state)
    for suite in {*published.suites, *state.suites}:
        changed_packages = published.suites.get(suite, frozenset()) ^ state.suites.get(suite, frozenset())
        paths |= {package.repository_path(suite) for package in changed_packages}
    side_paths: set[str] = set()
    if state.side_files or published.side_files:
        side_paths, before = _side_paths(state), _side_paths(published)
        paths |= side_paths ^ before
    touched = directory_listing.group_by_folder(paths)
    folders = touched.keys() - {""}
    contents = directory_listing.group_by_folder(
        chain(state.packages_by_path, side_paths, _entry_paths(state)), folders
    )
    changed = {
        f"{folder}/{INDEX_PAGE}": directory_listing.render_page(folder, contents[folder])
        for folder in _changed_folders(touched, contents)
        if contents[folder].isdisjoint(_ENTRY_FILES.values())
    }
    return FolderPages(changed, [f"{folder}/{INDEX_PAGE}" for folder in folders - contents.keys()])


def _changed_folders(touched: Mapping[str, Set[str]], contents: Mapping[str, Set[str]]) -> Iterator[str]:
    """Yield the folders with other names than before; `touched` are the names of added and removed paths."""
    new: set[str] = set()
    for folder in sorted(touched.keys() & contents.keys(), key=lambda path: -path.count("/")):
        inner = {name: f"{folder}/{name}".rstrip("/") for name in touched[folder] if name.endswith("/")}
        unchanged = {name for name, path in inner.items() if path in contents and path not in new}
        if contents[folder] <= touched[folder] - unchanged:
            new.add(folder)
        if touched[folder] - unchanged:
            yield folder


def _side_paths(state: State) -> set[str]:
    items = state.packages_by_path.items()
    return {side_path for path, package in items for side_path, _ in state.side_paths(path, package)}


def _entry_paths(state: State) -> set[str]:
    """Return the entry file of each suite, so that listings include the index folders.

    The listings inside those folders are part of the swap.
    """
    return {f"{index_folder(key)}/{_ENTRY_FILES[key[1]]}" for key in state.index_keys}


def write_client_files(
    storage: Storage, state: State, files: Mapping[str, bytes], pages: FolderPages, log: Log
) -> None:
    """Write the files that changed, and remove those of suites that no longer exist; pages of others stay."""
    kept = directory_listing.foreign_pages(storage, [INDEX_PAGE, *pages.changed, *pages.removed], log)
    changed = {path: data for path, data in files.items() if path not in kept and not storage.contains(path, data)}
    storage.remove(path for path in pages.removed if path not in kept)
    storage.write(changed | {path: data for path, data in pages.changed.items() if path not in kept})
    storage.remove(
        path
        for path in storage.file_names("")
        if path.endswith((".sources", ".list", ".repo")) and path.rpartition(".")[0] not in state.suites
    )


class VersionRow(NamedTuple):
    """A row of the version table: by package, a line such as `deb amd64 arm64` for each format."""

    version: str
    packages: Mapping[str, Sequence[str]]


class VersionTable(NamedTuple):
    """The newest versions in a suite, and the number of older ones."""

    rows: Sequence[VersionRow]
    older: int


def version_table(packages: Iterable[Package], limit: int = _VERSIONS_SHOWN) -> VersionTable:
    """Return the `limit` newest versions, newest first."""
    by_version: dict[str, list[Package]] = defaultdict(list)
    for package in packages:
        by_version[package.version].append(package)
    versions = heapq.nlargest(limit, by_version, key=deb_version_key)
    rows = [_version_row(version, by_version[version]) for version in versions]
    return VersionTable(rows, len(by_version) - len(rows))


def _version_row(version: str, packages: Iterable[Package]) -> VersionRow:
    architectures: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for package in packages:
        architecture = common_name(package.arch)
        architectures[package.name][str(package.format)].add(architecture)
    return VersionRow(
        version,
        {
            name: tuple(" ".join((format_, *sorted(formats[format_]))) for format_ in sorted(formats))
            for name, formats in sorted(architectures.items())
        },
    )


def _template_context(state: State, signer: Signer) -> dict[str, Any]:
    return {
        "base_url": state.options.base_url.rstrip("/"),
        "armored_key": signer.export_public_keys(armored=True).decode(),
        "name": NAME,
        "title": state.options.description,
        "keyring": KEYRING,
        "keys": [
            {
                "fingerprint": _grouped(key.fingerprint),
                "user_id": key.user_id,
                "expires": utc_date(key.expires) if key.expires else "never",
            }
            for key in signer.keys
        ],
        "retired_fingerprints": [_grouped(key.fingerprint) for key in signer.retired],
        "suites": sorted(state.suites, key=_suite_order),
        "formats": {suite: sorted(map(str, formats)) for suite, formats in state.formats_by_suite.items()},
        "default_suite": STABLE if STABLE in state.suites else min(state.suites, default=""),
        "package_names": sorted({package.name for package in state.packages}),
        "tables": {suite: version_table(packages) for suite, packages in state.suites.items()},
        "package_count": len(state.packages),
        "sign_rpms": state.options.sign_rpms,
        "attested": not signer.statement_problem,
    }


def _suite_order(name: str) -> tuple[int, int, int, str]:
    """Sort stable first, then minor versions, newest first, then the other suites."""
    if minor := minor_of_suite(name):
        return (1, -minor[0], -minor[1], name)
    return (0 if name == STABLE else 2, 0, 0, name)


def _grouped(fingerprint: str) -> str:
    return " ".join(fingerprint[start : start + 4] for start in range(0, len(fingerprint), 4))
