"""Publishing signs with named keys, key files, subkeys and the user's GnuPG home; rejects keys that clients reject."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.doctor.examination import ExaminationRequest, examine
from kubeparcel.errors import ConfigurationError, ToolError
from kubeparcel.repository.signing import gpg, keys, signer
from tests.support import client_view
from tests.support.published_keys import issuers, published_keys
from tests.support.recorded_calls import record_calls
from tests.support.repository_fixtures import publish_folder


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


def test_key_file_signs_with_all_private_keys_and_publishes_the_others(dist, repo, tmp_path):
    names = [create_gpg_key(tmp_path / name, *quick())[-16:] for name in ("old", "new")]
    files = [tmp_path / name / "secret.asc" for name in ("old", "new")]
    both = tmp_path / "both.asc"
    both.write_bytes(b"".join(file.read_bytes() for file in files))
    publish_folder(dist, repo, key=str(both))
    assert issuers(repo) == published_keys(repo) == set(names)
    words = ["gpg", "--homedir", tmp_path / "old", "--armor", "--export"]
    exported = subprocess.run(words, check=True, capture_output=True).stdout
    both.write_bytes(files[1].read_bytes() + exported)
    publish_folder(dist, repo, key=str(both))
    assert issuers(repo) == published_keys(repo, "stable.sources") == {names[1]}
    assert published_keys(repo) == set(names)


def test_publish_warns_of_a_key_that_expires_soon(key, dist, repo, log):
    keys.extend("default", 100)
    publish_folder(dist, repo, log)
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
def test_publish_rejects_a_key_that_clients_reject(dist, repo, tmp_path, words, message):
    create_gpg_key(tmp_path / "g", *words)
    with pytest.raises(ConfigurationError, match=message):
        publish_folder(dist, repo, key=str(tmp_path / "g/secret.asc"))
    assert not (repo / "apt").exists()


def test_publish_rejects_a_key_file_without_private_key(dist, repo, tmp_path):
    create_gpg_key(tmp_path / "g", *quick())
    only = tmp_path / "public.asc"
    words = ["gpg", "--homedir", tmp_path / "g", "--armor", "-o", only, "--export"]
    subprocess.run(words, check=True)
    for file, message in ((only, "No private key in"), (dist / "x", "Unknown key")):
        with pytest.raises(ConfigurationError, match=message):
            publish_folder(dist, repo, key=str(file))


def test_inrelease_contains_the_signature_of_release_gpg(publish, repo):
    publish()
    folder = repo / "apt/dists/stable"
    apart, inside = (folder / name for name in ("Release.gpg", "InRelease"))
    assert inside.read_bytes().endswith(apart.read_bytes())


def test_passphrase_is_read_from_environment_or_file_and_is_in_no_argument(dist, repo, tmp_path, monkeypatch):
    fingerprint = create_gpg_key(tmp_path / "g", *quick(), phrase="open, please")
    (tmp_path / "phrase").write_text("open, please\n")
    calls = record_calls(monkeypatch, gpg, "run")

    def publish(variable: str, value: object) -> None:
        with monkeypatch.context() as patch:
            patch.setenv(variable, str(value))
            publish_folder(dist, repo, key=str(tmp_path / "g/secret.asc"))

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
    arguments = [str(word) for (argv,), _ in calls for word in argv]
    assert "--detach-sign" in arguments
    assert not any("open, please" in word for word in arguments)


def test_key_in_the_users_gpg_home_signs_through_the_agent(dist, repo, tmp_path, monkeypatch):
    home = tmp_path / "g"
    fingerprint = create_gpg_key(home, *quick())
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("GNUPGHOME", str(home))
    try:
        publish_folder(dist, repo, key=f"{signer.GPG_PREFIX}{fingerprint}")
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=True)
    assert issuers(repo) == {fingerprint[-16:]}
    with pytest.raises(ConfigurationError, match="0123 is not in the GnuPG home"):
        publish_folder(dist, repo, key="gpg:0123")


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
def test_subkey_signs_for_a_certification_only_key(dist, repo, tmp_path, monkeypatch, named):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    try:
        primary, subkeys = with_subkeys(tmp_path / "g", monkeypatch)
        key = f"{signer.GPG_PREFIX}{[primary, *subkeys][named]}"
        publish_folder(dist, repo, key=key)
        again = publish_folder(dist, repo, key=key)
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=True)
    assert issuers(repo) == {subkeys[1 if named == 0 else named - 1][-16:]}
    assert not again.signatures_renewed
    assert client_view.read_repository(repo)
    report = examine(ExaminationRequest(str(repo)), QuietLog())
    assert report.exit_code == 0, report.as_text()
