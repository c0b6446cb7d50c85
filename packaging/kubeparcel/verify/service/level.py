"""The service level: systemd runs the kubelet as kubeadm wants it, on real distributions."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from kubeparcel.errors import UsageError
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.hosts.parallel_runs import default_workers, run_parallel
from kubeparcel.hosts.session import Session
from kubeparcel.model import Version
from kubeparcel.packages.find import find_package_files
from kubeparcel.reports.results import Check, Report
from kubeparcel.verify.package_expectations import ENV_HOLDER
from kubeparcel.verify.progress import show_progress
from kubeparcel.verify.service.runner import LEVEL, play
from kubeparcel.verify.service.scenarios import scenarios

NEEDED = ("kubeadm", ENV_HOLDER)
OLDEST = Version(1, 31, 0)
"""The first Kubernetes whose kubeadm reads the configuration that this level writes."""


def check(
    here: Session,
    hosts: Sequence[Host],
    paths: Sequence[Path],
    earlier: Sequence[Path] = (),
    only: Collection[str] = (),
    other: Sequence[Path] = (),
) -> Report:
    """Prove packages on hosts with systemd, side by side, each scenario on a machine of its own.

    `paths` are packages or folders of them; `earlier` are packages of before, to upgrade from;
    `other` are those of an earlier revision in the other layout. Without them that is not tried,
    and the log says so. `only` names scenarios. Raises UsageError when a host lacks packages of its
    format, or they are older than this level knows, ToolError when a host cannot be made or
    started.
    """
    started = time.monotonic()
    formats = {host.format for host in hosts}
    folder = Path(tempfile.mkdtemp(dir=here.folder))
    sets = load_package_sets(find_package_files(paths), folder / "current", formats)
    old = (
        load_package_sets(find_package_files(earlier), folder / "earlier", formats)
        if earlier
        else {}
    )
    beside = (
        load_package_sets(find_package_files(other), folder / "other", formats) if other else {}
    )
    if not earlier:
        here.log.warn("upgrades are not tried: there are no earlier packages (--from DIR).")
    if not other:
        here.log.warn("a change of layout is not tried: there is no kubeparcel.lock here.")
    for host in hosts:
        _fits(host, sets.get(host.format))
        here.ensure_image(host, Purpose.NODE)
    rows = [
        (place, host, *row)
        for host in hosts
        for place, row in enumerate(
            scenarios(sets[host.format], old.get(host.format), beside.get(host.format))
        )
        if not only or row[0].name in only
    ]
    jobs = sorted(rows, key=lambda row: row[0])  # each host's longest first: none is left for last

    def job(index: int) -> list[Check]:
        _, host, scenario, before = jobs[index]
        with watches[host.name].scenario(scenario.name, len(scenario.steps)) as told:
            return play(here, host, scenario, sets[host.format], before, told)

    counts = {host.name: [len(row[2].steps) for row in jobs if row[1] is host] for host in hosts}
    with show_progress(
        here.log, LEVEL, {name: steps for name, steps in counts.items() if steps}
    ) as watches:
        found = run_parallel(here, job, len(jobs), at_once())
    order = sorted(range(len(jobs)), key=lambda index: rows.index(jobs[index]))
    checks = tuple(check for index in order for check in found[index])
    return Report(LEVEL, checks, time.monotonic() - started)


def at_once() -> int:
    """How many machines at a time: one more than elsewhere, for systemd lets them wait often."""
    return default_workers() + 1


def _fits(host: Host, packages: PackageSet | None) -> None:
    """Raises UsageError for packages that cannot become a node."""
    versions = packages.versions if packages else {}
    missing = [name for name in NEEDED if name not in versions]
    if missing:
        raise UsageError(
            f"--on {host.name}: the level {LEVEL} needs {' and '.join(missing)} as {host.format}, "
            "and there is none among the packages.",
            "Build it, or choose another host: inv hosts",
        )
    one = next(one for one in packages.contents if one.name == NEEDED[0]) if packages else None
    release = Version.parse(one.version.replace("~", "-", 1)) if one else OLDEST
    if release < OLDEST:
        raise UsageError(
            f"--level {LEVEL}: this is Kubernetes {release}, and the level knows {OLDEST.series} "
            "and later.",
            "The levels layout and install prove it: inv verify --level install",
        )
