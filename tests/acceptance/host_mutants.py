"""A package broken in one respect, as a value: how, and which check on a host must notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kubeparcel.model import Format
from kubeparcel.verify.layout import level
from tests.support.mutants.mutant import BOTH, on
from tests.support.package_workshop import Mutate, Workshop

DEB, RPM = ("deb",), ("rpm",)
HOSTS: Mapping[Format, str] = {Format.DEB: "trixie", Format.RPM: "trixie-dnf"}


@dataclass(frozen=True)
class HostMutant:
    """One fault: in which package, made how, and which check of which scenario sees it.

    With `earlier` it is the package that the scenario begins with that is broken. `hidden` ones the
    layout level cannot see: this is the cheapest that does.
    """

    name: str
    package: str
    mutate: Mutate
    scenario: str
    check: str
    formats: Sequence[str] = BOTH
    in_previous: bool = False
    hidden: bool = False


M = TypeVar("M", bound=HostMutant)


def scriptlet(at: str, text: str) -> Mutate:
    """More text at the end of a scriptlet."""
    return on("script", at, text)


def per_format(mutants: Sequence[M]) -> list[tuple[M, Format]]:
    """Each mutant in each of its formats."""
    return [(mutant, Format(format_)) for mutant in mutants for format_ in mutant.formats]


def layout_results(mutant: HostMutant, shop: Workshop, folder: Path) -> set[bool]:
    """Whether the layout level finds nothing wrong with it, of each format."""
    files = [
        shop.write(shop.package(mutant.package, format_), mutant.mutate, folder / format_)
        for format_ in mutant.formats
    ]
    return {level.check_paths([file]).passed for file in files}
