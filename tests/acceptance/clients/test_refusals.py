"""Each client rejects files that are not as published, with the right message."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kubeparcel.hosts.container import Container
from kubeparcel.process import CompletedProcess
from tests.acceptance.clients.conftest import Containers, PublishFolder, each
from tests.acceptance.clients.damage import DAMAGE
from tests.acceptance.clients.table import CLIENTS, add_repository
from tests.support.package_builders import five
from tests.support.web_server import WebServer

DAY = 86_400
MESSAGES: Mapping[str, Mapping[str, str]] = {
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
"""The message of each client as a regular expression.

Debs have no signature of their own, and only the indexes of apt expire.
"""


@pytest.fixture(scope="module")
def good(web: WebServer, publish: PublishFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid repository of small packages, served."""
    folder = tmp_path_factory.mktemp("good")
    web.root = publish(five(folder / "dist"), folder / "repo", web.address)
    return web.root


@pytest.fixture(scope="module")
def ready(containers: Containers, web: WebServer, good: Path) -> Containers:
    """Clients that added the repository with its script and can install from it."""

    def prepare(container: Container) -> CompletedProcess:
        manager = CLIENTS[container.host.name].manager
        add_repository(container, web.address)
        result = install_kubectl(container)
        assert is_installed(container), result.stdout + result.stderr
        container.run(*manager.argv(manager.remove, ["kubectl"]))
        return result

    assert {result.exit_code for result in each(containers, prepare).values()} == {0}
    assert not any(is_installed(container) for container in containers.values())
    return containers


def install_kubectl(container: Container) -> CompletedProcess:
    """Install kubectl with a client that has no cached indexes."""
    client = CLIENTS[container.host.name]
    install = " ".join(client.manager.argv(client.manager.install, ["kubectl"]))
    return container.run_script(f"{client.start} && {install}", check=False, timeout=120)


def is_installed(container: Container) -> bool:
    return container.exists("/usr/share/kubectl/file")


def stale(publish: PublishFolder, folder: Path, address: str) -> Path:
    """Publish a repository whose indexes expired two weeks ago."""
    with pytest.MonkeyPatch.context() as patch:
        past = time.time() - 21 * DAY
        patch.setattr(time, "time", lambda: past)
        return publish(five(folder / "dist"), folder / "repo", address, options={"valid_days": 7})


def signed_by_another(publish: PublishFolder, folder: Path, address: str) -> Path:
    """Publish a repository signed by a key that no client has."""
    return publish(five(folder / "dist"), folder / "repo", address, key="another")


def packages_signed_by_another(publish: PublishFolder, folder: Path, address: str) -> Path:
    """Publish packages signed by another key, in indexes signed by ours."""
    first = signed_by_another(publish, folder / "first", address)
    options = {"sign_rpms": False}
    return publish(first / "yum/stable/packages", folder / "repo", address, options=options)


def packages_unsigned(publish: PublishFolder, folder: Path, address: str) -> Path:
    """Publish unsigned packages in signed indexes."""
    options = {"sign_rpms": False}
    return publish(five(folder / "dist"), folder / "repo", address, options=options)


VARIANTS: Mapping[str, Callable[[PublishFolder, Path, str], Path]] = {
    "signed by another": signed_by_another,
    "packages signed by another": packages_signed_by_another,
    "packages unsigned": packages_unsigned,
    "stale": stale,
}


@pytest.mark.parametrize("fault", MESSAGES)
def test_clients_reject_a_faulty_repository(fault, ready, good, web, publish, tmp_path):
    if fault in DAMAGE:
        repo = shutil.copytree(good, tmp_path / "repo")
        DAMAGE[fault](repo)
    else:
        repo = VARIANTS[fault](publish, tmp_path, web.address)
        shutil.copy(good / "key.asc", repo)
    web.root = repo
    concerned = {n: container for n, container in ready.items() if CLIENTS[n].manager.name in MESSAGES[fault]}
    for name, result in each(concerned, install_kubectl).items():
        output = result.stdout + result.stderr
        message = re.search(MESSAGES[fault][CLIENTS[name].manager.name], output)
        assert result.exit_code, f"{name} accepts it:\n{output}"
        assert message, f"{name} rejects it with another message:\n{output}"
        assert not is_installed(ready[name]), output
        print(f"{name}, {fault}: {message[0]}")


def test_valid_repository_is_accepted_again_afterwards(ready, good, web):
    web.root = good
    for name, result in each(ready, install_kubectl).items():
        assert result.exit_code == 0, f"{name}: {result.stdout}{result.stderr}"
