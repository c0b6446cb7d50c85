"""The limits of what is read from a package, in one table: a small file can claim to be of any size.

Each is far above what packages of Kubernetes and of distributions have, and low enough that a hostile
package is rejected within seconds.
"""

from __future__ import annotations

from typing import NamedTuple

from kubeparcel.packages.errors import MalformedData


class Limit(NamedTuple):
    """A limit: its name in errors, the largest accepted value, its unit, and why it is so large."""

    name: str
    maximum: int
    unit: str
    reason: str

    def check(self, value: int, subject: str) -> None:
        """Raise MalformedData, which names the limit, for a value of `subject` above it."""
        if value > self.maximum:
            raise MalformedData(f"{subject} has {value:,} {self.unit}, above the limit {self.name} of {self.maximum:,}")


FILE = Limit("file-size", 1 << 30, "bytes", "a package file is in memory; those of Kubernetes have at most 100 MB")
UNPACKED = Limit("unpacked-size", 1 << 30, "bytes", "a payload is in memory; those of Kubernetes have at most 250 MB")
RATIO = Limit(
    "compression-ratio", 40, "times its packed size", "above 64 MiB; binaries compress to a fifth, text to a twentieth"
)
INDEX = Limit("index-size", 1 << 30, "bytes", "the largest distributions have indexes of 250 MB")
CONTROL = Limit("control-size", 16 << 20, "bytes", "the largest control archives have md5sums of 10 MB")
SCRIPTLET = Limit("scriptlet-size", 128 << 10, "bytes", "the longest scriptlets of distributions have 60 KB")
MEMBERS = Limit("members", 100_000, "members", "kernel headers, among the largest packages, have 30,000 files")
PATH = Limit("path-length", 4096, "bytes", "PATH_MAX of Linux")
EXTENDED_HEADER = Limit("extended-header-size", 64 << 10, "bytes", "long names and PAX records of a file have a few KB")
HEADER_ROWS = Limit("header-rows", 0xFFFF, "rows", "rpm's own limit")
HEADER_SIZE = Limit("header-size", 32 << 20, "bytes", "the headers of the largest packages have 20 MB")
HEADER_VALUES = Limit("header-values", MEMBERS.maximum, "values", "a tag has one value for each file")
HEADER_TEXT = Limit("header-text-size", 1 << 20, "bytes", "descriptions and scriptlets have at most 60 KB")
SECTIONS = Limit("sections", 16_384, "sections and segments", "programs have fewer than 100")
ELF_READS = Limit("elf-reads", 64 << 20, "bytes of tables", "the tables of the largest programs have 4 MB")
GO_RECORD = Limit("go-record-size", 1 << 20, "bytes", "the record of the kubelet has 20 KB")
GO_FILE_TABLE = Limit("go-file-table-size", 8 << 20, "bytes", "the file table of the kubelet has 400 KB")
JSON_DEPTH = Limit("json-depth", 32, "levels", "a provenance record has 5")

RATIO_FREE = 64 << 20
"""Payloads up to this size, in bytes, may have any ratio: files of zeros, for example."""
