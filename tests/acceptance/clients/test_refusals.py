"""Each client refuses what did not come from us as we published it, and says so."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kubeparcel.hosts.container import Container
from kubeparcel.process import CompletedProcess
from tests.acceptance.clients.conftest import Boxes, Place, each
from tests.acceptance.clients.damage import DAMAGE
from tests.acceptance.clients.table import CLIENTS, added
from tests.support.package_builders import five
from tests.support.web_server import WebServer

DAY = 86_400
WORDS: Mapping[str, Mapping[str, str]] = {
    "tampered package": {
        "apt": "Hash Sum mismatch",
        "dnf": "checksum doesn't match",
        "zypper": "kubectl.*: Signature verification failed",
    },
    "truncated package": {
        "apt": "File has unexpected size",
        "dnf": "Inconsistent server data, reported file Content-Length",
        "zypper": "kubectl.*: Signature verification failed",
    },
    "tampered index": {
        "apt": "Hash Sum mismatch",
        "dnf": "checksum doesn't match",
        "zypper": "primary.xml.zst has wrong checksum",
    },
    "truncated index": {
        "apt": "File has unexpected size",
        "dnf": "checksum doesn't match",
        "zypper": "primary.xml.zst has wrong checksum",
    },
    "tampered entry": {
        "apt": "BADSIG|sqv .*Message has been manipulated",
        "dnf": "repomd.xml GPG signature verification error: Bad GPG signature",
        "zypper": "Signature verification failed for file 'repomd.xml'",
    },
    "truncated entry": {
        "apt": "Splitting up .* into data and signature failed",
        "dnf": "repomd.xml GPG signature verification error: Bad GPG signature",
        "zypper": "Parse error: repomd.xml",
    },
    "no signature": {
        "apt": "The repository '.*' is not signed",
        "dnf": "GPG verification is enabled, but GPG signature is not available",
        "zypper": "File 'repomd.xml' from repository '.*' is unsigned",
    },
    "signed by another": {
        "apt": "NO_PUBKEY|sqv .*Missing key",
        "dnf": "repomd.xml GPG signature verification error: Bad GPG signature",
        "zypper": "New repository or package signing key received",
    },
    "packages signed by another": {
        "dnf": "they are not correct for this package",
        "zypper": "Signature verification failed",
    },
    "packages unsigned": {"dnf": r"kubectl\S+ is not signed", "zypper": "Package header is not signed"},
    "stale": {"apt": r"Release file .* is expired \(invalid since"},
}
"""What each client says of it. Of the packages of debs only the indexes vouch; only they have a
date after which apt takes them no more, dnf and zypper know no such thing."""


@pytest.fixture(scope="module")
def good(web: WebServer, publish: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as it should be: small packages, served."""
    folder = tmp_path_factory.mktemp("good")
    web.root = publish(five(folder / "dist"), folder / "repo", web.address)
    return web.root


@pytest.fixture(scope="module")
def ready(boxes: Boxes, web: WebServer, good: Path) -> Boxes:
    """Each client has our repository, by our script, trusts our key, and can install from it."""

    def prepare(box: Container) -> CompletedProcess:
        manager = CLIENTS[box.host.name].manager
        added(box, web.address)
        done = attempt(box)
        assert installed(box), done.stdout + done.stderr
        box.run(*manager.argv(manager.remove, ["kubectl"]))
        return done

    assert {done.exit_code for done in each(boxes, prepare).values()} == {0}
    assert not any(installed(box) for box in boxes.values())
    return boxes


def attempt(box: Container) -> CompletedProcess:
    """A client that knows nothing yet reads the repository and installs kubectl."""
    client = CLIENTS[box.host.name]
    install = " ".join(client.manager.argv(client.manager.install, ["kubectl"]))
    return box.run_script(f"{client.start} && {install}", check=False, timeout=120)


def installed(box: Container) -> bool:
    return box.exists("/usr/share/kubectl/file")


def stale(publish: Place, folder: Path, address: str) -> Path:
    """A repository whose indexes were to be renewed two weeks ago."""
    with pytest.MonkeyPatch.context() as patch:
        past = time.time() - 21 * DAY
        patch.setattr(time, "time", lambda: past)
        return publish(five(folder / "dist"), folder / "repo", address, options={"valid_days": 7})


def signed_by_another(publish: Place, folder: Path, address: str) -> Path:
    """A repository signed by a key that no client has."""
    return publish(five(folder / "dist"), folder / "repo", address, key="another")


def packages_signed_by_another(publish: Place, folder: Path, address: str) -> Path:
    """Our indexes, and in them packages that somebody else signed."""
    first = signed_by_another(publish, folder / "first", address)
    options = {"sign_rpms": False}
    return publish(first / "yum/stable/packages", folder / "repo", address, options=options)


def packages_unsigned(publish: Place, folder: Path, address: str) -> Path:
    """Our indexes, and in them packages that nobody signed."""
    options = {"sign_rpms": False}
    return publish(five(folder / "dist"), folder / "repo", address, options=options)


MADE: Mapping[str, Callable[[Place, Path, str], Path]] = {
    "signed by another": signed_by_another,
    "packages signed by another": packages_signed_by_another,
    "packages unsigned": packages_unsigned,
    "stale": stale,
}


@pytest.mark.parametrize("what", WORDS)
def test_clients_refuse(what, ready, good, web, publish, tmp_path):
    if what in DAMAGE:
        repo = shutil.copytree(good, tmp_path / "repo")
        DAMAGE[what](repo)
    else:
        repo = MADE[what](publish, tmp_path, web.address)
        shutil.copy(good / "key.asc", repo)
    web.root = repo
    concerned = {n: b for n, b in ready.items() if CLIENTS[n].manager.name in WORDS[what]}
    for name, done in each(concerned, attempt).items():
        said = done.stdout + done.stderr
        words = re.search(WORDS[what][CLIENTS[name].manager.name], said)
        assert done.exit_code, f"{name} takes it:\n{said}"
        assert words, f"{name} refuses, with other words:\n{said}"
        assert not installed(ready[name]), said
        print(f"{name}, {what}: {words[0]}")


def test_an_honest_repository_is_taken_again_afterwards(ready, good, web):
    web.root = good
    for name, done in each(ready, attempt).items():
        assert done.exit_code == 0, f"{name}: {done.stdout}{done.stderr}"
