"""Signing keys are created, shown, extended and rotated; weak and missing ones are rejected."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import stat
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubeparcel import cli
from kubeparcel.doctor.examination import ExaminationRequest, examine
from kubeparcel.errors import ConfigurationError, ToolError
from kubeparcel.repository import publisher
from kubeparcel.repository.model import DAY
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.signing import gpg, keyring, keys, openpgp, signer
from tests.conftest import RecordingLog
from tests.support import client_view
from tests.support.repository_fixtures import Publish


def create_gpg_key(folder: Path, *words: str, phrase: str = "") -> str:
    """Create a key with gpg; its home is `folder`, its private part `folder`/secret.asc.

    Returns the fingerprint.
    """
    folder.mkdir(mode=0o700)
    (folder / "gpg-agent.conf").write_text("s2k-count 65536\n")  # fast: the key is only for a test
    base = ["gpg", "--batch", "--homedir", folder, "--pinentry-mode", "loopback"]
    base += ["--passphrase", phrase]
    subprocess.run([*base, *words], check=True, capture_output=True)
    secret = [*base, "--armor", "-o", folder / "secret.asc", "--export-secret-keys"]
    subprocess.run(secret, check=True, capture_output=True)
    listed = ["gpg", "--homedir", folder, "--with-colons", "--list-keys"]
    output = subprocess.run(listed, check=True, capture_output=True, text=True).stdout
    subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=True)
    return output.partition("\nfpr:")[2].split(":")[8]


def quick(algorithm: str = "rsa2048", lasts: str = "3y") -> tuple[str, ...]:
    return ("--quick-generate-key", "Someone <someone@example.invalid>", algorithm, "sign", lasts)


def issuers(repo: Path) -> set[str]:
    """Return the IDs of the keys that signed the Release."""
    data = (repo / "apt/dists/stable/Release.gpg").read_bytes()
    return {signature.issuer for signature in openpgp.signatures(openpgp.dearmor(data))}


def published_keys(repo: Path, name: str = "key.asc") -> set[str]:
    """Return the IDs of the keys in a file of the repository."""
    text = (repo / name).read_text().replace("\n .\n", "\n\n").replace("\n ", "\n")
    found = openpgp.self_signatures(openpgp.dearmor(text.encode()))
    return {number for number, _ in found}


def test_new_key_is_accepted_by_current_systems(key: Path) -> None:
    named = keys.load("default")
    (listed_key,) = keyring.list_keys(gpg.open_home(named.folder))
    assert (listed_key.algorithm, listed_key.bits) == ("rsa", 4096)
    assert 3 * 365 - 1 <= listed_key.days_left() <= 3 * 365
    assert not listed_key.weakness
    assert not listed_key.self_signature_problem
    data = gpg.open_home(named.folder).run("--armor", "--export").stdout.encode()
    ((_, own),) = openpgp.self_signatures(openpgp.dearmor(data))
    assert (own.version, own.digest) == (4, "SHA512")


def test_key_files_are_readable_by_their_owner_only(key: Path) -> None:
    folder = keys.load("default").folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.suffix == ".kbx", path
    assert stat.S_IMODE((folder / "kubeparcel.json").stat().st_mode) == 0o600


def test_repository_contains_no_private_key(publish: Publish, repo: Path) -> None:
    publish()
    for path in repo.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"PRIVATE KEY" not in data
            tags = {str(packet.tag) for packet in openpgp.packets(openpgp.dearmor(data))}
            assert not tags & {"Tag.SecretKey", "Tag.SecretSubkey"}, path


def test_key_name_is_unique_and_cannot_be_a_path(key: Path) -> None:
    with pytest.raises(ConfigurationError, match="Key 'default' already exists"):
        keys.create()
    for name in ("../x", "a/b", ".", "", "-x"):
        with pytest.raises(ConfigurationError, match="Invalid key name"):
            keys.key_folder(name)


def test_rotation_signs_with_both_keys_until_the_overlap_ends(
    publish: Publish, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    old = keys.load("default").current
    new = keys.rotate("default").current
    assert publish().signatures_renewed
    both = {old[-16:], new[-16:]}
    assert issuers(repo) == published_keys(repo) == both
    client_view.read_repository(repo)
    later = time.time() + (keys.OVERLAP_DAYS + 1) * DAY
    monkeypatch.setattr(time, "time", lambda: later)
    publish()
    assert issuers(repo) == published_keys(repo, "stable.sources") == {new[-16:]}
    assert published_keys(repo) == both, "rpms signed by the old key are still published"


def test_old_key_that_expires_during_the_overlap_no_longer_signs(
    publish: Publish, dist: Path, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.extend("default", 60)
    new = keys.rotate("default").current
    log = RecordingLog()
    later = time.time() + 90 * DAY
    monkeypatch.setattr(time, "time", lambda: later)
    publisher.publish(dist, Target(str(repo)), log, skip_layout_check=True)
    assert issuers(repo) == {new[-16:]}
    assert not log.warnings


def moved_clock(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Move the clock of this process forward."""
    later = time.time() + days * DAY
    monkeypatch.setattr(time, "time", lambda: later)


