"""A package with one fault, as a value, and the check on a host that must fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kubeparcel.model import Format
from kubeparcel.verify.layout import level
from tests.support.mutants.mutant import BOTH, call
from tests.support.sample_packages import Mutation, PackageDraft, SamplePackages

DEB, RPM = ("deb",), ("rpm",)
HOSTS: Mapping[Format, str] = {Format.DEB: "trixie", Format.RPM: "trixie-dnf"}


@dataclass(frozen=True)
class HostMutant:
    """A fault: the package, the change, and the check of a scenario that must fail.

    With `in_previous`, the package that the scenario starts with is broken. A fault is `hidden` if
    the layout level does not find it.
    """

    name: str
    package: str
    mutate: Mutation
    scenario: str
    check: str
    formats: Sequence[str] = BOTH
    in_previous: bool = False
    hidden: bool = False


M = TypeVar("M", bound=HostMutant)


def scriptlet(at: str, text: str) -> Mutation:
    """Return a change: text is appended to a scriptlet."""
    return call("append_to_script", at, text)


def combine(changes: Sequence[Mutation]) -> Mutation:
    """Return a change that makes several, in order."""

    def mutate(draft: PackageDraft) -> None:
        for change in changes:
            change(draft)

    return mutate


def per_format(mutants: Sequence[M]) -> list[tuple[M, Format]]:
    """Return each mutant with each of its formats."""
    return [(mutant, Format(format_)) for mutant in mutants for format_ in mutant.formats]


def layout_results(mutant: HostMutant, samples: SamplePackages, folder: Path) -> set[bool]:
    """Return whether the layout level passes a mutant, in any of its formats."""
    files = [
        samples.write(samples.manifest(mutant.package, format_), mutant.mutate, folder / format_)
        for format_ in mutant.formats
    ]
    return {level.check_paths([file]).passed for file in files}
