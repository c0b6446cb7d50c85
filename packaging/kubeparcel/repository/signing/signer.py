"""Signatures: whose they are, and how an index, a repomd.xml or an rpm's header gets one."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.signing import gpg, keyring, keys, openpgp
from kubeparcel.repository.signing.gpg import GpgHome
from kubeparcel.repository.signing.keyring import Key
from kubeparcel.repository.signing.keys import DIGEST_ALGORITHM, EXPIRY_WARNING_DAYS, NamedKey

GPG_PREFIX = "gpg:"
"""Begins a --key that is a fingerprint, or several with commas, in the user's own gpg home:
hardware keys and agents."""

_FRAME = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: {DIGEST_ALGORITHM}\n\n".encode()


@dataclass(frozen=True)
class Signer:
    """The keys that sign now, first the one most clients know.

    `retired` sign no more; rpms that they signed once are still there. `imported` ones came from
    a file just now.
    """

    home: GpgHome
    keys: tuple[Key, ...]
    retired: tuple[Key, ...] = ()
    imported: bool = False

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of what signs: a key, or a subkey of it."""
        return tuple(key.signing_fingerprint for key in self.keys)

    @property
    def key_expiry_tags(self) -> tuple[str, ...]:
        """What tells whether clients have these very keys: fingerprints with times of expiry."""
        return tuple(f"{key.signing_fingerprint}:{key.expires}" for key in self.keys)

    def sign_release(self, text: bytes) -> tuple[bytes, bytes]:
        """The text with its signatures around it, and they alone: InRelease and Release.gpg.

        They are made once, for a token is slow and may want to be touched each time: a signature
        of a text holds for the text framed by it too, when an empty line stands for the last line
        end, which the frame takes away (RFC 4880, 7.1). Lines must not end in blanks.
        """
        apart = self._sign(text, self.fingerprints, "--textmode", "--armor", "--detach-sign")
        lines = (b"- " + row if row[:1] == b"-" else row for row in text.splitlines(keepends=True))
        return b"".join((_FRAME, *lines, b"\n", apart)), apart

    def sign_detached(self, data: bytes) -> bytes:
        """Armoured signatures: repomd.xml.asc."""
        return self._sign(data, self.fingerprints, "--armor", "--detach-sign")

    def sign_binary(self, data: bytes) -> bytes:
        """One binary signature, as rpm wants it."""
        return self._sign(data, self.fingerprints[:1], "--detach-sign")

    def _sign(self, data: bytes, who: Sequence[str], *how: str) -> bytes:
        with tempfile.TemporaryDirectory(prefix="kp-") as folder:
            source, target = Path(folder, "in"), Path(folder, "out")
            source.write_bytes(data)
            words: list[str | Path] = [
                "--digest-algo",
                DIGEST_ALGORITHM,
                "--no-emit-version",
                "--no-comments",
            ]
            for fingerprint in who:
                words += ["--local-user", f"{fingerprint}!"]
            self.home.run(*words, "--output", target, *how, source, secret=True)
            return target.read_bytes()

    def export_public_keys(self, *, armored: bool, retired: bool = False) -> bytes:
        """The public keys, minimal: no one else's signatures on them."""
        text = _exported(self.home, (*self.keys, *(self.retired if retired else ())))
        return text if armored else openpgp.dearmor(text)


@functools.lru_cache(16)
def _exported(home: GpgHome, who: Sequence[Key]) -> bytes:
    """Armoured; asked of gpg once: several files of a repository have the same keys."""
    with tempfile.TemporaryDirectory(prefix="kp-") as folder:
        target = Path(folder, "out")
        words = ("--armor", "--no-emit-version", "--export-options", "export-minimal")
        names = [key.fingerprint for key in who]
        home.run(*words, "--output", target, "--export", *names)
        return target.read_bytes()


