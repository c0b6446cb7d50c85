"""The keys and signatures in a repository."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from kubeparcel.repository.signing import openpgp


def issuers(repo: Path) -> set[str]:
    """Return the IDs of the keys that signed the Release."""
    data = (repo / "apt/dists/stable/Release.gpg").read_bytes()
    return {signature.issuer for signature in openpgp.signatures(openpgp.dearmor(data))}


def published_keys(repo: Path, name: str = "key.asc") -> set[str]:
    """Return the IDs of the keys in a file of the repository."""
    text = (repo / name).read_text().replace("\n .\n", "\n\n").replace("\n ", "\n")
    signatures = openpgp.self_signatures(openpgp.dearmor(text.encode()))
    return {number for number, _ in signatures}


def date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")
