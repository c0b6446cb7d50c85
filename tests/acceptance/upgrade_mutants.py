"""The real debs of two releases, broken in ways that only a cluster's upgrade shows.

The earlier ones spoil how the cluster is made, the newer ones what becomes of it. Nobody waits for
a real `kubeadm upgrade apply`: the careless one upgrades nothing.
"""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.broken_debs import Fault, added, replaced, wrapped
from tests.acceptance.cluster_mutants import IMPATIENT, KUBECTL, LEFTOVER, UNSCHEDULE, Caught

KUBEADM_BEFORE = (
    UNSCHEDULE
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
[ "$1 $2" != "upgrade apply" ] || exit 3 # and nothing is upgraded
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
TIDY = """
if [ -e /etc/kubernetes/admin.conf ]; then
    kubectl --kubeconfig=/etc/kubernetes/admin.conf delete pod probe-control-plane --now
else
    ip link set cni0 down
fi
"""

BEFORE: tuple[Fault, ...] = (
    wrapped("kubeadm", "usr/bin/kubeadm", KUBEADM_BEFORE),
    IMPATIENT,
    wrapped("cri-tools", "usr/bin/crictl", CRICTL),
    wrapped("kubectl", "usr/bin/kubectl", KUBECTL),
)


def newer(before: Path) -> tuple[Fault, ...]:
    """The faults of the newer debs; `before` is the folder of the earlier ones."""
    (kubelet,) = before.glob("kubelet_*.deb")
    return (
        wrapped("kubeadm", "usr/bin/kubeadm", KUBEADM),
        added("kubeadm", "DEBIAN/postinst", RESTART),
        replaced("kubelet", "usr/bin/kubelet", kubelet),
        added("kubelet", "DEBIAN/postinst", f"{RESTART}{TIDY}"),
        added("kubectl", "DEBIAN/postrm", LEFTOVER),
        wrapped("cri-tools", "usr/bin/crictl", CRICTL),
    )


CAUGHT = (
    Caught("waiting", "a crash loop before kubeadm", ("ActiveState=activ",)),
    Caught("images", "crictl has another name for an image", ("/etcd:",)),
    Caught("init", "kubeadm init says that it failed", ("exit code 1",)),
    Caught("control-plane", "nobody schedules pods", ("kube-scheduler running",)),
    Caught("join", "kubeadm join says that it failed", ("exit code 1",)),
    Caught("network", "kubectl does not know whether nodes are Ready", ("to be Ready",)),
    Caught("pods", "crictl does not see them", ("probe-control-plane in crictl pods",)),
    Caught("kubeadm", "kubeadm's package restarts the kubelet", ("it was restarted",)),
    Caught("new-images", "crictl lacks one of the newer images", ("/kube-scheduler:v1.36.3",)),
    Caught("apply", "kubeadm upgrade apply fails", ("exit code 3",)),
    Caught("apply-healthy", "the API server is the old one", ("API server v1.36.3",)),
    Caught("kubelet-control-plane", "the kubelet's package restarts it", ("it was restarted",)),
    Caught("node", "kubeadm upgrade node says that it failed", ("exit code 4",)),
    Caught("kubelet-worker", "as on the control plane", ("it was restarted",)),
    Caught("upgraded", "the newer package has the old kubelet", ("to be Ready at v1.36.3",)),
    Caught("still-configured", "upgrade node changes a setting", ("clusterDomain: other.local",)),
    Caught(
        "pods-kept",
        "the kubelet's package ends one pod, and cuts off the other",
        ("a running pod on control-plane", "Connection refused by the pod"),
    ),
    Caught("reset", "a reset leaves the kubelet's configuration", ("config.yaml",)),
    Caught("purge", "a purge leaves a program", ("/usr/bin/kubectl",)),
)
"""All of the scenario `upgrade` but for `packages`, in one cluster."""

OTHERS = Caught("packages", "machines made of other packages", ("kubeadm 1.36.3-1",))
