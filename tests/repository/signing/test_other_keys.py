"""A repository is not signed by another key than before unless somebody chooses it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import ConfigurationError
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.signing import keys
from tests.support import client_view
from tests.support.repository_fixtures import publish_folder

CHANGES: dict[str, Callable[[Target, Path], object]] = {
    "publish": lambda target, folder: publish_folder(folder, target.location),
    "remove": lambda target, _: publisher.remove(["kubelet"], target, QuietLog()),
    "retain": lambda target, _: publisher.retain(1, target, QuietLog()),
    "copy": lambda target, _: publisher.copy("stable", "testing", target, QuietLog()),
    "rollback": lambda target, _: publisher.rollback(target, QuietLog()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_missing_key_is_not_replaced_by_a_new_one(publish, repo, key, newer, change):
    publish()
    [status] = keys.statuses(keys.load("default"))
    before = client_view.read_files(repo)
    shutil.rmtree(key / "keys/default")
    with pytest.raises(ConfigurationError) as caught:
        CHANGES[change](Target(str(repo)), newer)
    assert caught.value.message.startswith(f"The key that signed this repository, {status.key.fingerprint}, is missing")
    assert str(key / "keys/default") in caught.value.message
    assert "Restore that folder from a backup" in caught.value.hint
    assert not keys.exists("default")
    assert client_view.read_files(repo) == before


def test_key_is_not_replaced_where_the_state_is_lost_as_well(publish, repo, key):
    publish()
    shutil.rmtree(repo / ".kubeparcel")
    shutil.rmtree(key / "keys/default")
    with pytest.raises(ConfigurationError, match="The key that signed this repository is missing"):
        publish()


def test_another_key_signs_only_if_it_is_chosen(publish, dist, repo, key, log):
    shutil.move(key / "keys/default", key / "keys/2026")
    publish(key="2026")
    keys.create("default")
    (dist / "kubelet_1.36.3-1_amd64.deb").unlink()
    with pytest.raises(ConfigurationError, match=r"was signed by .*, not by .*, the key 'default'") as caught:
        publish()
    assert "--key NAME" in caught.value.hint
    publish(key="2026")
    publish_folder(dist, repo, log, key="default")
    assert "clients reject it until they have fetched the new key" in str(log.warnings)


def test_key_that_was_rotated_while_nothing_was_published_is_the_same_key(publish, key):
    publish()
    keys.rotate("default", overlap_days=0)
    publish()
