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
from kubeparcel.repository.signing.keyring import listed
from kubeparcel.store import atomic_write, translate_os_errors

DEFAULT = "default"
LIFETIME = 3 * 365
"""How long a new key holds, in days."""

OVERLAP = 120
"""How long the old key still signs beside the new one after a rotation, in days."""

WARNING = 180
"""From so many days before its end on, a key's expiry is warned of."""

STRONG = "SHA512"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RECORD = "kubeparcel.json"


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
    with translate_os_errors(folder):
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
    with atomic_write(named.folder / _RECORD, 0o600) as part:
        part.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    return named
