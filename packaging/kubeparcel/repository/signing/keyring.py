"""The keys of a gpg home: what clients will think of each, and what signs for it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.model import DAY
from kubeparcel.repository.signing import gpg
from kubeparcel.repository.signing.gpg import GpgHome

_DEAD = {"d", "e", "i", "n", "r"}  # disabled, expired, invalid, revoked (GnuPG, doc/DETAILS)
_WEAK = {"1": "MD5", "2": "SHA-1", "3": "RIPEMD-160"}
_CERTIFIES = ("10", "11", "12", "13")
ALGORITHMS = {"1": "rsa", "17": "dsa", "19": "ecdsa", "22": "eddsa"}


@dataclass(frozen=True)
class Key:
    """One key: times are in seconds since 1970, `expires` is 0 when it never does.

    `vouched` is the digest it vouches for itself with, by its number (RFC 4880, 9.4). `subkeys`
    are fingerprints of those that sign for it, newest first, with their times of expiry; `signs`
    is the one that does: its own, if it can.
    """

    fingerprint: str
    user_id: str
    algorithm: str
    bits: int
    created: int
    expires: int
    self_signature_digest: str = ""
    signing_fingerprint: str = ""
    subkeys: tuple[tuple[str, int], ...] = ()

    def with_subkey(self, fingerprint: str) -> Key:
        """The same, signing by that subkey; it holds no longer than the subkey."""
        ends = [when for when in (self.expires, dict(self.subkeys)[fingerprint]) if when]
        return dataclasses.replace(
            self, signing_fingerprint=fingerprint, expires=min(ends, default=0)
        )

    def days_left(self, now: float | None = None) -> float:
        """Days until it expires; infinite when it never does."""
        moment = time.time() if now is None else now
        return (self.expires - moment) / DAY if self.expires else float("inf")

    @property
    def weakness(self) -> str:
        """Why clients refuse it; empty when they do not."""
        if self.algorithm == "dsa" or self.algorithm not in ALGORITHMS.values():
            return f"its algorithm ({self.algorithm}) is refused by current systems"
        if self.algorithm == "rsa" and self.bits < 2048:
            return f"RSA with {self.bits} bits is too short"
        return ""

    @property
    def self_signature_problem(self) -> str:
        """Why clients do not believe what it says of itself; empty when they do."""
        weak = _WEAK.get(self.self_signature_digest, "")
        return f"it vouches for itself with {weak}, which current systems refuse" if weak else ""


def list_keys(home: GpgHome) -> tuple[Key, ...]:
    """The keys of a home."""
    text = home.run("--with-colons", "--fixed-list-mode", "--list-sigs", check=False).stdout
    return tuple(_read(text))


def _read(text: str) -> Iterator[Key]:
    """From what gpg lists (GnuPG, doc/DETAILS)."""
    for block in f"\n{text}".split("\npub:")[1:]:
        pub, *rows = (line.split(":") for line in f"pub:{block}".splitlines())
        fingerprint = next(row[9] for row in rows if row[0] == "fpr")
        names = [row[9].replace(r"\x3a", ":") for row in rows if row[0] == "uid"]
        sigs = (row for row in rows if row[0] == "sig" and row[4] == pub[4])
        own = [row for row in sigs if row[10].startswith(_CERTIFIES)]
        vouched = max(own, key=lambda row: int(row[5]))[15] if own else ""
        if names:
            algorithm = ALGORITHMS.get(pub[3], pub[3])
            dates = int(pub[5]), int(pub[6] or 0)
            subkeys = tuple(_subkeys(rows))
            signs = fingerprint if "s" in pub[11] else ""
            key = Key(
                fingerprint, names[0], algorithm, int(pub[2]), *dates, vouched, signs, subkeys
            )
            yield key if signs or not subkeys else key.with_subkey(subkeys[0][0])


def _subkeys(rows: Iterable[Sequence[str]]) -> Iterator[tuple[str, int]]:
    """The subkeys that sign and hold, newest first: their fingerprints come after them."""
    found, sub = [], None
    for row in rows:
        if row[0] == "sub":
            sub = row if "s" in row[11] and row[1] not in _DEAD else None
        elif row[0] == "fpr" and sub:
            found.append((int(sub[5]), row[9], int(sub[6] or 0)))
            sub = None
    return ((fingerprint, expires) for _, fingerprint, expires in sorted(found, reverse=True))


def secret_fingerprints(home: GpgHome) -> frozenset[str]:
    """The fingerprints of the keys of a home that have their private part there."""
    text = home.run("--with-colons", "--list-secret-keys", check=False).stdout
    blocks = f"\n{text}".split("\nsec:")[1:]
    return frozenset(block.partition("\nfpr:")[2].split(":")[8] for block in blocks)


@contextmanager
def imported_keys(file: Path) -> Iterator[tuple[GpgHome, tuple[Key, ...]]]:
    """A home that has the keys of a file, secret ones too, until the block ends."""
    with gpg.temporary_home() as home:
        done = home.run("--import", file, secret=True, check=False)
        keys = list_keys(home)
        if done.exit_code or not keys:
            raise ConfigurationError(f"{file} holds no key that gpg can read.", done.stderr.strip())
        yield home, keys
