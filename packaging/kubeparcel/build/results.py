"""The results of builds, of one release and of several, as text and JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.build.lock import document as lock_document
from kubeparcel.build.lock import lockfile
from kubeparcel.build.lock.components import component_origin
from kubeparcel.build.lock.releases import LockedRelease
from kubeparcel.console import duration, quantity
from kubeparcel.errors import ConfigurationError, KubeparcelError
from kubeparcel.lock_models import Lock
from kubeparcel.tables import format_table
from kubeparcel.trust.sbom_files import FOLDER

if TYPE_CHECKING:
    from kubeparcel.reports.results import Report


@dataclass(frozen=True)
class BuildResult:
    """The packages of a build, the files that changed in the output folder, and the check report.

    `others` are the packages of earlier builds in the output folder, as SHA256SUMS names them; `sboms`
    are the paths of SBOMs there.
    """

    out: Path
    lock: Lock
    packages: tuple[BuiltPackage, ...]
    changed: tuple[Path, ...]
    others: tuple[str, ...]
    report: Report
    seconds: float
    sboms: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 if every check passed, else 1."""
        return 0 if self.report.passed else 1

    def _package_entries(self) -> list[dict[str, Any]]:
        """Return one entry for each package, for the table and for JSON."""
        return [
            {
                "package": built.manifest.name,
                "version": f"{built.manifest.version}-{built.manifest.revision}",
                "arch": built.manifest.arch_name,
                "format": str(built.manifest.format),
                "file": str(self.out / built.manifest.file_name),
                "size": built.size,
                "sha256": built.sha256,
                "source": component_origin(self.lock, built.manifest.component),
                "seconds": round(built.seconds, 2),
            }
            for built in self.packages
        ]

    def as_json(self) -> str:
        """Return the JSON document of `--json`."""
        return json.dumps(self.document(), indent=2)

    def document(self) -> dict[str, Any]:
        """Return the JSON document of `--json`."""
        return {
            "kubernetes": str(self.lock.component("kubernetes").version),
            "source": self.lock.source,
            "inputs": lock_document.artifact_documents(self.lock),
            "packages": self._package_entries(),
            "changed": [str(path) for path in self.changed if path.parent.name != FOLDER],
            "sboms": [str(self.out / name) for name in self.sboms],
            "others": [str(self.out / name) for name in self.others],
            "checks": self.report.as_dict(),
            "seconds": round(self.seconds, 2),
        }

    def as_text(self) -> str:
        """Return the table of packages, or one line if nothing was built."""
        if not self.report.passed:
            return f"Nothing was written to {self.out}: {self.report.summary}"
        if not self.changed and not any(built.seconds for built in self.packages):
            up_to_date = f"Nothing to do: {self.out} is up to date with {lockfile.NAME} ({duration(self.seconds)})"
            return f"{up_to_date}{self._others_line}"
        headers = ["Package", "Version", "Arch", "Size", "sha256", "From", "Time"]
        rows = [
            [
                f"{entry['package']} {entry['format']}",
                entry["version"],
                entry["arch"],
                quantity(entry["size"], "B"),
                entry["sha256"][:8],
                _shorten(entry["source"]),
                duration(entry["seconds"]) if entry["seconds"] else "cached",
            ]
            for entry in self._package_entries()
        ]
        total = quantity(sum(built.size for built in self.packages), "B")
        sboms = f"{quantity(len(self.sboms), 'SBOMs')} · " if self.sboms else ""
        return (
            f"{format_table(headers, rows, right=(3, 6))}\n"
            f"{self.out} · {quantity(len(self.packages), 'packages')}, {total} · SHA256SUMS · {sboms}"
            f"{duration(self.seconds)}{self._others_line}"
        )

    @property
    def _others_line(self) -> str:
        count = len(self.others)
        if not count:
            return ""
        packages = quantity(count, "packages")
        return (
            f"\n{self.out} also contains {packages} of earlier builds ({self.others[0]}{', …' if count > 1 else ''}).\n"
            "  inv publish takes the newest revision of each version; inv clean removes them."
        )


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
        others = quantity(len(self.others), "packages")
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
                " · ".join(summary),
                *([f"{self.out} also contains {others} of earlier builds."] if self.others else []),
            ]
        )


def _shorten(origin: str) -> str:
    """Fit an origin into a table column: `Go h1:qDQd…`."""
    kind, space, digest = origin.partition(" ")
    if kind == "git":
        return f"git {digest[:7]}"
    return f"Go {digest[:7]}…" if space else origin
