"""Signing keys by name, each in a gpg home of its own below the user's configuration folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.model import DAY
from kubeparcel.repository.signing import gpg
from kubeparcel.repository.signing.keyring import list_keys
from kubeparcel.store import atomic_write, translate_os_errors

DEFAULT_NAME = "default"
LIFETIME_DAYS = 3 * 365
"""How long a new key holds, in days."""

OVERLAP_DAYS = 120
"""How long the old key still signs beside the new one after a rotation, in days."""

EXPIRY_WARNING_DAYS = 180
"""From so many days before its end on, a key's expiry is warned of."""

DIGEST_ALGORITHM = "SHA512"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RECORD = "kubeparcel.json"


@dataclass(frozen=True)
class NamedKey:
    """A key as the user knows it; `previous` still signs too, until `until`."""

    name: str
    folder: Path
    current: str
    previous: str = ""
    previous_until: int = 0

    @property
    def signing_fingerprints(self) -> tuple[str, ...]:
        """Fingerprints of the keys that sign now; the first is the one most clients know."""
        if self.previous and time.time() < self.previous_until:
            return (self.previous, self.current)
        return (self.current,)


def key_folder(name: str) -> Path:
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
    return bool(_NAME.fullmatch(name)) and (key_folder(name) / _RECORD).is_file()


def load(name: str) -> NamedKey:
    """The key of that name; raises ConfigurationError when there is none."""
    folder = key_folder(name)
    try:
        record = json.loads((folder / _RECORD).read_bytes())
        return NamedKey(name, folder, record["current"], record["previous"], record["until"])
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no key {name!r} in {folder.parent}.",
            f"Make one: inv key new --name {name}. Or name a file with a private key.",
        ) from None
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{folder / _RECORD} is damaged.") from None


def create(name: str = DEFAULT_NAME, user_id: str = "", days: int = LIFETIME_DAYS) -> NamedKey:
    """Make a key: RSA, 4096 bits, SHA-512. Asks nothing; raises when the name is taken."""
    folder = key_folder(name)
    if exists(name):
        raise ConfigurationError(
            f"There is a key {name!r} already.", "Choose another --name, or: inv key rotate."
        )
    with translate_os_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    try:
        fingerprint = _generate(folder, user_id or f"{name} package repository", days)
        return _saved(NamedKey(name, folder, fingerprint))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def extend(name: str, days: int = LIFETIME_DAYS) -> NamedKey:
    """Let the key hold for so many days from now; clients have to fetch it again."""
    named = load(name)
    home = gpg.open_home(named.folder)
    home.run("--quick-set-expire", named.current, f"{days}d", secret=True)
    return named


def rotate(
    name: str, days: int = LIFETIME_DAYS, overlap_days: int = OVERLAP_DAYS, user_id: str = ""
) -> NamedKey:
    """Make a new key for the name; the old one signs beside it for `overlap` days."""
    old = load(name)
    known = {key.fingerprint: key for key in list_keys(gpg.open_home(old.folder))}
    who = user_id or known[old.current].user_id
    fingerprint = _generate(old.folder, who, days)
    until = int(time.time()) + overlap_days * DAY
    return _saved(NamedKey(name, old.folder, fingerprint, old.current, until))


def _generate(folder: Path, identity: str, days: int) -> str:
    home = gpg.open_home(folder)
    before = {key.fingerprint for key in list_keys(home)}
    home.run(
        *("--cert-digest-algo", DIGEST_ALGORITHM, "--quick-generate-key", "--yes"),
        *(identity, "rsa4096", "sign", f"{days}d"),
        passphrase=gpg.read_passphrase() or "",
    )
    return next(k.fingerprint for k in list_keys(home) if k.fingerprint not in before)


def _saved(named: NamedKey) -> NamedKey:
    record = {"current": named.current, "previous": named.previous, "until": named.previous_until}
    with atomic_write(named.folder / _RECORD, 0o600) as part:
        part.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    return named
