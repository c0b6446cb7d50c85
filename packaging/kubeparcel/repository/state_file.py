"""The state of a repository as a file in it: written before clients see what it says."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kubeparcel import __version__
from kubeparcel.errors import ConfigurationError, ExternalError
from kubeparcel.repository.model import Package, RepositoryOptions, State
from kubeparcel.repository.package_cache import FORMATS
from kubeparcel.repository.storage.base import METADATA_FOLDER, Storage

STATE_PATH = f"{METADATA_FOLDER}/state.json"
HISTORY = f"{METADATA_FOLDER}/history"
PENDING = f"{METADATA_FOLDER}/pending.json"
"""Suites whose switch was begun: while the file is there, a publish was broken off."""

ADDING = f"{METADATA_FOLDER}/adding.json"
"""Package files that are being added: those no state knows are left over from a broken publish."""

FORMAT = 1

_LIST = '"packages":['
_NEXT = ",\n"
_FILE_KEYS = {"valid_days": "valid", "metadata_compression": "metadata", "base_url": "address"}
"""Options whose key in the file is not the attribute's name: the file format is older."""

_ATTRIBUTES = {key: attribute for attribute, key in _FILE_KEYS.items()}


class StateFileError(ExternalError):
    """The state file cannot be read; it is made anew from what is published."""


def listed(state: State) -> str:
    """The part of the file that takes time: the packages, and suites that name them by number."""
    numbered = tuple(enumerate(state.sorted_packages))
    suites = {
        name: [at for at, package in numbered if package in held]
        for name, held in sorted(state.suites.items())
    }
    known = dict(zip(state.rows, _lines(state.text, len(state.rows)), strict=False))
    lines = _NEXT.join([known.get(p) or _dumped(p) for p in state.sorted_packages])
    return f'{{"suites":{_dumped(suites)},{_LIST}\n{lines}\n]}}'


_dumped = json.JSONEncoder(separators=(",", ":")).encode


def dump(state: State, packages: str = "") -> bytes:
    """The file's bytes; `packages` is what `listed` gave for the same suites, if it was asked."""
    head = {
        "format": FORMAT,
        "tool": __version__,
        "generation": state.generation,
        "identity": state.identity,
        "renew": state.renew_at,
        "signers": state.signing_keys,
        "terms": {_FILE_KEYS.get(k, k): v for k, v in dataclasses.asdict(state.options).items()},
        "kept": state.retained_indexes,
        "gone": {
            place: [number, p] for place, (number, p) in sorted(state.retired_packages.items())
        },
    }
    first = _dumped(head).removesuffix("}")
    rest = (packages or listed(state)).removeprefix("{")
    return f"{first},{rest}\n".encode()


def parse(data: bytes, where: str) -> State:
    """Read it; raises Damaged, and ConfigurationError when it is from a newer kubeparcel."""
    try:
        text = data.decode()
        document: dict[str, Any] = json.loads(text)
        if document["format"] > FORMAT:
            raise ConfigurationError(
                f"{where} was written by a newer kubeparcel ({document['tool']}); "
                f"this one is {__version__}.",
                "Use that version or a newer one: nothing was changed.",
            )
        rows = _packages(document["packages"])
        return State(
            generation=document["generation"],
            identity=document["identity"],
            suites={n: frozenset(rows[i] for i in s) for n, s in document["suites"].items()},
            retained_indexes={k: tuple(map(tuple, rows)) for k, rows in document["kept"].items()},
            retired_packages={
                place: (n, *_packages([row])) for place, (n, row) in document["gone"].items()
            },
            renew_at=document["renew"],
            signing_keys=tuple(document["signers"]),
            options=RepositoryOptions(
                **{_ATTRIBUTES.get(k, k): v for k, v in document["terms"].items()}
            ),
            rows=tuple(rows),
            text=text,
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise StateFileError(
            f"{where}: the state file {STATE_PATH} is damaged ({error!r})."
        ) from None


def load(storage: Storage) -> State | None:
    """The state of a repository; None when there is no file."""
    data = storage.read(STATE_PATH)
    return None if data is None else replace(parse(data, storage.location), persisted=True)


def _lines(text: str, count: int) -> Sequence[str]:
    """The text of each package, one a line: to make it again takes far longer."""
    lines = text.rpartition(f"{_LIST}\n")[2].removesuffix("\n]}\n").split(_NEXT)
    return lines if len(lines) == count else ()


def _options(values: dict[str, Any]) -> RepositoryOptions:
    return RepositoryOptions(**{_ATTRIBUTES.get(key, key): value for key, value in values.items()})


def _packages(rows: list[list[Any]]) -> list[Package]:
    for row in rows:
        row[0] = FORMATS[row[0]]
    return list(map(Package._make, rows))


def stored_generations(storage: Storage) -> list[int]:
    """The generations whose states are kept, oldest first."""
    names = (path.rpartition("/")[2].removesuffix(".json") for path in storage.file_sizes(HISTORY))
    return sorted(int(name) for name in names if name.isdigit())


def history_path(generation: int) -> str:
    """Where the state of a generation is kept."""
    return f"{HISTORY}/{generation}.json"


def read_names(storage: Storage, path: str) -> tuple[str, ...]:
    """The names in PENDING or ADDING; none when there is no such file, or half a one."""
    try:
        return tuple(map(str, json.loads(storage.read(path) or b"[]")))
    except ValueError:
        return ()
