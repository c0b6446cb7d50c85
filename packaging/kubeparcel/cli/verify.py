"""The tasks that look at finished packages, alone and on hosts."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context

from kubeparcel import console
from kubeparcel.cli.task import print_result, task


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
    html: str = "",
    quiet: bool = False,
) -> int:
    """Check packages: ours, or anyone's. Without a path: those in the output folder."""
    from kubeparcel.config.settings import load
    from kubeparcel.reports.report_files import ReportFiles, write_reports
    from kubeparcel.verify.levels import VerifyRequest, run_levels

    base, here = Path.cwd(), console.create_log(quiet)
    settings = load({}, base)
    wanted = VerifyRequest(
        level,
        paths=tuple(base / name for name in path or [settings.out]),
        hosts=tuple(name.strip() for name in on.split(",") if name.strip()),
        engine=engine,
        previous=(base / from_,) if from_ else (),
        keep=keep,
    )
    proof = run_levels(wanted, settings, here)
    left = write_reports(proof, ReportFiles.requested(base, settings.out, level, html, junit), here)
    print_result(proof.as_json() if json_ else left.with_summary_line(proof.as_text()))
    if json_ and left.names:
        here.info("Report", " · ".join(left.names))
    return left.exit_code


@task
def hosts(_: Context, engine: str = "", json_: bool = False) -> None:
    """List the hosts that packages can be proved on, and which of them can be made here."""
    from kubeparcel.hosts import selection

    print_result(selection.host_availability(engine).render(as_json=json_))
