"""The keys in a GnuPG home: their strength and expiry, and the subkeys that sign."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.model import DAY
from kubeparcel.repository.signing import gpg
from kubeparcel.repository.signing.gpg import DIGEST_ALGORITHM, GpgHome

_UNUSABLE = {"d", "e", "i", "n", "r"}  # disabled, expired, invalid, revoked (GnuPG, doc/DETAILS)
_WEAK_DIGESTS = {"1": "MD5", "2": "SHA-1", "3": "RIPEMD-160"}
_CERTIFICATION_CLASSES = ("10", "11", "12", "13")
_ALGORITHMS = {"1": "rsa", "17": "dsa", "19": "ecdsa", "22": "eddsa"}


@dataclass(frozen=True)
class Key:
    """A key or subkey. Times are in seconds since 1970; `expires` is 0 for a key without expiry.

    `self_signature_digest` is the number of a digest algorithm (RFC 4880, 9.4). `subkeys` are the
    fingerprints of usable signing subkeys, newest first, with their expiry. `signing_fingerprint`
    is the key that signs: the primary key if it can, or else the newest subkey.
    """

    fingerprint: str
    user_id: str
    algorithm: str
    bits: int
    created: int
    expires: int
    revoked: bool = False
    self_signature_digest: str = ""
    signing_fingerprint: str = ""
    subkeys: tuple[tuple[str, int], ...] = ()

    def with_subkey(self, fingerprint: str) -> Key:
        """Return the key signing with this subkey; it expires when either of them does."""
        times = [t for t in (self.expires, dict(self.subkeys)[fingerprint]) if t]
        expires = min(times, default=0)
        return dataclasses.replace(self, signing_fingerprint=fingerprint, expires=expires)

    def days_left(self, now: float | None = None) -> float:
        """Return the days until it expires; infinite without expiry."""
        moment = time.time() if now is None else now
        return (self.expires - moment) / DAY if self.expires else float("inf")

    @property
    def weakness(self) -> str:
        """Return why clients reject signatures by the key; empty if they accept them."""
        if self.algorithm == "dsa" or self.algorithm not in _ALGORITHMS.values():
            return f"algorithm {self.algorithm} is rejected by current systems"
        if self.algorithm == "rsa" and self.bits < 2048:
            return f"RSA with {self.bits} bits is too short"
        return ""

    @property
    def self_signature_problem(self) -> str:
        """Return why clients reject the key's self-signature; empty if they accept it."""
        weak = _WEAK_DIGESTS.get(self.self_signature_digest, "")
        return f"its self-signature uses {weak}, which current systems reject" if weak else ""


@dataclass
class _Listing:
    """A primary key in gpg's colon listing: fields of its records (GnuPG, doc/DETAILS)."""

    primary: list[str]
    fingerprint: str = ""
    user_ids: list[str] = field(default_factory=list)
    signatures: list[list[str]] = field(default_factory=list)
    subkeys: list[tuple[list[str], str]] = field(default_factory=list)


def _listings(home: GpgHome, command: str) -> list[_Listing]:
    """Run a list command of gpg and parse its colon listing."""
    text = home.run("--with-colons", "--fixed-list-mode", command, check=False).stdout
    listings: list[_Listing] = []
    for fields in (line.split(":") for line in text.splitlines()):
        record = fields[0]
        if record in ("pub", "sec"):
            listings.append(_Listing(fields))
        elif not listings:
            continue
        elif record in ("sub", "ssb"):
            listings[-1].subkeys.append((fields, ""))
        elif record == "fpr" and listings[-1].subkeys:
            listings[-1].subkeys[-1] = listings[-1].subkeys[-1][0], fields[9]
        elif record == "fpr":
            listings[-1].fingerprint = fields[9]
        elif record == "uid":
            listings[-1].user_ids.append(fields[9].replace(r"\x3a", ":"))
        elif record == "sig":
            listings[-1].signatures.append(fields)
    return listings


def list_keys(home: GpgHome) -> tuple[Key, ...]:
    """Return the keys of a home that have a user ID."""
    return tuple(_key(listing) for listing in _listings(home, "--list-sigs") if listing.user_ids)


