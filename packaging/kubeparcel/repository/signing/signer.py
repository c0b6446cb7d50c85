"""Signing of apt's Release, yum's repomd.xml and the headers of rpms, by one key or several."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.errors import ConfigurationError, ToolError
from kubeparcel.repository.signing import gpg, keyring, keys, openpgp
from kubeparcel.repository.signing.gpg import DIGEST_ALGORITHM, GpgHome
from kubeparcel.repository.signing.keyring import Key
from kubeparcel.repository.signing.keys import EXPIRY_WARNING_DAYS, NamedKey
from kubeparcel.repository.signing.secret_folder import secret_folder

GPG_PREFIX = "gpg:"
"""Prefix of a --key that names fingerprints, separated by commas, in the user's own GnuPG home.
Keys on smart cards are used like this."""

_REPLACE_KEY = "inv key new --name NEW, then publish with --key NEW; every client must fetch the new key."

_CLEARSIGN_HEADER = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: {DIGEST_ALGORITHM}\n\n".encode()


@dataclass(frozen=True)
class Signer:
    """The keys that sign now, first the one that most clients have.

    `retired` keys sign no longer, but published rpms have their signatures. `imported` keys are
    from a file, in a temporary home. `moment` (Unix time) is the time of all signatures; 0 is the current time.
    """

    home: GpgHome
    keys: tuple[Key, ...]
    retired: tuple[Key, ...] = ()
    imported: bool = False
    moment: int = 0

    def at(self, moment: int) -> Signer:
        """Return the signer with signatures of that time, or of the last change of the keys if that was later.

        Then the same data have the same signatures, as far as the keys' algorithms have no random part.
        """
        changed = keyring.last_change(self.home, [key.fingerprint for key in self.keys])
        return dataclasses.replace(self, moment=max(moment, changed))

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Return the keys or subkeys that make the signatures."""
        return tuple(key.signing_fingerprint for key in self.keys)

    def has_any(self, fingerprints: Collection[str]) -> bool:
        """Return whether one of these keys or subkeys signs, or has signed before."""
        own = {f for k in (*self.keys, *self.retired) for f in (k.fingerprint, k.signing_fingerprint, *dict(k.subkeys))}
        return not own.isdisjoint(fingerprints)

    @property
    def key_expiry_tags(self) -> tuple[str, ...]:
        """Return fingerprints with expiry: if they change, clients need the keys again."""
        return tuple(f"{key.signing_fingerprint}:{key.expires}" for key in self.keys)

    def sign_release(self, text: bytes) -> tuple[bytes, bytes]:
        """Return (InRelease, Release.gpg) from one signing operation: a smart card is asked once.

        In a clear-signed message the line end before the signature is not signed (RFC 4880, 7.1).
        With one line end more, the text-mode signature of Release is also valid in InRelease.
        Lines of the text must not end in blanks.
        """
        signature = self._sign(text, self.fingerprints, "--textmode", "--armor", "--detach-sign")
        lines = (b"- " + line if line.startswith(b"-") else line for line in text.splitlines(keepends=True))
        return b"".join((_CLEARSIGN_HEADER, *lines, b"\n", signature)), signature

    def sign_detached(self, data: bytes) -> bytes:
        """Return armored signatures by all keys, as in repomd.xml.asc."""
        return self._sign(data, self.fingerprints, "--armor", "--detach-sign")

    def sign_binary(self, data: bytes) -> bytes:
        """Return one binary signature by the first key, as rpm headers have it."""
        from kubeparcel.repository.signing.loaded_key import load_key

        if loaded := load_key(self.home, self.fingerprints[0]):
            return loaded.openpgp_signature(data, self.moment)
        return self._sign(data, self.fingerprints[:1], "--detach-sign")

    def read_statement_keys(self) -> None:
        """Read from gpg what statements need of the keys; it is cached."""

        if not self.statement_problem:
            for fingerprint in self.fingerprints:
                gpg.keygrip(self.home, fingerprint)

    @functools.cached_property
    def statement_problem(self) -> str:
        """Why the keys cannot sign statements; empty if they can."""
        try:
            self.public_pems()
        except ToolError as error:
            return f"statements cannot be signed: {error.message.rstrip('.')}"
        return ""

    def sign_payloads(self, payloads: Sequence[bytes]) -> list[bytes]:
        """Return a DSSE envelope of each in-toto statement, signed by all keys. Raises as `raw_signature.sign`."""
        from kubeparcel.repository.signing import raw_signature
        from kubeparcel.trust import dsse
        from kubeparcel.trust.dsse import EnvelopeSignature

        messages = [dsse.signed_bytes(payload) for payload in payloads]
        by_key = [(f, raw_signature.sign(self.home, f, messages)) for f in self.fingerprints]
        del messages  # that about a large repository has 14 MB
        return [
            dsse.join(payload, [EnvelopeSignature(fingerprint, signatures[i]) for fingerprint, signatures in by_key])
            for i, payload in enumerate(payloads)
        ]

    def public_pems(self) -> dict[str, bytes]:
        """Return the keys that sign statements, in PEM by fingerprint. Raises UnsupportedKey."""
        from kubeparcel.repository.signing import raw_signature

        return {fingerprint: raw_signature.public_key(self.home, fingerprint).pem for fingerprint in self.fingerprints}

    def _sign(self, data: bytes, fingerprints: Sequence[str], *command: str) -> bytes:
        with secret_folder() as folder:
            source, target = folder / "in", folder / "out"
            source.write_bytes(data)
            options = ["--digest-algo", DIGEST_ALGORITHM, "--no-emit-version", "--no-comments"]
            options += ["--faked-system-time", f"{self.moment}!"] if self.moment else []
            for fingerprint in fingerprints:
                options += ["--local-user", f"{fingerprint}!"]
            self.home.run(*options, "--output", target, *command, source, secret=True)
            return target.read_bytes()

    def export_public_keys(self, *, armored: bool, retired: bool = False) -> bytes:
        """Return the public keys with their self-signatures only."""
        exported = _export(self.home, (*self.keys, *(self.retired if retired else ())))
        return exported if armored else openpgp.dearmor(exported)


