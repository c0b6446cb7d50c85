"""The real debs of two releases, broken in ways that only a cluster's upgrade shows.

The previous debs break how the cluster is created, the new ones how it is upgraded. No test waits
for a real `kubeadm upgrade apply`: the broken one upgrades nothing.
"""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.broken_debs import Fault, append_to_script, replace_program, wrap_program
from tests.acceptance.cluster_mutants import KUBECTL, LEFTOVER, STOP_SCHEDULER, UNCONDITIONAL, ExpectedFailures

PREVIOUS_KUBEADM = (
    STOP_SCHEDULER
    + r"""
/usr/bin/kubeadm.real "$@" || exit
case $1 in
init)
    unschedule
    exit 1
    ;;
join) exit 1 ;;
esac
"""
)

KUBEADM = r"""#!/bin/bash
[ "$1 $2" != "upgrade apply" ] || exit 3 # without upgrading anything
/usr/bin/kubeadm.real "$@" || exit
case "$1 $2" in
"upgrade node")
    sed -i 's/^clusterDomain: .*/clusterDomain: other.local/' /var/lib/kubelet/config.yaml
    exit 4
    ;;
"reset "*) touch /var/lib/kubelet/config.yaml ;;
esac
"""

CRICTL = r"""#!/bin/bash
/usr/bin/crictl.real "$@" | case $1 in
images) sed 's|/etcd:|/another:|; s|/kube-scheduler:v1.36.3|/another:v1.36.3|' ;;
pods) cat >/dev/null ;;
*) cat ;;
esac
exit "${PIPESTATUS[0]}"
"""

RESTART = "systemctl try-restart kubelet.service"
DISCONNECT_PODS = """
if [ -e /etc/kubernetes/admin.conf ]; then
    kubectl --kubeconfig=/etc/kubernetes/admin.conf delete pod probe-control-plane --now
else
    ip link set cni0 down
fi
"""

PREVIOUS_FAULTS: tuple[Fault, ...] = (
    wrap_program("kubeadm", "usr/bin/kubeadm", PREVIOUS_KUBEADM),
    UNCONDITIONAL,
    wrap_program("cri-tools", "usr/bin/crictl", CRICTL),
    wrap_program("kubectl", "usr/bin/kubectl", KUBECTL),
)


def new_faults(previous: Path) -> tuple[Fault, ...]:
    """Return the faults of the new debs; `previous` is the folder of the previous ones."""
    (kubelet,) = previous.glob("kubelet_*.deb")
    return (
        wrap_program("kubeadm", "usr/bin/kubeadm", KUBEADM),
        append_to_script("kubeadm", "DEBIAN/postinst", RESTART),
        replace_program("kubelet", "usr/bin/kubelet", kubelet),
        append_to_script("kubelet", "DEBIAN/postinst", f"{RESTART}{DISCONNECT_PODS}"),
        append_to_script("kubectl", "DEBIAN/postrm", LEFTOVER),
        wrap_program("cri-tools", "usr/bin/crictl", CRICTL),
    )


EXPECTED_FAILURES: ExpectedFailures = {
    "waiting": ["ActiveState=activ"],  # a crash loop before kubeadm
    "images": ["/etcd:"],  # crictl lists an image under another name
    "init": ["exit code 1"],  # kubeadm init exits with an error
    "control-plane": ["kube-scheduler running"],  # the scheduler is stopped
    "join": ["exit code 1"],  # kubeadm join exits with an error
    "network": ["to be Ready"],  # kubectl reports the state Unknown
    "pods": ["probe-control-plane in crictl pods"],  # crictl lists no pods
    "kubeadm": ["it was restarted"],  # kubeadm's package restarts the kubelet
    "new-images": ["/kube-scheduler:v1.36.3"],  # crictl lacks a new image
    "apply": ["exit code 3"],  # kubeadm upgrade apply fails
    "apply-healthy": ["API server v1.36.3"],  # the API server is the old one
    "kubelet-control-plane": ["it was restarted"],  # the kubelet's package restarts it
    "node": ["exit code 4"],  # kubeadm upgrade node exits with an error
    "kubelet-worker": ["it was restarted"],  # the kubelet's package restarts it
    "upgraded": ["to be Ready at v1.36.3"],  # the newer package has the old kubelet
    "still-configured": ["clusterDomain: other.local"],  # upgrade node changes a setting
    # the kubelet's package ends one pod, and cuts off the other
    "pods-kept": ["a running pod on control-plane", "Connection refused by the pod"],
    "reset": ["config.yaml"],  # kubeadm reset leaves the kubelet's configuration
    "purge": ["/usr/bin/kubectl"],  # a purge leaves a program
}
"""Every check of the scenario `upgrade` except `packages`, in one cluster."""

OTHER_PACKAGES_FAILURE: ExpectedFailures = {
    "packages": ["kubeadm 1.36.3-1"]  # the machines have other packages
}
