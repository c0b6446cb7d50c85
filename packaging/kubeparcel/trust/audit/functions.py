"""Which functions are in a stripped Go binary, by the table of names that it has for tracebacks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.packages.elf import go_functions
from kubeparcel.trust.audit.model import Level

_TYPE_ARGUMENTS = re.compile(r"\[[^\[\]]*\]")


@dataclass(frozen=True)
class Functions:
    """The functions of a binary and their packages; `names` is None if the binary has its symbol table.

    govulncheck reports all vulnerable functions of a stripped binary, whether or not the linker kept them.
    """

    names: frozenset[str] | None
    packages: frozenset[str] = frozenset()

    @classmethod
    def of(cls, binary: Path) -> Functions:
        """Return the functions of a file."""
        names = go_functions(binary)
        if names is None:
            return cls(None)
        plain = frozenset(map(_without_type_arguments, names))
        return cls(plain, frozenset(map(_package, plain)))

    def level(self, package: str, receiver: str, function: str) -> Level:
        """Return how close the binary comes to what govulncheck reports."""
        if self.names is None:
            return Level.CALLED if function else Level.IMPORTED if package else Level.REQUIRED
        folder, slash, last = package.rpartition("/")
        linked = f"{folder}{slash}{last.replace('.', '%2e')}"  # as the linker writes it
        if not package or linked not in self.packages:
            return Level.REQUIRED
        methods = (f"{linked}.(*{receiver}).{function}", f"{linked}.{receiver}.{function}")
        candidates = methods if receiver else (f"{linked}.{function}",)
        # An entry without functions is about the whole package: its function ends with an asterisk.
        if function.endswith("*") or not self.names.isdisjoint(candidates):
            return Level.CALLED
        return Level.IMPORTED


def _without_type_arguments(name: str) -> str:
    while "[" in name and (shorter := _TYPE_ARGUMENTS.sub("", name)) != name:
        name = shorter
    return name


def _package(name: str) -> str:
    """Return the package of a function: `net/http` of `net/http.(*Server).Serve`."""
    folder, slash, rest = name.rpartition("/")
    return f"{folder}{slash}{rest.partition('.')[0]}"
