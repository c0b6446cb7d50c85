"""The task that makes images of nodes."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context

from kubeparcel import console
from kubeparcel.cli.task import print_result, task


@task
def image(
    _: Context,
    path: list[str],
    on: str = "",
    engine: str = "",
    out: str = "",
    load: bool = False,
    json_: bool = False,
    quiet: bool = False,
) -> None:
    """Make images of nodes with the packages inside. Without a path: those in the output folder."""
    from kubeparcel.config.settings import load as settings
    from kubeparcel.images import export

    base = Path.cwd()
    packages = settings({}, base).out
    wanted = export.ImageRequest(
        paths=tuple(base / name for name in path or [packages]),
        hosts=tuple(name.strip() for name in on.split(",") if name.strip()),
        engine=engine,
        out=base / out if out else base / packages / "images",
        load=load,
    )
    made = export.export_images(wanted, console.create_log(quiet))
    print_result(made.as_json() if json_ else made.as_text())
