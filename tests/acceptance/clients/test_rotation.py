"""A signing key is replaced: clients of before go on, those of later can still install all."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from kubeparcel.hosts.container import Container
from kubeparcel.repository.signing import keys
from tests.acceptance.clients.conftest import Boxes, Place, configured, each
from tests.acceptance.clients.table import CLIENTS, added
from tests.support.package_builders import five
from tests.support.web_server import WebServer

NAME = "turned"


def installed(box: Container, wanted: str) -> str:
    """The version of kubectl that is there after the client was asked for one."""
    manager = CLIENTS[box.host.name].manager
    words = manager.at_versions({"kubectl": wanted})
    box.run(*manager.argv(manager.install, words), timeout=120)
    return version(box)


def upgraded(box: Container) -> str:
    """The version of kubectl after the client has read the repository and upgraded."""
    client = CLIENTS[box.host.name]
    box.run_script(client.start, timeout=120)
    box.run(*client.manager.argv(client.manager.upgrade), timeout=120)
    return version(box)


def version(box: Container) -> str:
    manager = CLIENTS[box.host.name].manager
    return box.run(*manager.argv(manager.list_installed, ["kubectl"])).stdout.split("\t")[1].strip()


def follows(box: Container) -> bool:
    """Whether a client of before takes the repository, by itself."""
    client = CLIENTS[box.host.name]
    box.run_script(client.start, check=False, timeout=120)
    return box.run(*client.manager.argv(client.refresh), check=False, timeout=120).exit_code == 0


def forget(box: Container) -> None:
    """The client has not trusted any key yet, and has no kubectl."""
    client = CLIENTS[box.host.name]
    box.run(*client.manager.argv(client.manager.remove, ["kubectl"]))
    if client.manager.name != "apt":
        box.run_script("rpm --erase --allmatches gpg-pubkey && rm -rf /var/cache/dnf /var/cache/zypp")


def end_overlap() -> None:
    """As if the time in which both keys sign were over."""
    named = keys.load(NAME)
    record = json.loads((named.folder / "kubeparcel.json").read_bytes())
    (named.folder / "kubeparcel.json").write_text(json.dumps({**record, "until": 1}))
    assert keys.load(NAME) == dataclasses.replace(named, previous_until=1)
    assert keys.load(NAME).signing_fingerprints == (named.current,)


def test_clients_of_before_and_of_later_trust_a_rotated_repository(
    boxes: Boxes, config: Path, publish: Place, web: WebServer, tmp_path: Path
) -> None:
    with configured(config):
        keys.create(NAME, "Tests <tests@example.invalid>")
    repo = web.root = tmp_path / "repo"
    publish(five(tmp_path / "first"), repo, web.address, key=NAME)

    def come(box: Container) -> str:
        added(box, web.address)
        return installed(box, "1.36.3-1")

    assert each(boxes, come) == dict.fromkeys(boxes, "1.36.3-1")
    with configured(config):
        keys.rotate(NAME)
    publish(five(tmp_path / "second", "1.36.4"), repo, web.address, key=NAME)
    assert each(boxes, upgraded) == dict.fromkeys(boxes, "1.36.4-1")
    with configured(config):
        end_overlap()
    publish(five(tmp_path / "third", "1.36.5"), repo, web.address, key=NAME)
    assert [name for name, taken in each(boxes, follows).items() if taken] == ["trixie-dnf"]
    each(boxes, forget)
    assert each(boxes, come) == dict.fromkeys(boxes, "1.36.3-1")
    assert each(boxes, upgraded) == dict.fromkeys(boxes, "1.36.5-1")
