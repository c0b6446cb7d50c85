"""The result of a change to a repository, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubeparcel.console import duration, quantity
from kubeparcel.repository.model import State, SuiteChange
from kubeparcel.repository.package import Package
from kubeparcel.repository.policy import ContentChange

_LINES_SHOWN = 15


@dataclass(frozen=True)
class ChangeResult:
    """What a change did, or with `dry_run` would do.

    `state` is the state afterwards. `described`: files about published packages were added.
    `signatures_renewed`: all indexes were signed again. `kept` are published packages of which the folder
    has other builds.
    """

    repository: str
    changes: tuple[SuiteChange, ...]
    state: State
    signatures_renewed: bool
    dry_run: bool
    seconds: float
    kept: tuple[ContentChange, ...] = ()
    described: bool = False

    @property
    def exit_code(self) -> int:
        """Return 0: failures are reported as errors."""
        return 0

    @property
    def _changed(self) -> bool:
        return bool(self.changes or self.signatures_renewed or self.described)

    def as_json(self) -> str:
        """Return the JSON document of `--json`."""
        return json.dumps(self.document, indent=2)

    @property
    def document(self) -> dict[str, Any]:
        """The content of the JSON document."""
        return {
            "repository": self.repository,
            "generation": self.state.generation,
            "dry-run": self.dry_run,
            "changed": bool(self.changes),
            "signed": self._changed and not self.dry_run,
            "keys": [key.partition(":")[0] for key in self.state.signing_keys],
            "suites": {
                change.suite: {
                    "added": [_package_json(package) for package in change.added],
                    "removed": [_package_json(package) for package in change.removed],
                }
                for change in self.changes
            },
            "kept": [{**_package_json(kept.published), "differences": kept.differences} for kept in self.kept],
            "packages": {suite: len(packages) for suite, packages in self.state.suites.items()},
            "seconds": round(self.seconds, 2),
        }

    def as_text(self) -> str:
        """Return the text for the terminal."""
        if not self._changed:
            return f"Nothing to do: {self.repository} is up to date ({duration(self.seconds)})"
        lines = [line for change in self.changes for line in _change_lines(change)]
        if not self.changes:
            verb = "would be" if self.dry_run else "were"
            done = "indexes {} signed again" if self.signatures_renewed else "files about packages {} added"
            lines = [f"No package changed; the {done.format(verb)}."]
        total = quantity(len(self.state.packages), "packages")
        if self.dry_run:
            outcome = f"would contain {total} (--dry-run: nothing was changed)"
        else:
            outcome = f"contains {total} · generation {self.state.generation}"
        lines.append(f"{self.repository} {outcome} · {duration(self.seconds)}")
        if not self.dry_run and self.state.options.base_url.startswith("file:"):
            # Without --address, client files contain a URL that only works on this machine.
            lines.append("Client files point to a local folder; pass --address https://… once it is served.")
        return "\n".join(lines)


def _package_json(package: Package) -> dict[str, Any]:
    return {
        "name": package.name,
        "version": package.version,
        "arch": package.arch,
        "format": str(package.format),
        "sha256": package.sha256,
        "size": package.size,
    }


def _change_lines(change: SuiteChange) -> Sequence[str]:
    lines = [f"  + {package.label}" for package in change.added]
    lines += [f"  - {package.label}" for package in change.removed]
    more = len(lines) - _LINES_SHOWN
    return (change.suite, *lines[:_LINES_SHOWN], *([f"  … and {more:,} more"] if more > 0 else []))
