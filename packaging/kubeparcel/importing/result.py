"""The result of an import, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from kubeparcel.console import quantity
from kubeparcel.importing.selection import Selected
from kubeparcel.importing.source import Origin
from kubeparcel.repository.package import Package
from kubeparcel.repository.result import ChangeResult

_SHOWN = 8


@dataclass(frozen=True)
class ImportResult:
    """What an import did, or with `--dry-run` would do.

    `origins` are the indexes that list the selected packages, `new` the packages that were fetched, in the source's
    words. `problems` are index entries of the source that were left out.
    """

    location: str
    origins: Sequence[Origin]
    selected: Selected
    new: Sequence[Package]
    problems: Sequence[str]
    change: ChangeResult

    @property
    def exit_code(self) -> int:
        """Return 1 if entries of the source were left out."""
        return 1 if self.problems else 0

    def as_json(self) -> str:
        """Return the JSON document of `--json`."""
        source = {
            "location": self.location,
            "indexes": [asdict(origin) for origin in self.origins],
            "selected": len(self.selected.packages),
            "fetched": 0 if self.change.dry_run else len(self.new),
            "bytes": sum(package.size for package in self.new),
            "companions": [package.label for package in sorted(self.selected.companions)],
            "missing": list(self.selected.missing),
            "problems": list(self.problems),
        }
        return json.dumps({"source": source, **self.change.document}, indent=2)

    def as_text(self) -> str:
        """Return the text for the terminal."""
        lines = [f"{self.location}: {_quantities(self.selected, self.new)}"]
        lines += [f"  {origin.name}: {_verification(origin)}" for origin in self.origins]
        if self.selected.companions:
            lines += ["  also taken, since these packages need them:"]
            lines += _listed([package.label for package in sorted(self.selected.companions)])
        if self.selected.missing:
            lines += ["  not in this repository:", *_listed(self.selected.missing)]
        if self.problems:
            lines += ["  left out, because their index entries cannot be used:", *_listed(self.problems)]
        return "\n".join([*lines, self.change.as_text()])


def _quantities(selected: Selected, new: Sequence[Package]) -> str:
    size = quantity(sum(package.size for package in new), "B")
    count = f"{len(new):,} new ({size})" if new else "none new"
    return f"{quantity(len(selected.packages), 'packages')} selected, {count}"


def _verification(origin: Origin) -> str:
    index = f"{origin.path.rpartition('/')[2]} {origin.sha256[:12]}…"
    keys = " and ".join(f"…{fingerprint[-16:]}" for fingerprint in origin.signers)
    return f"{index}, signed by {keys}" if keys else f"{index}, without a verified signature"


def _listed(texts: Sequence[str]) -> list[str]:
    more = [f"    … and {len(texts) - _SHOWN:,} more"] if len(texts) > _SHOWN else []
    return [*(f"    {text}" for text in texts[:_SHOWN]), *more]
