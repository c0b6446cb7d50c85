"""Packages broken in one respect each, that the service level must notice, and by which check.

Faults that cannot hide one another share a machine: they are in files or moments of their own, and
the machine's checks must fail exactly where they are expected to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.verify.mutants.dropin import COMMAND
from tests.verify.mutants.mutant import BOTH, CONF, ENV, SERVICE, depend, on
from tests.verify.workshop import Draft, Mutate

from .small_packages import program

DEB, RPM = ("deb",), ("rpm",)
UNITS = "/systemd/system/kubelet.service"
RUNTIME = "/systemd/system/containerd.service"
REAL = "/usr/libexec/kubelet"


@dataclass(frozen=True)
class ServiceMutant:
    """One fault: in which package, made how, and which check of which scenario sees it.

    Those of one `machine` share it. With `earlier` it is the package that the scenario begins with
    that is broken. `after` are the steps before it that the check cannot be without, beside the
    vital ones. `hidden` ones the layout level cannot see: this is the
    cheapest that does.
    """

    name: str
    package: str
    mutate: Mutate
    scenario: str
    check: str
    machine: str
    formats: Sequence[str] = BOTH
    earlier: bool = False
    after: Sequence[str] = ()
    hidden: bool = False


SMALL = "small"
"""Machines whose names begin so need no real kubelet: nothing is asked of one that runs."""


def _conf(old: str, new: str) -> Mutate:
    return on("edit", CONF, old, new)


def _unit(old: str, new: str) -> Mutate:
    return on("edit", SERVICE, old, new)


def _script(at: str, text: str) -> Mutate:
    return on("script", at, text)


def _other_env(draft: Draft) -> None:
    draft.edit(CONF, ENV[draft.format], ENV["rpm" if draft.format == "deb" else "deb"])


def _files_swapped(draft: Draft) -> None:
    flags, env = "/var/lib/kubelet/kubeadm-flags.env", ENV[draft.format]
    draft.edit(CONF, f"=-{flags}", "=-SWAPPED")
    draft.edit(CONF, f"=-{env}", f"=-{flags}")
    draft.edit(CONF, "=-SWAPPED", f"=-{env}")


def _env_must_exist(draft: Draft) -> None:
    draft.edit(CONF, f"=-{ENV[draft.format]}", f"={ENV[draft.format]}")


def _says_nothing(draft: Draft) -> None:
    draft.script_edit("postinstall", "echo ", ": ")


def _never_stops(draft: Draft) -> None:
    draft.config["scripts"].pop("preremove")


def _wrapper(arguments: str) -> Mutate:
    """A script for a kubelet, that starts the real one under its name with other arguments."""

    def wrapped(draft: Draft) -> None:
        row = draft.row("/usr/bin/kubelet")
        draft.config["contents"].append({**row, "dst": REAL})
        draft.put("/usr/bin/kubelet", f"#!/bin/bash\nexec -a /usr/bin/kubelet {REAL} {arguments}\n")

    return wrapped


_EXPORTED = "dpkg-maintscript-helper rm_conffile /etc" + UNITS + ".d/10-kubeadm.conf"


def _keeps_stale(draft: Draft) -> None:
    for at in ("preinstall", "postinstall", "postremove"):
        draft.script_edit(at, _EXPORTED, ": keep")


def _throws_edit_away(draft: Draft) -> None:
    if draft.format == "deb":
        draft.script_edit("preinstall", _EXPORTED, "rm -f " + _EXPORTED.rpartition(" ")[2] + " #")
    else:
        draft.row(CONF).pop("type")


def _over(folder: str, name: str = "") -> Mutate:
    text = f"[Service]\nExecStart=\nExecStart={COMMAND} --v=1\n"
    return on("add", f"{folder}{UNITS}{name}", text if name else f"{text}Restart=always\n")


# What only dpkg, or only rpm, tells a scriptlet at the first installation.
_FIRST = {"deb": '[ -z "$2" ] && ', "rpm": '[ "$1" -eq 1 ] && '}


def _decides_again(draft: Draft) -> None:
    draft.script_edit("postinstall", _FIRST[draft.format], "")


def _never_enabled(draft: Draft) -> None:
    draft.script_edit("postinstall", "systemctl preset", "systemctl --version")


def _needs_boot(draft: Draft) -> None:
    draft.edit(
        SERVICE,
        "ConditionPathExists=|/",
        "ConditionPathExists=/run/kubelet-here\nConditionPathExists=|/",
    )
    draft.script("postinstall", "touch /run/kubelet-here")


RESTART = "systemctl try-restart kubelet.service || true"


def _restarts(
    package: str, at: str, name: str, check: str, formats: Sequence[str]
) -> ServiceMutant:
    return ServiceMutant(name, package, _script(at, RESTART), "life", check, "life", formats)


MUTANTS = (
    # What the machine is made of.
    ServiceMutant(
        *("a scriptlet that fails", "kubectl", _script("postinstall", "exit 1")),
        *("node", "install", "small 7", DEB),
    ),
    ServiceMutant(
        *("needs what no repository has", "kubectl", depend("no-such-package")),
        *("node", "install", "small 7", RPM),
    ),
    ServiceMutant(
        *("a drop-in that keeps the container runtime from starting", "kubelet"),
        on("add", f"/etc{RUNTIME}.d/10-kubelet.conf", "[Service]\nExecStartPre=/bin/false\n"),
        *("node", "runtime", "small 8"),
    ),
    # What systemd has read.
    ServiceMutant(
        *("no reset of ExecStart", "kubeadm", _conf("ExecStart=\n", "")),
        *("node", "unit-clean", "small 1", DEB),
    ),
    ServiceMutant(
        *("the kubelet in another path", "kubeadm", _conf("=/usr/bin/k", "=/usr/local/bin/k")),
        *("node", "unit-clean", "small 1", RPM),
    ),
    ServiceMutant(
        *("a second drop-in", "kubelet", _over("/usr/lib", ".d/20-more.conf")),
        *("node", "unit-files", "small 2", DEB),
    ),
    ServiceMutant(
        *("a unit in /etc over the packaged one", "kubelet", _over("/etc")),
        *("node", "unit-files", "small 2", RPM),
    ),
    ServiceMutant(
        *("variables in another order", "kubeadm"),
        _conf(
            "$KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS",
            "$KUBELET_KUBEADM_ARGS $KUBELET_CONFIG_ARGS",
        ),
        *("node", "one-command", "small 3", DEB),
    ),
    ServiceMutant(
        *("the extra arguments as one word", "kubeadm"),
        _conf("$KUBELET_EXTRA_ARGS\n", '"${KUBELET_EXTRA_ARGS}"\n'),
        *("node", "one-command", "small 3", RPM),
    ),
    ServiceMutant(
        *("a command line without variables", "kubeadm"),
        _conf(COMMAND, "/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml"),
        *("node", "one-command", "small 4", DEB),
    ),
    ServiceMutant(
        *("the environment file before kubeadm's flags", "kubeadm", _files_swapped),
        *("node", "environment-files", "small 3", RPM),
    ),
    ServiceMutant(
        *("an environment file that has to exist", "kubeadm", _env_must_exist),
        *("node", "environment-files", "small 3", DEB),
    ),
    ServiceMutant(
        *("the other format's environment file", "kubeadm", _other_env),
        *("node", "environment-files", "small 4", RPM),
    ),
    ServiceMutant(
        *("a drop-in of its own in /etc", "kubernetes-cni"),
        on("add", f"/etc{UNITS}.d/30-more.conf", "[Unit]\n"),
        *("node", "unmasked", "small 3"),
    ),
    # Whether it starts, and when.
    ServiceMutant(
        *("not enabled", "kubelet", _never_enabled),
        *("node", "as-preset", "small 1"),
        hidden=True,
    ),
    ServiceMutant(
        *("cannot be enabled", "kubelet", _unit("WantedBy=multi-user.target\n", "")),
        *("node", "as-preset", "small 4"),
    ),
    ServiceMutant(
        *("crash loop before kubeadm", "kubelet"),
        _unit("ConditionPathExists=|", "#ConditionPathExists=|"),
        *("node", "waits", "small 3"),
    ),
    ServiceMutant(
        *("enabled against the site's preset", "kubelet"),
        _script("postinstall", "systemctl enable kubelet.service || true"),
        *("preset-disabled", "stays-disabled", "small 5"),
    ),
    ServiceMutant(
        *("enabled again by a later installation", "kubelet", _decides_again),
        *("preset-disabled", "still-disabled", "small 6"),
    ),
    # The machine under kubeadm.
    ServiceMutant(
        *("a crictl that knows no runtime", "cri-tools"),
        on("put", "/usr/bin/crictl", program("crictl", "1.36.0")),
        *("node", "crictl", "small 1"),
    ),
    ServiceMutant(
        *("a plugin that does not know CNI", "kubernetes-cni"),
        on("put", "/opt/cni/bin/bridge", program("bridge", "1.9.1")),
        *("node", "plugins", "small 1"),
    ),
    ServiceMutant(
        *("a kubeadm that does nothing", "kubeadm"),
        on("put", "/usr/bin/kubeadm", "#!/bin/sh\necho v1.36.3\n[ $# = 2 ]\n"),
        *("node", "kubeadm", "small 2"),
    ),
    ServiceMutant(
        *("a kubelet that dies", "kubelet"),
        on("put", "/usr/bin/kubelet", "#!/bin/sh\nexit 1\n"),
        *("node", "healthz", "dead", DEB),
    ),
    ServiceMutant(
        *("kubeadm's flags forgotten", "kubeadm"),
        _conf("ExecStart=\n", "UnsetEnvironment=KUBELET_KUBEADM_ARGS\nExecStart=\n"),
        *("node", "command-line", "1", RPM),
        hidden=True,
    ),
    ServiceMutant(
        *("a wrapper with arguments of its own", "kubelet", _wrapper('--v=2 "$@"')),
        *("node", "command-line", "1", DEB),
    ),
    ServiceMutant(
        *("the administrator's arguments forgotten", "kubeadm"),
        _conf("ExecStart=\n", "UnsetEnvironment=KUBELET_EXTRA_ARGS\nExecStart=\n"),
        *("node", "extra-args-last", "2", DEB),
        hidden=True,
    ),
    ServiceMutant(
        *("a wrapper that splits quoted arguments", "kubelet", _wrapper("$*")),
        *("node", "quoting", "2", RPM),
    ),
    ServiceMutant(
        *("a unit that hides the administrator's files", "kubelet"),
        _unit("[Service]\n", "[Service]\nProtectHome=yes\n"),
        *("node", "later-drop-in", "3", DEB),
        after=("quoting",),
        hidden=True,
    ),
    ServiceMutant(
        *("a unit that wants kubeadm's flags", "kubelet"),
        _unit(
            "[Unit]\n",
            "[Unit]\nAssertPathExists=|!/var/lib/kubelet/config.yaml\n"
            "AssertPathExists=|/var/lib/kubelet/kubeadm-flags.env\n",
        ),
        *("node", "files-missing", "1", RPM),
        hidden=True,
    ),
    ServiceMutant(
        *("not started again", "kubelet", _unit("Restart=always\n", "")),
        *("node", "killed", "1", DEB),
    ),
    ServiceMutant(
        *("does not survive a restart of the machine", "kubelet", _needs_boot),
        *("node", "reboot", "2", RPM),
    ),
    # Other packages come and go.
    _restarts(
        *("cri-tools", "postinstall", "crictl's upgrade restarts the kubelet"),
        *("upgrade-cri-tools", BOTH),
    ),
    _restarts(
        *("kubeadm", "postinstall", "kubeadm's upgrade restarts the kubelet"),
        *("upgrade-kubeadm", BOTH),
    ),
    _restarts(
        *("kubectl", "postinstall", "kubectl's upgrade restarts the kubelet"),
        *("upgrade-kubectl", BOTH),
    ),
    _restarts(
        *("kubernetes-cni", "postinstall", "the plugins' upgrade restarts the kubelet"),
        *("upgrade-kubernetes-cni", BOTH),
    ),
    _restarts(
        *("kubelet", "postinstall", "the kubelet's upgrade restarts it"),
        *("upgrade-kubelet", BOTH),
    ),
    ServiceMutant(
        *("the kubelet's upgrade says nothing", "kubelet", _says_nothing),
        *("life", "advice", "life"),
        after=("upgrade-kubelet",),
        hidden=True,
    ),
    ServiceMutant(
        *("the new drop-in forgets kubeadm's flags", "kubeadm"),
        _conf("ExecStart=\n", "UnsetEnvironment=KUBELET_KUBEADM_ARGS\nExecStart=\n"),
        *("life", "restart", "renewed", DEB),
        after=("upgrade-kubeadm",),
        hidden=True,
    ),
    _restarts(
        *("cri-tools", "preremove", "crictl's removal restarts the kubelet"),
        *("remove-cri-tools", BOTH),
    ),
    ServiceMutant(
        *("kubeadm's removal takes the kubelet's unit along", "kubeadm"),
        _script("postremove", f"rm -f /usr/lib{UNITS}"),
        *("life", "remove-kubeadm", "life"),
        hidden=True,
    ),
    ServiceMutant(
        *("the removed kubelet runs on", "kubelet", _never_stops),
        *("life", "stopped", "life"),
        hidden=True,
    ),
    # Another layout.
    ServiceMutant(
        *("the old layout's drop-in stays", "kubeadm", _keeps_stale),
        *("layouts", "to-other-layout", "stale", DEB, True),
        after=("to-this-layout",),
    ),
    ServiceMutant(
        *("a drop-in left in /etc", "kubelet"),
        _script("postinstall", f"mkdir -p /etc{UNITS}.d; echo [Unit] >/etc{UNITS}.d/30-left.conf"),
        *("layouts", "to-this-layout", "left", RPM),
        hidden=True,
    ),
    ServiceMutant(
        *("an edited drop-in is thrown away", "kubeadm", _throws_edit_away),
        *("layouts", "edit-kept", "edited", DEB, True),
        after=("with-edit",),
    ),
    ServiceMutant(
        *("an edited drop-in is removed with its package", "kubeadm", _throws_edit_away),
        *("layouts", "edit-kept", "edited", RPM),
        after=("with-edit",),
    ),
)
