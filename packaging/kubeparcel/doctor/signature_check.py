"""Verifies signatures as clients do: with gpgv, and with sqv where it is installed."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kubeparcel.process import find_program, run
from kubeparcel.times import utc_date

_STATUS = "[GNUPG:] "
_PROBLEMS: Mapping[str, str] = {
    "BADSIG": "invalid signature by key {}: the file was changed after it was signed",
    "REVKEYSIG": "signed by the revoked key {}",
    "EXPKEYSIG": "signed by the expired key {}",
    "EXPSIG": "the signature by key {} has expired",
    "NO_PUBKEY": "signed by key {}, which is not a trusted key",
    "ERRSIG": "the signature by key {} cannot be verified: gpgv rejects its algorithm",
    "NODATA": "no signature in the file",
}
"""Status keywords of gpgv (GnuPG, doc/DETAILS), the worst first."""


@dataclass
class SignatureVerifier:
    """Verifies with the trusted keys in `file`, in the temporary folder `area`; thread-safe.

    sqv also verifies by the rules in effect at `horizon_end` (Unix time). `signers` are the
    fingerprints of the keys and primary keys that made valid signatures so far.
    """

    file: Path
    area: Path
    horizon_end: float
    signers: set[str] = field(default_factory=set)
    _count: Iterator[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def gpgv_problem(self, signature: bytes, data: bytes | Path | None) -> str:
        """Return why gpgv rejects a signature, or an empty text.

        `data` is None for a clear-signed text. As for apt, one valid signature is enough and none may be invalid.
        """
        find_program("gpgv", "Install gpgv (Debian: apt install gpgv; Fedora: part of gnupg2).")
        with self._files(signature, data) as files:
            options = ("--status-fd", "1", "--keyring", self.file)
            completed = run(["gpgv", *options, *files], env={"LC_ALL": "C"}, check=False)
        lines = [line.removeprefix(_STATUS).split() for line in completed.stdout.splitlines() if _STATUS in line]
        status = {line[0]: line[1] if len(line) > 1 else "" for line in reversed(lines) if line}
        if "GOODSIG" in status and "BADSIG" not in status:
            valid = [line for line in lines if line[0] == "VALIDSIG"]
            with self._lock:
                self.signers |= {line[column] for line in valid for column in (1, -1)}
            return ""
        worst = next((keyword for keyword in _PROBLEMS if keyword in status), "")
        if worst:
            return _PROBLEMS[worst].format(status[worst])
        return (completed.stderr.strip().splitlines() or ["gpgv rejects it"])[-1]

    def sqv_problem(self, signature: bytes, data: bytes | None) -> str | None:
        """Return why sqv rejects a signature now or at `horizon_end`; None without a usable sqv."""
        if not shutil.which("sqv"):
            return None
        usage = run(["sqv", "--help"], check=False).stdout
        if data is None and "--cleartext" not in usage:
            return None
        later = utc_date(self.horizon_end)
        policies = [[], ["--policy-as-of", later]] if "--policy-as-of" in usage else [[]]
        with self._files(signature, data) as files:
            output = files[0].with_suffix(".out")
            inputs: list[str | Path] = [*files]
            if data is None:
                inputs = ["--cleartext", "--output", output, *files]
            elif "--signature-file" in usage:
                inputs = ["--signature-file", *files]
            for policy in policies:
                output.unlink(missing_ok=True)  # sqv does not overwrite it
                completed = run(["sqv", "--keyring", self.file, *policy, *inputs], check=False)
                if completed.exit_code:
                    when = f" by the rules of {later}" if policy else ""
                    return f"sqv rejects it{when}: {_reason(completed.stderr)}"
        return ""

    @property
    def sqv_missing_reason(self) -> str:
        """Return why there is no usable sqv."""
        if shutil.which("sqv"):
            return "this version of sqv cannot verify clear-signed text"
        return "sqv is not installed"

    @contextmanager
    def _files(self, signature: bytes, data: bytes | Path | None) -> Iterator[list[Path]]:
        number = next(self._count)
        signature_file = self.area / f"{number}.sig"
        data_file = self.area / f"{number}.data"
        signature_file.write_bytes(signature)
        try:
            if data is None:
                yield [signature_file]
            elif isinstance(data, Path):
                yield [signature_file, data]
            else:
                data_file.write_bytes(data)
                yield [signature_file, data_file]
        finally:
            signature_file.unlink()
            signature_file.with_suffix(".out").unlink(missing_ok=True)
            data_file.unlink(missing_ok=True)


def _reason(output: str) -> str:
    """Return the first lines of sqv's output; those after them are causes and general advice."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return "; ".join(lines[:3]) or "no valid signature"
