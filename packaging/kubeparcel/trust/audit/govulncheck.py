"""Runs govulncheck (golang.org/x/vuln) on a binary, and looks the functions that it reports up in the binary."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeparcel.errors import ToolError
from kubeparcel.packages.elf import go_functions
from kubeparcel.process import run
from kubeparcel.sanitize import printable
from kubeparcel.trust.audit.database import COPY_HINT, DatabaseError
from kubeparcel.trust.audit.model import Level, Vulnerability

_TYPE_ARGUMENTS = re.compile(r"\[[^\[\]]*\]")

INSTALL_HINT = (
    "Install it with Go: go install golang.org/x/vuln/cmd/govulncheck@v1.9.0, or pass --govulncheck FILE.\n"
    "Nothing was audited."
)
_TIMEOUT = 600
_DATABASE_MESSAGES = ("fetching vulnerabilities", "creating client", "vulndb")


@dataclass(frozen=True)
class Functions:
    """The functions of a binary and their packages; `names` is None if the binary has its symbol table.

    govulncheck reports all vulnerable functions of a stripped binary, whether or not the linker kept them.
    """

    names: frozenset[str] | None
    packages: frozenset[str] = frozenset()

    @classmethod
    def of(cls, binary: Path) -> Functions:
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


@dataclass(frozen=True)
class Match:
    """A vulnerability of a module in a binary, as govulncheck reports it."""

    vulnerability: str
    module: str
    version: str
    fixed: str
    level: Level

    @property
    def key(self) -> tuple[str, str, str]:
        return self.module, self.vulnerability, self.level


@dataclass(frozen=True)
class Scan:
    """What govulncheck reports of a binary, and the date of the database as the database writes it."""

    scanner: str
    modified: str
    vulnerabilities: Mapping[str, Vulnerability]
    matches: Sequence[Match]


def find_govulncheck(file: str, base: Path) -> Path:
    """Return the program: `file`, or the one on PATH or where `go install` puts it. Raises ToolError."""
    if file:
        path = base / file
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise ToolError(f"--govulncheck {file} is not a program.", INSTALL_HINT)
        return path
    folders = [Path(folder) for folder in (os.environ.get("GOBIN", ""),) if folder]
    folders += [Path(folder) / "bin" for folder in os.environ.get("GOPATH", "").split(os.pathsep) if folder]
    search = os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders), str(Path("~/go/bin").expanduser())])
    if found := shutil.which("govulncheck", path=search):
        return Path(found)
    raise ToolError("govulncheck is not installed (not found on PATH).", INSTALL_HINT)


def scan(program: Path, binary: Path, address: str) -> Scan:
    """Return what govulncheck finds in a binary, as far as its functions are there. Raises DatabaseError, ToolError."""
    argv: list[str | Path] = [program, "-mode", "binary", "-format", "json", "-db", address, binary]
    completed = run(argv, check=False, timeout=_TIMEOUT)
    error = printable((completed.stderr or "").strip())
    last = error.rpartition("\n")[2].removeprefix("govulncheck: ")
    if completed.exit_code:
        if any(text in error for text in _DATABASE_MESSAGES):
            raise DatabaseError(f"The vulnerability database {address} cannot be read: {last}.", COPY_HINT)
        raise ToolError(f"govulncheck failed (exit code {completed.exit_code}): {last or 'no message'}.", INSTALL_HINT)
    functions = Functions.of(binary)
    messages = list(_parse(completed.stdout))
    config = next((message["config"] for message in messages if isinstance(message.get("config"), dict)), None)
    if config is None or config.get("scan_mode") != "binary":
        raise ToolError(f"{program} is not govulncheck, or an older one without a binary mode.", INSTALL_HINT)
    entries = (message["osv"] for message in messages if isinstance(message.get("osv"), dict))
    found = (message["finding"] for message in messages if isinstance(message.get("finding"), dict))
    return Scan(
        f"{config.get('scanner_name')} {config.get('scanner_version')}",
        str(config.get("db_last_modified", "")),
        {entry.id: entry for entry in map(_vulnerability, entries)},
        _strongest([_match(finding, functions) for finding in found]),
    )


def _parse(text: str) -> Iterator[dict[str, Any]]:
    """Yield the messages: JSON objects one after the other."""
    decoder, position = json.JSONDecoder(), 0
    while position < len(text := text.rstrip()):
        try:
            message, position = decoder.raw_decode(text, position)
        except ValueError as error:
            raise ToolError(f"govulncheck printed something other than JSON ({error}).", INSTALL_HINT) from None
        if isinstance(message, dict):
            yield message
        while position < len(text) and text[position].isspace():
            position += 1


def _vulnerability(entry: Mapping[str, Any]) -> Vulnerability:
    specific = entry.get("database_specific") or {}
    aliases = tuple(sorted(str(alias) for alias in entry.get("aliases") or ()))
    summary = str(entry.get("summary") or entry.get("details") or "").split("\n")[0]
    return Vulnerability(str(entry.get("id")), aliases, summary, str(specific.get("url", "")))


def _match(finding: Mapping[str, Any], functions: Functions) -> Match:
    """Return one finding; its trace has a module, and perhaps a package and a function of it."""
    try:
        frame = finding["trace"][0]
        vulnerability, module = str(finding["osv"]), str(frame["module"])
    except (LookupError, TypeError):
        raise ToolError("govulncheck printed a finding without a module.", INSTALL_HINT) from None
    level = functions.level(*(str(frame.get(name, "")) for name in ("package", "receiver", "function")))
    return Match(vulnerability, module, str(frame.get("version", "")), str(finding.get("fixed_version", "")), level)


def _strongest(matches: Sequence[Match]) -> list[Match]:
    """Return each vulnerability of a module once, at its closest level."""
    order = list(Level)
    by_level = sorted(matches, key=lambda match: order.index(match.level), reverse=True)
    return [*{(match.vulnerability, match.module): match for match in by_level}.values()]
