"""Prepare what a transaction publishes: signed indexes and files for users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from kubeparcel.model import Format
from kubeparcel.repository import client_files
from kubeparcel.repository.apt import release
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.index_entries import index_loader
from kubeparcel.repository.model import Indexes, IndexKey, RepositoryOptions, State, index_folder
from kubeparcel.repository.package import ADVISORY_SUFFIX, Package, SideFileKey
from kubeparcel.repository.package_cache import LoadParts, PackageCache
from kubeparcel.repository.signing.signer import Signer
from kubeparcel.repository.storage.base import Storage
from kubeparcel.repository.yum import repodata


class IndexFormat(Protocol):
    """How the indexes of one package format are made; its modules are apt.release, yum.repodata."""

    ENTRY_FILES: tuple[str, ...]
    """The files that clients read first, in the order in which they are replaced."""

    def index_texts(self, packages: Sequence[Package], load: LoadParts) -> dict[str, bytes]:
        """Return the content of each index; `packages` are sorted."""

    def build_indexes(self, suite: str, texts: Mapping[str, bytes], options: RepositoryOptions, now: int) -> Indexes:
        """Compress the indexes and list them in a manifest; `now` is in Unix time."""

    def sign(self, indexes: Indexes, signer: Signer) -> Indexes:
        """Return the indexes with the manifest and its signatures."""


INDEX_FORMATS: Mapping[Format, IndexFormat] = {Format.DEB: release, Format.RPM: repodata}

_WORKERS = 3


@dataclass(frozen=True)
class TargetState:
    """The state to publish, the files of new packages and about packages, and whether to sign all indexes again."""

    state: State
    sources: Mapping[Package, FileStamp]
    side_sources: Mapping[SideFileKey, FileStamp]
    rebuild_all: bool

    def packages(self, key: IndexKey) -> Sequence[Package]:
        """Return the packages of a suite in one format, sorted."""
        suite, format_ = key
        packages = self.state.ordered(self.state.suites.get(suite, frozenset()))
        return [package for package in packages if package.format is format_]


@dataclass(frozen=True)
class PreparedIndexes:
    """Everything that a transaction writes, apart from package files, statements and the state."""

    indexes: Mapping[IndexKey, Indexes]
    client_files: Mapping[str, bytes]


def prepare_indexes(
    storage: Storage,
    published: State,
    target: TargetState,
    keys: Iterable[IndexKey],
    signer: Signer,
    cache: PackageCache,
    now: int,
) -> PreparedIndexes:
    """Build and sign the indexes of `keys`; those without packages are left out."""
    packages = {key: members for key in keys if (members := target.packages(key))}
    with ThreadPoolExecutor(_WORKERS) as threads:
        # Each process of gpg takes as long as a signature: some run while texts are joined.
        agent = threads.submit(signer.home.start_agent)
        exported = threads.submit(signer.export_public_keys, armored=True)
        threads.submit(signer.read_statement_keys)

        def build(key: IndexKey, texts: Mapping[str, bytes]) -> Indexes:
            suite, format_ = key
            indexes = INDEX_FORMATS[format_].build_indexes(suite, texts, target.state.options, now)
            agent.result()
            return INDEX_FORMATS[format_].sign(indexes, signer)

        def texts(key: IndexKey, members: Sequence[Package]) -> dict[str, bytes]:
            load = index_loader(index_folder(key), target.state.identity, storage, published, cache)
            joined = INDEX_FORMATS[key[1]].index_texts(members, load)
            return joined | _updateinfo(key, members, storage, published, target)

        # Texts are joined in this thread: in others they would compete for the interpreter lock.
        jobs = {key: threads.submit(build, key, texts(key, members)) for key, members in packages.items()}
        exported.result()
        return PreparedIndexes(
            client_files=client_files.render_client_files(target.state, signer),
            indexes={key: job.result() for key, job in jobs.items()},
        )


def _updateinfo(
    key: IndexKey, packages: Sequence[Package], storage: Storage, published: State, target: TargetState
) -> dict[str, bytes]:
    """Return updateinfo.xml by its kind; none without advisories about RPMs of the suite."""
    suite, format_ = key
    if format_ is not Format.RPM or not any(ADVISORY_SUFFIX in files for files in target.state.side_files.values()):
        return {}
    from kubeparcel.repository.advisories import load_advisories
    from kubeparcel.repository.yum.updateinfo import updateinfo_text

    advisories = load_advisories(packages, target.state, target.side_sources, published, storage)
    return {"updateinfo": updateinfo_text(advisories, suite, target.state.options.origin)} if advisories else {}