@functools.lru_cache(16)
def _export(home: GpgHome, exported: Sequence[Key]) -> bytes:
    """Return armored public keys; cached because several files of a repository have them."""
    options = ("--armor", "--no-emit-version", "--export-options", "export-minimal")
    return home.run(*options, "--export", *(key.fingerprint for key in exported)).stdout.encode()


@contextmanager
def open_signer(key: str, log: Log, signed_by: Sequence[str] | None = None) -> Iterator[Signer]:
    """Yield the signer for `--key`: the name of a key, a file with private keys, or
    `gpg:FINGERPRINT`.

    Without `--key` it is the key named `default`. `signed_by` are the fingerprints of the last signatures of
    a repository: it is not signed by another key without `--key`. A new repository (None) may get a new key.
    Raises ConfigurationError for a missing, other, expired or weak key; warns if the key expires soon.
    """
    with _find_signer(key, log, signed_by) as signer:
        if signed_by and not signer.has_any(signed_by):
            _reject_or_warn_of_other_key(key, signer, signed_by, log)
        for signing_key in signer.keys:
            keyring.require_usable(signing_key)
        _warn_of_expiry(max(signer.keys, key=Key.days_left), log)
        if signer.imported:
            # gpg-agent rewrites an imported key at its first use, which must not happen in
            # parallel.
            signer.sign_detached(b"")
        yield signer


