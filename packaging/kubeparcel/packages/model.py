"""The contents of a package, the same for every format. Frozen values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kubeparcel.model import Format, upstream_notation

_GLIBC = re.compile(r"GLIBC_([0-9]{1,9}(?:\.[0-9]{1,9})*)")


class FileType(StrEnum):
    """The type of the file at a path."""

    FILE = "file"
    DIR = "dir"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    CHARACTER_DEVICE = "character device"
    BLOCK_DEVICE = "block device"
    FIFO = "fifo"
    SOCKET = "socket"
    OTHER = "other"


@dataclass(frozen=True)
class GoModule:
    """A Go module at a version, with its sum; `replaced` is the module that a `replace` line exchanged for this one."""

    path: str
    version: str = ""
    sum: str = ""
    replaced: str = ""


@dataclass(frozen=True)
class GoBuildInfo:
    """Go's own record, as `go version -m` shows it.

    `version` is Go's; `path` the main package's. `settings` has -trimpath, CGO_ENABLED, GOARCH and so on (Go 1.18 and
    later). A replaced dependency is listed as its replacement. `build_paths` are absolute names of source files, which
    a build with -trimpath does not have; None if the table of source files cannot be read (before Go 1.16).
    """

    version: str
    path: str
    module: GoModule
    dependencies: tuple[GoModule, ...]
    settings: Mapping[str, str]
    build_paths: tuple[str, ...] | None


@dataclass(frozen=True)
class ElfInfo:
    """The facts of an ELF binary.

    `machine` is the e_machine of the System V ABI. `interpreter` is the dynamic loader, `libraries` are the sonames it
    needs, `symbol_versions` pairs of a soname and a symbol version it needs, both in the binary's order.
    """

    machine: int
    bits: int
    little_endian: bool
    interpreter: str
    libraries: tuple[str, ...]
    symbol_versions: tuple[tuple[str, str], ...]
    go: GoBuildInfo | None

    @property
    def is_static(self) -> bool:
        """Whether it needs no dynamic loader and no libraries."""
        return not self.interpreter and not self.libraries

    @property
    def glibc(self) -> str:
        """The oldest glibc with all symbols it needs; empty if it needs no versioned symbol."""
        matches = (_GLIBC.fullmatch(version) for _, version in self.symbol_versions)
        versions = {match[1] for match in matches if match}
        if ("libc.so.6", "GLIBC_ABI_DT_RELR") in self.symbol_versions:
            versions.add("2.36")
        return max(versions, key=lambda text: [int(n) for n in text.split(".")], default="")


@dataclass(frozen=True)
class Script:
    """A scriptlet: its interpreter and its text."""

    interpreter: str
    body: str


@dataclass(frozen=True, slots=True)
class PackageEntry:
    """One path of a package; the root directory has no entry.

    `mode` has the permission bits with setuid, setgid and sticky. `owner` and `group` are names, or numbers where the
    package gives none. `size` is in bytes, `mtime` in seconds since 1970. `sha256` is computed from the payload; empty
    for all but files. `sha1` is computed only if the reader was asked for it. `target` is a symlink's text, or the path
    a hard link shares its file with. `flags` are rpm's names: `config`, `noreplace`, `doc`, `license`, `ghost` and so
    on; a conffile of a deb has `config`. `capabilities` is rpm's text, such as `cap_net_raw=ep`. `data` are the bytes
    of a file of at most 64 KiB that is not ELF; those of a package together, except its configuration, up to 32 MiB.
    """

    path: str
    kind: FileType
    mode: int
    owner: str
    group: str
    mtime: int
    size: int = 0
    sha256: str = ""
    sha1: str = ""
    target: str = ""
    flags: frozenset[str] = frozenset()
    capabilities: str = ""
    elf: ElfInfo | None = None
    data: bytes | None = None

    @property
    def is_conffile(self) -> bool:
        """Whether the package manager keeps the user's changes: deb conffile, rpm %config."""
        return "config" in self.flags

    @property
    def text(self) -> str:
        """The text of a small file; empty if there is no `data`."""
        return (self.data or b"").decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class PackageContents:
    """The contents of one package file.

    `version` is without revision and epoch. `arch` is the format's own name. `relations` has `depends`, `pre-depends`,
    `recommends`, `suggests`, `supplements`, `enhances`, `conflicts`, `breaks`, `replaces`, `obsoletes` and `provides`
    where there are any, each other package as `name (>= 1.2)` whatever the format; `automatic_relations` has those that
    rpm itself adds: rpmlib(...), config(...), bundled(...), interpreters, its own name. `scripts` go by the format's
    names: `postinst`, or `post`.

    `compression` is the payload's: zstd, xz, gzip, bzip2, lzma or none; `zstd_frames` is the number of frames of a zstd
    payload (dpkg 1.21 reads only one), 0 for others. `verified` names the declared digests and sizes that match, such
    as `md5sums` or `PAYLOADDIGEST`; `faults` has a sentence for each that does not, and for each invalid path in the
    payload. `signatures` are named, but not verified. `build_time` is in seconds since 1970; of a deb it is the time of
    its first archive member.
    """

    file: Path
    format: Format
    size: int
    name: str
    epoch: int
    version: str
    revision: str
    arch: str
    maintainer: str
    vendor: str
    homepage: str
    license: str
    summary: str
    description: str
    section: str
    relations: Mapping[str, tuple[str, ...]]
    automatic_relations: Mapping[str, tuple[str, ...]]
    scripts: Mapping[str, Script]
    entries: tuple[PackageEntry, ...]
    compression: str
    zstd_frames: int
    verified: tuple[str, ...]
    faults: tuple[str, ...]
    signatures: tuple[str, ...]
    build_time: int
    build_host: str
    has_changelog: bool

    @property
    def release(self) -> str:
        """Return version and revision: `1.36.3-1`."""
        return f"{self.version}-{self.revision}" if self.revision else self.version

    @property
    def full_version(self) -> str:
        """Return epoch, version and revision as package managers write them."""
        return f"{self.epoch}:{self.release}" if self.epoch else self.release

    @property
    def upstream_version(self) -> str:
        """Return the version as upstream writes it: `1.37.0-rc.1` for `1.37.0~rc.1`."""
        return upstream_notation(self.version)

    def entry(self, path: str) -> PackageEntry | None:
        """Return the entry of a path; None if there is none."""
        return next((entry for entry in self.entries if entry.path == path), None)
