"""The tasks that verify packages, alone and on hosts."""

from __future__ import annotations

import shlex
from pathlib import Path

from kubeparcel import console, journal
from kubeparcel.cli.option_groups import split_list
from kubeparcel.cli.options import Option
from kubeparcel.cli.output import print_result
from kubeparcel.cli.task import task
from kubeparcel.errors import UsageError


@task(
    "Verify",
    ("verify", "Check the contents of the packages in dist."),
    ("verify --level install --on trixie", "Install, upgrade and remove them on Debian 13."),
    ("verify ~/Downloads/kubelet_1.36.3-1.1_amd64.deb", "Check a package built by others."),
    ("verify --level cluster --html report.html", "Create a cluster, and write a report."),
    ("verify --kubernetes 1.35 --level install", "Verify one of several releases on hosts."),
    ("verify --only install/upgrade,modes", "Run one scenario and one check."),
    ("verify --list --level install", "List what these levels check."),
    path=Option("package files, or folders with packages", "PATH", "the output folder", positional=True),
    kubernetes=Option(
        "the release to verify, such as 1.35 or 1.36.3+acme.1, if there are packages of several",
        "VERSION",
        "all; on hosts the newest",
    ),
    workers=Option(
        "machines that run the hosts in containers: a Dask scheduler's address (tcp:// or tls://)",
        "dask:tcp://HOST:PORT",
        "this machine",
    ),
    from_=Option("folder with packages to upgrade from", "DIR", "the same packages, one revision earlier"),
    junit=Option("write a JUnit XML report", "FILE", "verify.xml in the output folder, on hosts"),
    html=Option("write an HTML report", "FILE", "verify.html in the output folder, on hosts"),
)
def verify(
    path: list[str],
    level: str = "",
    kubernetes: str = "",
    only: str = "",
    list_: bool = False,
    on: str = "",
    engine: str = "",
    engine_options: str = "",
    from_: str = "",
    keep: bool = False,
    workers: str = "",
    workers_tls: str = "",
    cache_remote: str = "",
    json_: bool = False,
    junit: str = "",
    html: str = "",
    quiet: bool = False,
) -> int:
    """Verify packages: contents, installation, the kubelet, a cluster.

    Without a PATH, the packages of the output folder are verified, each release with the packages that belong to it.
    Levels run in order up to --level; the first failure stops the run. With --only, the levels run that have one of
    the names; what did not run is reported as such, and never as passed.
    """
    from kubeparcel.build.previous_revision import PreviousRevision
    from kubeparcel.config.settings import load_settings
    from kubeparcel.reports.output import ReportFiles, as_json, as_text, write_reports
    from kubeparcel.verify.levels import list_checks, run_levels
    from kubeparcel.verify.request import VerifyRequest

    base, log = Path.cwd(), console.create_log(quiet)
    options = {"workers": workers, "workers_tls": workers_tls, "cache_remote": cache_remote}
    settings = load_settings(options, base)
    journal.keep_in(base / settings.out)
    request = VerifyRequest(
        level,
        paths=tuple(base / name for name in path or [settings.out]),
        hosts=split_list(on),
        engine=engine,
        engine_options=_split_options(engine_options),
        previous=(base / from_,) if from_ else (),
        keep=keep,
        only=split_list(only),
        kubernetes=kubernetes,
    )
    if list_:
        print_result(list_checks(request, settings, as_json=json_))
        return 0
    ReportFiles.requested(base, settings.out, level != "layout", html, junit).require_writable()
    remote_hosts = None
    if settings.workers:
        from kubeparcel.build.workers.level_units import worker_hosts

        remote_hosts = worker_hosts(settings, request, log)
    result = run_levels(request, settings, log, PreviousRevision(settings, log), remote_hosts)
    files = ReportFiles.requested(base, settings.out, result.on_hosts, html, junit)
    written = write_reports(result.reports, result.started, files, log)
    text = as_json(result.reports) if json_ else as_text(result.reports)
    print_result(text if json_ else written.with_summary_line(text))
    if json_ and written.names:
        log.info("Report", " · ".join(written.names))
    return written.exit_code


def _split_options(text: str) -> tuple[str, ...]:
    """Return the options of a container engine; raises UsageError for a word that is no option."""
    try:
        options = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--engine-options {text!r}: {error}.") from None
    for option in options:
        if not option.startswith("--"):
            raise UsageError(
                f"--engine-options: {option!r} does not start with '--'.",
                "Write each option with its value as one word: --engine-options '--memory=2g --pids-limit=500'",
            )
    return tuple(options)


@task(
    "Verify",
    ("hosts", "List the hosts that can run on this machine."),
    ("hosts --all", "List the others too, and why they cannot."),
    ("hosts --engine docker --json", "List what docker can run, as JSON."),
)
def hosts(engine: str = "", all_: bool = False, json_: bool = False) -> None:
    """List the hosts on which packages can be verified.

    The JSON document has all hosts.
    """
    from kubeparcel.hosts import selection

    availability = selection.host_availability(engine)
    print_result(availability.as_json() if json_ else availability.as_text(everything=all_))