@contextmanager
def _find_signer(key: str, log: Log, signed_by: Sequence[str] | None) -> Iterator[Signer]:
    name = key or keys.DEFAULT_NAME
    if not key and not keys.exists(name):
        if signed_by is not None:
            raise _missing_key(name, signed_by)
        created = keys.create(name)
        log.info("Key", f"created signing key {created.current}\n{created.folder} (back it up)")
    if keys.exists(name):
        yield _named_signer(keys.load(name))
    elif name.startswith(GPG_PREFIX):
        home = GpgHome(None)
        fingerprints = name.removeprefix(GPG_PREFIX).replace(" ", "").upper().split(",")
        yield Signer(home, _select(keyring.list_keys(home), fingerprints, name))
    elif Path(name).is_file():
        with keyring.imported_keys(Path(name)) as (home, imported):
            private = keyring.secret_fingerprints(home)
            if not private:
                raise ConfigurationError(f"No private key in {name}.", "Export it with gpg --export-secret-keys.")
            yield dataclasses.replace(_split(home, imported, private), imported=True)
    else:
        raise ConfigurationError(
            f"Unknown key {name!r}; it is not a file either.",
            "Create it: inv key new --name NAME. Or give a file with a private key, or "
            f"{GPG_PREFIX}FINGERPRINT for a key in your own GnuPG home.",
        )


def _missing_key(name: str, signed_by: Sequence[str]) -> ConfigurationError:
    fingerprints = f", {' and '.join(signed_by)}," if signed_by else ""
    return ConfigurationError(
        f"The key that signed this repository{fingerprints} is missing: {keys.key_folder(name)} does not exist.",
        f"Restore that folder from a backup, or pass the key: --key NAME, FILE or {GPG_PREFIX}FINGERPRINT.\n"
        f"If it is lost, replace it: {_REPLACE_KEY}",
    )


def _reject_or_warn_of_other_key(key: str, signer: Signer, signed_by: Sequence[str], log: Log) -> None:
    """Raise ConfigurationError for a key that is used by default, and warn of one that was chosen."""
    change = f"This repository was signed by {' and '.join(signed_by)}, not by {' and '.join(signer.fingerprints)}"
    if key:
        log.warn(f"{change}: clients reject it until they have fetched the new key.")
        return
    raise ConfigurationError(
        f"{change}, the key {keys.DEFAULT_NAME!r}.",
        f"Pass the key: --key NAME, FILE or {GPG_PREFIX}FINGERPRINT.\nTo replace it: {_REPLACE_KEY}",
    )


def _named_signer(named: NamedKey) -> Signer:
    """Return the signer of a named key; the previous key also signs until it expires."""
    home = gpg.open_home(named.folder)
    listed = keyring.list_keys(home)
    signing = _select(listed, named.signing_fingerprints, named.name)
    valid = {key.fingerprint for key in signing if key.days_left() > 0} | {named.current}
    return _split(home, sorted(listed, key=lambda k: k.fingerprint == named.current), valid)


def _split(home: GpgHome, listed: Iterable[Key], signing: Collection[str]) -> Signer:
    """Return a signer with these fingerprints; the other keys are retired."""
    active = tuple(key for key in listed if key.fingerprint in signing)
    return Signer(home, active, tuple(key for key in listed if key not in active))


def _select(listed: Iterable[Key], fingerprints: Sequence[str], name: str) -> tuple[Key, ...]:
    by_fingerprint = {key.fingerprint: key for key in listed}
    by_fingerprint |= {subkey: key.with_subkey(subkey) for key in by_fingerprint.values() for subkey, _ in key.subkeys}
    missing = [fingerprint for fingerprint in fingerprints if fingerprint not in by_fingerprint]
    if missing:
        raise ConfigurationError(
            f"Key {name!r}: {missing[0]} is not in the GnuPG home.",
            "Give the whole fingerprint, as gpg --list-keys prints it.",
        )
    return tuple(by_fingerprint[fingerprint] for fingerprint in fingerprints)


def _warn_of_expiry(key: Key, log: Log) -> None:
    left = key.days_left()
    if left < EXPIRY_WARNING_DAYS:
        log.warn(
            f"key {key.fingerprint} expires in {left:.0f} days. "
            "Run inv key extend or inv key rotate, then publish again."
        )
