"""Packages broken in ways that show when others come and go under a kubelet that runs."""

from __future__ import annotations

from tests.acceptance.host_mutants import DEB, RPM, script
from tests.acceptance.service_mutants import UNITS, ServiceMutant, conf
from tests.support.mutants.mutant import CONF, on
from tests.support.package_workshop import Draft

_EXPORTED = "dpkg-maintscript-helper rm_conffile /etc" + UNITS + ".d/10-kubeadm.conf"


def _says_nothing(draft: Draft) -> None:
    draft.script_edit("postinstall", "echo ", ": ")


def _never_stops(draft: Draft) -> None:
    draft.config["scripts"].pop("preremove")


def _keeps_stale(draft: Draft) -> None:
    for at in ("preinstall", "postinstall", "postremove"):
        draft.script_edit(at, _EXPORTED, ": keep")


def _throws_edit_away(draft: Draft) -> None:
    if draft.format == "deb":
        draft.script_edit("preinstall", _EXPORTED, "rm -f " + _EXPORTED.rpartition(" ")[2] + " #")
    else:
        draft.row(CONF).pop("type")


RESTART = "systemctl try-restart kubelet.service || true"


def _restarts(package: str, at: str, name: str, check: str) -> ServiceMutant:
    change = script(at, RESTART)
    return ServiceMutant(name, package, change, "lifecycle", check, machine="lifecycle")


_FAILS = script("postinstall", "exit 1")
_NO_KUBEADM = on("put", "/usr/bin/kubeadm", "#!/bin/sh\nexit 1\n")
_OTHER_ORDER = conf(
    "$KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS", "$KUBELET_KUBEADM_ARGS $KUBELET_CONFIG_ARGS"
)

LIFE_MUTANTS: tuple[ServiceMutant, ...] = (
    # How it begins.
    ServiceMutant(
        *("an earlier package that does not install", "kubectl", _FAILS),
        *("lifecycle", "previous", DEB, True),
        machine="small 9",
    ),
    ServiceMutant(
        *("an earlier kubeadm that fails", "kubeadm", _NO_KUBEADM),
        *("lifecycle", "running", RPM, True),
        machine="small 9",
    ),
    ServiceMutant(
        *("a kubelet that does not install", "kubelet", _FAILS),
        *("preset-disabled", "preset", DEB),
        machine="small 7",
    ),
    ServiceMutant(
        *("a kubelet that installs only once", "kubelet"),
        script("postinstall", "mkdir /var/lib/kubelet-was-here"),
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
    # Other packages come and go.
    _restarts(
        "cri-tools", "postinstall", "crictl's upgrade restarts the kubelet", "upgrade-cri-tools"
    ),
    _restarts(
        "kubeadm", "postinstall", "kubeadm's upgrade restarts the kubelet", "upgrade-kubeadm"
    ),
    _restarts(
        "kubectl", "postinstall", "kubectl's upgrade restarts the kubelet", "upgrade-kubectl"
    ),
    _restarts(
        "kubernetes-cni",
        "postinstall",
        "the plugins' upgrade restarts the kubelet",
        "upgrade-kubernetes-cni",
    ),
    _restarts("kubelet", "postinstall", "the kubelet's upgrade restarts it", "upgrade-kubelet"),
    ServiceMutant(
        *("the kubelet's upgrade says nothing", "kubelet", _says_nothing),
        *("lifecycle", "restart-advice"),
        machine="lifecycle",
        after=("upgrade-kubelet",),
        hidden=True,
    ),
    ServiceMutant(
        *("the new drop-in forgets kubeadm's flags", "kubeadm"),
        conf("ExecStart=\n", "UnsetEnvironment=KUBELET_KUBEADM_ARGS\nExecStart=\n"),
        *("lifecycle", "restart", DEB),
        machine="renewed",
        after=("upgrade-kubeadm",),
        hidden=True,
    ),
    _restarts(
        "cri-tools", "preremove", "crictl's removal restarts the kubelet", "remove-cri-tools"
    ),
    ServiceMutant(
        *("kubectl's removal restarts the kubelet", "kubectl", script("preremove", RESTART)),
        *("lifecycle", "remove-kubectl", DEB),
        machine="stuck",
        after=("upgrade-kubectl",),
    ),
    ServiceMutant(
        *("a kubelet that cannot be removed", "kubelet", script("preremove", "exit 1")),
        *("lifecycle", "remove-kubelet", DEB),
        machine="stuck",
        after=("upgrade-kubelet",),
    ),
    ServiceMutant(
        *("kubeadm's removal takes the kubelet's unit along", "kubeadm"),
        script("postremove", f"rm -f /usr/lib{UNITS}"),
        *("lifecycle", "remove-kubeadm"),
        machine="lifecycle",
        hidden=True,
    ),
    ServiceMutant(
        *("the removed kubelet runs on", "kubelet", _never_stops),
        *("lifecycle", "stopped"),
        machine="lifecycle",
        hidden=True,
    ),
    # Another layout.
    ServiceMutant(
        *("the old layout's drop-in stays", "kubeadm", _keeps_stale),
        *("layouts", "to-other-layout", DEB),
        machine="stale",
        earlier=True,
        after=("to-this-layout",),
    ),
    ServiceMutant(
        *("a drop-in left in /etc", "kubelet"),
        script("postinstall", f"mkdir -p /etc{UNITS}.d; echo [Unit] >/etc{UNITS}.d/30-left.conf"),
        *("layouts", "to-this-layout", RPM),
        machine="left",
        hidden=True,
    ),
    ServiceMutant(
        *("an edited drop-in is thrown away", "kubeadm", _throws_edit_away),
        *("layouts", "edit-kept", DEB),
        machine="edited",
        earlier=True,
        after=("with-edit",),
    ),
    ServiceMutant(
        *("an edited drop-in is removed with its package", "kubeadm", _throws_edit_away),
        *("layouts", "edit-kept", RPM),
        machine="edited",
        after=("with-edit",),
    ),
    ServiceMutant(
        *("an edited drop-in stays and masks the new one", "kubeadm", _keeps_stale),
        *("layouts", "with-edit", DEB, True),
        machine="masked",
    ),
    ServiceMutant(
        *("this layout's variables in another order", "kubeadm", _OTHER_ORDER),
        *("layouts", "this-command", DEB),
        machine="stale",
        after=("to-this-layout",),
    ),
    ServiceMutant(
        *("the other layout's variables in another order", "kubeadm", _OTHER_ORDER),
        *("layouts", "other-command", RPM, True),
        machine="edited",
        after=("to-this-layout", "to-other-layout"),
    ),
    ServiceMutant(
        *("the other layout's variables in another order, after an edit", "kubeadm", _OTHER_ORDER),
        *("layouts", "edited-command", DEB, True),
        machine="edited",
    ),
)
