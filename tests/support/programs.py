"""Programs that stand in for real ones."""

from __future__ import annotations

from pathlib import Path


def write_program(path: Path, text: str) -> None:
    """Write an executable script; its folder need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
