"""Signing keys by name, each in a GnuPG home of its own in the user's configuration folder."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from kubeparcel.errors import ConfigurationError
from kubeparcel.files import atomic_write, translate_os_errors
from kubeparcel.paths import config_dir
from kubeparcel.repository.model import DAY
from kubeparcel.repository.signing import gpg
from kubeparcel.repository.signing.gpg import DIGEST_ALGORITHM
from kubeparcel.repository.signing.keyring import Key, list_keys
from kubeparcel.times import utc_date

DEFAULT_NAME = "default"
LIFETIME_DAYS = 3 * 365
"""Validity of a new key."""

OVERLAP_DAYS = 120
"""After a rotation the old key signs as well for this long."""

EXPIRY_WARNING_DAYS = 180
"""Publishing warns if the key expires within this time."""

ALGORITHM = "rsa4096"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RECORD = "kubeparcel.json"
_FINGERPRINT = re.compile(r"[0-9A-F]{40,64}")


@dataclass(frozen=True)
class NamedKey:
    """The fingerprints behind a name; `previous` also signs until `previous_until` (Unix time)."""

    name: str
    folder: Path
    current: str
    previous: str = ""
    previous_until: int = 0

    @property
    def signing_fingerprints(self) -> tuple[str, ...]:
        """Return the keys that sign now; first the one that most clients have."""
        if self.previous and time.time() < self.previous_until:
            return (self.previous, self.current)
        return (self.current,)


class KeyState(StrEnum):
    """What a key is used for. A retiring key signs next to its successor."""

    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"
    EXPIRED = "expired"


@dataclass(frozen=True)
class KeyStatus:
    """A key in the home of a name, its state, and when it signs for the last time.

    `signs_until` is in seconds since 1970; 0 without a limit, or if the date is unknown.
    """

    name: str
    key: Key
    state: KeyState
    signs_until: int


def key_folder(name: str) -> Path:
    """Return the folder of a key, existing or not; raises ConfigurationError for a bad name."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"Invalid key name {name!r}.", "Use up to 64 letters, digits, dots, hyphens and underscores."
        )
    return keys_folder() / name


def keys_folder() -> Path:
    """Return the folder of all keys."""
    return config_dir() / "keys"


def exists(name: str) -> bool:
    """Return whether there is a key with this name."""
    return bool(_NAME.fullmatch(name)) and (key_folder(name) / _RECORD).is_file()


def names() -> tuple[str, ...]:
    """Return the names of all keys, sorted."""
    folder = keys_folder()
    with translate_os_errors(folder):
        entries = sorted(folder.iterdir()) if folder.exists() else []
    return tuple(entry.name for entry in entries if exists(entry.name))


