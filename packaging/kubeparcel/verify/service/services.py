"""Services of packages next to the kubelet: systemd runs their units, and their clients get answers.

Which these are, and what they answer, are rows of the catalog (`service` of a package).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from kubeparcel.config import catalog as catalogs
from kubeparcel.reports.results import Finding
from kubeparcel.verify.kubelet import kill, unit_properties
from kubeparcel.verify.package_steps import manage
from kubeparcel.verify.scenario import HostContext, Scenario, Step, StepFunction
from kubeparcel.verify.service.assertions import enabled_as_preset, unit_is_valid

if TYPE_CHECKING:
    from kubeparcel.config.catalog_models import ServiceSpec

NAME = "services"
ANY = "NAME"
"""The name of a package in the list of all scenarios."""

MEANING = "services of packages next to the kubelet, such as etcd and containerd"


def has_service(names: Collection[str]) -> bool:
    """Return whether any of these packages has a service."""
    return any(_service(name) for name in names)


def scenario(install: Step[HostContext], names: Collection[str]) -> Scenario[HostContext]:
    """Return the scenario for packages with these names."""
    steps = (step for name in sorted(names) for step in _steps(name, names))
    return Scenario(NAME, (install, *steps), MEANING)


def _service(name: str) -> ServiceSpec | None:
    package = catalogs.load().packages.get(name)
    return package.service if package else None


def _steps(name: str, names: Collection[str]) -> Iterator[Step[HostContext]]:
    spec = _service(name)
    unit = spec.unit if spec else f"{name}.service"
    answers, keeps = (spec.answers, spec.keeps) if spec and spec.client in names else ((), ())
    if spec or name == ANY:
        yield Step(f"{name}-unit", "the packaged unit is valid, and enabled as presets say", _has_unit(unit))
        yield Step(f"{name}-answers", "it starts, and its client gets answers", _starts(unit, answers))
        yield Step(f"{name}-killed", "systemd restarts it when it is killed, with its data", _restarts(unit, keeps))
        yield Step(f"{name}-removed", "it stops when its package is removed", _stops(unit, name))


def _has_unit(unit: str) -> StepFunction:
    def check(context: HostContext) -> Iterator[Finding]:
        yield from unit_is_valid(context, unit)
        yield from enabled_as_preset(context, unit)
        path = unit_properties(context, "FragmentPath", unit=unit)["FragmentPath"]
        packaged = {entry.path for entry in context.packages.entries}
        if path not in packaged and path.removeprefix("/usr") not in packaged:
            yield Finding("a unit of the packages", path or "no unit", unit)

    return check


def _starts(unit: str, commands: Sequence[str]) -> StepFunction:
    def check(context: HostContext) -> Iterator[Finding]:
        # The packages may have replaced those of the host's distribution, whose service still runs.
        yield from context.run_successfully("systemctl", "restart", unit)
        yield from _runs(context, unit, commands)

    return check


def _runs(context: HostContext, unit: str, commands: Sequence[str]) -> Iterator[Finding]:
    state = unit_properties(context, "ActiveState", unit=unit)["ActiveState"]
    if state != "active":
        yield Finding("active", state, unit)
        context.run("journalctl", "--no-pager", "--lines=20", "--unit", unit)
        return
    for command in commands:
        yield from context.failure(context.script(command, timeout=30))


def _restarts(unit: str, commands: Sequence[str]) -> StepFunction:
    def check(context: HostContext) -> Iterator[Finding]:
        findings = list(kill(context, unit))
        yield from findings or _runs(context, unit, commands)

    return check


def _stops(unit: str, package: str) -> StepFunction:
    def check(context: HostContext) -> Iterator[Finding]:
        yield from manage("remove", package)(context)
        state, pid = unit_properties(context, "ActiveState", "MainPID", unit=unit).values()
        if state == "active" or pid not in ("", "0"):
            yield Finding("no running process", f"{state}, process {pid}", unit)

    return check
