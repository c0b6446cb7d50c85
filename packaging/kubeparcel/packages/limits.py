"""The limits of what is read from packages and repositories, in one table: a small file can claim to be of any size.

Each is far above what packages of Kubernetes and of distributions have, and low enough that a hostile
file is rejected within seconds. Variables of the environment change them: docs/reference/limits.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kubeparcel.errors import ConfigurationError
from kubeparcel.packages.errors import LimitExceeded

PREFIX = "KUBEPARCEL_LIMIT_"
"""What the variables of the limits begin with."""

_VALUE = re.compile(r"([0-9]{1,15})([KMG]?)")
_FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_adjusted: dict[str, int] = {}


@dataclass(frozen=True)
class Limit:
    """A limit: its name in errors, the largest value accepted by default, its unit, and why it is so large."""

    name: str
    default: int
    unit: str
    reason: str

    @property
    def maximum(self) -> int:
        return _adjusted.get(self.name, self.default)

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper().replace("-", "_")

    def check(self, value: int, subject: str) -> None:
        """Raise LimitExceeded, which names the limit, for a value of `subject` above it."""
        if value > self.maximum:
            raise LimitExceeded(
                f"{subject} has {value:,} {self.unit}, above the limit {self.name} of {self.maximum:,}"
                f" ({self.variable} raises it)"
            )

    def exceeded(self, subject: str) -> LimitExceeded:
        """Return the error for an unknown value above the limit."""
        return LimitExceeded(
            f"{subject} is above the limit {self.name} of {self.maximum:,} {self.unit} ({self.variable} raises it)"
        )


def adjust(environment: Mapping[str, str]) -> None:
    """Set the limits to what the environment has, others to their defaults. Raises ConfigurationError for no number."""
    variables = {row.variable: row for row in table()}
    adjusted = {
        row.name: _parse_value(name, environment[name], row.unit)
        for name, row in variables.items()
        if name in environment
    }
    _adjusted.clear()
    _adjusted.update(adjusted)


def _parse_value(variable: str, text: str, unit: str) -> int:
    match = _VALUE.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise ConfigurationError(
            f"{variable} is {text[:40]!r}, expected a number of {unit}.", "Examples: 5000, 64K, 512M, 2G"
        )
    return int(match[1]) * _FACTORS[match[2]]


def table() -> tuple[Limit, ...]:
    """Return all limits."""
    return tuple(row for row in globals().values() if isinstance(row, Limit))


FILE = Limit("file-size", 1 << 30, "bytes", "packages of Kubernetes have at most 100 MB")
UNPACKED = Limit("unpacked-size", 1 << 30, "bytes", "payloads of Kubernetes have at most 250 MB")
READING_TIME = Limit(
    "reading-time", 6, "seconds of processor time", "the largest packages of Kubernetes take less than 1"
)
WINDOW = Limit(
    "window-size", 64 << 20, "bytes of memory", "the dictionary of `xz -9`, the largest preset; zstd has 8 MiB"
)
ZSTD_BLOCKS = Limit("zstd-blocks", 500_000, "blocks and frames", "1 GiB has 8,000")
NAMES = Limit("names-size", 16 << 20, "characters in paths, links and owners", "kernel headers have 3 million")
CONFIGURATION = Limit("configuration-size", 8 << 20, "bytes in /etc and in units", "they are kept in memory")
RATIO = Limit(
    "compression-ratio", 40, "times its packed size", "above 64 MiB; binaries compress to a fifth, text to a twentieth"
)
INDEX = Limit("index-size", 1 << 30, "bytes", "the largest distributions have indexes of 250 MB")
INDEX_TIME = Limit("index-time", 8, "seconds of processor time", "the index of Debian's main takes 3")
INDEX_ENTRIES = Limit("index-entries", 200_000, "packages", "Debian's main has 65,000, and a suite may grow to 100,000")
INDEX_ENTRY = Limit("index-entry-size", 8 << 20, "bytes of XML", "the kernels of distributions provide 2 MB of symbols")
INDEX_TEXT = Limit(
    "index-text-size", 64 << 20, "characters of names, digests, paths and dependencies", "Debian's main has 30 million"
)
COMPARISONS = Limit(
    "dependency-comparisons", 10_000_000, "versions to compare with dependencies", "a suite with all of 1.36 has 2,000"
)
XML_ELEMENTS = Limit("xml-elements", 200_000, "elements in an entry", "the largest packages have 30,000 files")
XML_DEPTH = Limit("xml-depth", 16, "levels", "metadata of rpms has 5")
RELEASE = Limit("release-size", 8 << 20, "bytes", "the Releases of Debian and Ubuntu have less than 1 MB")
RELEASE_FILES = Limit("release-files", 20_000, "files", "the Releases of Debian and Ubuntu list 2,500")
SIGNATURE = Limit("signature-size", 1 << 20, "bytes", "a signature has less than 2 KB, a key with many names 100 KB")
REPOMD = Limit("repomd-size", 1 << 20, "bytes", "the longest have 10 KB")
REPOMD_FILES = Limit("repomd-files", 100, "files", "distributions list 15")
DOCUMENT = Limit("document-size", 64 << 20, "bytes", "the state of a repository with 100,000 packages has 32 MB")
DOCUMENT_VALUES = Limit("document-values", 3_000_000, "values", "the state of 100,000 packages has 1.2 million")
LISTING = Limit("listing-size", 8 << 20, "bytes", "a page of 10,000 files has 2 MB")
CONTROL = Limit("control-size", 16 << 20, "bytes", "the largest control archives have md5sums of 10 MB")
CONTROL_FILE = Limit("control-file-size", 1 << 20, "bytes", "the longest have lists of 50 KB in Provides")
SCRIPTLET = Limit("scriptlet-size", 128 << 10, "bytes in all scriptlets", "those of distributions have at most 60 KB")
SCRIPTLETS = Limit("scriptlets", 100, "scriptlets", "packages with many triggers have 30")
MEMBERS = Limit("members", 100_000, "members", "kernel headers, among the largest packages, have 30,000 files")
PATH = Limit("path-length", 4096, "bytes", "PATH_MAX of Linux")
EXTENDED_HEADER = Limit("extended-header-size", 64 << 10, "bytes", "long names and PAX records of a file have a few KB")
HEADER_ROWS = Limit("header-rows", 0xFFFF, "rows", "rpm's own limit")
HEADER_SIZE = Limit("header-size", 32 << 20, "bytes", "the headers of the largest packages have 20 MB")
HEADER_VALUES = Limit("header-values", MEMBERS.default, "values", "a tag has one value for each file")
HEADER_TEXT = Limit("header-text-size", 1 << 20, "bytes", "descriptions and scriptlets have at most 60 KB")
SECTIONS = Limit("sections", 16_384, "sections and segments", "programs have fewer than 100")
ELF_READS = Limit("elf-reads", 64 << 20, "bytes of tables", "the tables of the largest programs have 4 MB")
GO_RECORD = Limit("go-record-size", 1 << 20, "bytes", "the record of the kubelet has 20 KB")
GO_FILE_TABLE = Limit("go-file-table-size", 8 << 20, "bytes", "the file table of the kubelet has 400 KB")
SBOM = Limit("sbom-size", 64 << 20, "bytes", "that of the kubelet has 120 KB")
JSON_DEPTH = Limit("json-depth", 32, "levels", "a provenance record has 5")
ENVELOPE = Limit("envelope-size", 64 << 20, "bytes", "a statement about 50,000 packages and their files has 25 MB")
DOWNLOAD = Limit("download-size", 4 << 30, "bytes", "the largest files of Kubernetes have 150 MB")
PATCH = Limit("patch-size", 16 << 20, "bytes of a downloaded patch", "the largest of Kubernetes have some megabytes")
ARCHIVE = Limit("archive-size", 2 << 30, "bytes", "unpacked, the largest releases of components have 200 MB")
ARCHIVE_TIME = Limit("archive-time", 60, "seconds of processor time", "200 MB take 2, with bzip2 10")
BUNDLE = Limit("bundle-size", 32 << 30, "bytes", "packages for a host have 150 MB, images of a control plane 1 GB")
BUNDLE_TIME = Limit("bundle-time", 600, "seconds of processor time", "1 GB takes 5")

RATIO_FREE = 64 << 20
"""Payloads up to this size, in bytes, may have any ratio: files of zeros, for example."""
