"""The keys a repository is trusted by: where they come from, and whether they will do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kubeparcel.doctor.discovery import Discovery
from kubeparcel.doctor.findings import CheckKind, Subject
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.doctor.signature_check import SignatureVerifier
from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.model import DAY
from kubeparcel.repository.signing import gpg, keys, openpgp
from kubeparcel.repository.signing.keyring import Key, list_keys, list_subkeys

DEFAULT_HORIZON_DAYS = 365
"""How many days a key has to hold from now on, unless the user says otherwise."""

_PLACES = ("key.gpg", "key.asc", "Release.key", "RPM-GPG-KEY", "gpg.key", "public.key")
_ENDS = (".gpg", ".asc", ".key", ".pgp")
_LONGEST = 1 << 20


@dataclass
class TrustedKeys:
    """Trusted keys, and what checks signatures with them; `verifier` is None without any.

    `known` are the keys, `parts` their subkeys.
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
        """Until when things have to hold, in seconds since 1970."""
        return self.now + self.horizon_days * DAY

    def check_keys(self) -> None:
        """Examine the keys that signatures were made with; all when none was."""
        self.subject.mark_run(CheckKind.KEY, CheckKind.SELF_SIGNATURE)
        signers = self.verifier.signers if self.verifier else set()
        both = (*self.keys, *self.subkeys)
        used = [key for key in both if key.fingerprint in signers] or list(self.keys)
        self.subject.description = ", ".join(map(self._said, used))
        for key in used:
            self._key(key)
        for fingerprint, signature in openpgp.self_signatures(self.certificates):
            if signature.weakness and any(k.fingerprint.endswith(fingerprint) for k in used):
                self.subject.add_finding(
                    CheckKind.SELF_SIGNATURE,
                    "version 4, SHA-256 or better",
                    signature.weakness,
                    fingerprint,
                    "Sign the key anew (gpg --cert-digest-algo SHA512 --quick-set-expire), "
                    "and hand it out again.",
                )

    def _said(self, key: Key) -> str:
        left = key.days_left(self.now)
        holds = f"{left:,.0f} days" if key.expires else "for ever"
        return f"{key.algorithm.upper()} {key.bits} …{key.fingerprint[-16:]}, holds {holds}"

    def _key(self, key: Key) -> None:
        left = key.days_left(self.now)
        todo = "inv key extend, or inv key rotate, and publish again."
        if key.weakness:
            todo = "Make a better one: inv key new."
            self.subject.add_finding(
                CheckKind.KEY, "a strong key", key.weakness, key.fingerprint, todo
            )
        if left < 0:
            said = f"it expired {-left:.0f} days ago"
            self.subject.add_finding(CheckKind.KEY, "a key that holds", said, key.fingerprint, todo)
        elif left < self.horizon_days:
            wanted, said = (
                f"a key that holds {self.horizon_days} days",
                f"it expires in {left:.0f} days",
            )
            self.subject.add_finding(CheckKind.KEY, wanted, said, key.fingerprint, todo)


@contextmanager
def load_trusted_keys(
    source: RepositoryReader, found: Discovery, key: str, now: float, horizon: int
) -> Iterator[TrustedKeys]:
    """The keys of a file, or of that name here; else those the repository offers itself."""
    ring = TrustedKeys(now, horizon)
    with gpg.temporary_home() as home:
        ring.certificates = _given(key) if key else _offered(source, found)
        if not ring.certificates:
            ring.subject.add_finding(
                *(CheckKind.KEY, "a public key to check signatures with", "none in the repository"),
                hint="Give --key FILE: no signature was checked.",
            )
            yield ring
            return
        file = home.folder / "keys.gpg" if home.folder else Path()
        file.write_bytes(ring.certificates)
        home.run("--import", file, check=False)
        ring.keys, ring.subkeys = list_keys(home), list_subkeys(home)
        if not ring.keys:
            ring.subject.add_finding(
                CheckKind.KEY, "a public key", "a file that gpg cannot read", key
            )
        if not key:
            ring.subject.add_remark(
                "signatures were checked with the keys that the repository itself hands out; "
                "--key FILE names those you trust"
            )
        ring.verifier = SignatureVerifier(file, home.folder or Path(), ring.horizon_end)
        yield ring


def _given(key: str) -> bytes:
    if not Path(key).is_file() and keys.exists(key):
        home = gpg.open_home(keys.load(key).folder)
        return openpgp.dearmor(home.run("--armor", "--export").stdout.encode())
    try:
        data = Path(key).read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"--key {key}: it cannot be read ({error.strerror}).", "Name a file with public keys."
        ) from None
    if not openpgp.is_key(data):
        raise ConfigurationError(f"--key {key}: there is no public key in it.")
    return openpgp.dearmor(data)


def _offered(source: RepositoryReader, found: Discovery) -> bytes:
    """All public keys that lie where repositories have them."""
    folders = dict.fromkeys(("", *(suite.base for suite in found.suites), *found.yum_folders))
    paths = [f"{yum}/repodata/repomd.xml.key".lstrip("/") for yum in found.yum_folders]
    for folder in folders:
        listed = [name for name in source.list_folder(folder) or () if name.endswith(_ENDS)]
        names = [name for name in (*_PLACES, *listed) if name != "Release.gpg"]
        paths += [f"{folder}/{name}".lstrip("/") for name in dict.fromkeys(names)]
    rows = (source.read(path, _LONGEST) or b"" for path in dict.fromkeys(paths))
    return b"".join(dict.fromkeys(openpgp.dearmor(row) for row in rows if openpgp.is_key(row)))
