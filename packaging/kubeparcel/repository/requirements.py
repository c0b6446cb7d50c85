"""What a repository promises about each package (`publish --require`): one check for each requirement."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kubeparcel.packages.errors import MalformedData
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.model import SBOM_SUFFIXES, STATEMENT_SUFFIX, Package, SideFileKey, State
from kubeparcel.repository.policy import PolicyViolation
from kubeparcel.repository.storage.base import StorageReader
from kubeparcel.trust.dsse import parse_envelope
from kubeparcel.trust.package_statement import parse_package_statement, unverified_materials
from kubeparcel.trust.statement import Statement

_BUILD_HINT = (
    "inv build writes statements and SBOMs next to the packages; publish the folder that it wrote.\n"
    "inv resolve verifies signatures and sums of binaries, and records it in kubeparcel.lock.\n"
    "An earlier --require applies until it is taken back: --require nothing."
)
_AUDIT_HINT = "inv audit describes vulnerabilities; OpenVEX statements exempt those that do not matter."


@dataclass(frozen=True)
class Evidence:
    """What is known about packages: the state with their side files, new statements, and why files are left out.

    `paths` are those of published packages in the repository, `sources` the files of new ones.
    """

    state: State
    storage: StorageReader
    statements: Mapping[str, Statement] = field(default_factory=dict)
    problems: Mapping[SideFileKey, str] = field(default_factory=dict)
    paths: Mapping[Package, str] = field(default_factory=dict)
    sources: Mapping[Package, FileStamp] = field(default_factory=dict)

    @contextmanager
    def file(self, package: Package) -> Iterator[Path]:
        """Yield the file of a package: a new one, or a copy of the published one."""
        if package in self.sources:
            yield Path(self.sources[package].path)
            return
        with tempfile.TemporaryDirectory(prefix="kp-") as folder:
            path = Path(folder) / f"package.{package.format}"
            path.write_bytes(self.storage.read(self.paths.get(package, "")) or b"")
            yield path

    def missing_file(self, package: Package, suffix: str) -> bool:
        """Return whether a package has no side file with a suffix."""
        return suffix not in self.state.files_about(package)

    def problem(self, package: Package, suffix: str) -> str:
        """Return why a side file is left out, in parentheses; empty if there never was one."""
        problem = self.problems.get((package.sha256, suffix), "")
        return f" ({problem})" if problem else ""

    def statement(self, package: Package) -> Statement | None:
        """Return the statement about a package: a new one, or the published one. None without a valid one, or if
        somebody changed it.
        """
        if package.sha256 in self.statements:
            return self.statements[package.sha256]
        path = f"{self.paths.get(package, '')}{STATEMENT_SUFFIX}"
        sha256 = self.state.files_about(package).get(STATEMENT_SUFFIX)
        data = self.storage.read(path) if sha256 else None
        if data and hashlib.sha256(data).hexdigest() != sha256:
            return None
        try:
            return parse_package_statement(parse_envelope(data, path).payload, path) if data else None
        except MalformedData:
            return None


Requirement = Callable[[Evidence, Package], str]
"""Returns what a package lacks, empty if it meets the requirement."""


def _sbom(evidence: Evidence, package: Package) -> str:
    missing = [suffix for suffix in SBOM_SUFFIXES if evidence.missing_file(package, suffix)]
    return f"no SBOM ({', '.join(missing)})" + evidence.problem(package, missing[0]) if missing else ""


def _provenance(evidence: Evidence, package: Package) -> str:
    if not evidence.missing_file(package, STATEMENT_SUFFIX):
        return ""
    return f"no statement of provenance{evidence.problem(package, STATEMENT_SUFFIX)}"


def _signatures(evidence: Evidence, package: Package) -> str:
    statement = evidence.statement(package)
    if statement is None:
        return "no statement that says how its binaries were verified"
    unverified = unverified_materials(statement)
    return f"unverified {', '.join(unverified[:3])}" if unverified else ""


def _audit(evidence: Evidence, package: Package) -> str:
    from kubeparcel.trust.audit.examination import audit_problem

    with evidence.file(package) as file:
        return audit_problem(file, Path.cwd())


REQUIREMENTS: Mapping[str, Requirement] = {
    "sbom": _sbom,
    "provenance": _provenance,
    "signatures": _signatures,
    "audit": _audit,
}
"""The checks by the name that `--require` takes."""


def require(evidence: Evidence, published: State) -> None:
    """Raise PolicyViolation if packages of a state lack what the repository promises.

    Packages that were published under the same promise met it then.
    """
    names = _split(evidence.state.options.required)
    kept = _split(published.options.required)
    new = evidence.state.packages - published.packages if names else frozenset()
    problems = []
    for name in names:
        packages: Iterable[Package] = new if name in kept else evidence.state.packages
        lacks = ((package, REQUIREMENTS[name](evidence, package)) for package in sorted(packages))
        problems += [f"{package.label}: {lack}" for package, lack in lacks if lack]
    if problems:
        hints = (_BUILD_HINT, _AUDIT_HINT) if "audit" in names else (_BUILD_HINT,)
        message = f"The repository requires {' and '.join(names)} of every package; nothing was changed."
        raise PolicyViolation.listing(message, problems, *hints)


def _split(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name in REQUIREMENTS)
