"""What a repository promises about each package (`publish --require`): one check for each requirement."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.packages.errors import MalformedData
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.model import State
from kubeparcel.repository.package import SBOM_SUFFIXES, STATEMENT_SUFFIX, Package
from kubeparcel.repository.policy import PolicyViolation
from kubeparcel.repository.storage.base import StorageReader
from kubeparcel.trust.dsse import parse_envelope
from kubeparcel.trust.package_statement import parse_package_statement, unverified_materials
from kubeparcel.trust.statement import Statement

if TYPE_CHECKING:
    from kubeparcel.repository.candidates.side_files import SideFiles

_BUILD_HINT = (
    "inv build writes statements and SBOMs next to the packages; publish the folder that it wrote.\n"
    "inv resolve verifies signatures and sums of binaries, and records it in kubeparcel.lock.\n"
    "An earlier --require applies until it is taken back: --require nothing."
)
_AUDIT_HINT = "inv audit describes vulnerabilities; OpenVEX statements exempt those that do not matter."


@dataclass(frozen=True)
class Evidence:
    """What is known about the packages of a state: the published state, and the files of this publish.

    `sources` are the files of new packages, `side_files` the new files about packages.
    """

    state: State
    published: State
    storage: StorageReader
    sources: Mapping[Package, FileStamp]
    side_files: SideFiles

    @functools.cached_property
    def _published_paths(self) -> Mapping[str, str]:
        """The path of each published package, also of retired ones, by its SHA-256."""
        return {package.sha256: path for path, package in self.published.stored_by_path.items()}

    @contextmanager
    def file(self, package: Package) -> Iterator[Path]:
        """Yield the file of a package: a new one, or a copy of the published one."""
        if package in self.sources:
            yield Path(self.sources[package].path)
            return
        with tempfile.TemporaryDirectory(prefix="kp-") as folder:
            path = Path(folder) / f"package.{package.format}"
            path.write_bytes(self.storage.read(self._published_paths[package.sha256]) or b"")
            yield path

    def missing_file(self, package: Package, suffix: str) -> bool:
        """Return whether a package has no side file with a suffix."""
        return suffix not in self.state.files_about(package)

    def problem(self, package: Package, suffix: str) -> str:
        """Return why a side file is left out, in parentheses; empty if there never was one."""
        problem = self.side_files.problems.get((package.sha256, suffix), "")
        return f" ({problem})" if problem else ""

    def statement(self, package: Package) -> Statement | None:
        """Return the statement about a package: a new one, or the published one; None if that is not valid any more."""
        if package.sha256 in self.side_files.statements:
            return self.side_files.statements[package.sha256]
        sha256 = self.state.files_about(package).get(STATEMENT_SUFFIX)
        path = f"{self._published_paths.get(package.sha256, '')}{STATEMENT_SUFFIX}"
        data = self.storage.read(path) if sha256 else None
        if not data or hashlib.sha256(data).hexdigest() != sha256:
            return None
        try:
            return parse_package_statement(parse_envelope(data, path).payload, path)
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


def require(evidence: Evidence) -> None:
    """Raise PolicyViolation if packages of a state lack what the repository promises.

    Packages that were published under the same promise met it then.
    """
    names = _split(evidence.state.options.required)
    kept = _split(evidence.published.options.required)
    new = evidence.state.packages - evidence.published.packages
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
