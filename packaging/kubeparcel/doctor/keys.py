"""The keys a repository is trusted by: where they come from, and whether they will do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kubeparcel.doctor.discovery import Found
from kubeparcel.doctor.findings import Examined, Kind
from kubeparcel.doctor.reader import Source
from kubeparcel.doctor.signature_check import Verifier
from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.model import DAY
from kubeparcel.repository.signing import gpg, keys, openpgp
from kubeparcel.repository.signing.gpg import Home
from kubeparcel.repository.signing.keyring import ALGORITHMS, Key, listed

YEAR = 365
"""How many days a key has to hold from now on, unless the user says otherwise."""

_PLACES = ("key.gpg", "key.asc", "Release.key", "RPM-GPG-KEY", "gpg.key", "public.key")
_ENDS = (".gpg", ".asc", ".key", ".pgp")
_LONGEST = 1 << 20


@dataclass
class Ring:
    """Trusted keys, and what checks signatures with them; `verifier` is None without any.

    `known` are the keys, `parts` their subkeys.
    """

    now: float = field(default_factory=time.time)
    horizon: int = YEAR
    examined: Examined = field(default_factory=lambda: Examined("key"))
    known: tuple[Key, ...] = ()
    parts: tuple[Key, ...] = ()
    binary: bytes = b""
    verifier: Verifier | None = None

    @property
    def later(self) -> float:
        """Until when things have to hold, in seconds since 1970."""
        return self.now + self.horizon * DAY

    def judge(self) -> None:
        """Examine the keys that signatures were made with; all when none was."""
        self.examined.look(Kind.KEY, Kind.SELF_SIGNATURE)
        signers = self.verifier.signers if self.verifier else set()
        both = (*self.known, *self.parts)
        used = [key for key in both if key.fingerprint in signers] or list(self.known)
        self.examined.about = ", ".join(map(self._said, used))
        for key in used:
            self._key(key)
        for fingerprint, signature in openpgp.vouching(self.binary):
            if signature.weakness and any(k.fingerprint.endswith(fingerprint) for k in used):
                self.examined.fault(
                    Kind.SELF_SIGNATURE,
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
            self.examined.fault(Kind.KEY, "a strong key", key.weakness, key.fingerprint, todo)
        if left < 0:
            said = f"it expired {-left:.0f} days ago"
            self.examined.fault(Kind.KEY, "a key that holds", said, key.fingerprint, todo)
        elif left < self.horizon:
            wanted, said = f"a key that holds {self.horizon} days", f"it expires in {left:.0f} days"
            self.examined.fault(Kind.KEY, wanted, said, key.fingerprint, todo)


@contextmanager
def trusted(source: Source, found: Found, key: str, now: float, horizon: int) -> Iterator[Ring]:
    """The keys of a file, or of that name here; else those the repository offers itself."""
    ring = Ring(now, horizon)
    with gpg.scratch() as home:
        ring.binary = _given(key) if key else _offered(source, found)
        if not ring.binary:
            ring.examined.fault(
                *(Kind.KEY, "a public key to check signatures with", "none in the repository"),
                todo="Give --key FILE: no signature was checked.",
            )
            yield ring
            return
        file = home.folder / "keys.gpg" if home.folder else Path()
        file.write_bytes(ring.binary)
        home.run("--import", file, check=False)
        ring.known, ring.parts = listed(home), tuple(_subkeys(home))
        if not ring.known:
            ring.examined.fault(Kind.KEY, "a public key", "a file that gpg cannot read", key)
        if not key:
            ring.examined.remark(
                "signatures were checked with the keys that the repository itself hands out; "
                "--key FILE names those you trust"
            )
        ring.verifier = Verifier(file, home.folder or Path(), ring.later)
        yield ring


def _given(key: str) -> bytes:
    if not Path(key).is_file() and keys.exists(key):
        home = gpg.reachable(keys.load(key).folder)
        return openpgp.dearmored(home.run("--armor", "--export").stdout.encode())
    try:
        data = Path(key).read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"--key {key}: it cannot be read ({error.strerror}).", "Name a file with public keys."
        ) from None
    if not openpgp.is_key(data):
        raise ConfigurationError(f"--key {key}: there is no public key in it.")
    return openpgp.dearmored(data)


def _offered(source: Source, found: Found) -> bytes:
    """All public keys that lie where repositories have them."""
    folders = dict.fromkeys(("", *(suite.base for suite in found.suites), *found.yums))
    paths = [f"{yum}/repodata/repomd.xml.key".lstrip("/") for yum in found.yums]
    for folder in folders:
        listed = [name for name in source.listed(folder) or () if name.endswith(_ENDS)]
        names = [name for name in (*_PLACES, *listed) if name != "Release.gpg"]
        paths += [f"{folder}/{name}".lstrip("/") for name in dict.fromkeys(names)]
    rows = (source.read(path, _LONGEST) or b"" for path in dict.fromkeys(paths))
    return b"".join(dict.fromkeys(openpgp.dearmored(row) for row in rows if openpgp.is_key(row)))


def _subkeys(home: Home) -> Iterator[Key]:
    """The subkeys: each may have an expiry of its own."""
    text = home.run("--with-colons", "--fixed-list-mode", "--list-keys", check=False).stdout
    row: list[str] = []
    for fields in (line.split(":") for line in text.splitlines()):
        if fields[0] == "sub":
            row = fields
        elif fields[0] == "fpr" and row:
            algorithm = ALGORITHMS.get(row[3], row[3])
            yield Key(fields[9], "", algorithm, int(row[2]), int(row[5]), int(row[6] or 0))
            row = []
