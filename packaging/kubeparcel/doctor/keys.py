"""The keys that signatures and statements are verified with: where they come from, and whether they are good."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import join

from kubeparcel.doctor.discovery import Discovery
from kubeparcel.doctor.findings import NO_KEY, CheckKind, Subject
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.doctor.signature_check import SignatureVerifier
from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.model import DAY
from kubeparcel.repository.signing import gpg, keys, openpgp
from kubeparcel.repository.signing.keyring import Key, list_keys, list_subkeys
from kubeparcel.trust.public_keys import PEM_HEADER, PublicKey, parse_pem, parse_ssh

DEFAULT_HORIZON_DAYS = 365
"""How long keys must remain valid, unless the user sets it."""

_KEY_NAMES = ("key.gpg", "key.asc", "Release.key", "RPM-GPG-KEY", "gpg.key", "public.key")
_KEY_SUFFIXES = (".gpg", ".asc", ".key", ".pgp")
_MAX_KEY_SIZE = 1 << 20
_MAX_LISTED_KEYS, _MAX_KEY_FILES = 10, 200
"""Key files with other names that are read of a folder, and key files of a repository."""

_RENEW_HINT = (
    "Run inv key extend or inv key rotate and publish again: installed clients keep the key that "
    "they have, and reject signatures by an expired one."
)
_WEAK_HINT = "Current clients reject its signatures. Create a strong key: inv key new."
_SELF_SIGNATURE_HINT = (
    "Current clients reject the key. Renew its self-signature (gpg --cert-digest-algo SHA512 "
    "--quick-set-expire FINGERPRINT 3y) and distribute it again."
)


@dataclass
class TrustedKeys:
    """Trusted keys and their subkeys; `verifier` is None if there are no keys.

    `certificates` are the keys' OpenPGP packets. Keys and signatures should remain valid for
    `horizon_days` from `now` (Unix time).
    """

    now: float = field(default_factory=time.time)
    horizon_days: int = DEFAULT_HORIZON_DAYS
    subject: Subject = field(default_factory=lambda: Subject("key"))
    keys: tuple[Key, ...] = ()
    subkeys: tuple[Key, ...] = ()
    certificates: bytes = b""
    verifier: SignatureVerifier | None = None

    @property
    def horizon_end(self) -> float:
        """Return the time until which keys must remain valid, in seconds since 1970."""
        return self.now + self.horizon_days * DAY

    def check_keys(self) -> None:
        """Check the keys that made valid signatures, or all if there was no valid signature."""
        self.subject.mark_run(CheckKind.KEY)
        if not self.keys:
            self.subject.mark_not_run(NO_KEY, CheckKind.SELF_SIGNATURE)
            return
        self.subject.mark_run(CheckKind.SELF_SIGNATURE)
        signers = self.verifier.signers if self.verifier else set()
        all_keys = (*self.keys, *self.subkeys)
        used = [key for key in all_keys if key.fingerprint in signers] or list(self.keys)
        self.subject.description = ", ".join(map(self._describe, used))
        for key in used:
            self._check_key(key)
        for key_id, signature in openpgp.self_signatures(self.certificates):
            if signature.weakness and any(key.fingerprint.endswith(key_id) for key in used):
                self.subject.add_finding(
                    CheckKind.SELF_SIGNATURE,
                    "version 4 or newer, SHA-256 or better",
                    signature.weakness,
                    key_id,
                    _SELF_SIGNATURE_HINT,
                )

    def _describe(self, key: Key) -> str:
        left = key.days_left(self.now)
        validity = f"valid for {left:,.0f} days" if key.expires else "no expiry"
        return f"{key.algorithm.upper()} {key.bits} …{key.fingerprint[-16:]}, {validity}"

    def _check_key(self, key: Key) -> None:
        left = key.days_left(self.now)
        if key.weakness:
            self.subject.add_finding(CheckKind.KEY, "a strong key", key.weakness, key.fingerprint, _WEAK_HINT)
        expected = f"a key that is valid for {self.horizon_days} days"
        if left < 0:
            found = f"it expired {-left:.0f} days ago"
            self.subject.add_finding(CheckKind.KEY, expected, found, key.fingerprint, _RENEW_HINT)
        elif left < self.horizon_days:
            found = f"it expires in {left:.0f} days"
            self.subject.add_finding(CheckKind.KEY, expected, found, key.fingerprint, _RENEW_HINT)


@contextmanager
def load_trusted_keys(
    reader: RepositoryReader, discovery: Discovery, key: str, now: float, horizon_days: int
) -> Iterator[TrustedKeys]:
    """Yield the keys of a file or a named key, without `key` the repository's own. Raises ConfigurationError."""
    trusted = TrustedKeys(now, horizon_days)
    with gpg.temporary_home() as home:
        trusted.certificates = read_key(key) if key else _offered_keys(reader, discovery)
        if not trusted.certificates:
            trusted.subject.add_finding(
                CheckKind.KEY,
                "a public key to verify signatures with",
                "none in the repository; no signature was verified",
                hint="Pass --key FILE, and publish the key in the repository for its clients.",
            )
            yield trusted
            return
        file = _import_certificates(home, trusted.certificates)
        trusted.keys, trusted.subkeys = list_keys(home), list_subkeys(home)
        if not trusted.keys:
            trusted.subject.add_finding(
                CheckKind.KEY,
                "a public key",
                "a file that gpg cannot import; clients cannot either",
                key,
                "Export the key again: gpg --armor --export FINGERPRINT.",
            )
        if not key:
            trusted.subject.add_remark(
                "signatures were verified with the repository's own keys; "
                "pass --key FILE to verify with keys that you trust"
            )
        trusted.verifier = SignatureVerifier(file, file.parent, trusted.horizon_end)
        yield trusted


