"""Pools of packages to publish: many versions of five small packages, and 200 of real size.

The small ones are built once and kept in the user's cache: 10,000 debs take half a minute,
10,000 RPMs two minutes.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pysequoia

from kubeparcel import paths
from kubeparcel.packages.rpm import header
from kubeparcel.repository.signing import gpg, keys, openpgp, rpm_signature
from tests.support import package_builders

NAMES = ("alpha", "bravo", "charlie", "delta", "echo")
"""Names that are not in the catalog."""

NAME = keys.DEFAULT_NAME
SMALL, MANY = 10_000, 100_000
LARGE, LARGE_SIZE = 200, 25_000_000
_EDITION = "publishing-2"
_FIELDS = (
    "Priority: optional\nSection: admin\nInstalled-Size: 41\n"
    "Homepage: https://packages.example.invalid/one/of/many\n"
    "Tag: admin::package-management, role::program, scope::utility\n"
)
_SUMMARY = "One package of many, whose summary is as long as others are"
_NEEDS = "conntrack, ebtables, ethtool, iproute2, iptables (>= 1.4.21), mount, socat, util-linux"

Make = Callable[[Path, int], Path]
"""Builds the package with that number in a folder."""


class Pools:
    """The signing key of the benchmark, and packages; RPMs are signed with it."""

    def __init__(self) -> None:
        self.root = paths.cache_dir() / "bench" / _EDITION
        self.config = self.root / "config"
        self.environment = {"KUBEPARCEL_CONFIG": str(self.config), "LC_ALL": "C"}
        with _environment(self.environment):
            named = keys.load(NAME) if keys.exists(NAME) else keys.create(NAME)
        self.home = gpg.open_home(named.folder)
        self.fingerprint = named.current
        secret = self.home.run("--armor", "--export-secret-keys", secret=True).stdout
        self._secret_key = pysequoia.Tsk.from_bytes(secret.encode())
        self._block = b""

    @property
    def gpg(self) -> dict[str, str]:
        """Return the environment in which other programs find the key."""
        return {**self.environment, **self.home.environment}

    def deb(self, folder: Path, number: int) -> Path:
        """Build a deb of about 2.7 KB with an index stanza of 630 bytes."""
        name, version = _label(number)
        return _deb(folder, name, version, number)

    def single_deb(self, folder: Path, number: int) -> Path:
        """Build a deb with a unique name, for programs that keep one version of each."""
        name, version = _label(number)
        return _deb(folder, f"{name}-{number}", version, number)

    def rpm(self, folder: Path, number: int) -> Path:
        """About 4.4 KB, signed as `publish` signs it, but by pysequoia: it is faster than gpg."""
        name, version = _label(number)
        with tempfile.TemporaryDirectory(dir=folder) as area:
            body = random.Random(number).randbytes(2000)
            plain = package_builders.rpm(Path(area), name, version, depends=_NEEDS, body=body, summary=_SUMMARY)
            data = plain.read_bytes()
            headers = header.read_headers(data, len(data))
            signature = self._sign(data[headers.main.start : headers.main.end])
            target = folder / plain.name
            rpm_signature.write_signed_copy(plain, data, headers, signature, target)
        return folder / plain.name

    def large(self, folder: Path, number: int) -> Path:
        """Build a deb, or for odd numbers an RPM, of 25 MB.

        Most of it follows the payload: publishers hash it, but do not parse it.
        """
        path = (self.rpm if number % 2 else self.deb)(folder, number)
        self._block = self._block or random.Random(0).randbytes(LARGE_SIZE)
        row = f"{'_more':<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{LARGE_SIZE:<10}`\n".encode()
        with path.open("ab") as file:
            file.write((b"" if number % 2 else row) + self._block)
        return path

    def small(self, kind: str, make: Make, count: int = SMALL) -> Path:
        """Return the cached folder with `count` packages of a kind; it must not be changed."""
        folder = self.root / kind
        if not folder.exists():
            part = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=self.root))
            for number in range(count):
                make(part, number)
            part.rename(folder)
            os.sync()
        return folder

    def _sign(self, data: bytes) -> bytes:
        signer, mode = self._secret_key.signer(), pysequoia.SignatureMode.DETACHED
        return openpgp.dearmor(pysequoia.sign(signer, data, mode=mode))


def _label(number: int) -> tuple[str, str]:
    name = NAMES[number % len(NAMES)]
    rest = number // len(NAMES)
    return name, f"1.{rest // 50}.{rest % 50}-1"


def _deb(folder: Path, name: str, version: str, number: int) -> Path:
    body = random.Random(number).randbytes(1900)
    return package_builders.deb(folder, name, version, depends=_NEEDS, body=body, fields=_FIELDS)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def linked(source: Path, target: Path) -> Path:
    """Create a folder with hard links to the files of a pool."""
    target.mkdir(parents=True)
    for file in source.iterdir():
        os.link(file, target / file.name)
    return target
