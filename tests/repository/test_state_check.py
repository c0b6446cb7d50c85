"""A state file with values that no version has written is damaged, and the state is recovered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from kubeparcel.repository import state_file
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.publisher import remove
from kubeparcel.repository.state_file import StateFileError
from tests.fuzz.own_files import STATE
from tests.support import client_view
from tests.support.package_builders import deb
from tests.support.recording_log import RecordingLog

Damage = Callable[[dict[str, Any]], object]

DAMAGES: dict[str, Damage] = {
    "generation is text": lambda d: d.update(generation="4"),
    "generation is negative": lambda d: d.update(generation=-1),
    "generation is huge": lambda d: d.update(generation=1 << 90),
    "generation is true": lambda d: d.update(generation=True),
    "renew is infinite": lambda d: d.update(renew=float("inf")),
    "identity is a list": lambda d: d.update(identity=[]),
    "identity has a line": lambda d: d.update(identity="a\nb"),
    "signers are numbers": lambda d: d.update(signers=[1]),
    "terms are of another type": lambda d: d["terms"].update(valid="180"),
    "terms have a line": lambda d: d["terms"].update(origin="acme\nSuites: other"),
    "compression is unknown": lambda d: d["terms"].update(metadata="rar"),
    "suite is a path": lambda d: d["suites"].update({"../../x": [0]}),
    "package counts from the end": lambda d: d["suites"].update(stable=[-1]),
    "package is missing": lambda d: d["suites"].update(stable=[7]),
    "package is text": lambda d: d["packages"].append("deb"),
    "package is short": lambda d: d["packages"][0].pop(),
    "size is text": lambda d: d["packages"][0].__setitem__(5, "3"),
    "digest is none": lambda d: d["packages"][0].__setitem__(4, "g" * 64),
    "path is above": lambda d: d["packages"][0].__setitem__(8, "../../etc/passwd"),
    "path is absolute": lambda d: d["packages"][0].__setitem__(8, "/etc/passwd"),
    "retired path is above": lambda d: d.update(gone={"../x.deb": [3, d["packages"][0]]}),
    "retained path is above": lambda d: d.update(kept={"apt/dists/stable": [["../../../x"]]}),
    "retained is text": lambda d: d.update(kept={"apt/dists/stable": 5}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_invalid_value_makes_a_state_damaged(damage):
    document = json.loads(STATE)
    DAMAGES[damage](document)
    with pytest.raises(StateFileError, match=r"state\.json is damaged"):
        state_file.parse(json.dumps(document).encode(), "repo")


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"format":' * 50_000, b"\xff", b"", b"9" * 5000, b"null"])
def test_document_of_another_kind_makes_a_state_damaged(data):
    with pytest.raises(StateFileError) as caught:
        state_file.parse(data, "repo")
    assert len(caught.value.message) < 400


def test_repository_with_a_damaged_state_is_recovered(publish, repo, dist):
    publish()
    path = repo / state_file.STATE_PATH
    document = json.loads(path.read_text())
    before = client_view.read_repository(repo)
    DAMAGES["path is above"](document)
    path.write_text(json.dumps(document))
    deb(dist, "own", "1.0-1")
    publish()
    assert set(client_view.read_repository(repo)["apt stable"]) > set(before["apt stable"])


@pytest.mark.parametrize(
    "note", [b"5", b"{}", b"[" * 100_000, b'["key.asc", "../x", 1, "index.html", "apt/pool/../../key.asc"]']
)
def test_note_of_an_interrupted_publish_removes_nothing_but_packages(publish, repo, note):
    publish()
    (repo / state_file.ADDING).write_bytes(note)
    (repo / state_file.PENDING).write_bytes(note)
    remove(["kubectl"], Target(str(repo)), RecordingLog())
    assert (repo / "key.asc").is_file()
    assert (repo / "index.html").is_file()
    assert not (repo / state_file.ADDING).exists()
