"""The tasks that look at finished packages, alone and on hosts."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context

from .. import log
from .task import say, task


@task
def verify(
    _: Context,
    path: list[str],
    level: str = "layout",
    on: str = "",
    engine: str = "",
    from_: str = "",
    keep: bool = False,
    json_: bool = False,
    junit: str = "",
    quiet: bool = False,
) -> int:
    """Check packages: ours, or anyone's. Without a path: those in the output folder."""
    from ..settings import load
    from ..verify.levels import Wanted, prove

    base = Path.cwd()
    settings = load({}, base)
    wanted = Wanted(
        level,
        paths=tuple(base / name for name in path or [settings.out]),
        hosts=tuple(name.strip() for name in on.split(",") if name.strip()),
        engine=engine,
        earlier=(base / from_,) if from_ else (),
        keep=keep,
    )
    proof = prove(wanted, settings, log.choose(quiet))
    if junit:
        proof.write_junit(base / junit)
    say(proof.as_json() if json_ else proof.as_text())
    return proof.exit_code


@task
def hosts(_: Context, engine: str = "", json_: bool = False) -> None:
    """List the hosts that packages can be proved on, and which of them can be made here."""
    from ..hosts import choice

    say(choice.listing(engine).show(as_json=json_))
