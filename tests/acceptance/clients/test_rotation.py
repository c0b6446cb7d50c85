"""A signing key is rotated: existing clients keep working, new ones can install everything."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from kubeparcel.hosts.container import Container
from kubeparcel.repository.signing import keys
from tests.acceptance.clients.conftest import Containers, PublishFolder, configured, each
from tests.acceptance.clients.table import CLIENTS, add_repository
from tests.support.package_builders import five
from tests.support.web_server import WebServer

NAME = "rotated"


def install(container: Container, requested: str) -> str:
    """Install a version of kubectl and return the installed one."""
    manager = CLIENTS[container.host.name].manager
    packages = manager.at_versions({"kubectl": requested})
    container.run(*manager.argv(manager.install, packages), timeout=120)
    return installed_version(container)


def upgrade(container: Container) -> str:
    """Upgrade from fresh indexes and return the version of kubectl."""
    client = CLIENTS[container.host.name]
    container.run_script(client.start, timeout=120)
    container.run(*client.manager.argv(client.manager.upgrade), timeout=120)
    return installed_version(container)


def installed_version(container: Container) -> str:
    manager = CLIENTS[container.host.name].manager
    return container.run(*manager.argv(manager.list_installed, ["kubectl"])).stdout.split("\t")[1].strip()


def accepts(container: Container) -> bool:
    """Return whether a client accepts the repository with the keys that it has."""
    client = CLIENTS[container.host.name]
    container.run_script(client.start, check=False, timeout=120)
    return container.run(*client.manager.argv(client.refresh), check=False, timeout=120).exit_code == 0


def forget(container: Container) -> None:
    """Remove kubectl and the keys that the client trusts."""
    client = CLIENTS[container.host.name]
    container.run(*client.manager.argv(client.manager.remove, ["kubectl"]))
    if client.manager.name != "apt":
        container.run_script("rpm --erase --allmatches gpg-pubkey && rm -rf /var/cache/dnf /var/cache/zypp")


def end_overlap() -> None:
    """End the time in which both keys sign."""
    named = keys.load(NAME)
    record = json.loads((named.folder / "kubeparcel.json").read_bytes())
    (named.folder / "kubeparcel.json").write_text(json.dumps({**record, "until": 1}))
    assert keys.load(NAME) == dataclasses.replace(named, previous_until=1)
    assert keys.load(NAME).signing_fingerprints == (named.current,)


def test_existing_and_new_clients_trust_a_repository_with_a_rotated_key(
    containers: Containers, config: Path, publish: PublishFolder, web: WebServer, tmp_path: Path
) -> None:
    with configured(config):
        keys.create(NAME, "Tests <tests@example.invalid>")
    repo = web.root = tmp_path / "repo"
    publish(five(tmp_path / "first"), repo, web.address, key=NAME)

    def add_and_install(container: Container) -> str:
        add_repository(container, web.address)
        return install(container, "1.36.3-1")

    assert each(containers, add_and_install) == dict.fromkeys(containers, "1.36.3-1")
    with configured(config):
        keys.rotate(NAME)
    publish(five(tmp_path / "second", "1.36.4"), repo, web.address, key=NAME)
    assert each(containers, upgrade) == dict.fromkeys(containers, "1.36.4-1")
    with configured(config):
        end_overlap()
    publish(five(tmp_path / "third", "1.36.5"), repo, web.address, key=NAME)
    assert [name for name, accepted in each(containers, accepts).items() if accepted] == ["trixie-dnf"]
    each(containers, forget)
    assert each(containers, add_and_install) == dict.fromkeys(containers, "1.36.3-1")
    assert each(containers, upgrade) == dict.fromkeys(containers, "1.36.5-1")
