"""The key that authenticates what caches record: only who has it can make a record that is believed.

It is in the configuration folder, not in the cache: whoever can write to the cache alone, such as another
job of a CI system, cannot forge a record.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import stat
from contextlib import suppress
from pathlib import Path

from kubeparcel.beneath import open_without_links
from kubeparcel.paths import config_dir

VARIABLE = "KUBEPARCEL_CACHE_KEY"
_NAME = "cache.key"
_SIZE = 32
MAC_SIZE = 16
_PREFIX, _SEPARATOR = b'{"mac": "', b'", "value": '


def authenticator(purpose: str) -> hashlib.blake2b:
    """Return a keyed hash, to which the data is added; `purpose` keeps records of different kinds apart."""
    key = _derived_key(os.environ.get(VARIABLE, ""), config_dir() / _NAME)
    return hashlib.blake2b(purpose.encode() + b"\0", key=key, digest_size=MAC_SIZE)


@functools.cache
def _derived_key(secret: str, file: Path) -> bytes:
    """Return the key from a secret text, or else from a file, which is created.

    Where it can be neither read nor created, records are valid for this process only.
    """
    if secret:
        return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
    try:
        return _read(file) or _create(file)
    except OSError:
        return os.urandom(_SIZE)


def _read(file: Path) -> bytes:
    """Return the key; empty if it is missing, damaged, or others could have read it."""
    with suppress(FileNotFoundError), open(open_without_links(str(file), os.O_RDONLY), "rb") as opened:  # noqa: PTH123
        status = os.fstat(opened.fileno())
        private = status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077
        key = opened.read(_SIZE + 1)
        return key if private and len(key) == _SIZE else b""
    return b""


def _create(file: Path) -> bytes:
    """Write a new key, unless another process has just done so, and return it."""
    import tempfile

    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(prefix=f".{_NAME}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as part:
            part.write(os.urandom(_SIZE))
        with suppress(FileExistsError):
            os.link(name, file)
        if key := _read(file):
            return key
        Path(name).replace(file)  # what was there is no key
        return _read(file)
    finally:
        Path(name).unlink(missing_ok=True)


def seal(purpose: str, data: bytes) -> bytes:
    """Return a JSON document of JSON data and its authentication."""
    state = authenticator(purpose)
    state.update(data)
    return _PREFIX + state.hexdigest().encode() + _SEPARATOR + data + b"}\n"


def unseal(purpose: str, document: bytes) -> bytes | None:
    """Return the data of a sealed document, or None if it was not sealed with our key for this purpose."""
    data = document[len(_PREFIX) + 2 * MAC_SIZE + len(_SEPARATOR) : -2]
    return data if hmac.compare_digest(seal(purpose, data), document) else None
