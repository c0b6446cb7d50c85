"""The publishers to compare: kubeparcel and other programs for apt and yum repositories."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import NamedTuple

from tests.bench.figures import compiled
from tests.bench.pools import Pools


@dataclass(frozen=True)
class Publisher:
    """The shell scripts with which a program publishes, run in its own folder.

    `$POOL` is the folder of packages, `$NEW` the package that was just added to it, `$KEY` the
    signing key. `first` creates the repository, `add` adds one package, `again` changes nothing.
    """

    name: str
    first: str
    add: str
    again: str
    files: Mapping[str, str] = field(default_factory=dict)
    single: bool = False
    """Return whether it keeps only one version of each name, so that every package needs its own name."""


class Spent(NamedTuple):
    """The time of a process with its children, and the memory of the largest of them."""

    seconds: float
    megabytes: float


_MEASURE = """
import resource, subprocess, sys, time
started = time.monotonic()
code = subprocess.call(sys.argv[2:])
spent = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
open(sys.argv[1], "w").write("%f %d" % spent)
sys.exit(code)
"""
"""Runs a command from a small process: the largest memory that the kernel reports of one begins with its parent's."""

_OURS = f"exec {sys.executable} -m kubeparcel publish --to repo --from $POOL --quiet"
OURS = Publisher("kubeparcel", _OURS, _OURS, _OURS)

_GPG = "gpg --batch --yes -q -u $KEY --digest-algo SHA512"
_RELEASE = f"""
apt-ftparchive -o APT::FTPArchive::Release::Codename=stable -o APT::FTPArchive::MD5=false \
    -o APT::FTPArchive::SHA1=false -o APT::FTPArchive::SHA512=false \
    release dists/stable > Release.new
mv Release.new dists/stable/Release
{_GPG} -o dists/stable/InRelease --clearsign dists/stable/Release
{_GPG} -o dists/stable/Release.gpg -ab dists/stable/Release
"""
_ARCHIVE = f"mkdir -p dists/stable/main/binary-amd64\napt-ftparchive generate archive.conf{_RELEASE}"
_ARCHIVE_CONF = """
Dir { ArchiveDir "."; CacheDir "."; };
Default { Packages::Compress ". %s"; };
APT::FTPArchive { MD5 "false"; SHA1 "false"; SHA512 "false"; Contents "false"; };
BinDirectory "pool" {
  Packages "dists/stable/main/binary-amd64/Packages";
  BinCacheDB "packages.db";
};
"""
_APTLY = "aptly -config=aptly.json"
_INDEX = "-skip-contents -skip-bz2 -gpg-key=$KEY"
_UPDATE = f"{_APTLY} publish update {_INDEX} stable"
_APTLY_FIRST = f"""
{_APTLY} repo create all
{_APTLY} repo add all $POOL
{_APTLY} publish repo {_INDEX} -distribution=stable -architectures=amd64 all
"""
_DISTRIBUTIONS = """Codename: stable
Architectures: amd64
Components: main
DebIndices: Packages Release . .gz
SignWith: $KEY
"""


def _archive(name: str, packed: str) -> Publisher:
    """Use apt-ftparchive with its cache, and only the digests and indexes that apt needs."""
    return Publisher(name, *[_ARCHIVE] * 3, {"archive.conf": _ARCHIVE_CONF % packed})


DEB = (
    _archive("apt-ftparchive", "gzip xz"),
    _archive("apt-ftparchive without xz", "gzip"),
    Publisher(
        "aptly",
        _APTLY_FIRST,
        f"{_APTLY} repo add all $NEW\n{_UPDATE}",
        _UPDATE,
        {"aptly.json": '{"rootDir": "$ROOT", "gpgProvider": "gpg"}'},
    ),
    Publisher(
        "reprepro",
        "reprepro -s includedeb stable $POOL/*.deb",
        "reprepro -s includedeb stable $NEW",
        "reprepro -s export",
        {"conf/distributions": _DISTRIBUTIONS},
        single=True,
    ),
)
_CREATEREPO = "createrepo_c -q --no-database --workers 2"
_SIGN = f"{_GPG} -o $POOL/repodata/repomd.xml.asc -ab $POOL/repodata/repomd.xml"
_CREATEREPO_UPDATE = f"{_CREATEREPO} --update $POOL\n{_SIGN}"
RPM = (Publisher("createrepo_c", f"{_CREATEREPO} $POOL\n{_SIGN}", _CREATEREPO_UPDATE, _CREATEREPO_UPDATE),)


class Run:
    """A publisher that runs in its own folder; `pool` contains the packages."""

    def __init__(self, publisher: Publisher, folder: Path, pools: Pools, pool: Path) -> None:
        self.publisher = publisher
        self.folder = folder
        self.pool = pool
        self.environment = {
            **os.environ,
            **compiled(),
            **pools.gpg,
            "KUBEPARCEL_CACHE": str(folder / "cache"),
            "KEY": pools.fingerprint,
            "POOL": str(self.pool),
        }
        for path, text in publisher.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            filled = Template(text).substitute(ROOT=folder / "aptly", KEY=pools.fingerprint)
            (folder / path).write_text(filled)

    def first(self) -> Spent:
        return self._run(self.publisher.first)

    def again(self) -> Spent:
        return self._run(self.publisher.again)

    def add(self, new: Path) -> Spent:
        return self._run(self.publisher.add, {"NEW": str(new)})

    def _run(self, script: str, more: Mapping[str, str] | None = None) -> Spent:
        command = [sys.executable, "-SE", "-c", _MEASURE, str(self.folder / "spent"), "/bin/sh", "-ec", script]
        environment = {**self.environment, **(more or {})}
        with (self.folder / "output").open("w+") as output:
            if subprocess.call(command, cwd=self.folder, env=environment, stdout=output, stderr=output):
                output.seek(0)
                raise SystemExit(f"{self.publisher.name}: {output.read()}")
        seconds, kilobytes = map(float, (self.folder / "spent").read_text().split())
        return Spent(seconds, kilobytes / 1000)
