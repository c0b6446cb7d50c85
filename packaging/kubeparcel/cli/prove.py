"""The tasks that look at finished packages, alone and on hosts."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context

from ..errors import UsageError
from .task import say, task


@task
def verify(
    _: Context, path: list[str], level: str = "layout", json_: bool = False, junit: str = ""
) -> int | None:
    """Check packages: ours, or anyone's. Without a path: those in the output folder."""
    if level != "layout":
        raise UsageError(f"--level {level}: there is only layout yet.")
    from .. import catalog
    from ..settings import load
    from ..verify import layout

    base = Path.cwd()
    settings = load({}, base)
    known = catalog.load()
    rows = known.model_copy(update={"packages": settings.catalog_packages(known.packages)})
    report = layout.check_paths([base / name for name in path or [settings.out]], rows)
    if junit:
        report.write_junit(base / junit)
    say(report.as_json() if json_ else report.as_text())
    return report.exit_code
