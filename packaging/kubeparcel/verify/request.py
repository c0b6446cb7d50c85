"""What a user asks to verify, and who builds the packages that an upgrade starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kubeparcel.packages.model import PackageContents


class PreviousPackages(Protocol):
    """Builds the packages that hosts have before an upgrade; none for packages that others built."""

    def build(self, packages: Sequence[PackageContents], folder: Path) -> Sequence[Path]:
        """Build the same packages, one revision earlier, into a folder."""

    def build_other_layout(self, packages: Sequence[PackageContents], folder: Path) -> Sequence[Path]:
        """Build those that are different in the other layout into a folder."""


@dataclass(frozen=True)
class VerifyRequest:
    """What to verify, and where. Empty fields leave the choice to the program.

    `engine_options` are added to every container, `previous` are packages to upgrade from, `only` names or patterns of
    checks and scenarios. Without a level, all levels run that `only` selects, or else the first.
    """

    level: str
    paths: tuple[Path, ...]
    hosts: tuple[str, ...] = ()
    engine: str = ""
    engine_options: tuple[str, ...] = ()
    previous: tuple[Path, ...] = ()
    keep: bool = False
    only: tuple[str, ...] = ()
    kubernetes: str = ""
    """The release to verify, of several in the paths; all of them on the level layout, the newest on hosts."""
