"""The results of a build and a fetch, as text and JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.build.lock import document as lock_document
from kubeparcel.build.lock import lockfile
from kubeparcel.build.lock.components import source_of
from kubeparcel.console import duration, quantity
from kubeparcel.lock_models import Binaries, Lock
from kubeparcel.store import Store
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

    def package_entries(self) -> list[dict[str, Any]]:
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
        """Return the result by the keys of the JSON document."""
        return {
            "kubernetes": str(self.lock.component("kubernetes").version),
            "source": self.lock.source,
            "inputs": lock_document.artifact_documents(self.lock),
            "packages": self.package_entries(),
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
            for entry in self.package_entries()
        ]
        total = quantity(sum(built.size for built in self.packages), "B")
        return (
            f"{format_table(headers, rows, right=(3, 6))}\n"
            f"{self.out} · {quantity(len(self.packages), 'packages')}, {total} · SHA256SUMS · {self._sbom_note}"
            f"{duration(self.seconds)}{self._others_line}"
        )

    @property
    def _sbom_note(self) -> str:
        return f"{quantity(len(self.sboms), 'SBOMs')} · " if self.sboms else ""

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


def component_origin(lock: Lock, component: str) -> str:
    """Return the Go module and sum of a component, or the host of its upstream files."""
    if not component:
        return "kubeparcel.yaml"
    first = lock.component(component).artifacts[0]
    if first.commit:
        return f"git {first.commit}"
    return f"{first.origin} {first.digest}" if source_of(lock, component) == "go" else first.origin.split("/")[2]


def _shorten(origin: str) -> str:
    """Fit an origin into a table column: `Go h1:qDQd…`."""
    kind, space, digest = origin.partition(" ")
    if kind == "git":
        return f"git {digest[:7]}"
    return f"Go {digest[:7]}…" if space else origin


@dataclass(frozen=True)
class FetchResult:
    """The binaries of a lock, with their paths in the store."""

    lock: Lock
    binaries: Binaries
    store: Store

    def document(self) -> dict[str, Any]:
        """Return the JSON document of `--json`."""
        inputs = lock_document.artifact_documents(self.lock)
        return {"source": self.lock.source, "inputs": inputs, "binaries": self._entries()}

    def as_text(self) -> str:
        """Return one line for each binary."""
        return "\n".join(f"{entry['name']:<14} {entry['arch']:<8} {entry['path']}" for entry in self._entries())

    def _entries(self) -> list[dict[str, str]]:
        return [
            {"name": name, "arch": str(arch), "sha256": sha256, "path": str(self.store.path(sha256))}
            for (_, arch), digests in self.binaries.items()
            for name, sha256 in sorted(digests.items())
        ]
