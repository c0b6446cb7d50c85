"""The task that builds node images."""

from __future__ import annotations

from pathlib import Path

from kubeparcel import console, journal
from kubeparcel.cli.option_groups import split_list
from kubeparcel.cli.options import Option
from kubeparcel.cli.output import print_result
from kubeparcel.cli.task import task


@task(
    "Build",
    ("image", "Build one deb host and one rpm host with the packages in dist."),
    ("image --on trixie --load", "Build a Debian 13 node and load it into the engine."),
    path=Option("package files, or folders with packages", "PATH", "the output folder", positional=True),
    out=Option("folder for the archives", "DIR", "images in the output folder"),
)
def image(
    path: list[str],
    on: str = "",
    engine: str = "",
    out: str = "",
    load: bool = False,
    hold: bool = False,
    json_: bool = False,
    quiet: bool = False,
) -> None:
    """Build node images with the packages installed.

    Without a PATH, the packages of the output folder are installed.
    """
    from kubeparcel.config.settings import load_settings
    from kubeparcel.images import export

    base = Path.cwd()
    packages = load_settings({}, base).out
    journal.keep_in(base / packages)
    request = export.ImageRequest(
        paths=tuple(base / name for name in path or [packages]),
        hosts=split_list(on),
        engine=engine,
        out=base / out if out else base / packages / "images",
        load=load,
        hold=hold,
    )
    images = export.export_images(request, console.create_log(quiet))
    print_result(images.as_json() if json_ else images.as_text())
