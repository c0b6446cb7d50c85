"""The install level: packages are installed, upgraded and removed on real distributions."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ...errors import UsageError
from ...hosts.parallel import side_by_side
from ...hosts.session import Session
from ...hosts.table import Host, Purpose
from ...model import Format
from .. import layout
from ..package_set import PackageSet, gather, machine
from ..report import Check, Report
from .play import play
from .scenarios import scenarios

LEVEL = "install"


def check(
    here: Session,
    hosts: Sequence[Host],
    paths: Sequence[Path],
    earlier: Sequence[Path] = (),
    only: Collection[str] = (),
) -> Report:
    """Prove packages on hosts, side by side, each scenario in a container of its own.

    `paths` are packages or folders of them; `earlier` are packages of before, to upgrade from:
    without them upgrades are not tried, and the log says so. `only` names scenarios. Raises
    UsageError when a host has no packages of its format, ToolError when a host cannot be made or
    started.
    """
    started = time.monotonic()
    formats = {host.format for host in hosts}
    folder = Path(tempfile.mkdtemp(dir=here.folder))
    sets = gather(layout.packages(paths), folder / "current", formats)
    old = gather(layout.packages(earlier), folder / "earlier", formats) if earlier else {}
    if not earlier:
        here.log.warn("upgrades are not tried: there are no earlier packages (--from DIR).")
    _all_have_packages(hosts, sets)
    images = {host.name: here.image(host, Purpose.INSTALL) for host in hosts}
    jobs = [
        (host, scenario)
        for host in hosts
        for scenario in scenarios(host, sets[host.format], old.get(host.format))
        if not only or scenario.name in only
    ]

    def job(index: int) -> list[Check]:
        host, scenario = jobs[index]
        packages, before = sets[host.format], old.get(host.format)
        return play(here, host, images[host.name], scenario, packages, before)

    found = side_by_side(here, job, len(jobs))
    checks = tuple(check for checks in found for check in checks)
    return Report(LEVEL, checks, time.monotonic() - started)


def _all_have_packages(hosts: Sequence[Host], sets: Mapping[Format, PackageSet]) -> None:
    for host in hosts:
        if host.format not in sets:
            raise UsageError(
                f"--on {host.name}: there is no {host.format} for this machine ({machine()}) "
                "among the packages.",
                "Build it, or choose another host: inv hosts",
            )
