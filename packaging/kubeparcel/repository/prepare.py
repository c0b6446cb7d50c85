"""What takes time before a repository can switch: indexes are made and signed, pages rendered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from types import ModuleType

from kubeparcel.model import Format
from kubeparcel.repository import client_files, index_entries, state_file
from kubeparcel.repository.apt import release
from kubeparcel.repository.model import Indexes, Package, State
from kubeparcel.repository.package_cache import PackageCache
from kubeparcel.repository.signing.signer import Signer
from kubeparcel.repository.storage.base import Storage
from kubeparcel.repository.yum import repodata

INDEX_FORMATS: Mapping[Format, ModuleType] = {Format.DEB: release, Format.RPM: repodata}

_WORKERS = 3

IndexKey = tuple[str, Format]
"""What switches at once: a suite in one format."""


@dataclass(frozen=True)
class TargetState:
    """What the repository is to be: the wanted state, and where its new files lie now."""

    state: State
    sources: Mapping[Package, str]
    rebuild_all: bool


@dataclass(frozen=True)
class PreparedIndexes:
    """All that takes time before the switch: signed indexes, files for people, the state's list."""

    parts: Mapping[IndexKey, tuple[Indexes, Mapping[str, bytes]]]
    shown: Mapping[str, bytes]
    folders: client_files.FolderPages
    listed: str


def held(state: State, suite: str, form: Format) -> Sequence[Package]:
    """The packages of a suite in one format, sorted."""
    mine = state.suites.get(suite, frozenset())
    return [p for p in state.sorted_packages if p.format is form and p in mine]


def _wake(signer: Signer) -> None:
    """Have ready what several ask of gpg."""
    signer.home.start_agent()
    signer.export_public_keys(armored=True)


def prepare_indexes(
    storage: Storage,
    before: State,
    wanted: TargetState,
    todo: Iterable[IndexKey],
    signer: Signer,
    memory: PackageCache,
    now: int,
) -> PreparedIndexes:
    """Make and sign the indexes; packing and signing leave a processor free for the rest."""
    alive = {part: mine for part in todo if (mine := held(wanted.state, *part))}
    with ThreadPoolExecutor(_WORKERS) as pool:
        awake = pool.submit(_wake, signer)
        said = index_entries.load_index_entries(
            chain.from_iterable(alive.values()), storage, before, memory
        )

        def sealed(
            part: IndexKey, texts: Mapping[str, bytes]
        ) -> tuple[Indexes, Mapping[str, bytes]]:
            made: Indexes = INDEX_FORMATS[part[1]].build_indexes(
                part[0], texts, wanted.state.options, now
            )
            awake.result()
            return made, INDEX_FORMATS[part[1]].sign_entry_files(made, signer)

        # The texts are made here: beside all that follows a thread would wait for its turn.
        jobs = {
            part: pool.submit(sealed, part, INDEX_FORMATS[part[1]].index_texts(mine, said))
            for part, mine in alive.items()
        }
        awake.result()
        shown = client_files.render_client_files(wanted.state, signer)
        folders = client_files.render_folder_pages(before, wanted.state)
        listed = state_file.listed(wanted.state)
        return PreparedIndexes(
            {part: job.result() for part, job in jobs.items()}, shown, folders, listed
        )
