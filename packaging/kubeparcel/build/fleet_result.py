"""What became of each release of a build, as text and JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kubeparcel.build.lock.releases import LockedRelease
from kubeparcel.build.result import BuildResult
from kubeparcel.console import duration, quantity
from kubeparcel.errors import ConfigurationError, KubeparcelError
from kubeparcel.tables import format_table


@dataclass(frozen=True)
class ReleaseOutcome:
    """A release with the result of its build, or the error that ended it, and the seconds until then."""

    release: LockedRelease
    seconds: float
    result: BuildResult | None = None
    error: KubeparcelError | None = None

    @property
    def exit_code(self) -> int:
        """The exit code that the release alone would have."""
        if self.error:
            return self.error.exit_code
        return self.result.exit_code if self.result else 0

    @property
    def file_names(self) -> frozenset[str]:
        """The packages of the release in the output folder; none if it failed."""
        if self.result is None or self.exit_code:
            return frozenset()
        return frozenset(built.manifest.file_name for built in self.result.packages)

    @property
    def verdict(self) -> str:
        """What became of it: `built`, `up to date` or `failed`."""
        if self.exit_code:
            return "failed"
        changed = self.result and (self.result.changed or any(built.seconds for built in self.result.packages))
        return "built" if changed else "up to date"

    @property
    def reason(self) -> str:
        """Why it failed, in one line; empty if it did not."""
        if self.error:
            return self.error.message.splitlines()[0]
        return self.result.report.summary if self.result and self.exit_code else ""

    def document(self) -> dict[str, Any]:
        """Return the result as JSON has it."""
        return {
            "release": self.release.title,
            "requested": self.release.request.kubernetes,
            "arches": [str(arch) for arch in self.release.settings.arch],
            "result": self.verdict,
            "exit": self.exit_code,
            **({"error": self.error.message, "hint": self.error.hint} if self.error else {}),
            **(self.result.document() if self.result else {}),
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True)
class FleetResult:
    """The releases of a build, and the packages of earlier builds in the output folder."""

    out: Path
    outcomes: tuple[ReleaseOutcome, ...]
    others: tuple[str, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """The highest exit code of all releases."""
        return max(outcome.exit_code for outcome in self.outcomes)

    @property
    def only(self) -> BuildResult:
        """The result, if there is one release; raises the error that ended its build."""
        (outcome,) = self.outcomes
        if outcome.result is None:
            raise outcome.error or ConfigurationError(f"{outcome.release.title} was not built.")
        return replace(outcome.result, others=self.others, seconds=self.seconds)

    @property
    def changed(self) -> bool:
        """Whether the output folder has new or changed files."""
        return any(outcome.result and outcome.result.changed for outcome in self.outcomes)

    def as_json(self) -> str:
        """Return the JSON document of `--json`."""
        document = {
            "releases": [outcome.document() for outcome in self.outcomes],
            "others": [str(self.out / name) for name in self.others],
            "exit": self.exit_code,
            "seconds": round(self.seconds, 2),
        }
        return json.dumps(document, indent=2)

    def as_text(self) -> str:
        """Return a table of the releases, the errors of those that failed, and a summary."""
        rows = [
            [
                outcome.release.title,
                ", ".join(outcome.release.settings.arch),
                str(len(outcome.result.packages)) if outcome.result else "-",
                duration(outcome.seconds),
                outcome.verdict,
            ]
            for outcome in self.outcomes
        ]
        failed = [outcome for outcome in self.outcomes if outcome.exit_code]
        files = {name for outcome in self.outcomes for name in outcome.file_names}
        summary = [
            *(str(self.out), quantity(len(self.outcomes) - len(failed), "releases"), quantity(len(files), "packages")),
            *([f"{len(failed)} failed"] if failed else []),
            duration(self.seconds),
        ]
        return "\n".join(
            [
                format_table(["Release", "Architectures", "Packages", "Time", "Result"], rows, right=(2, 3)),
                *(f"{outcome.release.title}: {outcome.error or outcome.reason}" for outcome in failed),
                f"{' · '.join(summary)}{self._others_line}",
            ]
        )

    @property
    def _others_line(self) -> str:
        count = len(self.others)
        return f"\n{self.out} also contains {quantity(count, 'packages')} of earlier builds." if count else ""
