"""Signatures without OpenPGP's packets, by the repository's key: those that cosign and OpenSSL verify.

gpg-agent signs a digest for any client (`PKSIGN`, gnupg.org/documentation, Agent Protocol); gpg itself uses it.
The key stays where it is, also on a smart card; for many signatures it is loaded, if it has no passphrase.
Up to version 2.4 the agent accepts digests only, and EdDSA signs data, so Ed25519 keys cannot sign like this.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from kubeparcel.errors import ToolError
from kubeparcel.process import find_program, run
from kubeparcel.repository.signing import gpg
from kubeparcel.repository.signing.gpg import GpgHome
from kubeparcel.repository.signing.loaded_key import load_key
from kubeparcel.repository.signing.secret_folder import secret_folder
from kubeparcel.threads import PROCESSORS, parallel_map
from kubeparcel.trust.public_keys import PublicKey, parse_ssh

_BATCH = 250
"""The number of signatures that one process asks for."""

_MANY = 4
"""The number of signatures from which on a key is loaded, which takes as long as two by the agent."""

_ERROR = re.compile(r"^ERR \d+ (.*)$", re.MULTILINE)


class UnsupportedKey(ToolError):
    """The key cannot make signatures of this kind."""


@functools.lru_cache(16)
def public_key(home: GpgHome, fingerprint: str) -> PublicKey:
    """Return the public key of a key or subkey in a home. Raises UnsupportedKey."""
    exported = home.run("--export-ssh-key", f"{fingerprint}!", check=False).stdout
    key = parse_ssh(exported, fingerprint) if exported else None
    if key is None or not key.digest_algorithm:
        raise UnsupportedKey(
            f"Key {fingerprint} cannot sign attestations: gpg-agent signs them with RSA and NIST's ECDSA keys only.",
            "Create an RSA key: inv key new --name NAME.",
        )
    return key


def sign(home: GpgHome, fingerprint: str, messages: Sequence[bytes]) -> list[bytes]:
    """Return a signature of each message by a key or subkey. Raises ToolError, and UnsupportedKey."""
    key = public_key(home, fingerprint)
    if len(messages) >= _MANY and (loaded := load_key(home, fingerprint)):
        hashes = [hashlib.new(key.digest_algorithm, message).digest() for message in messages]
        return parallel_map(lambda hash_, _: loaded.sign(hash_, key.digest_algorithm), hashes, PROCESSORS)
    signatures: list[bytes] = []
    for start in range(0, len(messages), _BATCH):
        digests = [
            hashlib.new(key.digest_algorithm, message).hexdigest() for message in messages[start : start + _BATCH]
        ]
        numbers = _sign_digests(home, key, gpg.keygrip(home, fingerprint), digests)
        signatures += map(key.encode_signature, numbers)
    return signatures


def _sign_digests(home: GpgHome, key: PublicKey, keygrip: str, digests: Sequence[str]) -> Iterator[dict[str, bytes]]:
    """Yield the numbers of a signature of each digest. One process asks for all of them."""
    find_program("gpg-connect-agent", gpg.INSTALL_HINT)
    passphrase = gpg.read_passphrase()
    with secret_folder() as folder:
        commands = []
        if passphrase is not None:
            (folder / "passphrase").write_text(passphrase, "utf-8")
            commands += ["OPTION pinentry-mode=loopback", "/definqfile PASSPHRASE passphrase"]
        for number, digest in enumerate(digests):
            commands += [f"SIGKEY {keygrip}", f"SETHASH --hash={key.digest_algorithm} {digest}"]
            commands += [f"/datafile {number}", "PKSIGN"]
        script = "".join(f"{command}\n" for command in commands)
        completed = run(["gpg-connect-agent", "--decode"], cwd=folder, env=home.environment, stdin=script, check=False)
        if error := _ERROR.search(completed.stdout):
            raise gpg.signing_error(error[0]) or ToolError(
                f"gpg-agent cannot sign with key {key.key_id}: {error[1]}.", completed.stderr.strip()
            )
        for number in range(len(digests)):
            yield _numbers(folder / str(number), key.key_id)


def _numbers(file: Path, key_id: str) -> dict[str, bytes]:
    """Return the numbers in a canonical S-expression, as in `(7:sig-val(3:rsa(1:s512:…)))`, by their names."""
    data = file.read_bytes() if file.exists() else b""
    words: list[bytes] = []
    position = 0
    while match := re.compile(rb"[()]*(\d+):").match(data, position):
        end = match.end() + int(match[1])
        words.append(data[match.end() : end])
        position = end
    names = {b"r", b"s"}
    numbers = {name.decode(): value for name, value in pairwise(words) if name in names}
    if "s" not in numbers:
        raise ToolError(f"gpg-agent made no signature with key {key_id}.", "Sign something with gpg to see why.")
    return numbers
