"""One file on its way into the store: seen by the user, resumed, checked while it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kubeparcel.console import Log, ProgressTask
from kubeparcel.errors import ConfigurationError, DigestError
from kubeparcel.model import Artifact
from kubeparcel.sources.transport import ProgressCallback, Transport
from kubeparcel.store import Store
from kubeparcel.threads import CancelToken


def expected_sha256(artifact: Artifact) -> str:
    """The sha256 that a file must have; raises ConfigurationError when the lock has another."""
    kind, _, digest = artifact.digest.partition(":")
    if kind != "sha256":
        raise ConfigurationError(
            f"{artifact.label}: {artifact.digest} is not the digest of a file of upstream's.",
            "Make the lock anew: inv resolve",
        )
    return digest


def fetch_to_store(
    artifact: Artifact, transport: Transport, store: Store, log: Log, stop: CancelToken
) -> None:
    """Get a file into the store, where it is not there yet; raises DigestError for a wrong one."""
    wanted = expected_sha256(artifact)
    if store.has(wanted):
        return
    with store.lock(f"download-{wanted}", stop.raise_if_cancelled):
        if store.has(wanted):
            return
        part = store.partial(f"{artifact.name}-{artifact.arch}-{wanted}")
        resumed = part.exists()
        with _progress(log, transport.verb, artifact.label) as at:
            found = transport.copy(artifact.origin, part, at, stop)
            if found != wanted and resumed:
                # What lay here may have been of another file. Not so when we begin anew.
                part.unlink()
                found = transport.copy(artifact.origin, part, at, stop)
        if found != wanted:
            raise _wrong(artifact, found, transport, store.quarantine(part, artifact.label, found))
        store.add_hashed(part, wanted)


def _wrong(artifact: Artifact, found: str, transport: Transport, aside: Path) -> DigestError:
    """The error of a file that is not what the lock says."""
    return DigestError(
        f"{artifact.label}: the download's sha256 is {found[:12]}…, "
        f"the lock says {expected_sha256(artifact)[:12]}… ({transport.location(artifact.origin)}).",
        f"The file was kept aside as {aside}.\n"
        f"If upstream really replaced it: inv resolve --refresh {artifact.name}\n"
        "If a mirror is out of date: fill it again with inv mirror.",
    )


@contextmanager
def _progress(log: Log, label: str, name: str) -> Iterator[ProgressCallback]:
    """A task of the log, which begins when the size of the file is known."""
    with ExitStack() as stack:
        tasks: list[ProgressTask] = []
        shown = 0

        def at(here: int, total: int | None) -> None:
            nonlocal shown
            if not tasks:
                tasks.append(stack.enter_context(log.task(label, name, total, "B")))
            tasks[0].advance(here - shown)
            shown = here

        yield at
