"""Keys are rotated: the old key signs as well until the overlap ends or it expires."""

from __future__ import annotations

import dataclasses
import time

import pytest

from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.model import DAY
from kubeparcel.repository.signing import gpg, keyring, keys
from tests.support import client_view
from tests.support.published_keys import date, issuers, published_keys
from tests.support.repository_fixtures import publish_folder


def move_clock(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Move the clock of this process forward."""
    later = time.time() + days * DAY
    monkeypatch.setattr(time, "time", lambda: later)


def test_rotation_signs_with_both_keys_until_the_overlap_ends(publish, repo, monkeypatch):
    publish()
    old = keys.load("default").current
    new = keys.rotate("default").current
    assert publish().signatures_renewed
    both = {old[-16:], new[-16:]}
    assert issuers(repo) == published_keys(repo) == both
    client_view.read_repository(repo)
    move_clock(monkeypatch, keys.OVERLAP_DAYS + 1)
    publish()
    assert issuers(repo) == published_keys(repo, "stable.sources") == {new[-16:]}
    assert published_keys(repo) == both, "rpms signed by the old key are still published"


def test_old_key_that_expires_during_the_overlap_no_longer_signs(publish, dist, repo, log, monkeypatch):
    keys.extend("default", 60)
    new = keys.rotate("default").current
    move_clock(monkeypatch, 90)
    publish_folder(dist, repo, log)
    assert issuers(repo) == {new[-16:]}
    assert not log.warnings


def test_second_rotation_during_the_overlap_is_refused_with_dates(publish, repo, monkeypatch):
    old = keys.load("default").current
    rotated = keys.rotate("default")
    before = keyring.list_keys(gpg.open_home(rotated.folder))
    with pytest.raises(ConfigurationError, match="is already being rotated") as error:
        keys.rotate("default")
    text = str(error.value)
    new_key = next(key for key in before if key.fingerprint == rotated.current)
    assert f"{old} signs until {date(rotated.previous_until)}" in text
    assert f"{rotated.current} signs until {date(new_key.expires)}" in text
    assert f"Rotate again from {date(rotated.previous_until + DAY)} on" in text
    assert "inv key new --name" in text
    assert keys.load("default") == rotated, "no key was retired"
    assert keyring.list_keys(gpg.open_home(rotated.folder)) == before, "no key was created"
    publish()
    assert issuers(repo) == {old[-16:], rotated.current[-16:]}
    move_clock(monkeypatch, keys.OVERLAP_DAYS + 1)
    assert keys.rotate("default").previous == rotated.current


def test_rotation_is_possible_once_the_previous_key_has_expired(key, monkeypatch):
    keys.extend("default", 60)
    rotated = keys.rotate("default")
    move_clock(monkeypatch, 90)
    assert keys.rotate("default").previous == rotated.current


def test_key_of_a_rotation_signs_until_the_overlap_ends_or_it_expires(key, monkeypatch):
    first = keys.load("default").current
    rotated = keys.rotate("default")
    statuses = {status.key.fingerprint: status for status in keys.statuses(rotated)}
    assert (statuses[first].state, statuses[rotated.current].state) == ("retiring", "active")
    assert statuses[first].signs_until == rotated.previous_until
    assert statuses[rotated.current].signs_until == statuses[rotated.current].key.expires
    short = dataclasses.replace(rotated, previous_until=statuses[first].key.expires + DAY)
    (status,) = (status for status in keys.statuses(short) if status.key.fingerprint == first)
    assert status.signs_until == status.key.expires
    move_clock(monkeypatch, keys.OVERLAP_DAYS + 1)
    (status,) = (status for status in keys.statuses(rotated) if status.key.fingerprint == first)
    assert (status.state, status.signs_until) == ("retired", rotated.previous_until)
    move_clock(monkeypatch, 4 * 365)
    assert {status.state for status in keys.statuses(rotated)} == {"retired", "expired"}
