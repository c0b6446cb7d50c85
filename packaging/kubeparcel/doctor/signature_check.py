"""What gpgv, and sqv where it is installed, say of one signature."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from kubeparcel.process import find_program, run

_FORMAT = "%Y-%m-%d"
_STATUS = "[GNUPG:] "
_WRONG: Mapping[str, str] = {
    "BADSIG": "the signature by {} does not fit: the file was changed after it was signed",
    "REVKEYSIG": "its key {} was revoked",
    "EXPKEYSIG": "its key {} has expired",
    "EXPSIG": "the signature by {} has expired",
    "NO_PUBKEY": "it is by key {}, which is not among the trusted ones",
    "ERRSIG": "the signature by {} cannot be checked: its algorithm is refused",
    "NODATA": "there is no signature in it",
}
"""What gpgv says (GnuPG, doc/DETAILS), worst first."""


@dataclass
class SignatureVerifier:
    """Trusted keys in a file that gpgv and sqv read; `later` is a moment in the future.

    `signers` are the fingerprints of the keys that good signatures were made with. Threads may
    share it.
    """

    file: Path
    area: Path
    later: float
    signers: set[str] = field(default_factory=set)
    _count: Iterator[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def gpgv_problem(self, signature: bytes, data: bytes | Path | None) -> str:
        """Why gpgv refuses a signature; `data` is None when the signature has it inside.

        As apt has it: one good signature is enough, and none may be bad.
        """
        find_program("gpgv", "Install gpgv (Debian: apt install gpgv; Fedora: part of gnupg2).")
        with self._files(signature, data) as files:
            words = ("--status-fd", "1", "--keyring", self.file)
            done = run(["gpgv", *words, *files], env={"LC_ALL": "C"}, check=False)
        rows = [r.removeprefix(_STATUS).split() for r in done.stdout.splitlines() if _STATUS in r]
        said = {row[0]: row[1] if len(row) > 1 else "" for row in reversed(rows) if row}
        if "GOODSIG" in said and "BADSIG" not in said:
            fingerprints = {row[at] for row in rows if row[0] == "VALIDSIG" for at in (1, -1)}
            with self._lock:
                self.signers |= fingerprints
            return ""
        worst = next((kind for kind in _WRONG if kind in said), "")
        last = done.stderr.strip().splitlines()[-1:] or ["gpgv refuses it"]
        return _WRONG[worst].format(said[worst]) if worst else last[0]

    def sqv_problem(self, signature: bytes, data: bytes | None) -> str | None:
        """Why sqv refuses it, today or by the rules of later; None when it cannot be asked."""
        if not shutil.which("sqv"):
            return None
        offers = run(["sqv", "--help"], check=False).stdout
        if data is None and "--cleartext" not in offers:
            return None
        later = datetime.fromtimestamp(self.later, UTC).strftime(_FORMAT)
        dates = [[], ["--policy-as-of", later]] if "--policy-as-of" in offers else [[]]
        with self._files(signature, data) as files:
            output = files[0].with_suffix(".out")
            how: list[str | Path] = [*files]
            if data is None:
                how = ["--cleartext", "--output", output, *files]
            elif "--signature-file" in offers:
                how = ["--signature-file", *files]
            for words in dates:
                output.unlink(missing_ok=True)  # sqv replaces nothing
                done = run(["sqv", "--keyring", self.file, *words, *how], check=False)
                if done.exit_code:
                    when = f" by the rules of {later}" if words else ""
                    return f"sqv refuses it{when}: {_first(done.stderr)}"
        return ""

    @contextmanager
    def _files(self, signature: bytes, data: bytes | Path | None) -> Iterator[list[Path]]:
        number = next(self._count)
        first, second = self.area / f"{number}.sig", self.area / f"{number}.data"
        first.write_bytes(signature)
        try:
            if data is None:
                yield [first]
            elif isinstance(data, Path):
                yield [first, data]
            else:
                second.write_bytes(data)
                yield [first, second]
        finally:
            first.unlink()
            first.with_suffix(".out").unlink(missing_ok=True)
            second.unlink(missing_ok=True)


def _first(said: str) -> str:
    """What sqv says first is why; the rest are causes of it, and general advice."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return "; ".join(lines[:3]) or "there is no valid signature"
