"""The scenarios of the service level: what is done to a node, and what is checked after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.verify.kubelet import BASE_ARGUMENTS, KubeletFiles
from kubeparcel.verify.kubelet_contract import CONFIG_FILE, FIPS_ONLY
from kubeparcel.verify.package_expectations import ENV_HOLDER, dependencies_of, has_fips_module
from kubeparcel.verify.package_steps import manage, versions_installed
from kubeparcel.verify.scenario import HostContext, Scenario, Step
from kubeparcel.verify.service import actions, assertions, package_changes, services, unit_assertions

INSTALL = Step("install", "all packages install by name", manage("install", then=versions_installed), vital=True)
INSTALL_PREVIOUS = Step(
    "previous", "the previous packages install", package_changes.install_previous, vital=True, previous=True
)
RUNNING = Step("running", "kubeadm starts the kubelet, which is healthy", actions.start_kubelet, vital=True)
RUNNING_PREVIOUS = replace(RUNNING, previous=True)
EXEC_START = Step("one-command", "ExecStart is one command, the documented one", unit_assertions.exec_start_is_exact)

EXTRA_MAX_PODS, PROVIDER = 55, "two words"
EXTRA_FLAG = f"--max-pods={EXTRA_MAX_PODS}"
PROVIDER_FLAG = f"--provider-id={PROVIDER}"
OVERRIDDEN = {
    "KUBELET_KUBECONFIG_ARGS": "--kubeconfig=/etc/kubernetes/kubelet.conf",
    "KUBELET_CONFIG_ARGS": f"--config={actions.OTHER_CONFIG}",
}
OVERRIDDEN_BASE = (BASE_ARGUMENTS[0], *OVERRIDDEN.values())

NODE: Scenario[HostContext] = Scenario(
    "node",
    (
        INSTALL,
        Step("unit-clean", "systemd-analyze reports no problem", unit_assertions.unit_is_valid),
        Step("unit-files", "systemd has read the packages' unit and drop-in", unit_assertions.unit_files_are_packaged),
        EXEC_START,
        Step(
            "environment-files",
            "both environment files are optional, the administrator's comes last",
            unit_assertions.environment_files_in_order,
        ),
        Step("unmasked", "nothing in /etc overrides the packages' files", unit_assertions.nothing_overrides_packages),
        Step("as-preset", "the unit is enabled as the host's presets say", unit_assertions.enabled_as_preset),
        Step("waits", "before kubeadm the kubelet waits and does not crash", unit_assertions.waits_for_kubeadm),
        Step("runtime", "the machine has a container runtime", actions.prepare_node, vital=True),
        Step("crictl", "crictl reaches the runtime", assertions.crictl_reaches_runtime),
        Step("plugins", "each CNI plugin responds", assertions.cni_plugins_respond),
        Step(
            "own-configuration",
            "before kubeadm, a drop-in with another configuration starts the kubelet, and its static pods",
            actions.start_with_own_configuration,
        ),
        Step("kubeadm", "kubeadm's phases start the kubelet", actions.run_kubeadm, vital=True),
        Step("healthz", "the kubelet is healthy without an API server", assertions.kubelet_is_healthy, vital=True),
        Step(
            "command-line",
            "the kubelet runs with the drop-in's arguments in order, then kubeadm's flags",
            assertions.kubelet_runs_with(maxPods=actions.FLAG_MAX_PODS),
        ),
        Step(
            "extra-args-last",
            "arguments from the environment file come last and take precedence",
            actions.with_extra_arguments(EXTRA_FLAG, assertions.kubelet_runs_with(EXTRA_FLAG, maxPods=EXTRA_MAX_PODS)),
        ),
        Step(
            "quoting",
            "a quoted argument stays one, the others are split",
            actions.with_extra_arguments(
                f"'{EXTRA_FLAG} \"{PROVIDER_FLAG}\"'",
                assertions.kubelet_runs_with(EXTRA_FLAG, PROVIDER_FLAG, providerID=PROVIDER),
            ),
        ),
        Step(
            "later-drop-in",
            "a later drop-in changes the kubelet's kubeconfig and configuration",
            actions.with_later_drop_in(
                OVERRIDDEN,
                assertions.kubelet_runs_with(
                    EXTRA_FLAG, PROVIDER_FLAG, base=OVERRIDDEN_BASE, eventRecordQPS=actions.EVENT_QPS
                ),
            ),
        ),
        Step(
            "files-missing",
            "the kubelet starts without both environment files",
            actions.without_environment_files(
                assertions.kubelet_runs_with(flags=False, maxPods=actions.CONFIG_MAX_PODS)
            ),
        ),
        Step("killed", "systemd restarts a killed kubelet", actions.kill_kubelet),
        Step("reboot", "after a reboot the kubelet runs as before", actions.reboot),
    ),
    "the unit, and a kubelet that kubeadm has configured",
)
PRESET_DISABLED: Scenario[HostContext] = Scenario(
    "preset-disabled",
    (
        Step(
            "preset",
            "the package installs where the site's preset disables the kubelet",
            package_changes.install_with_preset_disabled,
            vital=True,
        ),
        Step("stays-disabled", "the installation does not enable it", unit_assertions.enablement_is("disabled")),
        Step("reinstall", "the package reinstalls", package_changes.reinstall_without_preset, vital=True),
        Step(
            "still-disabled",
            "only the first installation applies the preset",
            unit_assertions.enablement_is("disabled"),
        ),
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
            "the other layout's drop-in is removed, this one's is in effect, the kubelet keeps running",
            package_changes.change_to_this_layout,
        ),
        replace(EXEC_START, name="this-command"),
        Step(
            "to-other-layout",
            "this layout's drop-in is removed, the other one's is in effect, the kubelet keeps running",
            package_changes.change_to_other_layout,
            previous=True,
        ),
        replace(EXEC_START, name="other-command", previous=True),
        Step(
            "with-edit",
            "an edited drop-in does not override the new one",
            package_changes.edit_drop_in_and_change_layout,
        ),
        Step("edit-kept", "the edited drop-in is kept as a backup file", assertions.edited_drop_in_is_saved),
        replace(EXEC_START, name="edited-command"),
    ),
    "changes between the layouts, under a running kubelet; needs packages that kubeparcel built",
)


FIPS: Scenario[HostContext] = Scenario(
    "fips",
    (
        INSTALL,
        Step(
            "fips-only",
            f"kubeadm's phases and the kubelet run where Go allows only FIPS 140-3 algorithms ({FIPS_ONLY})",
            actions.start_with_fips_only,
            vital=True,
        ),
        Step("fips-tls", "the kubelet answers over TLS there", assertions.fips_kubelet_answers_over_tls),
    ),
    "a kubelet that may use only FIPS 140-3 algorithms; needs packages compiled with go.fips",
)


def lifecycle(upgraded: Sequence[str], removed: Sequence[str]) -> Scenario[HostContext]:
    """Return a scenario that upgrades and removes packages one by one, by name, under a running kubelet."""
    start: tuple[Step[HostContext], ...] = (INSTALL, RUNNING)
    if upgraded:
        start = (INSTALL_PREVIOUS, RUNNING_PREVIOUS, *_upgrades(upgraded))
    removals = (
        Step(f"remove-{name}", "the kubelet and its files stay", package_changes.remove(name)) for name in removed
    )
    end = (
        Step("remove-kubelet", "the kubelet is removed", manage("remove", ENV_HOLDER), vital=True),
        Step("stopped", f"the kubelet stops; {CONFIG_FILE} stays", assertions.kubelet_is_stopped),
    )
    meaning = "upgrade and removal of each package, under a running kubelet; upgrades need previous packages"
    return Scenario("lifecycle", (*start, *removals, *end), meaning)


def _upgrades(names: Sequence[str]) -> Iterator[Step[HostContext]]:
    for name in names:
        yield Step(f"upgrade-{name}", "the kubelet is not restarted", package_changes.upgrade(name))
        if name == ENV_HOLDER:
            check = assertions.upgrade_advises_restart(name)
            yield Step("restart-advice", "the upgrade prints how to restart the kubelet", check)
    yield Step(
        "restart",
        "the new kubelet runs with the arguments of the old one",
        package_changes.restart_after_upgrade,
        vital=True,
    )


def all_scenarios(names: Sequence[str]) -> tuple[Scenario[HostContext], ...]:
    """Return all scenarios, for packages with these names."""
    removed = [name for name in names if name != ENV_HOLDER]
    others = (LAYOUTS, PRESET_DISABLED, FIPS, services.scenario(INSTALL, names))
    return (NODE, lifecycle([*removed, ENV_HOLDER], removed), *others)


def scenarios(
    packages: PackageSet, previous: PackageSet | None, other_layout: PackageSet | None
) -> Iterator[tuple[Scenario[HostContext], PackageSet | None, str]]:
    """Yield all scenarios, the longest first: the packages each starts with, and why it does not apply, or ''."""
    yield NODE, None, ""
    old = previous.versions if previous else packages.versions
    upgraded = [name for name, version in packages.versions.items() if old.get(name, version) != version]
    kept = (ENV_HOLDER, *dependencies_of(packages, ENV_HOLDER))
    removed = [name for name in packages.names if name not in kept and (name in old or not upgraded)]
    yield lifecycle(upgraded, removed), previous if upgraded else None, ""
    differs = other_layout is not None and _drop_in(other_layout) != _drop_in(packages)
    yield LAYOUTS, other_layout, "" if differs else "no packages in another layout"
    yield PRESET_DISABLED, None, ""
    reason = "" if services.has_service(packages.names) else "no package has a service next to the kubelet"
    yield services.scenario(INSTALL, packages.names), None, reason
    yield FIPS, None, "" if has_fips_module(packages) else "the kubelet has no FIPS 140-3 module"


def _drop_in(packages: PackageSet) -> str:
    return KubeletFiles.of(packages).drop_in
