"""Fetches one file into the store: with progress, resumed, and verified."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kubeparcel.console import Log, ProgressTask
from kubeparcel.errors import ConfigurationError, DigestError
from kubeparcel.files import translate_os_errors
from kubeparcel.lock_models import STATED, Artifact
from kubeparcel.sources.checksums import Checksum
from kubeparcel.sources.transport import ProgressCallback, Transport
from kubeparcel.store import Store
from kubeparcel.threads import CancelToken

_CHECKSUMS = "checksum"
"""The kind of the records of files that were found by another digest than SHA-256."""


def expected_sha256(artifact: Artifact) -> str:
    """Return the SHA-256 of a file; raise ConfigurationError for another kind of digest."""
    kind, _, digest = artifact.digest.partition(":")
    if kind != "sha256":
        raise ConfigurationError(
            f"{artifact.label}: invalid digest {artifact.digest!r} in kubeparcel.lock: "
            "upstream's files have sha256 digests.",
            "Resolve again: inv resolve",
        )
    return digest


def fetch_to_store(artifact: Artifact, transport: Transport, store: Store, log: Log, token: CancelToken) -> None:
    """Fetch a file unless the store has it; raise DigestError if it has another digest."""
    expected = expected_sha256(artifact)
    if store.has(expected):
        return
    with store.lock(f"download-{expected}", token.raise_if_cancelled):
        if not store.has(expected):
            _download(artifact, Checksum("sha256", expected), transport, store, log, token)


def fetch_by_checksum(
    artifact: Artifact, checksum: Checksum, transport: Transport, store: Store, log: Log, token: CancelToken
) -> str:
    """Fetch a file by a checksum other than SHA-256, and return its SHA-256. Raises DigestError for another file."""
    key = f"{checksum.kind}:{checksum.digest}"
    recorded = store.get_record(_CHECKSUMS, key)
    if isinstance(recorded, str) and store.has(recorded) and _has_checksum(store.local_path(recorded), checksum):
        return recorded
    with store.lock(f"download-{checksum.digest[:64]}", token.raise_if_cancelled):
        sha256 = _download(artifact, checksum, transport, store, log, token)
    store.put_record(_CHECKSUMS, key, sha256)
    return sha256


def _download(
    artifact: Artifact, checksum: Checksum, transport: Transport, store: Store, log: Log, token: CancelToken
) -> str:
    """Fetch a file into the store, and return its SHA-256. Raises DigestError for another file."""
    part = store.partial(f"{artifact.name}-{artifact.arch}-{checksum.digest[:64]}")
    attempts = 2 if part.exists() else 1  # the partial file may have been of another file
    for _ in range(attempts):
        with _progress(log, transport.verb, artifact.label) as on_progress:
            sha256 = transport.copy(artifact.origin, part, on_progress, token)
        actual = sha256 if checksum.kind == "sha256" else file_checksum(part, checksum.kind)
        if actual == checksum.digest:
            store.add_hashed(part, sha256)
            return sha256
        quarantined = store.quarantine(part, artifact.label, sha256)
    raise _digest_error(artifact, checksum, actual, transport.location(artifact.origin), quarantined)


def _has_checksum(path: Path, checksum: Checksum) -> bool:
    return file_checksum(path, checksum.kind) == checksum.digest


def file_checksum(path: Path, kind: str) -> str:
    """Return a file's digest by an algorithm of hashlib, in hexadecimal."""
    with translate_os_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _digest_error(artifact: Artifact, checksum: Checksum, actual: str, location: str, quarantined: Path) -> DigestError:
    kind, digest = checksum.kind, f"{checksum.digest[:12]}…"
    expected, action = f"{location}.{kind} has {digest}", ""
    if kind == "sha256":
        expected = f"kubeparcel.lock has {digest} ({location})"
        action = f"If upstream replaced the file: inv resolve --refresh {artifact.name}\n"
    if artifact.checksum == STATED:
        action = (
            f"If it is the right file: correct components.{artifact.component}.upstream.sha256 in kubeparcel.yaml.\n"
        )
    return DigestError(
        f"{artifact.label}: the download's {kind} is {actual[:12]}…, {expected}.",
        f"The file was moved to {quarantined}.\n{action}If a mirror is outdated: run inv mirror again.",
    )


@contextmanager
def _progress(log: Log, label: str, name: str) -> Iterator[ProgressCallback]:
    """Yield a callback that shows the progress, once the size of the file is known."""
    with ExitStack() as stack:
        tasks: list[ProgressTask] = []
        shown = 0

        def on_progress(size: int, total: int | None) -> None:
            nonlocal shown
            if not tasks:
                tasks.append(stack.enter_context(log.task(label, name, total, "B")))
            tasks[0].advance(size - shown)
            shown = size

        yield on_progress
