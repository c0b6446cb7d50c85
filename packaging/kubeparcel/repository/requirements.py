"""What a repository promises about each package (`publish --require`): one check for each requirement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kubeparcel.packages.errors import MalformedData
from kubeparcel.repository.model import SBOM_SUFFIXES, STATEMENT_SUFFIX, Package, SideFileKey, State
from kubeparcel.repository.policy import PolicyViolation
from kubeparcel.repository.storage.base import StorageReader
from kubeparcel.trust.dsse import parse_envelope
from kubeparcel.trust.package_statement import unverified_materials
from kubeparcel.trust.statement import Statement, parse_statement

_SHOWN = 20


@dataclass(frozen=True)
class Evidence:
    """What is known about packages: the state with their side files, new statements, and why files are left out."""

    state: State
    storage: StorageReader
    statements: Mapping[str, Statement] = field(default_factory=dict)
    problems: Mapping[SideFileKey, str] = field(default_factory=dict)
    paths: Mapping[Package, str] = field(default_factory=dict)

    def missing_file(self, package: Package, suffix: str) -> bool:
        """Return whether a package has no side file with a suffix."""
        return suffix not in self.state.side_files.get(package.sha256, {})

    def problem(self, package: Package, suffix: str) -> str:
        """Return why a side file is left out, in parentheses; empty if there never was one."""
        problem = self.problems.get((package.sha256, suffix), "")
        return f" ({problem})" if problem else ""

    def statement(self, package: Package) -> Statement | None:
        """Return the statement about a package: a new one, or the published one. None without a valid one."""
        if package.sha256 in self.statements:
            return self.statements[package.sha256]
        path = f"{self.paths.get(package, '')}{STATEMENT_SUFFIX}"
        data = None if self.missing_file(package, STATEMENT_SUFFIX) else self.storage.read(path)
        try:
            return parse_statement(parse_envelope(data, path).payload, path) if data else None
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


REQUIREMENTS: Mapping[str, Requirement] = {"sbom": _sbom, "provenance": _provenance, "signatures": _signatures}
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
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        hint = (
            "inv build writes statements and SBOMs next to the packages; publish the folder that it wrote.\n"
            "inv resolve verifies signatures and sums of binaries, and records it in kubeparcel.lock.\n"
            "An earlier --require applies until it is taken back: --require nothing."
        )
        raise PolicyViolation(
            f"The repository requires {' and '.join(names)} of every package; nothing was changed.",
            "\n".join((*problems[:_SHOWN], *more, hint)),
        )


def _split(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name in REQUIREMENTS)
