"""The scenarios of the service level: what is done to a node, and what is checked after it."""

from __future__ import annotations

from collections.abc import Iterator
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
INSTALL_PREVIOUS = Step("previous", "the previous packages install", install_previous, vital=True)
RUNNING = Step("running", "kubeadm starts the kubelet, which is healthy", start_kubelet, vital=True)
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
)
LAYOUTS: Scenario[HostContext] = Scenario(
    "layouts",
    (
        Step("previous", "packages of the other layout install", install_previous, vital=True),
        RUNNING,
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
        ),
        replace(EXEC_START, name="other-command"),
        Step("with-edit", "an edited drop-in does not override the new one", edit_drop_in_and_change_layout),
        Step("edit-kept", "the edited drop-in is kept as a backup file", edited_drop_in_is_saved),
        replace(EXEC_START, name="edited-command"),
    ),
)


def lifecycle(packages: PackageSet, previous: PackageSet | None) -> Scenario[HostContext]:
    """Return a scenario that upgrades and removes packages one by one under a running kubelet."""
    start: tuple[Step[HostContext], ...] = (INSTALL, RUNNING)
    if previous:
        start = (INSTALL_PREVIOUS, RUNNING, *_upgrades(packages, previous))
    end = (
        Step("remove-kubelet", "the kubelet is removed", remove_kubelet, vital=True),
        Step("stopped", f"the kubelet stops; {CONFIG_FILE} stays", kubelet_is_stopped),
    )
    return Scenario("lifecycle", (*start, *_removals(packages), *end))


def _upgrades(packages: PackageSet, previous: PackageSet) -> Iterator[Step[HostContext]]:
    for name, version in packages.versions.items():
        if previous.versions.get(name, version) != version:
            run = upgrade(name)
            yield Step(f"upgrade-{name}", "the kubelet is not restarted", run)
            if name == ENV_HOLDER:
                check = upgrade_advises_restart(name)
                yield Step("restart-advice", "the upgrade tells how to restart the kubelet", check)
    yield Step("restart", "the new kubelet runs with the arguments of the old one", restart_after_upgrade, vital=True)


def _removals(packages: PackageSet) -> Iterator[Step[HostContext]]:
    """Yield the removal of each package that the kubelet does not depend on."""
    for name in packages.names:
        if name not in (ENV_HOLDER, *dependencies_of(packages, ENV_HOLDER)):
            run = remove(name)
            yield Step(f"remove-{name}", "the kubelet and its files stay", run)


def scenarios(
    packages: PackageSet, previous: PackageSet | None, other_layout: PackageSet | None
) -> Iterator[tuple[Scenario[HostContext], PackageSet | None]]:
    """Yield all scenarios that apply, the longest first, each with the packages it starts with."""
    yield NODE, None
    initial = previous if previous and previous.versions != packages.versions else None
    yield lifecycle(packages, initial), initial
    if other_layout and _drop_in(other_layout) != _drop_in(packages):
        yield LAYOUTS, other_layout
    yield PRESET_DISABLED, None


def _drop_in(packages: PackageSet) -> str:
    return KubeletFiles.of(packages).drop_in