def load(name: str) -> NamedKey:
    """Return the key with this name; raises ConfigurationError if it does not exist."""
    folder = key_folder(name)
    try:
        record = json.loads((folder / _RECORD).read_bytes())
        return _named_key(name, folder, record)
    except FileNotFoundError:
        raise ConfigurationError(
            f"Unknown key {name!r} (not in {folder.parent}).",
            f"Create it: inv key new --name {name}. Or name a file with a private key.",
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigurationError(
            f"Cannot read {folder / _RECORD}: the file is damaged.", "Restore the folder of the key from a backup."
        ) from None


def _named_key(name: str, folder: Path, record: Any) -> NamedKey:
    """Return a key from its record; raises ValueError, KeyError or TypeError for a damaged one."""
    current, previous, until = record["current"], record["previous"], record["until"]
    fingerprints = _FINGERPRINT.fullmatch(current) and _FINGERPRINT.fullmatch(previous or current)
    if not (fingerprints and isinstance(until, int)):
        raise ValueError("a fingerprint or date is invalid")
    return NamedKey(name, folder, current, previous, until)


def create(name: str = DEFAULT_NAME, user_id: str = "", days: int = LIFETIME_DAYS) -> NamedKey:
    """Create an RSA-4096 key without prompting; raises ConfigurationError if the name is taken."""
    folder = key_folder(name)
    if exists(name):
        raise ConfigurationError(f"Key {name!r} already exists.", "Choose another --name, or run: inv key rotate.")
    with translate_os_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    try:
        fingerprint = _generate(folder, user_id or f"{name} package repository", days)
        return _save(NamedKey(name, folder, fingerprint))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def extend(name: str, days: int = LIFETIME_DAYS) -> NamedKey:
    """Set the key's expiry to that many days from now; clients must fetch the key again."""
    key = load(name)
    home = gpg.open_home(key.folder)
    home.run("--quick-set-expire", key.current, f"{days}d", secret=True)
    return key


def rotate(name: str, days: int = LIFETIME_DAYS, overlap_days: int = OVERLAP_DAYS, user_id: str = "") -> NamedKey:
    """Create a new key under the name; the old one also signs for `overlap_days`.

    Raises ConfigurationError while an earlier rotation is under way: most clients have only the
    key that it would retire.
    """
    old = load(name)
    by_fingerprint = {status.key.fingerprint: status for status in statuses(old)}
    _require_no_rotation(name, by_fingerprint.values())
    fingerprint = _generate(old.folder, user_id or by_fingerprint[old.current].key.user_id, days)
    until = int(time.time()) + overlap_days * DAY
    return _save(NamedKey(name, old.folder, fingerprint, old.current, until))


def _require_no_rotation(name: str, listed: Iterable[KeyStatus]) -> None:
    signing = [status for status in listed if status.state in (KeyState.RETIRING, KeyState.ACTIVE)]
    retiring = next((status for status in signing if status.state is KeyState.RETIRING), None)
    if retiring is None:
        return
    limits = ", ".join(
        f"{status.key.fingerprint} "
        + (f"signs until {utc_date(status.signs_until)}" if status.signs_until else "signs")
        for status in signing
    )
    raise ConfigurationError(
        f"Key {name!r} is already being rotated: {limits}.",
        f"Publish, so that clients get the new key. Rotate again from "
        f"{utc_date(retiring.signs_until + DAY)} on, when the old key has retired.\n"
        "If a key is compromised, create another one: inv key new --name NAME.",
    )


def statuses(named: NamedKey) -> tuple[KeyStatus, ...]:
    """Return the keys in the home of a name, retired ones too."""
    return tuple(_status(named, key) for key in list_keys(gpg.open_home(named.folder)))


def _status(named: NamedKey, key: Key) -> KeyStatus:
    limits = [key.expires] if key.expires else []
    if key.fingerprint == named.previous:
        limits.append(named.previous_until)
    if key.fingerprint not in named.signing_fingerprints:
        known = key.fingerprint == named.previous
        return KeyStatus(named.name, key, KeyState.RETIRED, min(limits) if known else 0)
    if key.days_left() <= 0:
        state = KeyState.EXPIRED
    else:
        state = KeyState.ACTIVE if key.fingerprint == named.current else KeyState.RETIRING
    return KeyStatus(named.name, key, state, min(limits, default=0))


def _generate(folder: Path, user_id: str, days: int) -> str:
    """Generate a key in a home and return its fingerprint."""
    home = gpg.open_home(folder)
    before = {key.fingerprint for key in list_keys(home)}
    home.run(
        *("--cert-digest-algo", DIGEST_ALGORITHM, "--quick-generate-key", "--yes"),
        *(user_id, ALGORITHM, "sign", f"{days}d"),
        passphrase=gpg.read_passphrase() or "",
    )
    return next(k.fingerprint for k in list_keys(home) if k.fingerprint not in before)


def _save(key: NamedKey) -> NamedKey:
    record = {"current": key.current, "previous": key.previous, "until": key.previous_until}
    with atomic_write(key.folder / _RECORD, 0o600) as part:
        part.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    return key
