"""The result of making a bundle, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kubeparcel.bundle.model import Manifest
from kubeparcel.console import duration, quantity
from kubeparcel.paths import display_path
from kubeparcel.tables import format_table


class Part(NamedTuple):
    """A part of a bundle: its files and their size in bytes."""

    name: str
    files: int
    size: int

    @classmethod
    def of(cls, name: str, files: Sequence[Path]) -> Part:
        """Return a part with these files."""
        return cls(name, len(files), sum(file.stat().st_size for file in files))


@dataclass(frozen=True)
class BundleResult:
    """A bundle, or with `dry_run` what it would contain; then there is no file and no digest."""

    target: Path
    manifest: Manifest
    parts: tuple[Part, ...]
    seconds: float
    dry_run: bool
    sha256: str = ""
    size: int = 0

    def as_json(self) -> str:
        """Return the JSON document of `--json`."""
        return json.dumps(
            {
                "bundle": str(self.target),
                "dry-run": self.dry_run,
                "sha256": self.sha256,
                "size": self.size,
                "parts": [part._asdict() for part in self.parts],
                "contents": json.loads(self.manifest.dump()),
                "seconds": round(self.seconds, 2),
            },
            indent=2,
        )

    def as_text(self) -> str:
        """Return the text for the terminal."""
        rows = [[part.name, f"{part.files:,}", quantity(part.size, "B")] for part in self.parts]
        lines = [format_table(["Part", "Files", "Size"], rows, right=(1, 2))]
        if self.manifest.missing_images:
            lines += [
                "Images that are not in the bundle:",
                *(f"  {name}" for name in self.manifest.missing_images),
                "To add them, save them with `podman save` or `docker save` where their registry can be",
                "reached, and pass the files with --images.",
            ]
        name, seconds = display_path(self.target), duration(self.seconds)
        if self.dry_run:
            total = quantity(sum(part.size for part in self.parts), "B")
            return "\n".join([*lines, f"{name} would have about {total} (--dry-run: nothing was written) · {seconds}"])
        folder = "kubernetes-bundle"
        return "\n".join(
            [
                *lines,
                f"{name} · {quantity(self.size, 'B')} · {seconds}",
                f"sha256 {self.sha256}",
                f"Next: inv bundle --verify {name}",
                f"On each host: tar -xf {self.target.name} && sh {folder}/install.sh",
            ]
        )
