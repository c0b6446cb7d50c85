"""What a change of a repository did, or would do: for people, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubeparcel.console import duration
from kubeparcel.repository.model import Package, State, SuiteChange

_SHOWN = 15


@dataclass(frozen=True)
class ChangeResult:
    """`where` it was, what changed, the state it has now, whether it was only signed anew."""

    repository: str
    changes: tuple[SuiteChange, ...]
    state: State
    signatures_renewed: bool
    dry_run: bool
    seconds: float

    @property
    def exit_code(self) -> int:
        """Always 0: what goes wrong is an error."""
        return 0

    def as_json(self) -> str:
        """The one document of `--json`."""
        return json.dumps(
            {
                "repository": self.repository,
                "generation": self.state.generation,
                "dry-run": self.dry_run,
                "changed": bool(self.changes),
                "signed": bool(self.changes or self.signatures_renewed) and not self.dry_run,
                "keys": [name.partition(":")[0] for name in self.state.signing_keys],
                "suites": {
                    change.suite: {
                        "added": [_row(p) for p in change.added],
                        "removed": [_row(p) for p in change.removed],
                    }
                    for change in self.changes
                },
                "packages": {name: len(held) for name, held in self.state.suites.items()},
                "seconds": round(self.seconds, 2),
            },
            indent=2,
        )

    def as_text(self) -> str:
        """For people."""
        if not self.changes and not self.signatures_renewed:
            return f"Nothing to do: {self.repository} is up to date ({duration(self.seconds)})"
        lines = [line for change in self.changes for line in _lines(change)]
        if self.signatures_renewed and not self.changes:
            lines = ["nothing changed; the indexes are signed anew"]
        total = f"{len(self.state.packages):,} packages"
        if self.dry_run:
            done = f"would hold {total} (--dry-run: nothing was changed)"
        else:
            done = f"{total} published · generation {self.state.generation}"
        end = f"{self.repository} · {done} · {duration(self.seconds)}"
        return "\n".join((*lines, end, *self._only_here()))

    def _only_here(self) -> Sequence[str]:
        """Without an address client files lead to a folder, which other machines do not have."""
        if self.dry_run or not self.state.options.base_url.startswith("file:"):
            return ()
        text = (
            "Only this machine finds it so far. Where a web server serves it: --address https://…"
        )
        return (text,)


def _row(package: Package) -> dict[str, Any]:
    return {
        "name": package.name,
        "version": package.version,
        "arch": package.arch,
        "format": str(package.format),
        "sha256": package.sha256,
        "size": package.size,
    }


def _lines(change: SuiteChange) -> Sequence[str]:
    rows = [f"  + {p.label}" for p in change.added] + [f"  - {p.label}" for p in change.removed]
    more = [f"  … and {len(rows) - _SHOWN:,} more"] if len(rows) > _SHOWN else []
    return (change.suite, *rows[:_SHOWN], *more)
