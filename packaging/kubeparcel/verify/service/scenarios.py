"""The service level as a table: what is done to a machine, step after step, and what must hold."""

from __future__ import annotations

from collections.abc import Iterator

from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.verify.kubelet_contract import CONFIG_FILE
from kubeparcel.verify.package_expectations import ENV_HOLDER, dependencies_of
from kubeparcel.verify.scenario import HostContext, Scenario, Step
from kubeparcel.verify.service import actions as do
from kubeparcel.verify.service import assertions as see
from kubeparcel.verify.service.kubelet import KubeletFiles

INSTALL = Step("install", "all packages install by name", do.install, 40, vital=True)
RUNS = Step("running", "kubeadm starts the kubelet, which says ok", do.run, 73, vital=True)

LAST, WORDS = 55, "two words"
QUOTED = (f"--max-pods={LAST}", f"--provider-id={WORDS}")
WRITTEN = f"'{QUOTED[0]} \"{QUOTED[1]}\"'"
OTHERS = {
    "KUBELET_KUBECONFIG_ARGS": "--kubeconfig=/etc/kubernetes/kubelet.conf",
    "KUBELET_CONFIG_ARGS": f"--config={do.OTHER_CONFIG}",
}
OTHER_BASE = (see.BASE_ARGUMENTS[0], *OTHERS.values())

NODE: Scenario[HostContext] = Scenario(
    "node",
    (
        INSTALL,
        Step("unit-clean", "systemd-analyze finds nothing wrong", see.clean, 58),
        Step("unit-files", "unit and drop-in are the packages' own", see.files, 59),
        Step("one-command", "one ExecStart, exact", see.one_command, 60),
        Step("environment-files", "optional, the administrator's last", see.environment_files, 61),
        Step("unmasked", "nothing in /etc masks the packages' files", see.unmasked, 63),
        Step("as-preset", "enabled as the host's presets say", see.as_preset, 62),
        Step("waits", "before kubeadm it waits, and does not crash", see.waits, 64),
        Step("runtime", "the machine has a container runtime", do.prepare, vital=True),
        Step("crictl", "crictl speaks with it", see.runtime, 70),
        Step("plugins", "each CNI plugin answers", see.plugins, 71),
        Step("kubeadm", "kubeadm's phases start the kubelet", do.kubeadm, vital=True),
        Step("healthz", "the kubelet says ok, with no API server", see.health, 73, vital=True),
        Step(
            "command-line",
            "the live kubelet has the drop-in's arguments in order, then kubeadm's flags",
            see.runs_with(maxPods=do.FLAGGED),
            67,
        ),
        Step(
            "extra-args-last",
            "the environment file comes last, and wins",
            do.extra_args(f"--max-pods={LAST}", see.runs_with(f"--max-pods={LAST}", maxPods=LAST)),
            68,
        ),
        Step(
            "quoting",
            "a quoted argument stays one, the others are split",
            do.extra_args(
                f"'{QUOTED[0]} \"{QUOTED[1]}\"'", see.runs_with(*QUOTED, providerID=WORDS)
            ),
            68,
        ),
        Step(
            "later-drop-in",
            "a later drop-in changes which kubeconfig and configuration it gets",
            do.override(OTHERS, see.runs_with(*QUOTED, base=OTHER_BASE, eventRecordQPS=do.QPS)),
        ),
        Step(
            "files-missing",
            "without both environment files the kubelet starts all the same",
            do.without_files(see.runs_with(flags=False, maxPods=do.PODS)),
            61,
        ),
        Step("killed", "systemd brings a killed kubelet back", do.kill),
        Step("reboot", "after a restart of the machine it runs as before", do.reboot, 65),
    ),
)
PRESET: Scenario[HostContext] = Scenario(
    "preset-disabled",
    (
        Step("preset", "the site's preset disables the kubelet", do.preset, 62, vital=True),
        Step("stays-disabled", "its package keeps to that", see.state("disabled"), 62),
        Step("reinstall", "the package installs over itself", do.reinstall, 46, vital=True),
        Step(
            "still-disabled",
            "only the first installation decides, whatever presets say later",
            see.state("disabled"),
            62,
        ),
    ),
)
LAYOUTS: Scenario[HostContext] = Scenario(
    "layouts",
    (
        Step("earlier", "packages of the other layout install", do.install_earlier, 40, True),
        RUNS,
        Step(
            "to-this-layout",
            "the other layout's drop-in goes, this one's has effect, the kubelet runs on",
            do.to_this_layout,
            63,
        ),
        Step("this-command", "one ExecStart, exact", see.one_command, 60),
        Step("to-other-layout", "and back", do.to_other_layout, 63),
        Step("other-command", "one ExecStart, exact", see.one_command, 60),
        Step("with-edit", "an edited drop-in does not mask the new one", do.with_edit, 63),
        Step("edit-kept", "what was edited is kept beside it", see.kept_beside, 78),
        Step("edited-command", "one ExecStart, exact", see.one_command, 60),
    ),
)


def life(packages: PackageSet, earlier: PackageSet | None) -> Scenario[HostContext]:
    """Under a running kubelet packages come and go, each by itself, and at last the kubelet's."""
    first = Step("earlier", "earlier packages install", do.install_earlier, 40, vital=True)
    return Scenario(
        "life",
        (
            *((first, RUNS, *_upgrades(packages, earlier)) if earlier else (INSTALL, RUNS)),
            *_removals(packages),
            Step("remove-kubelet", "the kubelet's package goes", do.remove_kubelet, vital=True),
            Step("stopped", f"it stops; {CONFIG_FILE} stays", see.stopped, 81),
        ),
    )


def _upgrades(packages: PackageSet, earlier: PackageSet) -> Iterator[Step[HostContext]]:
    for name, version in packages.versions.items():
        if earlier.versions.get(name, version) != version:
            yield Step(f"upgrade-{name}", "the kubelet is not restarted", do.upgrade(name), 80)
            if name == ENV_HOLDER:
                yield Step("advice", "the upgrade says what to do", see.advised(name), 79)
    yield Step("restart", "the new kubelet starts as the old one", do.renew, 67, vital=True)


def _removals(packages: PackageSet) -> Iterator[Step[HostContext]]:
    """Of all that the kubelet can be without."""
    for name in packages.names:
        if name not in (ENV_HOLDER, *dependencies_of(packages, ENV_HOLDER)):
            yield Step(f"remove-{name}", "the kubelet and its files stay", do.remove(name), 81)


def scenarios(
    packages: PackageSet, earlier: PackageSet | None, other: PackageSet | None
) -> Iterator[tuple[Scenario[HostContext], PackageSet | None]]:
    """All that applies, the longest first, each with the packages that it begins with."""
    yield NODE, None
    before = earlier if earlier and earlier.versions != packages.versions else None
    yield life(packages, before), before
    if other and KubeletFiles.of(other).drop_in != KubeletFiles.of(packages).drop_in:
        yield LAYOUTS, other
    yield PRESET, None
