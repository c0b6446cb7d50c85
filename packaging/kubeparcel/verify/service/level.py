"""The service level: what is done to a node with systemd and containerd, and what is checked after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from kubeparcel.hosts import systemd_node
from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session, default_workers
from kubeparcel.verify import kubelet
from kubeparcel.verify.kubelet import BASE_ARGUMENTS, KubeletFiles
from kubeparcel.verify.kubelet_contract import CONFIG_FILE, FIPS_ONLY, UNIT
from kubeparcel.verify.level_runner import HostLevel, LevelRun, PlannedScenario
from kubeparcel.verify.node_setup import require_node_packages
from kubeparcel.verify.package_expectations import ENV_HOLDER, dependencies_of, has_fips_module
from kubeparcel.verify.package_steps import manage, versions_installed
from kubeparcel.verify.scenario import HostContext, Scenario, Step, package_mounts, scenario, vital
from kubeparcel.verify.service import actions, assertions, package_changes, services

NAME = "service"
MEMORY = "1g"

INSTALL = vital("install", "all packages install by name", manage("install", then=versions_installed))
INSTALL_PREVIOUS = Step(
    "previous", "the previous packages install", package_changes.install_previous, vital=True, previous=True
)
RUNNING = vital("running", "kubeadm starts the kubelet, which is healthy", actions.start_kubelet)
RUNNING_PREVIOUS = replace(RUNNING, previous=True)
EXEC_START = Step("one-command", "ExecStart is one command, the documented one", assertions.exec_start_is_exact)
DISABLED = Step("stays-disabled", "the installation does not enable it", assertions.unit_is_disabled)

EXTRA_MAX_PODS, PROVIDER = 55, "two words"
EXTRA_FLAG = f"--max-pods={EXTRA_MAX_PODS}"
PROVIDER_FLAG = f"--provider-id={PROVIDER}"
OVERRIDDEN = {
    "KUBELET_KUBECONFIG_ARGS": "--kubeconfig=/etc/kubernetes/kubelet.conf",
    "KUBELET_CONFIG_ARGS": f"--config={actions.OTHER_CONFIG}",
}
OVERRIDDEN_BASE = (BASE_ARGUMENTS[0], *OVERRIDDEN.values())
runs_with = assertions.kubelet_runs_with

NODE = scenario(
    "node",
    "the unit, and a kubelet that kubeadm has configured",
    INSTALL,
    Step("unit-clean", "systemd-analyze reports no problem", assertions.unit_is_valid),
    Step("unit-files", "systemd has read the packages' unit and drop-in", assertions.unit_files_are_packaged),
    EXEC_START,
    Step(
        "environment-files",
        "both environment files are optional, the administrator's comes last",
        assertions.environment_files_in_order,
    ),
    Step("unmasked", "nothing in /etc overrides the packages' files", assertions.nothing_overrides),
    Step("as-preset", "the unit is enabled as the host's presets say", assertions.enabled_as_preset),
    Step("waits", "before kubeadm the kubelet waits and does not crash", assertions.waits_for_kubeadm),
    vital("runtime", "the machine has a container runtime", actions.prepare_node),
    Step("crictl", "crictl reaches the runtime", assertions.crictl_reaches_runtime),
    Step("plugins", "each CNI plugin responds", assertions.cni_plugins_respond),
    Step(
        "own-configuration",
        "before kubeadm, a drop-in with another configuration starts the kubelet, and its static pods",
        actions.start_with_own_configuration,
    ),
    vital("kubeadm", "kubeadm's phases start the kubelet", actions.run_kubeadm),
    vital("healthz", "the kubelet is healthy without an API server", kubelet.wait_until_healthy),
    Step(
        "command-line",
        "the kubelet runs with the drop-in's arguments in order, then kubeadm's flags",
        runs_with(maxPods=actions.FLAG_MAX_PODS),
    ),
    Step(
        "extra-args-last",
        "arguments from the environment file come last and take precedence",
        actions.with_extra_arguments(EXTRA_FLAG, runs_with(EXTRA_FLAG, maxPods=EXTRA_MAX_PODS)),
    ),
    Step(
        "quoting",
        "a quoted argument stays one, the others are split",
        actions.with_extra_arguments(
            f"'{EXTRA_FLAG} \"{PROVIDER_FLAG}\"'", runs_with(EXTRA_FLAG, PROVIDER_FLAG, providerID=PROVIDER)
        ),
    ),
    Step(
        "later-drop-in",
        "a later drop-in changes the kubelet's kubeconfig and configuration",
        actions.with_later_drop_in(
            OVERRIDDEN, runs_with(EXTRA_FLAG, PROVIDER_FLAG, base=OVERRIDDEN_BASE, eventRecordQPS=actions.EVENT_QPS)
        ),
    ),
    Step(
        "files-missing",
        "the kubelet starts without both environment files",
        actions.without_environment_files(runs_with(flags=False, maxPods=actions.CONFIG_MAX_PODS)),
    ),
    Step("killed", "systemd restarts a killed kubelet", actions.kill_kubelet),
    Step("reboot", "after a reboot the kubelet runs as before", actions.reboot),
)
PRESET_DISABLED = scenario(
    "preset-disabled",
    "a site's preset that disables the kubelet",
    vital(
        "preset",
        "the package installs where the site's preset disables the kubelet",
        package_changes.install_where_disabled,
    ),
    DISABLED,
    vital("reinstall", "the package reinstalls", package_changes.reinstall_without_preset),
    replace(DISABLED, name="still-disabled", meaning="only the first installation applies the preset"),
)
LAYOUTS = scenario(
    "layouts",
    "changes between the layouts, under a running kubelet; needs packages that kubeparcel built",
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
    Step("with-edit", "an edited drop-in does not override the new one", package_changes.edit_drop_in),
    Step("edit-kept", "the edited drop-in is kept as a backup file", assertions.edited_drop_in_is_saved),
    replace(EXEC_START, name="edited-command"),
)
FIPS = scenario(
    "fips",
    "a kubelet that may use only FIPS 140-3 algorithms; needs packages compiled with go.fips",
    INSTALL,
    vital(
        "fips-only",
        f"kubeadm's phases and the kubelet run where Go allows only FIPS 140-3 algorithms ({FIPS_ONLY})",
        actions.start_with_fips_only,
    ),
    Step("fips-tls", "the kubelet answers over TLS there", assertions.fips_kubelet_answers_over_tls),
)


def lifecycle(upgraded: Sequence[str], removed: Sequence[str]) -> Scenario[HostContext]:
    """Return a scenario that upgrades and removes packages one by one, by name, under a running kubelet."""
    start = (INSTALL_PREVIOUS, RUNNING_PREVIOUS, *_upgrades(upgraded)) if upgraded else (INSTALL, RUNNING)
    return scenario(
        "lifecycle",
        "upgrade and removal of each package, under a running kubelet; upgrades need previous packages",
        *start,
        *(Step(f"remove-{name}", "the kubelet and its files stay", package_changes.remove(name)) for name in removed),
        vital("remove-kubelet", "the kubelet is removed", manage("remove", ENV_HOLDER)),
        Step("stopped", f"the kubelet stops; {CONFIG_FILE} stays", assertions.kubelet_is_stopped),
    )


def _upgrades(names: Sequence[str]) -> Iterator[Step[HostContext]]:
    for name in names:
        yield Step(f"upgrade-{name}", "the kubelet is not restarted", package_changes.upgrade(name))
        if name == ENV_HOLDER:
            meaning = "the upgrade prints how to restart the kubelet"
            yield Step("restart-advice", meaning, assertions.upgrade_advises_restart)
    meaning = "the new kubelet runs with the arguments of the old one"
    yield vital("restart", meaning, package_changes.restart_after_upgrade)


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
    drop_in = KubeletFiles.of(packages).drop_in
    differs = other_layout is not None and KubeletFiles.of(other_layout).drop_in != drop_in
    yield LAYOUTS, other_layout, "" if differs else "no packages in another layout"
    yield PRESET_DISABLED, None, ""
    reason = "" if services.has_service(packages.names) else "no package has a service next to the kubelet"
    yield services.scenario(INSTALL, packages.names), None, reason
    yield FIPS, None, "" if has_fips_module(packages) else "the kubelet has no FIPS 140-3 module"


def _plan(run: LevelRun, hosts: Sequence[Host]) -> list[PlannedScenario[HostContext]]:
    planned = []
    for host in hosts:
        packages = run.packages.require(host)
        require_node_packages(NAME, host, packages)
        ensure_image(run.session, host, Purpose.NODE)
        previous, other_layout = run.previous.get(host.format), run.other_layout.get(host.format)
        planned += [
            replace(plan_scenario(run.session, host, item, packages, initial), not_run=not_run)
            for item, initial, not_run in scenarios(packages, previous, other_layout)
        ]
    return planned


def plan_scenario(
    session: Session, host: Host, item: Scenario[HostContext], packages: PackageSet, initial: PackageSet | None
) -> PlannedScenario[HostContext]:
    """Return a scenario that runs in its own container, with systemd and containerd.

    `initial` are the packages that it starts with, if those differ from the ones under test.
    """

    @contextmanager
    def start() -> Iterator[HostContext]:
        mounts = package_mounts(packages, initial)
        with systemd_node.start_node(session, host, item.name, mounts=mounts, memory=MEMORY) as container:
            context = HostContext(container, packages, initial)
            context.use_repositories(*mounts.values())
            yield context

    return PlannedScenario(item, (host,), start)


def _collect_evidence(context: HostContext) -> None:
    """Record what systemd and the kubelet report after a failed step."""
    context.run("systemctl", "status", "--no-pager", "--full", "--lines=0", UNIT)
    kubelet.journal_tail(context)


LEVEL = HostLevel(
    NAME,
    _plan,
    _collect_evidence,
    workers=lambda: default_workers() + 1,  # machines with systemd often wait
    summary="systemd runs the kubelet as kubeadm expects it",
    all_scenarios=all_scenarios,
)
