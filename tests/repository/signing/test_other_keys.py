"""A repository is not signed by another key than before unless somebody chooses it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kubeparcel.errors import ConfigurationError
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.signing import keys
from tests.support import client_view
from tests.support.package_builders import five
from tests.support.recording_log import RecordingLog

CHANGES: dict[str, Callable[[Target, Path], object]] = {
    "publish": lambda target, folder: publisher.publish(folder, target, RecordingLog(), skip_layout_check=True),
    "remove": lambda target, _: publisher.remove(["kubelet"], target, RecordingLog()),
    "retain": lambda target, _: publisher.retain(1, target, RecordingLog()),
    "copy": lambda target, _: publisher.copy("stable", "testing", target, RecordingLog()),
    "rollback": lambda target, _: publisher.rollback(target, RecordingLog()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_missing_key_is_not_replaced_by_a_new_one(publish, repo, key, tmp_path, change):
    newer = five(tmp_path / "newer", "1.36.4")
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
    after = client_view.read_files(repo)
    assert after == before


def test_key_is_not_replaced_where_the_state_is_lost_as_well(publish, repo, key):
    publish()
    shutil.rmtree(repo / ".kubeparcel")
    shutil.rmtree(key / "keys/default")
    with pytest.raises(ConfigurationError, match="The key that signed this repository is missing"):
        publish()


def test_another_key_signs_only_if_it_is_chosen(publish, dist, repo, key):
    shutil.move(key / "keys/default", key / "keys/2026")
    publish(key="2026")
    keys.create("default")
    (dist / "kubelet_1.36.3-1_amd64.deb").unlink()
    with pytest.raises(ConfigurationError, match=r"was signed by .*, not by .*, the key 'default'") as caught:
        publish()
    assert "--key NAME" in caught.value.hint
    publish(key="2026")
    log = RecordingLog()
    publisher.publish(dist, Target(str(repo), key="default"), log, skip_layout_check=True)
    assert "clients reject it until they have fetched the new key" in str(log.warnings)


def test_key_that_was_rotated_while_nothing_was_published_is_the_same_key(publish, key):
    publish()
    keys.rotate("default", overlap_days=0)
    publish()
