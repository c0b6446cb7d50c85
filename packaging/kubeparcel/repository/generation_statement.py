"""The statement about a generation of the repository: what it consists of, signed by its key.

Published under a name of its own before the indexes are replaced, and afterwards as the current one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import chain

from kubeparcel.model import Format
from kubeparcel.repository import directory_listing
from kubeparcel.repository.model import Indexes, IndexKey, State, index_folder
from kubeparcel.repository.signing.signer import Signer
from kubeparcel.repository.storage.base import Storage
from kubeparcel.sanitize import is_number
from kubeparcel.trust.statement import REPOSITORY_BUILD_TYPE, Resource, Statement

FOLDER = "attestations"
CURRENT = f"{FOLDER}/repository.intoto.jsonl"
KEY, KEY_SIGNATURE = "key.pem", "key.pem.asc"
"""The first signing key for programs that do not read OpenPGP, and the repository's signature of it."""

_GENERATION, _SUFFIX = "generation-", ".intoto.jsonl"
_LISTED = {Format.DEB: ("Release", "InRelease"), Format.RPM: ("repomd.xml",)}


def generation_path(generation: int) -> str:
    """Return the path of the statement about a generation."""
    return f"{FOLDER}/{_GENERATION}{generation}{_SUFFIX}"


def index_digests(
    published: State, state: State, prepared: Mapping[IndexKey, Indexes], storage: Storage
) -> dict[str, str]:
    """Return the SHA-256 of the entry files of all suites; those of unchanged ones are known or read."""
    digests = {}
    for key in state.index_keys:
        for name in _LISTED[key[1]]:
            path = f"{index_folder(key)}/{name}"
            if key in prepared:
                digests[path] = _sha256(prepared[key].entry_files[name])
            else:
                digests[path] = published.index_digests.get(path) or _sha256(storage.read(path) or b"")
    return digests


def describe(state: State) -> bytes:
    """Return the statement about a state: its indexes and packages, and the files about packages as byproducts."""
    packages = sorted(state.packages_by_path.items())
    statement = Statement(
        subjects=(),
        build_type=REPOSITORY_BUILD_TYPE,
        external={
            "repository": state.identity,
            "address": state.options.base_url,
            "generation": state.generation,
            "suites": sorted(state.suites),
            "required": state.options.required.split(",") if state.options.required else [],
        },
        byproducts=tuple(
            Resource(side_path, digest={"sha256": sha256})
            for path, package in (packages if state.side_files else ())
            for side_path, sha256 in state.side_paths(path, package)
        ),
    )
    files = ((path, package.sha256) for path, package in packages)
    return statement.dump(chain(sorted(state.index_digests.items()), files))


def publish(state: State, signer: Signer, storage: Storage) -> bool:
    """Sign and write the statement about a state; return False if the key cannot, or there are no packages."""
    if signer.statement_problem or not state.suites:
        return False
    storage.write({generation_path(state.generation): signer.sign_payloads([describe(state)])[0]})
    return True


def publish_current(signer: Signer, storage: Storage, state: State) -> dict[str, bytes]:
    """Make the statement about a state the current one. Return the keys in PEM, and a page that lists all."""
    storage.copy([(generation_path(state.generation), CURRENT)])
    pems = signer.public_pems()
    files = {f"{FOLDER}/{fingerprint}.pem": pem for fingerprint, pem in pems.items()}
    files[KEY] = next(iter(pems.values()))
    if KEY_SIGNATURE not in storage.file_names("") or not storage.contains(KEY, files[KEY]):
        files[KEY_SIGNATURE] = signer.sign_detached(files[KEY])
    outdated = set(outdated_files(storage, state))
    names = {name for name in storage.file_sizes(FOLDER) if name not in outdated}
    names |= {path for path in (CURRENT, *files) if path.startswith(FOLDER)}
    listed = {name.removeprefix(f"{FOLDER}/") for name in names} - {directory_listing.INDEX_PAGE}
    files[f"{FOLDER}/{directory_listing.INDEX_PAGE}"] = directory_listing.render_page(FOLDER, listed)
    return files


def outdated_files(storage: Storage, state: State) -> Iterator[str]:
    """Yield the statements about generations that are not retained."""
    oldest = state.generation - state.options.generations
    for path in storage.file_sizes(FOLDER):
        number = path.removeprefix(f"{FOLDER}/{_GENERATION}").removesuffix(_SUFFIX)
        if is_number(number) and not oldest <= int(number) <= state.generation:
            yield path


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
