"""The scenarios of the service level: what is done to a node, and what is checked after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.verify.kubelet import BASE_ARGUMENTS, KubeletFiles
from kubeparcel.verify.kubelet_contract import CONFIG_FILE
from kubeparcel.verify.package_expectations import ENV_HOLDER, dependencies_of
from kubeparcel.verify.scenario import HostContext, Scenario, Step
from kubeparcel.verify.service.actions import (
    CONFIG_MAX_PODS,
    EVENT_QPS,
    FLAG_MAX_PODS,
    OTHER_CONFIG,
    kill_kubelet,
    prepare_node,
    reboot,
    run_kubeadm,
    start_kubelet,
    start_with_own_configuration,
    with_extra_arguments,
    with_later_drop_in,
    without_environment_files,
)
from kubeparcel.verify.service.assertions import (
    cni_plugins_respond,
    crictl_reaches_runtime,
    edited_drop_in_is_saved,
    kubelet_is_healthy,
    kubelet_is_stopped,
    kubelet_runs_with,
    upgrade_advises_restart,
)
from kubeparcel.verify.service.package_changes import (
    change_to_other_layout,
    change_to_this_layout,
    edit_drop_in_and_change_layout,
    install,
    install_previous,
    install_with_preset_disabled,
    reinstall_without_preset,
    remove,
    remove_kubelet,
    restart_after_upgrade,
    upgrade,
)
from kubeparcel.verify.service.unit_assertions import (
    enabled_as_preset,
    enablement_is,
    environment_files_in_order,
    exec_start_is_exact,
    nothing_overrides_packages,
    unit_files_are_packaged,
    unit_is_valid,
    waits_for_kubeadm,
)

INSTALL = Step("install", "all packages install by name", install, vital=True)
INSTALL_PREVIOUS = Step("previous", "the previous packages install", install_previous, vital=True, previous=True)
RUNNING = Step("running", "kubeadm starts the kubelet, which is healthy", start_kubelet, vital=True)
RUNNING_PREVIOUS = replace(RUNNING, previous=True)
EXEC_START = Step("one-command", "ExecStart is one command, the documented one", exec_start_is_exact)

EXTRA_MAX_PODS, PROVIDER = 55, "two words"
EXTRA_FLAG = f"--max-pods={EXTRA_MAX_PODS}"
PROVIDER_FLAG = f"--provider-id={PROVIDER}"
OVERRIDDEN = {
    "KUBELET_KUBECONFIG_ARGS": "--kubeconfig=/etc/kubernetes/kubelet.conf",
    "KUBELET_CONFIG_ARGS": f"--config={OTHER_CONFIG}",
}
OVERRIDDEN_BASE = (BASE_ARGUMENTS[0], *OVERRIDDEN.values())

NODE: Scenario[HostContext] = Scenario(
    "node",
    (
        INSTALL,
        Step("unit-clean", "systemd-analyze reports no problem", unit_is_valid),
        Step("unit-files", "systemd has read the packages' unit and drop-in", unit_files_are_packaged),
        EXEC_START,
        Step(
            "environment-files",
            "both environment files are optional, the administrator's comes last",
            environment_files_in_order,
        ),
        Step("unmasked", "nothing in /etc overrides the packages' files", nothing_overrides_packages),
        Step("as-preset", "the unit is enabled as the host's presets say", enabled_as_preset),
        Step("waits", "before kubeadm the kubelet waits and does not crash", waits_for_kubeadm),
        Step("runtime", "the machine has a container runtime", prepare_node, vital=True),
        Step("crictl", "crictl reaches the runtime", crictl_reaches_runtime),
        Step("plugins", "each CNI plugin responds", cni_plugins_respond),
        Step(
            "own-configuration",
            "before kubeadm, a drop-in with another configuration starts the kubelet, and its static pods",
            start_with_own_configuration,
        ),
        Step("kubeadm", "kubeadm's phases start the kubelet", run_kubeadm, vital=True),
        Step("healthz", "the kubelet is healthy without an API server", kubelet_is_healthy, vital=True),
        Step(
            "command-line",
            "the kubelet runs with the drop-in's arguments in order, then kubeadm's flags",
            kubelet_runs_with(maxPods=FLAG_MAX_PODS),
        ),
        Step(
            "extra-args-last",
            "arguments from the environment file come last and take precedence",
            with_extra_arguments(EXTRA_FLAG, kubelet_runs_with(EXTRA_FLAG, maxPods=EXTRA_MAX_PODS)),
        ),
        Step(
            "quoting",
            "a quoted argument stays one, the others are split",
            with_extra_arguments(
                f"'{EXTRA_FLAG} \"{PROVIDER_FLAG}\"'", kubelet_runs_with(EXTRA_FLAG, PROVIDER_FLAG, providerID=PROVIDER)
            ),
        ),
        Step(
            "later-drop-in",
            "a later drop-in changes the kubelet's kubeconfig and configuration",
            with_later_drop_in(
                OVERRIDDEN, kubelet_runs_with(EXTRA_FLAG, PROVIDER_FLAG, base=OVERRIDDEN_BASE, eventRecordQPS=EVENT_QPS)
            ),
        ),
        Step(
            "files-missing",
            "the kubelet starts without both environment files",
            without_environment_files(kubelet_runs_with(flags=False, maxPods=CONFIG_MAX_PODS)),
        ),
        Step("killed", "systemd restarts a killed kubelet", kill_kubelet),
        Step("reboot", "after a reboot the kubelet runs as before", reboot),
    ),
    "the unit, and a kubelet that kubeadm has configured",
)
PRESET_DISABLED: Scenario[HostContext] = Scenario(
    "preset-disabled",
    (
        Step(
            "preset",
            "the package installs where the site's preset disables the kubelet",
            install_with_preset_disabled,
            vital=True,
        ),
        Step("stays-disabled", "the installation does not enable it", enablement_is("disabled")),
        Step("reinstall", "the package reinstalls", reinstall_without_preset, vital=True),
        Step("still-disabled", "only the first installation applies the preset", enablement_is("disabled")),
    ),
    "a site's preset that disables the kubelet",
)
LAYOUTS: Scenario[HostContext] = Scenario(
    "layouts",
    (
        replace(INSTALL_PREVIOUS, meaning="packages of the other layout install"),
        RUNNING_PREVIOUS,
        Step(
            "to-this-layout",
            "the other layout's drop-in goes, this one's is in effect, the kubelet runs on",
            change_to_this_layout,
        ),
        replace(EXEC_START, name="this-command"),
        Step(
            "to-other-layout",
            "this layout's drop-in goes, the other one's is in effect, the kubelet runs on",
            change_to_other_layout,
            previous=True,
        ),
        replace(EXEC_START, name="other-command", previous=True),
        Step("with-edit", "an edited drop-in does not override the new one", edit_drop_in_and_change_layout),
        Step("edit-kept", "the edited drop-in is kept as a backup file", edited_drop_in_is_saved),
        replace(EXEC_START, name="edited-command"),
    ),
    "changes between the layouts, under a running kubelet; needs packages that kubeparcel built",
)


def lifecycle(upgraded: Sequence[str], removed: Sequence[str]) -> Scenario[HostContext]:
    """Return a scenario that upgrades and removes packages one by one, by name, under a running kubelet."""
    start: tuple[Step[HostContext], ...] = (INSTALL, RUNNING)
    if upgraded:
        start = (INSTALL_PREVIOUS, RUNNING_PREVIOUS, *_upgrades(upgraded))
    removals = (Step(f"remove-{name}", "the kubelet and its files stay", remove(name)) for name in removed)
    end = (
        Step("remove-kubelet", "the kubelet is removed", remove_kubelet, vital=True),
        Step("stopped", f"the kubelet stops; {CONFIG_FILE} stays", kubelet_is_stopped),
    )
    meaning = "upgrade and removal of each package, under a running kubelet; upgrades need previous packages"
    return Scenario("lifecycle", (*start, *removals, *end), meaning)


def _upgrades(names: Sequence[str]) -> Iterator[Step[HostContext]]:
    for name in names:
        yield Step(f"upgrade-{name}", "the kubelet is not restarted", upgrade(name))
        if name == ENV_HOLDER:
            check = upgrade_advises_restart(name)
            yield Step("restart-advice", "the upgrade tells how to restart the kubelet", check)
    yield Step("restart", "the new kubelet runs with the arguments of the old one", restart_after_upgrade, vital=True)


def all_scenarios(names: Sequence[str]) -> tuple[Scenario[HostContext], ...]:
    """Return all scenarios, for packages with these names."""
    removed = [name for name in names if name != ENV_HOLDER]
    return (NODE, lifecycle([*removed, ENV_HOLDER], removed), LAYOUTS, PRESET_DISABLED)


def scenarios(
    packages: PackageSet, previous: PackageSet | None, other_layout: PackageSet | None
) -> Iterator[tuple[Scenario[HostContext], PackageSet | None, str]]:
    """Yield all scenarios, the longest first: the packages each starts with, and why it does not apply, or ''."""
    yield NODE, None, ""
    old = previous.versions if previous else packages.versions
    upgraded = [name for name, version in packages.versions.items() if old.get(name, version) != version]
    kept = (ENV_HOLDER, *dependencies_of(packages, ENV_HOLDER))
    removed = [name for name in packages.names if name not in kept]
    yield lifecycle(upgraded, removed), previous if upgraded else None, ""
    differs = other_layout is not None and _drop_in(other_layout) != _drop_in(packages)
    yield LAYOUTS, other_layout, "" if differs else "no packages in another layout"
    yield PRESET_DISABLED, None, ""


def _drop_in(packages: PackageSet) -> str:
    return KubeletFiles.of(packages).drop_in