@contextmanager
def open_signer(key: str, log: Log) -> Iterator[Signer]:
    """Who signs, by `--key`: a key's name, a file with private keys, or `gpg:FINGERPRINT`.

    Without one it is the key named `default`, made when there is none yet. Raises
    ConfigurationError for a key that is missing, expired or too weak; warns of an early expiry.
    """
    with _found(key, log) as found:
        for one in found.keys:
            _check(one)
        _warn(max(found.keys, key=Key.days_left), log)
        if found.imported:
            # The agent rewrites such a key at its first use: not while two of us use it.
            found.sign_detached(b"")
        yield found


@contextmanager
def _found(key: str, log: Log) -> Iterator[Signer]:
    name = key or keys.DEFAULT_NAME
    if not key and not keys.exists(name):
        made = keys.create(name)
        log.info("Key", f"made a signing key, {made.current}\n{made.folder} (keep a copy of it)")
    if keys.exists(name):
        yield _named(keys.load(name))
    elif name.startswith(GPG_PREFIX):
        home = GpgHome(None)
        wanted = name.removeprefix(GPG_PREFIX).replace(" ", "").upper().split(",")
        yield Signer(home, _chosen(keyring.list_keys(home), wanted, name))
    elif Path(name).is_file():
        with keyring.imported_keys(Path(name)) as (home, found):
            own = keyring.secret_fingerprints(home)
            if not own:
                raise ConfigurationError(f"{name} holds no private key.")
            yield dataclasses.replace(_parted(home, found, own), imported=True)
    else:
        raise ConfigurationError(
            f"There is no key {name!r}, and no such file.",
            "Make one: inv key new --name NAME. Or give a file with a private key, or "
            f"{GPG_PREFIX}FINGERPRINT for one in your own gpg.",
        )


def _named(named: NamedKey) -> Signer:
    """A key by its name; the one before it signs too for a while, unless it ends earlier."""
    home = gpg.open_home(named.folder)
    found = keyring.list_keys(home)
    wanted = _chosen(found, named.signing_fingerprints, named.name)
    alive = {k.fingerprint for k in wanted if k.days_left() > 0} | {named.current}
    return _parted(home, sorted(found, key=lambda k: k.fingerprint == named.current), alive)


def _parted(home: GpgHome, found: Iterable[Key], signing: Collection[str]) -> Signer:
    """Those that sign, and the others."""
    now = tuple(key for key in found if key.fingerprint in signing)
    return Signer(home, now, tuple(key for key in found if key not in now))


def _chosen(found: Iterable[Key], wanted: Sequence[str], name: str) -> tuple[Key, ...]:
    known = {key.fingerprint: key for key in found}
    known |= {sub: key.with_subkey(sub) for key in known.values() for sub, _ in key.subkeys}
    missing = [fingerprint for fingerprint in wanted if fingerprint not in known]
    if missing:
        raise ConfigurationError(f"Key {name!r}: gpg does not have {missing[0]}.")
    return tuple(known[fingerprint] for fingerprint in wanted)


def _check(key: Key) -> None:
    if not key.signing_fingerprint:
        raise ConfigurationError(
            f"Key {key.fingerprint}: neither it nor a subkey of it can sign now.",
            "gpg --list-keys shows [S] beside what can, and what has expired.",
        )
    if key.weakness:
        raise ConfigurationError(
            f"Key {key.fingerprint}: {key.weakness}.", "Make a better one: inv key new."
        )
    if key.self_signature_problem:
        raise ConfigurationError(
            f"Key {key.fingerprint}: {key.self_signature_problem}.",
            "Let it sign itself anew, and clients fetch it again: "
            f"gpg --cert-digest-algo {DIGEST_ALGORITHM} --quick-set-expire {key.fingerprint} 3y",
        )
    if key.days_left() <= 0:
        raise ConfigurationError(
            f"Key {key.fingerprint} has expired.", "Extend it: inv key extend, then publish again."
        )


def _warn(key: Key, log: Log) -> None:
    """Of the key that holds longest: the others are on their way out."""
    left = key.days_left()
    if left < EXPIRY_WARNING_DAYS:
        log.warn(
            f"key {key.fingerprint} expires in {left:.0f} days. "
            "inv key extend, or inv key rotate, and publish again."
        )
