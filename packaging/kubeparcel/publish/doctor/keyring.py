"""The keys a repository is trusted by, and programs that check signatures with them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ...errors import ConfigurationError
from ...run import find, run
from .. import gpg, keys
from ..storage import Reader
from . import packets
from .finding import Examined, Kind
from .search import Found

YEAR = 365
_FORMAT = "%Y-%m-%d"
_PLACES = ("key.gpg", "key.asc", "apt/key.gpg", "yum/RPM-GPG-KEY", "Release.key")


@dataclass
class Ring:
    """Trusted keys in a file that gpgv and sqv read; empty when there are none."""

    file: Path | None
    area: Path
    now: float
    examined: Examined = field(default_factory=lambda: Examined("key"))

    def problem(self, signature: bytes, data: bytes | None) -> str:
        """Why gpgv refuses a signature; `data` is None when the signature has it inside."""
        if self.file is None:
            return "there is no key to check it with: give --key FILE"
        find("gpgv", "Install gpgv (Debian: apt install gpgv; Fedora: part of gnupg2).")
        done = run(["gpgv", "--keyring", self.file, *self._files(signature, data)], check=False)
        if done.code == 0:
            return ""
        lines = [line for line in done.stderr.splitlines() if "using" not in line]
        return "; ".join(line.removeprefix("gpgv: ").strip() for line in lines[-2:]) or "refused"

    def sqv_problem(self, signature: bytes, data: bytes) -> str | None:
        """Why sqv refuses it, today or in a year's time; None when it is not installed."""
        if self.file is None or not shutil.which("sqv"):
            return None
        help_text = run(["sqv", "--help"], check=False).stdout
        dates: list[list[str]] = [[]]
        if "--policy-as-of" in help_text:
            later = datetime.fromtimestamp(self.now + YEAR * keys.DAY, UTC).strftime(_FORMAT)
            dates.append(["--policy-as-of", later])
        for words in dates:
            files = self._files(signature, data)
            done = run(["sqv", "--keyring", self.file, *words, *files], check=False)
            if done.code:
                when = f" as of {words[1]}" if words else ""
                said = done.stderr.strip().splitlines()
                return f"sqv refuses it{when}: {said[-1] if said else 'no valid signature'}"
        return ""

    def _files(self, signature: bytes, data: bytes | None) -> list[Path]:
        first, second = self.area / "signature", self.area / "data"
        first.write_bytes(signature)
        if data is None:
            return [first]
        second.write_bytes(data)
        return [first, second]


@contextmanager
def trusted(reader: Reader, found: Found, key: Path | None, now: float) -> Iterator[Ring]:
    """The keys of a file, else those the repository offers itself."""
    with tempfile.TemporaryDirectory(prefix="kp-") as folder, gpg.scratch() as home:
        data = _given(key) if key else _offered(reader, found)
        ring = Ring(None, Path(folder), now)
        ring.examined.look(Kind.KEY, Kind.SELF_SIGNATURE)
        binary = packets.dearmored(data)
        if not binary:
            ring.examined.fault(
                Kind.KEY, "a public key", "none in the repository", todo="Give --key FILE."
            )
        else:
            ring.file = Path(folder, "keys.gpg")
            ring.file.write_bytes(binary)
            home.run("--import", ring.file, check=False)
            _judge(ring, keys.listed(home), binary)
        yield ring


def _given(key: Path) -> bytes:
    try:
        return key.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{key} cannot be read ({error.strerror}).") from None


def _offered(reader: Reader, found: Found) -> bytes:
    rows = [reader.read(path) or b"" for path in _PLACES]
    rows += [reader.read(f"{y}/repodata/repomd.xml.key".lstrip("/")) or b"" for y in found.yums]
    return next((row for row in rows if packets.dearmored(row)), b"")


def _judge(ring: Ring, known: tuple[keys.Key, ...], binary: bytes) -> None:
    if not known:
        ring.examined.fault(Kind.KEY, "a public key", "a file that gpg cannot read")
    for key in known:
        left = key.days_left(ring.now)
        if key.weakness:
            ring.examined.fault(Kind.KEY, "a strong key", key.weakness, key.fingerprint)
        if left < 0:
            ring.examined.fault(Kind.KEY, "a key that holds", "it has expired", key.fingerprint)
        elif left < YEAR:
            said = f"it expires in {left:.0f} days"
            ring.examined.fault(
                Kind.KEY, "another year", said, key.fingerprint, "inv key extend, or rotate."
            )
    for signature in packets.signatures(binary):
        if 0x10 <= signature.kind <= 0x1F and signature.weakness:
            ring.examined.fault(
                Kind.SELF_SIGNATURE, "version 4, SHA-256 or better", signature.weakness
            )
