"""The statement about an imported package: from which repository, verified with which index and keys, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubeparcel.lock_models import UNCHECKED
from kubeparcel.trust.package_statement import SIGNER
from kubeparcel.trust.statement import IMPORT_BUILD_TYPE, Resource, Statement


@dataclass(frozen=True)
class ImportedFile:
    """A package file of another repository, and the index that lists it.

    `signers` are the fingerprints of the keys that vouch for the file, by a signature of it or of the index;
    `index_signers` those of the index.
    """

    url: str
    sha256: str
    signers: Sequence[str]
    repository: str
    suite: str
    index: str
    index_sha256: str
    index_signers: Sequence[str]


def describe_import(file: ImportedFile, name: str, sha256: str, time: int) -> Statement:
    """Return the statement about a published package, imported at `time` (Unix time).

    An RPM has our signature, and so another SHA-256 than the file in the other repository.
    """
    index_url = f"{file.repository}/{file.index}"
    return Statement(
        subjects=(Resource(name, digest={"sha256": sha256}),),
        build_type=IMPORT_BUILD_TYPE,
        external={"repository": file.repository, "suite": file.suite},
        internal={"time": time},
        materials=(
            Resource(name, file.url, {"sha256": file.sha256}, _annotation(file.signers)),
            Resource(file.index, index_url, {"sha256": file.index_sha256}, _annotation(file.index_signers)),
        ),
    )


def _annotation(signers: Sequence[str]) -> dict[str, str]:
    return {SIGNER: ", ".join(f"openpgp:{fingerprint}" for fingerprint in signers) or UNCHECKED}


def import_origin(statement: Statement) -> str:
    """Return the repository from which a package was imported; empty for one that was built."""
    return str(statement.external.get("repository", "?")) if statement.build_type == IMPORT_BUILD_TYPE else ""
