"""Signing keys are created, shown, listed and extended."""

from __future__ import annotations

import json
import re
import stat

import pytest

from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.signing import gpg, keyring, keys, openpgp
from tests.support.published_keys import date
from tests.support.task_runs import exit_code


def test_new_key_is_accepted_by_current_systems(key):
    named = keys.load("default")
    (listed_key,) = keyring.list_keys(gpg.open_home(named.folder))
    assert (listed_key.algorithm, listed_key.bits) == ("rsa", 4096)
    assert 3 * 365 - 1 <= listed_key.days_left() <= 3 * 365
    assert not listed_key.weakness
    assert not listed_key.self_signature_problem
    data = gpg.open_home(named.folder).run("--armor", "--export").stdout.encode()
    ((_, own),) = openpgp.self_signatures(openpgp.dearmor(data))
    assert (own.version, own.digest) == (4, "SHA512")


def test_key_files_are_readable_by_their_owner_only(key):
    folder = keys.load("default").folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.suffix == ".kbx", path
    assert stat.S_IMODE((folder / "kubeparcel.json").stat().st_mode) == 0o600


def test_repository_contains_no_private_key(publish, repo):
    publish()
    for path in repo.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"PRIVATE KEY" not in data
            tags = {str(packet.tag) for packet in openpgp.packets(openpgp.dearmor(data))}
            assert not tags & {"Tag.SecretKey", "Tag.SecretSubkey"}, path


def test_key_name_is_unique_and_cannot_be_a_path(key):
    with pytest.raises(ConfigurationError, match="Key 'default' already exists"):
        keys.create()
    for name in ("../x", "a/b", ".", "", "-x"):
        with pytest.raises(ConfigurationError, match="Invalid key name"):
            keys.key_folder(name)


def run_key_task(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the task `key` and return its standard output."""
    assert exit_code("key", *arguments) == 0
    return capsys.readouterr().out


def test_key_show_says_until_when_each_key_signs(key, capsys):
    old = keys.load("default").current
    rotated = keys.rotate("default")
    lines = run_key_task(capsys, "show").splitlines()
    (old_line,) = (line for line in lines if old in line)
    (new_line,) = (line for line in lines if rotated.current in line)
    assert old_line.endswith(f"retiring, signs until {date(rotated.previous_until)}")
    assert re.search(r"valid until (\S+), active, signs until \1$", new_line)
    entries = json.loads(run_key_task(capsys, "show", "--json"))["keys"]
    by_fingerprint = {entry["fingerprint"]: entry for entry in entries}
    assert by_fingerprint[old]["signs-until"] == date(rotated.previous_until)
    assert by_fingerprint[old]["state"] == "retiring"
    assert by_fingerprint[old]["signs"] is True


def test_key_list_shows_the_keys_of_all_names(key, capsys, monkeypatch):
    rotated = keys.rotate("default")
    other = keys.create("other", days=400)
    (key / "keys/notes").mkdir()
    out = run_key_task(capsys, "list")
    (expiry,) = (status.key.expires for status in keys.statuses(other))
    assert out.splitlines()[0].split() == [*("NAME", "FINGERPRINT", "VALID", "UNTIL", "SIGNS", "UNTIL")]
    rows = [line.split() for line in out.splitlines()[1:]]
    assert [row[:2] for row in rows] == [
        ["default", rotated.previous],
        ["default", rotated.current],
        ["other", other.current],
    ]
    assert rows[0][3] == date(rotated.previous_until)
    assert rows[2][2:] == [date(expiry), date(expiry)]
    assert max(map(len, out.splitlines())) <= 80
    entries = json.loads(run_key_task(capsys, "list", "--json"))["keys"]
    assert [(entry["name"], entry["state"]) for entry in entries] == [
        *(("default", "retiring"), ("default", "active"), ("other", "active"))
    ]
    assert entries[2]["valid-until"] == date(expiry)
    monkeypatch.setenv("KUBEPARCEL_CONFIG", str(key / "empty"))
    assert run_key_task(capsys, "list") == f"No keys in {key / 'empty/keys'}.\n"
    assert json.loads(run_key_task(capsys, "list", "--json")) == {"keys": []}


def test_extended_key_is_published_again(publish, repo):
    publish()
    before = (repo / "key.asc").read_bytes()
    keys.extend("default", 2000)
    (listed_key,) = keyring.list_keys(gpg.open_home(keys.load("default").folder))
    assert 1999 <= listed_key.days_left() <= 2000
    assert not listed_key.self_signature_problem
    assert publish().signatures_renewed
    assert (repo / "key.asc").read_bytes() != before


def test_key_task_creates_and_shows_keys_without_prompting(configuration, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    words = ["new", "--identity", "Me <me@example.invalid>", "--days", "400"]
    for arguments in (words, ["show", "--json"]):
        assert exit_code("key", *arguments) == 0
    output = capsys.readouterr().out
    assert re.search(r"valid until \d{4}-\d\d-\d\d, active", output)
    (row,) = json.loads(output[output.index("{") :])["keys"]
    assert (row["identity"], row["days-left"]) == ("Me <me@example.invalid>", 400)
    assert row["fingerprint"] == keys.load("default").current
    for arguments, code, line in (
        (words, 2, "Key 'default' already exists"),
        (["show", "--name", "x"], 2, "Unknown key 'x'"),
        (["bend"], 2, "use new, show, list, extend or rotate"),
    ):
        assert exit_code("key", *arguments) == code
        assert line in capsys.readouterr().err
