"""The state file: format, history, and recovery from the published indexes."""

import json
import shutil

import pytest

from kubeparcel import __version__
from kubeparcel.console import QuietLog
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format
from kubeparcel.repository import publisher, state_file
from kubeparcel.repository.model import RepositoryOptions, State
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.package import Package
from kubeparcel.repository.policy import PolicyViolation
from tests.support import client_view
from tests.support.package_builders import deb, five


def test_state_file_is_read_as_it_was_written():
    package = Package(Format.RPM, "a", "1-1", "x86_64", "f" * 64, 3, "e" * 64, "b (>= 1)", "a.rpm")
    state = State(3, "me", {"stable": frozenset({package})}, signing_keys=("X:1",))
    data = state_file.dump(state)
    assert state_file.parse(data, "workdir") == state
    assert json.loads(data)["suites"] == {"stable": [0]}


def test_state_file_of_an_earlier_version_is_read():
    """Published repositories have these keys, one line for each package."""
    package = ["deb", "own", "1-1", "amd64", "f" * 64, 3, "e" * 64, "", "pool/own.deb"]
    document = {
        "format": 1,
        "tool": "0.1.0",
        "generation": 4,
        "identity": "me",
        "renew": 7,
        "signers": ["X:1"],
        "terms": {
            "origin": "workdir",
            "valid": 10,
            "metadata": "gzip",
            "generations": 2,
            "address": "https://here.example.invalid",
            "sign_rpms": False,
        },
        "kept": {"apt/dists/stable": [["main/binary-amd64/by-hash/SHA256/x"]]},
        "gone": {"apt/pool/own.deb": [3, package]},
        "suites": {"stable": [0]},
        "packages": [package],
    }
    text = json.dumps(document).replace('"packages": [', '"packages":[\n')
    state = state_file.parse(text.encode(), "repo")
    own = Package(Format.DEB, *package[1:])
    assert state == State(
        4,
        "me",
        {"stable": frozenset({own})},
        {"apt/dists/stable": (("main/binary-amd64/by-hash/SHA256/x",),)},
        {"apt/pool/own.deb": (3, own)},
        renew_at=7,
        signing_keys=("X:1",),
        options=RepositoryOptions("workdir", 10, "gzip", 2, "https://here.example.invalid", sign_rpms=False),
    )
    assert json.loads(state_file.dump(state)) == {**document, "tool": __version__}


def test_state_file_of_a_newer_version_is_rejected(publish, repo):
    publish()
    path = repo / state_file.STATE_PATH
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    before = client_view.read_files(repo)
    with pytest.raises(ConfigurationError, match="which is newer than this version"):
        publish()
    assert client_view.read_files(repo) == before


def test_history_keeps_each_state_file_unchanged(publish, repo, newer):
    publish()
    first = (repo / state_file.STATE_PATH).read_bytes()
    publish(newer)
    assert (repo / state_file.history_path(1)).read_bytes() == first
    assert (repo / state_file.STATE_PATH).read_bytes() != first


def test_lost_state_is_recovered_from_the_indexes(publish, repo, newer, tmp_path):
    publish()
    before = client_view.read_repository(repo)
    shutil.rmtree(repo / ".kubeparcel")
    shutil.rmtree(tmp_path / "cache")
    publish(newer)
    after = client_view.read_repository(repo)
    assert all(before[suite].items() <= after[suite].items() for suite in before)
    assert "kubelet_1.36.4-1_amd64.deb" in after["apt stable"]


def test_unlisted_files_are_removed_after_a_recovery(publish, repo, newer, tmp_path):
    publish(options={"generations": 2})
    publish(newer)
    publisher.remove(["=1.36.3-1"], Target(str(repo)), QuietLog())
    shutil.rmtree(repo / ".kubeparcel")
    old = [path for path in repo.rglob("kube*1.36.3*") if path.is_file()]
    assert len(old) == 9
    other = deb(tmp_path / "other", "kubectl", "1.36.3-1", body=b"other")
    with pytest.raises(PolicyViolation, match="different content"):
        publish(other.parent)
    for number in (5, 6, 7):
        publish(five(tmp_path / str(number), f"1.36.{number}"), options={"generations": 2})
    assert not [path for path in old if path.exists()]
    client_view.read_repository(repo)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"format": 1}'])
def test_damaged_state_is_recovered_from_the_indexes(publish, repo, damage):
    publish()
    (repo / state_file.STATE_PATH).write_bytes(damage)
    before = client_view.read_repository(repo)
    publish()
    assert client_view.read_repository(repo) == before


def test_lost_cache_changes_nothing(publish, repo, newer, tmp_path):
    publish()
    before = client_view.read_files(repo)
    shutil.rmtree(tmp_path / "cache")
    assert "Nothing to do" in publish().as_text()
    assert client_view.read_files(repo) == before
    shutil.rmtree(tmp_path / "cache")
    publish(newer)
    client_view.read_repository(repo)
