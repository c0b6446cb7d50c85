"""What takes time before a repository can switch: indexes are made and signed, pages rendered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ..model import Format
from . import apt, client, pieces, statefile, yum
from .memory import Memory
from .signing import Signer
from .storage import Storage
from .values import Indexes, Package, State, Suites

FORMATS: Mapping[Format, ModuleType] = {Format.DEB: apt, Format.RPM: yum}

_WORKERS = 3

Part = tuple[str, Format]
"""What switches at once: a suite in one format."""


@dataclass(frozen=True)
class Next:
    """What the repository is to be: the wanted state, and where its new files lie now."""

    state: State
    sources: Mapping[Package, Path]
    everything: bool


@dataclass(frozen=True)
class Ready:
    """All that takes time before the switch: signed indexes, files for people, the state's list."""

    parts: Mapping[Part, tuple[Indexes, Mapping[str, bytes]]]
    shown: Mapping[str, bytes]
    listed: str


def held(suites: Suites, suite: str, form: Format) -> frozenset[Package]:
    """The packages of a suite in one format."""
    return frozenset(p for p in suites.get(suite, ()) if p.format is form)


def make(
    storage: Storage,
    before: State,
    wanted: Next,
    todo: Iterable[Part],
    signer: Signer,
    memory: Memory,
    now: int,
) -> Ready:
    """Make and sign the indexes; packing and signing leave a processor free for the rest."""
    alive = {part: mine for part in todo if (mine := held(wanted.state.suites, *part))}
    with ThreadPoolExecutor(_WORKERS) as pool:
        agent = pool.submit(signer.home.start_agent)
        said = pieces.of(frozenset().union(*alive.values()), storage, before, memory)

        def sealed(part: Part) -> tuple[Indexes, Mapping[str, bytes]]:
            format_ = FORMATS[part[1]]
            made: Indexes = format_.indexes(part[0], alive[part], said, wanted.state.terms, now)
            agent.result()
            return made, format_.seal(made, signer)

        jobs = {part: pool.submit(sealed, part) for part in alive}
        shown = client.files(wanted.state, signer)
        listed = statefile.listed(wanted.state)
        return Ready({part: job.result() for part, job in jobs.items()}, shown, listed)
