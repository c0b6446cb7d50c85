"""Signing keys by name, each in a gpg home of its own below the user's configuration folder."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigurationError
from ..store import disk_errors, written
from . import gpg
from .gpg import Home

DEFAULT = "default"
DAY = 86_400
LIFETIME = 3 * 365
"""How long a new key holds, in days."""

OVERLAP = 120
"""How long the old key still signs beside the new one after a rotation, in days."""

WARNING = 180
"""From so many days before its end on, a key's expiry is warned of."""

STRONG = "SHA512"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RECORD = "kubeparcel.json"
_WEAK = {"1": "MD5", "2": "SHA-1", "3": "RIPEMD-160"}
_DEAD = {"d", "e", "i", "n", "r"}  # disabled, expired, invalid, revoked (GnuPG, doc/DETAILS)
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
    identity: str
    algorithm: str
    bits: int
    created: int
    expires: int
    vouched: str = ""
    signs: str = ""
    subkeys: tuple[tuple[str, int], ...] = ()

    def by(self, fingerprint: str) -> Key:
        """The same, signing by that subkey; it holds no longer than the subkey."""
        ends = [when for when in (self.expires, dict(self.subkeys)[fingerprint]) if when]
        return dataclasses.replace(self, signs=fingerprint, expires=min(ends, default=0))

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
    def doubt(self) -> str:
        """Why clients do not believe what it says of itself; empty when they do."""
        weak = _WEAK.get(self.vouched, "")
        return f"it vouches for itself with {weak}, which current systems refuse" if weak else ""


@dataclass(frozen=True)
class Named:
    """A key as the user knows it; `previous` still signs too, until `until`."""

    name: str
    folder: Path
    current: str
    previous: str = ""
    until: int = 0

    @property
    def signing(self) -> tuple[str, ...]:
        """Fingerprints of the keys that sign now; the first is the one most clients know."""
        if self.previous and time.time() < self.until:
            return (self.previous, self.current)
        return (self.current,)


def folder_of(name: str) -> Path:
    """Where the key of that name is, or would be; raises ConfigurationError for an odd name."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} cannot be the name of a key.")
    return _all() / name


def _all() -> Path:
    """The folder of all keys; KUBEPARCEL_CONFIG names another place for it."""
    named = os.environ.get("KUBEPARCEL_CONFIG")
    if named:
        return Path(named).expanduser().absolute() / "keys"
    import platformdirs

    return platformdirs.user_config_path("kubeparcel") / "keys"


def exists(name: str) -> bool:
    """Whether there is a key of that name."""
    return bool(_NAME.fullmatch(name)) and (folder_of(name) / _RECORD).is_file()


def load(name: str) -> Named:
    """The key of that name; raises ConfigurationError when there is none."""
    folder = folder_of(name)
    try:
        record = json.loads((folder / _RECORD).read_bytes())
        return Named(name, folder, record["current"], record["previous"], record["until"])
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no key {name!r} in {folder.parent}.",
            f"Make one: inv key new --name {name}. Or name a file with a private key.",
        ) from None
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{folder / _RECORD} is damaged.") from None


def new(name: str = DEFAULT, identity: str = "", days: int = LIFETIME) -> Named:
    """Make a key: RSA, 4096 bits, SHA-512. Asks nothing; raises when the name is taken."""
    folder = folder_of(name)
    if exists(name):
        raise ConfigurationError(
            f"There is a key {name!r} already.", "Choose another --name, or: inv key rotate."
        )
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    try:
        fingerprint = _generate(folder, identity or f"{name} package repository", days)
        return _saved(Named(name, folder, fingerprint))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def extend(name: str, days: int = LIFETIME) -> Named:
    """Let the key hold for so many days from now; clients have to fetch it again."""
    named = load(name)
    home = gpg.reachable(named.folder)
    home.run("--quick-set-expire", named.current, f"{days}d", secret=True)
    return named


def rotate(name: str, days: int = LIFETIME, overlap: int = OVERLAP, identity: str = "") -> Named:
    """Make a new key for the name; the old one signs beside it for `overlap` days."""
    old = load(name)
    known = {key.fingerprint: key for key in listed(gpg.reachable(old.folder))}
    who = identity or known[old.current].identity
    fingerprint = _generate(old.folder, who, days)
    until = int(time.time()) + overlap * DAY
    return _saved(Named(name, old.folder, fingerprint, old.current, until))


def _generate(folder: Path, identity: str, days: int) -> str:
    home = gpg.reachable(folder)
    before = {key.fingerprint for key in listed(home)}
    home.run(
        *("--cert-digest-algo", STRONG, "--quick-generate-key", "--yes"),
        *(identity, "rsa4096", "sign", f"{days}d"),
        phrase=gpg.passphrase() or "",
    )
    return next(k.fingerprint for k in listed(home) if k.fingerprint not in before)


def _saved(named: Named) -> Named:
    record = {"current": named.current, "previous": named.previous, "until": named.until}
    with written(named.folder / _RECORD, 0o600) as part:
        part.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    return named


def listed(home: Home) -> tuple[Key, ...]:
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
            yield key if signs or not subkeys else key.by(subkeys[0][0])


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


def secret(home: Home) -> frozenset[str]:
    """The fingerprints of the keys of a home that have their private part there."""
    text = home.run("--with-colons", "--list-secret-keys", check=False).stdout
    blocks = f"\n{text}".split("\nsec:")[1:]
    return frozenset(block.partition("\nfpr:")[2].split(":")[8] for block in blocks)


@contextmanager
def imported(file: Path) -> Iterator[tuple[Home, tuple[Key, ...]]]:
    """A home that has the keys of a file, secret ones too, until the block ends."""
    with gpg.scratch() as home:
        done = home.run("--import", file, secret=True, check=False)
        keys = listed(home)
        if done.code or not keys:
            raise ConfigurationError(f"{file} holds no key that gpg can read.", done.stderr.strip())
        yield home, keys