def last_change(home: GpgHome, fingerprints: Collection[str]) -> int:
    """Return when keys were created, extended or got a subkey last: they have made no valid signature earlier."""
    times = [0]
    for listing in _listings(home, "--list-sigs"):
        if listing.fingerprint in fingerprints:
            own = [fields for fields in listing.signatures if fields[4] == listing.primary[4]]
            times += [int(f[5] or 0) for f in (listing.primary, *(fields for fields, _ in listing.subkeys), *own)]
    return max(times)


def list_subkeys(home: GpgHome) -> tuple[Key, ...]:
    """Return all subkeys of a home, usable or not."""
    listings = _listings(home, "--list-keys")
    return tuple(_plain_key(*subkey) for listing in listings for subkey in listing.subkeys)


def secret_fingerprints(home: GpgHome) -> frozenset[str]:
    """Return the fingerprints of the keys whose private part is in a home."""
    return frozenset(listing.fingerprint for listing in _listings(home, "--list-secret-keys"))


def _plain_key(fields: list[str], fingerprint: str) -> Key:
    algorithm = _ALGORITHMS.get(fields[3], fields[3])
    revoked = fields[1] == "r"
    return Key(fingerprint, "", algorithm, int(fields[2]), int(fields[5]), int(fields[6] or 0), revoked)


def _key(listing: _Listing) -> Key:
    subkeys = [
        _plain_key(fields, fingerprint)
        for fields, fingerprint in listing.subkeys
        if "s" in fields[11] and fields[1] not in _UNUSABLE
    ]
    subkeys.sort(key=lambda key: (key.created, key.fingerprint), reverse=True)
    key = dataclasses.replace(
        _plain_key(listing.primary, listing.fingerprint),
        user_id=listing.user_ids[0],
        self_signature_digest=_self_signature_digest(listing),
        signing_fingerprint=listing.fingerprint if "s" in listing.primary[11] else "",
        subkeys=tuple((subkey.fingerprint, subkey.expires) for subkey in subkeys),
    )
    if key.signing_fingerprint or not subkeys:
        return key
    return key.with_subkey(subkeys[0].fingerprint)


def _self_signature_digest(listing: _Listing) -> str:
    """Return the digest algorithm of the newest certification of the key by itself."""
    own = [
        fields
        for fields in listing.signatures
        if fields[4] == listing.primary[4] and fields[10].startswith(_CERTIFICATION_CLASSES)
    ]
    return max(own, key=lambda fields: int(fields[5]))[15] if own else ""


@contextmanager
def imported_keys(file: Path) -> Iterator[tuple[GpgHome, tuple[Key, ...]]]:
    """Yield a temporary home with the keys of a file, private ones too, and these keys."""
    with gpg.temporary_home(private_keys=True) as home:
        completed = home.run("--import", file, secret=True, check=False)
        keys = list_keys(home)
        if completed.exit_code or not keys:
            raise ConfigurationError(f"gpg found no key in {file}.", completed.stderr.strip())
        yield home, keys


def require_usable(key: Key) -> None:
    """Raise ConfigurationError for a key that cannot sign, is weak or has expired."""
    if not key.signing_fingerprint:
        raise ConfigurationError(
            f"Key {key.fingerprint} cannot sign, and has no valid subkey that can.",
            "gpg --list-keys marks keys that sign with [S] and shows which have expired.",
        )
    if key.weakness:
        raise ConfigurationError(f"Key {key.fingerprint}: {key.weakness}.", "Create a strong key: inv key new.")
    if key.self_signature_problem:
        raise ConfigurationError(
            f"Key {key.fingerprint}: {key.self_signature_problem}.",
            "Renew the self-signature, then publish so that clients fetch the key again: "
            f"gpg --cert-digest-algo {DIGEST_ALGORITHM} --quick-set-expire {key.fingerprint} 3y",
        )
    if key.days_left() <= 0:
        raise ConfigurationError(f"Key {key.fingerprint} has expired.", "Run inv key extend, then publish again.")
