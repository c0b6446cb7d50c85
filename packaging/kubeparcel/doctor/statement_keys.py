"""The public keys that statements are verified with: PEM files, or the keys of OpenPGP certificates."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from kubeparcel.doctor.keys import read_key
from kubeparcel.repository.signing import gpg
from kubeparcel.repository.signing.keyring import list_keys, list_subkeys
from kubeparcel.trust.public_keys import PEM_HEADER, PublicKey, parse_pem, parse_ssh

_MAX_SIZE = 1 << 20


def read_keys(key: str) -> tuple[PublicKey, ...]:
    """Return the keys of a file (PEM or OpenPGP), or of a key by its name. Raises ConfigurationError."""
    path = Path(key)
    with suppress(OSError):
        data = path.read_bytes()[:_MAX_SIZE]
        if PEM_HEADER in data:
            return (parse_pem(data, key),)
    return certificate_keys(read_key(key))


def certificate_keys(certificates: bytes) -> tuple[PublicKey, ...]:
    """Return the keys and subkeys of OpenPGP certificates that statements can be verified with; not those revoked."""
    if not certificates:
        return ()
    with gpg.temporary_home() as home:
        file = (home.folder or Path()) / "certificates.gpg"
        file.write_bytes(certificates)
        home.run("--import", file, check=False)
        both = (*list_keys(home), *list_subkeys(home))
        fingerprints = [key.fingerprint for key in both if not key.revoked]
        exported = ((f, home.run("--export-ssh-key", f"{f}!", check=False).stdout) for f in fingerprints)
        return tuple(key for name, text in exported if text and (key := parse_ssh(text, name)))
