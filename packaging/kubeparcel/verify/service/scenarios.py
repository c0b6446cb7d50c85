"""The service level as a table: what is done to a machine, step after step, and what must hold."""

from __future__ import annotations

from collections.abc import Iterator

from ..contract import CONFIG
from ..install import steps as packages
from ..package_set import ENV_HOLDER, PackageSet
from ..trial import Scenario, Step, Trial
from . import facts as see
from . import steps as do
from .kubelet import Files

INSTALL = Step("install", "all packages install by name", packages.install, 40, vital=True)
RUNS = Step("running", "kubeadm starts the kubelet, which says ok", do.run, 73, vital=True)
KUBECONFIG = "--kubeconfig=/etc/kubernetes/kubelet.conf"
LAST = 55

NODE: Scenario[Trial] = Scenario(
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
                f"'--max-pods={LAST} \"--provider-id=two words\"'",
                see.runs_with(
                    *(f"--max-pods={LAST}", "--provider-id=two words"),
                    maxPods=LAST,
                    providerID="two words",
                ),
            ),
            68,
        ),
        Step(
            "files-missing",
            "without both environment files the kubelet starts all the same",
            do.without_files(see.runs_with(flags=False, maxPods=do.PODS)),
            61,
        ),
        Step(
            "later-drop-in",
            "a later drop-in changes which kubeconfig and configuration it gets",
            do.without_files(
                do.override(
                    {
                        "KUBELET_KUBECONFIG_ARGS": KUBECONFIG,
                        "KUBELET_CONFIG_ARGS": f"--config={do.OTHER_CONFIG}",
                    },
                    see.runs_with(
                        base=(see.BASE[0], KUBECONFIG, f"--config={do.OTHER_CONFIG}"),
                        flags=False,
                        maxPods=24,
                    ),
                )
            ),
        ),
        Step("killed", "systemd brings a killed kubelet back", do.kill),
        Step("reboot", "after a restart of the machine it runs as before", do.reboot, 65),
    ),
)
PRESET: Scenario[Trial] = Scenario(
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
RUNTIME: Scenario[Trial] = Scenario(
    "runtime",
    (
        INSTALL,
        Step("runtime", "the machine has a container runtime", do.prepare, vital=True),
        Step("crictl", "crictl speaks with it", see.runtime, 70),
        Step("plugins", "each CNI plugin answers", see.plugins, 71),
    ),
)
LAYOUTS: Scenario[Trial] = Scenario(
    "layouts",
    (
        Step("earlier", "packages of the other layout install", packages.install_earlier, 40, True),
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


def upgrade(packages_: PackageSet, earlier: PackageSet) -> Scenario[Trial]:
    """Each package is upgraded by itself under a running kubelet."""
    newer = [n for n, v in packages_.versions.items() if earlier.versions.get(n, v) != v]
    return Scenario(
        "upgrade",
        (
            Step("earlier", "earlier packages install", packages.install_earlier, 40, vital=True),
            RUNS,
            Step("repository", "the newer packages are there", do.repository, vital=True),
            *(
                Step(f"upgrade-{name}", "the kubelet is not restarted", do.upgrade(name), 80)
                for name in newer
            ),
            *(
                Step("advice", "it says what to do", see.advised(name), 79)
                for name in newer
                if name == ENV_HOLDER
            ),
            Step("restart", "the new kubelet starts", do.restart, vital=True),
            Step("new-kubelet", "as the old one", see.runs_with(maxPods=do.FLAGGED), 67),
        ),
    )


def removal(packages_: PackageSet) -> Scenario[Trial]:
    """Each package that the kubelet can be without is removed under it; then the kubelet's own."""
    needed = {ENV_HOLDER, *packages_.needs(ENV_HOLDER)}
    return Scenario(
        "removal",
        (
            INSTALL,
            RUNS,
            *(
                Step(f"remove-{name}", "the kubelet and its files stay", do.remove(name), 81)
                for name in packages_.names
                if name not in needed
            ),
            Step("remove-kubelet", "the kubelet's package goes", do.remove_kubelet, vital=True),
            Step("stopped", f"it stops; {CONFIG} stays", see.stopped, 81),
        ),
    )


def scenarios(
    packages_: PackageSet, earlier: PackageSet | None, other: PackageSet | None
) -> Iterator[tuple[Scenario[Trial], PackageSet | None]]:
    """All that applies, the longest first, each with the packages that it begins with."""
    yield NODE, None
    if other and Files.of(other).drop_in != Files.of(packages_).drop_in:
        yield LAYOUTS, other
    if earlier and earlier.versions != packages_.versions:
        yield upgrade(packages_, earlier), earlier
    yield removal(packages_), None
    yield RUNTIME, None
    yield PRESET, None
