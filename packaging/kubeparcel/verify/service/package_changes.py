"""Actions on a node's packages, while its kubelet runs: upgrade, removal, change of layout."""

from __future__ import annotations

from collections.abc import Iterator

from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.reports.results import Finding
from kubeparcel.verify import kubelet
from kubeparcel.verify.install.steps import ADMIN_EDIT
from kubeparcel.verify.kubelet import KubeletFiles
from kubeparcel.verify.kubelet_contract import UNIT
from kubeparcel.verify.package_expectations import ENV_HOLDER
from kubeparcel.verify.package_steps import files_as_packaged, manage
from kubeparcel.verify.scenario import HostContext, StepFunction
from kubeparcel.verify.service.actions import FLAG_MAX_PODS
from kubeparcel.verify.service.assertions import (
    kubelet_not_restarted,
    kubelet_runs_with,
    nothing_overrides,
    unit_files_are_packaged,
)

PRESET = "/etc/systemd/system-preset/00-site.preset"


def install_previous(context: HostContext) -> Iterator[Finding]:
    """Install the packages that the scenario starts with."""
    yield from context.change_versions(context.package_manager.install, context.previous_packages.versions)


def upgrade(name: str) -> StepFunction:
    """Return a step that upgrades one package: the kubelet is not restarted."""

    def run(context: HostContext) -> Iterator[Finding]:
        yield from context.change_versions(context.package_manager.install, {name: context.packages.versions[name]})
        context.state[name] = "\n".join(context.evidence.values())
        yield from kubelet_not_restarted(context)

    return run


def restart_after_upgrade(context: HostContext) -> Iterator[Finding]:
    """Restart as advised: the new kubelet runs with kubeadm's arguments."""
    yield from kubelet.restart(context)
    yield from kubelet_runs_with(maxPods=FLAG_MAX_PODS)(context)
    context.state["pid"] = kubelet.main_pid(context)


def remove(name: str) -> StepFunction:
    """Return a step that removes one package: the kubelet runs on, with its files as packaged."""

    def run(context: HostContext) -> Iterator[Finding]:
        yield from manage("remove", name)(context)
        if name in context.installed_versions([name]):
            yield Finding(f"{name} not installed", "still installed")
        yield from kubelet_not_restarted(context)
        yield from files_as_packaged(ENV_HOLDER, edited=False)(context)

    return run


def install_where_disabled(context: HostContext) -> Iterator[Finding]:
    """Install the kubelet's package on a host whose preset disables it."""
    context.container.write_file(PRESET, f"disable {UNIT}\n")
    yield from manage("install", ENV_HOLDER)(context)


def reinstall_without_preset(context: HostContext) -> Iterator[Finding]:
    """Delete the preset, and reinstall the package: that is not a first installation."""
    context.run("rm", PRESET)
    yield from manage("reinstall", ENV_HOLDER)(context)


def change_to_other_layout(context: HostContext) -> Iterator[Finding]:
    """Change from these packages to those of the other layout, while the kubelet runs."""
    other = context.previous_packages
    yield from context.change_versions(context.package_manager.downgrade, other.versions)
    yield from _layout_in_effect(context, other)


def change_to_this_layout(context: HostContext) -> Iterator[Finding]:
    """Change from the packages of the other layout to these, while the kubelet runs."""
    versions = context.packages.only(context.previous_packages.names).versions
    yield from context.change_versions(context.package_manager.install, versions)
    yield from _layout_in_effect(context, context.packages)


def _layout_in_effect(context: HostContext, installed: PackageSet) -> Iterator[Finding]:
    """Only the installed packages' drop-in is in effect, and the kubelet was not restarted."""
    yield from unit_files_are_packaged(context, installed)
    yield from nothing_overrides(context, installed)
    yield from kubelet_not_restarted(context)


def edit_drop_in(context: HostContext) -> Iterator[Finding]:
    """Edit the drop-in in the layout that has it in /etc, then change to the other one."""
    drop_ins = [KubeletFiles.of(packages).drop_in for packages in (context.previous_packages, context.packages)]
    path = next(drop_in for drop_in in drop_ins if drop_in.startswith("/etc/"))
    in_this_layout = path != drop_ins[0]
    if in_this_layout:
        yield from change_to_this_layout(context)
    context.script('echo "$2" >>"$1"', path, ADMIN_EDIT)
    context.state["edited"] = path
    yield from (change_to_other_layout if in_this_layout else change_to_this_layout)(context)