def _import_certificates(home: gpg.GpgHome, certificates: bytes) -> Path:
    """Import OpenPGP packets, and return a file with them."""
    file = (home.folder or Path()) / "keys.gpg"
    file.write_bytes(certificates)
    home.run("--import", file, check=False)
    return file


def read_key(key: str) -> bytes:
    """Return the public keys of a file or of a key by its name, as packets. Raises ConfigurationError."""
    if not Path(key).is_file() and keys.exists(key):
        home = gpg.open_home(keys.load(key).folder)
        return openpgp.dearmor(home.run("--armor", "--export").stdout.encode())
    try:
        data = Path(key).read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"Cannot read --key {key} ({error.strerror}).",
            "Pass a file with public keys, or the name of a key that inv key show lists.",
        ) from None
    if not openpgp.is_key(data):
        raise ConfigurationError(f"No public key in --key {key}.", "Export one: gpg --armor --export FINGERPRINT.")
    return openpgp.dearmor(data)


def _offered_keys(reader: RepositoryReader, discovery: Discovery) -> bytes:
    """Return the public keys in the usual places of a repository."""
    bases = (suite.base for suite in discovery.suites)
    paths = [join(folder, "repodata/repomd.xml.key") for folder in discovery.yum_folders]
    for folder in dict.fromkeys(("", *bases, *discovery.yum_folders)):
        names = reader.list_folder(folder) or ()
        listed = [name for name in names if name.endswith(_KEY_SUFFIXES) and name != "Release.gpg"][:_MAX_LISTED_KEYS]
        paths += [join(folder, name) for name in dict.fromkeys((*_KEY_NAMES, *listed))]
    distinct = list(dict.fromkeys(paths))[:_MAX_KEY_FILES]
    files = (reader.read(path, _MAX_KEY_SIZE) or b"" for path in distinct)
    return b"".join(dict.fromkeys(openpgp.dearmor(f) for f in files if openpgp.is_key(f)))


def read_keys(key: str) -> tuple[PublicKey, ...]:
    """Return the keys of a file (PEM or OpenPGP), or of a key by its name. Raises ConfigurationError."""
    path = Path(key)
    with suppress(OSError):
        data = path.read_bytes()[:_MAX_KEY_SIZE]
        if PEM_HEADER in data:
            return (parse_pem(data, key),)
    return certificate_keys(read_key(key))


def certificate_keys(certificates: bytes) -> tuple[PublicKey, ...]:
    """Return the keys and subkeys of OpenPGP certificates that statements can be verified with; not those revoked."""
    if not certificates:
        return ()
    with gpg.temporary_home() as home:
        _import_certificates(home, certificates)
        all_keys = (*list_keys(home), *list_subkeys(home))
        fingerprints = [key.fingerprint for key in all_keys if not key.revoked]
        exported = ((f, home.run("--export-ssh-key", f"{f}!", check=False).stdout) for f in fingerprints)
        return tuple(key for name, text in exported if text and (key := parse_ssh(text, name)))