def date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


def test_second_rotation_during_the_overlap_is_refused_with_dates(
    publish: Publish, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    moved_clock(monkeypatch, keys.OVERLAP_DAYS + 1)
    assert keys.rotate("default").previous == rotated.current


def test_rotation_is_possible_once_the_previous_key_has_expired(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.extend("default", 60)
    rotated = keys.rotate("default")
    moved_clock(monkeypatch, 90)
    assert keys.rotate("default").previous == rotated.current


def test_key_of_a_rotation_signs_until_the_overlap_ends_or_it_expires(
    key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = keys.load("default").current
    rotated = keys.rotate("default")
    statuses = {status.key.fingerprint: status for status in keys.statuses(rotated)}
    assert (statuses[first].state, statuses[rotated.current].state) == ("retiring", "active")
    assert statuses[first].signs_until == rotated.previous_until
    assert statuses[rotated.current].signs_until == statuses[rotated.current].key.expires
    short = dataclasses.replace(rotated, previous_until=statuses[first].key.expires + DAY)
    (status,) = (status for status in keys.statuses(short) if status.key.fingerprint == first)
    assert status.signs_until == status.key.expires
    moved_clock(monkeypatch, keys.OVERLAP_DAYS + 1)
    (status,) = (status for status in keys.statuses(rotated) if status.key.fingerprint == first)
    assert (status.state, status.signs_until) == ("retired", rotated.previous_until)
    moved_clock(monkeypatch, 4 * 365)
    assert {status.state for status in keys.statuses(rotated)} == {"retired", "expired"}


def run_key_task(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the task `key` and return its standard output."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["kubeparcel", "key", *arguments])
    assert not ended.value.code
    return capsys.readouterr().out


def test_key_show_says_until_when_each_key_signs(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_key_list_shows_the_keys_of_all_names(
    key: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_key_file_signs_with_all_private_keys_and_publishes_the_others(dist: Path, repo: Path, tmp_path: Path) -> None:
    names = [create_gpg_key(tmp_path / name, *quick())[-16:] for name in ("old", "new")]
    files = [tmp_path / name / "secret.asc" for name in ("old", "new")]
    both = tmp_path / "both.asc"
    both.write_bytes(b"".join(file.read_bytes() for file in files))
    publisher.publish(dist, Target(str(repo), str(both)), RecordingLog(), skip_layout_check=True)
    assert issuers(repo) == published_keys(repo) == set(names)
    words = ["gpg", "--homedir", tmp_path / "old", "--armor", "--export"]
    exported = subprocess.run(words, check=True, capture_output=True).stdout
    both.write_bytes(files[1].read_bytes() + exported)
    publisher.publish(dist, Target(str(repo), str(both)), RecordingLog(), skip_layout_check=True)
    assert issuers(repo) == published_keys(repo, "stable.sources") == {names[1]}
    assert published_keys(repo) == set(names)


def test_extended_key_is_published_again(publish: Publish, repo: Path) -> None:
    publish()
    before = (repo / "key.asc").read_bytes()
    keys.extend("default", 2000)
    (listed_key,) = keyring.list_keys(gpg.open_home(keys.load("default").folder))
    assert 1999 <= listed_key.days_left() <= 2000
    assert not listed_key.self_signature_problem
    assert publish().signatures_renewed
    assert (repo / "key.asc").read_bytes() != before


def test_publish_warns_of_a_key_that_expires_soon(key: Path, dist: Path, repo: Path) -> None:
    keys.extend("default", 100)
    log = RecordingLog()
    publisher.publish(dist, Target(str(repo)), log, skip_layout_check=True)
    assert any("expires in 100 days" in text for text in log.warnings)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (quick("rsa1024"), "RSA with 1024 bits is too short"),
        (quick("dsa2048"), "is rejected by current systems"),
        (("--cert-digest-algo", "SHA1", *quick()), "self-signature uses SHA-1"),
        (("--faked-system-time", "20240101T000000", *quick(lasts="1y")), "has expired"),
    ],
    ids=["short", "dsa", "sha1", "expired"],
)
def test_publish_rejects_a_key_that_clients_reject(
    dist: Path, repo: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    create_gpg_key(tmp_path / "g", *words)
    target = Target(str(repo), str(tmp_path / "g/secret.asc"))
    with pytest.raises(ConfigurationError, match=message):
        publisher.publish(dist, target, RecordingLog(), skip_layout_check=True)
    assert not (repo / "apt").exists()


def test_publish_rejects_a_key_file_without_private_key(dist: Path, repo: Path, tmp_path: Path) -> None:
    create_gpg_key(tmp_path / "g", *quick())
    only = tmp_path / "public.asc"
    words = ["gpg", "--homedir", tmp_path / "g", "--armor", "-o", only, "--export"]
    subprocess.run(words, check=True)
    for file, message in ((only, "No private key in"), (dist / "x", "Unknown key")):
        with pytest.raises(ConfigurationError, match=message):
            publisher.publish(dist, Target(str(repo), str(file)), RecordingLog(), skip_layout_check=True)


def test_inrelease_contains_the_signature_of_release_gpg(publish: Publish, repo: Path) -> None:
    publish()
    folder = repo / "apt/dists/stable"
    apart, inside = (folder / name for name in ("Release.gpg", "InRelease"))
    assert inside.read_bytes().endswith(apart.read_bytes())


def test_passphrase_is_read_from_environment_or_file_and_is_in_no_argument(
    dist: Path, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint = create_gpg_key(tmp_path / "g", *quick(), phrase="open, please")
    (tmp_path / "phrase").write_text("open, please\n")
    arguments: list[str] = []
    real = gpg.run

    def watched(argv: list[object], **options: object) -> object:
        arguments.extend(map(str, argv))
        return real(argv, **options)  # type: ignore[arg-type]

    def publish(variable: str, value: object) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(gpg, "run", watched)
            patch.setenv(variable, str(value))
            target = Target(str(repo), str(tmp_path / "g/secret.asc"))
            publisher.publish(dist, target, RecordingLog(), skip_layout_check=True)

    with pytest.raises(ToolError, match="Bad passphrase"):
        publish(gpg.PASSPHRASE_VARIABLE, "wrong")
    with pytest.raises(ToolError, match="no terminal to prompt on"):
        publish("NOTHING", "")
    with pytest.raises(ConfigurationError, match="Cannot read"):
        publish(f"{gpg.PASSPHRASE_VARIABLE}_FILE", tmp_path / "nothing")
    assert not (repo / "apt/dists").exists()
    publish(gpg.PASSPHRASE_VARIABLE, "open, please")
    assert issuers(repo) == {fingerprint[-16:]}
    shutil.rmtree(repo)
    publish(f"{gpg.PASSPHRASE_VARIABLE}_FILE", tmp_path / "phrase")
    assert issuers(repo) == {fingerprint[-16:]}
    assert "--detach-sign" in arguments
    assert not any("open, please" in word for word in arguments)


def test_key_in_the_users_gpg_home_signs_through_the_agent(
    dist: Path, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "g"
    fingerprint = create_gpg_key(home, *quick())
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("GNUPGHOME", str(home))
    target = Target(str(repo), f"{signer.GPG_PREFIX}{fingerprint}")
    try:
        publisher.publish(dist, target, RecordingLog(), skip_layout_check=True)
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=True)
    assert issuers(repo) == {fingerprint[-16:]}
    with pytest.raises(ConfigurationError, match="0123 is not in the GnuPG home"):
        publisher.publish(dist, Target(str(repo), "gpg:0123"), RecordingLog(), skip_layout_check=True)


def with_subkeys(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[str]]:
    """Create a key as on many smart cards: it only certifies, and its two subkeys sign.

    Returns its fingerprint and those of the subkeys.
    """
    long_ago = int(time.time()) - 1000
    words = ("--quick-generate-key", "Someone <s@example.invalid>", "rsa2048", "cert")
    primary = create_gpg_key(home, "--faked-system-time", str(long_ago), *words)
    monkeypatch.setenv("GNUPGHOME", str(home))
    for number in range(2):
        argv = ["gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
        argv += ["--faked-system-time", str(long_ago + 1 + number)]
        argv += ["--quick-add-key", primary, "rsa2048", "sign", f"{400 + number}d"]
        subprocess.run(argv, check=True, capture_output=True)
    listing = gpg.GpgHome(None).run("--with-colons", "--list-keys").stdout
    return primary, [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr")][1:]


@pytest.mark.parametrize("named", [0, 1, 2], ids=["key", "older subkey", "newer subkey"])
def test_subkey_signs_for_a_certification_only_key(
    dist: Path, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: int
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    log = RecordingLog()
    try:
        primary, subkeys = with_subkeys(tmp_path / "g", monkeypatch)
        target = Target(str(repo), f"{signer.GPG_PREFIX}{[primary, *subkeys][named]}")
        publisher.publish(dist, target, log, skip_layout_check=True)
        again = publisher.publish(dist, target, log, skip_layout_check=True)
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=True)
    assert issuers(repo) == {subkeys[1 if named == 0 else named - 1][-16:]}
    assert not again.signatures_renewed
    assert client_view.read_repository(repo)
    found = examine(ExaminationRequest(str(repo)), log)
    assert found.exit_code == 0, found.as_text()


def test_key_task_creates_and_shows_keys_without_prompting(
    configuration: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    words = ["kubeparcel", "key", "new", "--identity", "Me <me@example.invalid>", "--days", "400"]
    for argv in (words, ["kubeparcel", "key", "show", "--json"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(argv)
        assert not ended.value.code
    output = capsys.readouterr().out
    assert re.search(r"valid until \d{4}-\d\d-\d\d, active", output)
    (row,) = json.loads(output[output.index("{") :])["keys"]
    assert (row["identity"], row["days-left"]) == ("Me <me@example.invalid>", 400)
    assert row["fingerprint"] == keys.load("default").current
    for argv, code, line in (
        (words, 2, "Key 'default' already exists"),
        (["kubeparcel", "key", "show", "--name", "x"], 2, "Unknown key 'x'"),
        (["kubeparcel", "key", "bend"], 2, "use new, show, list, extend or rotate"),
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main(argv)
        assert ended.value.code == code
        assert line in capsys.readouterr().err
