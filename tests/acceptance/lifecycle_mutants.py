"""Packages with faults that show when packages change under a running kubelet."""

from __future__ import annotations

from tests.acceptance.host_mutants import DEB, RPM, scriptlet
from tests.acceptance.service_mutants import UNIT_PATH, ServiceMutant, edit_drop_in
from tests.support.mutants.mutant import DROP_IN_PATH, call
from tests.support.sample_packages import PackageDraft

_REMOVE_DROP_IN = "dpkg-maintscript-helper rm_conffile /etc" + UNIT_PATH + ".d/10-kubeadm.conf"


def _gives_no_advice(draft: PackageDraft) -> None:
    draft.replace_in_script("postinstall", "echo ", ": ")


def _never_stops_kubelet(draft: PackageDraft) -> None:
    draft.config["scripts"].pop("preremove")


def _keeps_old_drop_in(draft: PackageDraft) -> None:
    for at in ("preinstall", "postinstall", "postremove"):
        draft.replace_in_script(at, _REMOVE_DROP_IN, ": keep")


def _discards_edit(draft: PackageDraft) -> None:
    if draft.format == "deb":
        draft.replace_in_script("preinstall", _REMOVE_DROP_IN, "rm -f " + _REMOVE_DROP_IN.rpartition(" ")[2] + " #")
    else:
        draft.entry(DROP_IN_PATH).pop("type")


RESTART = "systemctl try-restart kubelet.service || true"


def _restarts(package: str, at: str, name: str, check: str) -> ServiceMutant:
    change = scriptlet(at, RESTART)
    return ServiceMutant(name, package, change, "lifecycle", check, machine="lifecycle")


_FAILS = scriptlet("postinstall", "exit 1")
_NO_KUBEADM = call("replace_content", "/usr/bin/kubeadm", "#!/bin/sh\nexit 1\n")
_OTHER_ORDER = edit_drop_in("$KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS", "$KUBELET_KUBEADM_ARGS $KUBELET_CONFIG_ARGS")

LIFECYCLE_MUTANTS: tuple[ServiceMutant, ...] = (
    # The start of each scenario.
    ServiceMutant(
        *("a previous package that does not install", "kubectl", _FAILS),
        *("lifecycle", "previous", DEB, True),
        machine="small 9",
    ),
    ServiceMutant(
        *("a previous kubeadm that fails", "kubeadm", _NO_KUBEADM),
        *("lifecycle", "running", RPM, True),
        machine="small 9",
    ),
    ServiceMutant(
        *("a kubelet that does not install", "kubelet", _FAILS), *("preset-disabled", "preset", DEB), machine="small 7"
    ),
    ServiceMutant(
        *("a kubelet that installs only once", "kubelet"),
        scriptlet("postinstall", "mkdir /var/lib/kubelet-was-here"),
        *("preset-disabled", "reinstall", DEB),
        machine="small 8",
    ),
    ServiceMutant(
        *("the other layout does not install", "kubeadm", _FAILS),
        *("layouts", "previous", DEB, True),
        machine="small 10",
    ),
    ServiceMutant(
        *("the other layout's kubeadm fails", "kubeadm", _NO_KUBEADM),
        *("layouts", "running", RPM, True),
        machine="small 10",
    ),
    # Upgrades and removals.
    _restarts("cri-tools", "postinstall", "crictl's upgrade restarts the kubelet", "upgrade-cri-tools"),
    _restarts("kubeadm", "postinstall", "kubeadm's upgrade restarts the kubelet", "upgrade-kubeadm"),
    _restarts("kubectl", "postinstall", "kubectl's upgrade restarts the kubelet", "upgrade-kubectl"),
    _restarts("kubernetes-cni", "postinstall", "the plugins' upgrade restarts the kubelet", "upgrade-kubernetes-cni"),
    _restarts("kubelet", "postinstall", "the kubelet's upgrade restarts it", "upgrade-kubelet"),
    ServiceMutant(
        *("the kubelet's upgrade gives no advice", "kubelet", _gives_no_advice),
        *("lifecycle", "restart-advice"),
        machine="lifecycle",
        required_steps=("upgrade-kubelet",),
        hidden=True,
    ),
    ServiceMutant(
        *("the new drop-in unsets kubeadm's flags", "kubeadm"),
        edit_drop_in("ExecStart=\n", "UnsetEnvironment=KUBELET_KUBEADM_ARGS\nExecStart=\n"),
        *("lifecycle", "restart", DEB),
        machine="renewed",
        required_steps=("upgrade-kubeadm",),
        hidden=True,
    ),
    _restarts("cri-tools", "preremove", "crictl's removal restarts the kubelet", "remove-cri-tools"),
    ServiceMutant(
        *("kubectl's removal restarts the kubelet", "kubectl", scriptlet("preremove", RESTART)),
        *("lifecycle", "remove-kubectl", DEB),
        machine="stuck",
        required_steps=("upgrade-kubectl",),
    ),
    ServiceMutant(
        *("a kubelet that cannot be removed", "kubelet", scriptlet("preremove", "exit 1")),
        *("lifecycle", "remove-kubelet", DEB),
        machine="stuck",
        required_steps=("upgrade-kubelet",),
    ),
    ServiceMutant(
        *("kubeadm's removal deletes the kubelet's unit", "kubeadm"),
        scriptlet("postremove", f"rm -f /usr/lib{UNIT_PATH}"),
        *("lifecycle", "remove-kubeadm"),
        machine="lifecycle",
        hidden=True,
    ),
    ServiceMutant(
        *("the removed kubelet still runs", "kubelet", _never_stops_kubelet),
        *("lifecycle", "stopped"),
        machine="lifecycle",
        hidden=True,
    ),
    # Changes of layout.
    ServiceMutant(
        *("the old layout's drop-in remains", "kubeadm", _keeps_old_drop_in),
        *("layouts", "to-other-layout", DEB),
        machine="stale",
        in_previous=True,
        required_steps=("to-this-layout",),
    ),
    ServiceMutant(
        *("a drop-in left in /etc", "kubelet"),
        scriptlet("postinstall", f"mkdir -p /etc{UNIT_PATH}.d; echo [Unit] >/etc{UNIT_PATH}.d/30-left.conf"),
        *("layouts", "to-this-layout", RPM),
        machine="left",
        hidden=True,
    ),
    ServiceMutant(
        *("an edited drop-in is discarded", "kubeadm", _discards_edit),
        *("layouts", "edit-kept", DEB),
        machine="edited",
        in_previous=True,
        required_steps=("with-edit",),
    ),
    ServiceMutant(
        *("an edited drop-in is removed with its package", "kubeadm", _discards_edit),
        *("layouts", "edit-kept", RPM),
        machine="edited",
        required_steps=("with-edit",),
    ),
    ServiceMutant(
        *("an edited drop-in remains and overrides the new one", "kubeadm", _keeps_old_drop_in),
        *("layouts", "with-edit", DEB, True),
        machine="masked",
    ),
    ServiceMutant(
        *("this layout's variables in another order", "kubeadm", _OTHER_ORDER),
        *("layouts", "this-command", DEB),
        machine="stale",
        required_steps=("to-this-layout",),
    ),
    ServiceMutant(
        *("the other layout's variables in another order", "kubeadm", _OTHER_ORDER),
        *("layouts", "other-command", RPM, True),
        machine="edited",
        required_steps=("to-this-layout", "to-other-layout"),
    ),
    ServiceMutant(
        *("the other layout's variables in another order, after an edit", "kubeadm", _OTHER_ORDER),
        *("layouts", "edited-command", DEB, True),
        machine="edited",
    ),
)
