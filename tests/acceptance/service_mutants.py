"""Packages with one fault each, and the check of the service level that must fail.

Faults that do not hide one another share a machine. On each machine, exactly the expected checks
must fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kubeparcel.verify.kubelet_contract import FIPS_ONLY
from tests.acceptance.host_mutants import DEB, RPM, HostMutant, scriptlet
from tests.acceptance.small_packages import ETCDCTL, program
from tests.support.mutants.dropin import COMMAND
from tests.support.mutants.mutant import DROP_IN_PATH, ENV_FILES, add_relations, call
from tests.support.sample_packages import Mutation, PackageDraft

UNIT_PATH = "/systemd/system/kubelet.service"
CONTAINERD_UNIT_PATH = "/systemd/system/containerd.service"
REAL_KUBELET = "/usr/libexec/kubelet"


@dataclass(frozen=True)
class ServiceMutant(HostMutant):
    """A fault for the service level; mutants with the same `machine` share it.

    `required_steps` must run before the check, besides the vital ones.
    """

    machine: str = field(kw_only=True)
    required_steps: Sequence[str] = ()


SMALL = "small"
"""The prefix of machines that need no real kubelet, because their checks do not run one."""


def edit_drop_in(old: str, new: str) -> Mutation:
    return call("replace_text", DROP_IN_PATH, old, new)


def _edit_unit(old: str, new: str) -> Mutation:
    return call("replace_text", UNIT_PATH, old, new)


def _other_formats_env_file(draft: PackageDraft) -> None:
    draft.replace_text(DROP_IN_PATH, ENV_FILES[draft.format], ENV_FILES["rpm" if draft.format == "deb" else "deb"])


def _swap_environment_files(draft: PackageDraft) -> None:
    flags, env = "/var/lib/kubelet/kubeadm-flags.env", ENV_FILES[draft.format]
    draft.replace_text(DROP_IN_PATH, f"=-{flags}", "=-SWAPPED")
    draft.replace_text(DROP_IN_PATH, f"=-{env}", f"=-{flags}")
    draft.replace_text(DROP_IN_PATH, "=-SWAPPED", f"=-{env}")


def _require_env_file(draft: PackageDraft) -> None:
    draft.replace_text(DROP_IN_PATH, f"=-{ENV_FILES[draft.format]}", f"={ENV_FILES[draft.format]}")


def _wrap_kubelet(arguments: str, before: str = "") -> Mutation:
    """Return a change: the kubelet is a script that runs the real one with other arguments, `before` first."""

    def wrapped(draft: PackageDraft) -> None:
        row = draft.entry("/usr/bin/kubelet")
        draft.config["contents"].append({**row, "dst": REAL_KUBELET})
        command = f"exec -a /usr/bin/kubelet {REAL_KUBELET} {arguments}"
        draft.replace_content("/usr/bin/kubelet", f"#!/bin/bash\n{before}\n{command}\n")

    return wrapped


def _override_unit(folder: str, name: str = "") -> Mutation:
    text = f"[Service]\nExecStart=\nExecStart={COMMAND} --v=1\n"
    return call("add_file", f"{folder}{UNIT_PATH}{name}", text if name else f"{text}Restart=always\n")


# The packages' own condition for a first installation.
_IF_FIRST_INSTALLATION = {"deb": '[ -z "$2" ] && ', "rpm": '[ "$1" -eq 1 ] && '}


def _apply_preset_always(draft: PackageDraft) -> None:
    draft.replace_in_script("postinstall", _IF_FIRST_INSTALLATION[draft.format], "")


def _never_enable(draft: PackageDraft) -> None:
    draft.replace_in_script("postinstall", "systemctl preset", "systemctl --version")


def _run_until_reboot(draft: PackageDraft) -> None:
    draft.replace_text(
        UNIT_PATH, "ConditionPathExists=|/", "ConditionPathExists=/run/kubelet-here\nConditionPathExists=|/"
    )
    draft.append_to_script("postinstall", "touch /run/kubelet-here")


ETCD_UNIT = "/systemd/system/etcd.service"
SERVICE_MUTANTS: tuple[ServiceMutant, ...] = (
    ServiceMutant(
        *("a service that depends on what does not exist", "etcd", add_relations("no-such-package")),
        *("services", "install", RPM),
        machine="small 3",
    ),
    ServiceMutant(
        *("a service whose unit has an unknown setting", "etcd"),
        call("replace_text", ETCD_UNIT, "[Service]\n", "[Service]\nDynamicUsers=yes\n"),
        *("services", "etcd-unit"),
        machine="small 1",
        hidden=True,
    ),
    ServiceMutant(
        *("a client that does not reach its service", "etcdctl"),
        call("replace_content", "/usr/bin/etcdctl", ETCDCTL.replace("endpoint)", "endpoint) exit 1 ;; other)")),
        *("services", "etcd-answers"),
        machine="small 1",
    ),
    ServiceMutant(
        *("a service that is not restarted", "etcd", call("replace_text", ETCD_UNIT, "Restart=on-failure\n", "")),
        *("services", "etcd-killed", DEB),
        machine="small 2",
        required_steps=("etcd-answers",),
        hidden=True,
    ),
    ServiceMutant(
        *("a removal that leaves its service running", "etcd"),
        call("replace_in_script", "preremove", "systemctl", "systemctl --version #"),
        *("services", "etcd-removed"),
        machine="small 1",
    ),
)

FIPS_MUTANTS: tuple[ServiceMutant, ...] = (
    ServiceMutant(
        *("a scriptlet that fails before FIPS mode is set", "kubectl", scriptlet("postinstall", "exit 1")),
        *("fips", "install", DEB),
        machine="small 11",
    ),
    ServiceMutant(
        *("a kubelet with an algorithm that FIPS 140-3 does not approve", "kubelet"),
        _wrap_kubelet('"$@"', f"[ GODEBUG=$GODEBUG != {FIPS_ONLY} ] || exit 2"),
        *("fips", "fips-only", DEB),
        machine="fips",
    ),
    ServiceMutant(
        *("a drop-in that leaves FIPS mode", "kubeadm"),
        edit_drop_in("ExecStart=\n", "UnsetEnvironment=GODEBUG\nExecStart=\n"),
        *("fips", "fips-tls", RPM),
        machine="fips",
        hidden=True,
    ),
)

NODE_MUTANTS: tuple[ServiceMutant, ...] = (
    # Installation and container runtime.
    ServiceMutant(
        *("a scriptlet that fails", "kubectl", scriptlet("postinstall", "exit 1")),
        *("node", "install", DEB),
        machine="small 7",
    ),
    ServiceMutant(
        *("a dependency that does not exist", "kubectl", add_relations("no-such-package")),
        *("node", "install", RPM),
        machine="small 7",
    ),
    ServiceMutant(
        *("a drop-in that keeps the container runtime from starting", "kubelet"),
        call("add_file", f"/etc{CONTAINERD_UNIT_PATH}.d/10-kubelet.conf", "[Service]\nExecStartPre=/bin/false\n"),
        *("node", "runtime"),
        machine="small 8",
    ),
    # The unit, as systemd reads it.
    ServiceMutant(
        *("ExecStart is not reset", "kubeadm", edit_drop_in("ExecStart=\n", "")),
        *("node", "unit-clean", DEB),
        machine="small 1",
    ),
    ServiceMutant(
        *("the kubelet has another path", "kubeadm", edit_drop_in("=/usr/bin/k", "=/usr/local/bin/k")),
        *("node", "unit-clean", RPM),
        machine="small 1",
    ),
    ServiceMutant(
        *("a second drop-in", "kubelet", _override_unit("/usr/lib", ".d/20-more.conf")),
        *("node", "unit-files", DEB),
        machine="small 2",
    ),
    ServiceMutant(
        *("a unit in /etc overrides the packaged one", "kubelet", _override_unit("/etc")),
        *("node", "unit-files", RPM),
        machine="small 2",
    ),
    ServiceMutant(
        *("variables in another order", "kubeadm"),
        edit_drop_in("$KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS", "$KUBELET_KUBEADM_ARGS $KUBELET_CONFIG_ARGS"),
        *("node", "one-command", DEB),
        machine="small 3",
    ),
    ServiceMutant(
        *("the extra arguments as one word", "kubeadm"),
        edit_drop_in("$KUBELET_EXTRA_ARGS\n", '"${KUBELET_EXTRA_ARGS}"\n'),
        *("node", "one-command", RPM),
        machine="small 3",
    ),
    ServiceMutant(
        *("a command line without variables", "kubeadm"),
        edit_drop_in(COMMAND, "/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml"),
        *("node", "one-command", DEB),
        machine="small 4",
    ),
    ServiceMutant(
        *("the environment file before kubeadm's flags", "kubeadm", _swap_environment_files),
        *("node", "environment-files", RPM),
        machine="small 3",
    ),
    ServiceMutant(
        *("an environment file that has to exist", "kubeadm", _require_env_file),
        *("node", "environment-files", DEB),
        machine="small 3",
    ),
    ServiceMutant(
        *("the other format's environment file", "kubeadm", _other_formats_env_file),
        *("node", "environment-files", RPM),
        machine="small 4",
    ),
    ServiceMutant(
        *("another drop-in in /etc", "kubernetes-cni"),
        call("add_file", f"/etc{UNIT_PATH}.d/30-more.conf", "[Unit]\n"),
        *("node", "unmasked"),
        machine="small 3",
    ),
    # Whether the unit is enabled, and when it starts.
    ServiceMutant(
        *("the unit is not enabled", "kubelet", _never_enable), *("node", "as-preset"), machine="small 1", hidden=True
    ),
    ServiceMutant(
        *("the unit cannot be enabled", "kubelet", _edit_unit("WantedBy=multi-user.target\n", "")),
        *("node", "as-preset"),
        machine="small 4",
    ),
    ServiceMutant(
        *("a crash loop before kubeadm", "kubelet"),
        _edit_unit("ConditionPathExists", "#ConditionPathExists"),
        *("node", "waits"),
        machine="small 3",
    ),
    ServiceMutant(
        *("only kubeadm's configuration starts the kubelet", "kubelet"),
        _edit_unit("ConditionPathExistsGlob=|", "#ConditionPathExistsGlob=|"),
        *("node", "own-configuration"),
        machine="1",
    ),
    ServiceMutant(
        *("the unit is enabled against the site's preset", "kubelet"),
        scriptlet("postinstall", "systemctl enable kubelet.service || true"),
        *("preset-disabled", "stays-disabled"),
        machine="small 5",
    ),
    ServiceMutant(
        *("a later installation enables the unit again", "kubelet", _apply_preset_always),
        *("preset-disabled", "still-disabled"),
        machine="small 6",
    ),
    # The node that kubeadm starts.
    ServiceMutant(
        *("crictl does not reach the runtime", "cri-tools"),
        call("replace_content", "/usr/bin/crictl", program("crictl", "1.36.0")),
        *("node", "crictl"),
        machine="small 1",
    ),
    ServiceMutant(
        *("a plugin that does not implement CNI", "kubernetes-cni"),
        call("replace_content", "/opt/cni/bin/bridge", program("bridge", "1.9.1")),
        *("node", "plugins"),
        machine="small 1",
    ),
    ServiceMutant(
        *("a kubeadm that does nothing", "kubeadm"),
        call("replace_content", "/usr/bin/kubeadm", "#!/bin/sh\necho v1.36.3\n[ $# = 2 ]\n"),
        *("node", "kubeadm"),
        machine="small 2",
    ),
    ServiceMutant(
        *("the kubelet exits", "kubelet"),
        call("replace_content", "/usr/bin/kubelet", "#!/bin/sh\nexit 1\n"),
        *("node", "healthz", DEB),
        machine="dead",
    ),
    ServiceMutant(
        *("kubeadm's flags are unset", "kubeadm"),
        edit_drop_in("ExecStart=\n", "UnsetEnvironment=KUBELET_KUBEADM_ARGS\nExecStart=\n"),
        *("node", "command-line", RPM),
        machine="1",
        hidden=True,
    ),
    ServiceMutant(
        *("a wrapper with arguments of its own", "kubelet", _wrap_kubelet('--v=2 "$@"')),
        *("node", "command-line", DEB),
        machine="1",
    ),
    ServiceMutant(
        *("the administrator's arguments are unset", "kubeadm"),
        edit_drop_in("ExecStart=\n", "UnsetEnvironment=KUBELET_EXTRA_ARGS\nExecStart=\n"),
        *("node", "extra-args-last", DEB),
        machine="2",
        hidden=True,
    ),
    ServiceMutant(
        *("a wrapper that splits quoted arguments", "kubelet", _wrap_kubelet("$*")),
        *("node", "quoting", RPM),
        machine="2",
    ),
    ServiceMutant(
        *("a unit that hides the administrator's files", "kubelet"),
        _edit_unit("[Service]\n", "[Service]\nProtectHome=yes\n"),
        *("node", "later-drop-in", DEB),
        machine="3",
        required_steps=("quoting",),
        hidden=True,
    ),
    ServiceMutant(
        *("a unit that requires kubeadm's flags", "kubelet"),
        _edit_unit(
            "[Unit]\n",
            "[Unit]\nAssertPathExists=|!/var/lib/kubelet/config.yaml\n"
            "AssertPathExists=|/var/lib/kubelet/kubeadm-flags.env\n",
        ),
        *("node", "files-missing", RPM),
        machine="1",
        hidden=True,
    ),
    ServiceMutant(
        *("the kubelet is not restarted", "kubelet", _edit_unit("Restart=always\n", "")),
        *("node", "killed", DEB),
        machine="1",
    ),
    ServiceMutant(
        *("the kubelet does not start after a reboot", "kubelet", _run_until_reboot),
        *("node", "reboot", RPM),
        machine="2",
    ),
)
