"""The files in which a repository keeps its state, and the notes of a publish in progress.

The file format is older than the names in `model`; its keys stay, so that every published
repository can be read. `kept` is State.retained_indexes, `gone` retired_packages, `renew`
renew_at, `signers` signing_keys, `beside` side_files, `indexes` index_digests, and `terms` options, with
the keys in OPTION_KEYS.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Iterable
from typing import Any

from kubeparcel import __version__
from kubeparcel.errors import ConfigurationError, ExternalError
from kubeparcel.repository.model import RepositoryOptions, State
from kubeparcel.repository.package import Package
from kubeparcel.repository.state_check import require_valid
from kubeparcel.repository.storage.base import METADATA_FOLDER, Storage, StorageReader
from kubeparcel.sanitize import is_number

STATE_PATH = f"{METADATA_FOLDER}/state.json"
HISTORY = f"{METADATA_FOLDER}/history"
PENDING = f"{METADATA_FOLDER}/pending.json"
"""The suites that are being replaced; exists only during a publish, or after an interrupted one."""

ADDING = f"{METADATA_FOLDER}/adding.json"
"""The package files that are being added; after an interrupted publish, some may be unused."""

FILE_FORMAT = 1
"""The version of the file format."""

OPTION_KEYS = {"valid_days": "valid", "metadata_compression": "metadata", "base_url": "address"}
"""The key in the file of each option whose attribute has another name."""

_LATER_OPTIONS = ("label", "description", "required")
"""Options that the first versions did not have; they are written only where they were set."""

_OPTION_ATTRIBUTES = {key: attribute for attribute, key in OPTION_KEYS.items()}
_DAMAGE_ERRORS = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError)
_MAX_DETAIL = 200
_BATCH = 1_000
_encode = json.JSONEncoder(separators=(",", ":")).encode


class StateFileError(ExternalError):
    """The state file is damaged; the state is then recovered from the published indexes."""


def load(storage: StorageReader) -> State | None:
    """Return the state of a repository, None without a state file. Raises as `parse` does."""
    data = storage.read(STATE_PATH)
    return None if data is None else parse(data, storage.location).with_records(digest=digest(data))


def digest(data: bytes) -> str:
    """Return the SHA-256 of a state file."""
    return hashlib.sha256(data).hexdigest()


def parse(data: bytes, repository: str) -> State:
    """Parse a state file.

    Raises StateFileError for a damaged file, and ConfigurationError for one of a newer version.
    """
    try:
        document: dict[str, Any] = json.loads(data)
        if document["format"] > FILE_FORMAT:
            raise ConfigurationError(
                f"{repository} was written by kubeparcel {document['tool']}, which is newer than "
                f"this version ({__version__}).",
                "Use that version or a newer one. Nothing was changed.",
            )
        packages = tuple(map(Package.from_row, document["packages"]))
        numbers = [number for suite in document["suites"].values() for number in suite]
        if min(numbers, default=0) < 0:
            raise ValueError("negative number of a package")
        state = State(
            generation=document["generation"],
            identity=document["identity"],
            suites={
                name: frozenset(map(packages.__getitem__, numbers)) for name, numbers in document["suites"].items()
            },
            retained_indexes={
                folder: tuple(map(tuple, generations)) for folder, generations in document["kept"].items()
            },
            retired_packages={
                path: (generation, Package.from_row(row)) for path, (generation, row) in document["gone"].items()
            },
            order=packages,
            renew_at=document["renew"],
            signing_keys=tuple(document["signers"]),
            side_files={key: dict(files) for key, files in document.get("beside", {}).items()},
            index_digests=dict(document.get("indexes", {})),
            options=RepositoryOptions(
                **{_OPTION_ATTRIBUTES.get(key, key): value for key, value in document["terms"].items()}
            ),
        )
        require_valid(state)
    except _DAMAGE_ERRORS as error:
        raise StateFileError(f"{repository}/{STATE_PATH} is damaged ({repr(error)[:_MAX_DETAIL]}).") from None
    return state


def dump(state: State) -> bytes:
    """Return the content of the state file. Suites refer to packages by their number."""
    defaults = dataclasses.asdict(RepositoryOptions())
    options = {
        name: value
        for name, value in dataclasses.asdict(state.options).items()
        if name not in _LATER_OPTIONS or value != defaults[name]
    }
    document = {
        "format": FILE_FORMAT,
        "tool": __version__,
        "generation": state.generation,
        "identity": state.identity,
        "renew": state.renew_at,
        "signers": state.signing_keys,
        "terms": {OPTION_KEYS.get(name, name): value for name, value in options.items()},
        "kept": state.retained_indexes,
        "gone": dict(sorted(state.retired_packages.items())),
        **({"beside": dict(sorted(state.side_files.items()))} if state.side_files else {}),
        **({"indexes": dict(sorted(state.index_digests.items()))} if state.index_digests else {}),
    }
    all_packages = state.sorted_packages
    document["suites"] = {
        name: [number for number, package in enumerate(all_packages) if package in packages]
        for name, packages in sorted(state.suites.items())
    }
    data = io.BytesIO()
    data.write(f'{_encode(document)[:-1]},"packages":['.encode())
    for start in range(0, len(all_packages), _BATCH):  # the packages of a large repository have 32 MB
        data.write(f"{',' if start else ''}{_encode(all_packages[start : start + _BATCH])[1:-1]}".encode())
    data.write(b"]}\n")
    return data.getvalue()


def stored_generations(storage: StorageReader) -> list[int]:
    """Return the generations whose states are in the history, oldest first; none where it cannot be listed."""
    names = (path.rpartition("/")[2].removesuffix(".json") for path in storage.file_sizes(HISTORY) or ())
    return sorted(int(name) for name in names if is_number(name))


def history_path(generation: int) -> str:
    """Return the path of the state of an earlier generation."""
    return f"{HISTORY}/{generation}.json"


def dump_names(names: Iterable[str]) -> bytes:
    """Return the content of PENDING or ADDING."""
    return json.dumps(list(names)).encode()


def read_names(storage: Storage, path: str) -> tuple[str, ...]:
    """Return the names in PENDING or ADDING; none if the file is missing, incomplete or damaged."""
    try:
        names = json.loads(storage.read(path) or b"[]")
    except (ValueError, RecursionError):
        return ()
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()
