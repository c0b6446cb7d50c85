"""The real debs of two releases, broken in ways that only a cluster's upgrade shows.

The earlier ones spoil how the cluster is made, the newer ones what becomes of it. Nobody waits for
a real `kubeadm upgrade apply`: the careless one upgrades nothing.
"""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.broken_debs import Fault, append_to_script, replace_program, wrap_program
from tests.acceptance.cluster_mutants import (
    KUBECTL,
    LEFTOVER,
    STARTS_BEFORE_KUBEADM,
    STOP_SCHEDULER,
    ExpectedFailure,
)

KUBEADM_BEFORE = (
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
DISCONNECT_PODS = """
if [ -e /etc/kubernetes/admin.conf ]; then
    kubectl --kubeconfig=/etc/kubernetes/admin.conf delete pod probe-control-plane --now
else
    ip link set cni0 down
fi
"""

PREVIOUS_FAULTS: tuple[Fault, ...] = (
    wrap_program("kubeadm", "usr/bin/kubeadm", KUBEADM_BEFORE),
    STARTS_BEFORE_KUBEADM,
    wrap_program("cri-tools", "usr/bin/crictl", CRICTL),
    wrap_program("kubectl", "usr/bin/kubectl", KUBECTL),
)


def new_faults(before: Path) -> tuple[Fault, ...]:
    """The faults of the newer debs; `before` is the folder of the earlier ones."""
    (kubelet,) = before.glob("kubelet_*.deb")
    return (
        wrap_program("kubeadm", "usr/bin/kubeadm", KUBEADM),
        append_to_script("kubeadm", "DEBIAN/postinst", RESTART),
        replace_program("kubelet", "usr/bin/kubelet", kubelet),
        append_to_script("kubelet", "DEBIAN/postinst", f"{RESTART}{DISCONNECT_PODS}"),
        append_to_script("kubectl", "DEBIAN/postrm", LEFTOVER),
        wrap_program("cri-tools", "usr/bin/crictl", CRICTL),
    )


EXPECTED_FAILURES = (
    ExpectedFailure("waiting", "a crash loop before kubeadm", ("ActiveState=activ",)),
    ExpectedFailure("images", "crictl has another name for an image", ("/etcd:",)),
    ExpectedFailure("init", "kubeadm init says that it failed", ("exit code 1",)),
    ExpectedFailure("control-plane", "nobody schedules pods", ("kube-scheduler running",)),
    ExpectedFailure("join", "kubeadm join says that it failed", ("exit code 1",)),
    ExpectedFailure("network", "kubectl does not know whether nodes are Ready", ("to be Ready",)),
    ExpectedFailure("pods", "crictl does not see them", ("probe-control-plane in crictl pods",)),
    ExpectedFailure("kubeadm", "kubeadm's package restarts the kubelet", ("it was restarted",)),
    ExpectedFailure(
        "new-images", "crictl lacks one of the newer images", ("/kube-scheduler:v1.36.3",)
    ),
    ExpectedFailure("apply", "kubeadm upgrade apply fails", ("exit code 3",)),
    ExpectedFailure("apply-healthy", "the API server is the old one", ("API server v1.36.3",)),
    ExpectedFailure(
        "kubelet-control-plane", "the kubelet's package restarts it", ("it was restarted",)
    ),
    ExpectedFailure("node", "kubeadm upgrade node says that it failed", ("exit code 4",)),
    ExpectedFailure("kubelet-worker", "as on the control plane", ("it was restarted",)),
    ExpectedFailure(
        "upgraded", "the newer package has the old kubelet", ("to be Ready at v1.36.3",)
    ),
    ExpectedFailure(
        "still-configured", "upgrade node changes a setting", ("clusterDomain: other.local",)
    ),
    ExpectedFailure(
        "pods-kept",
        "the kubelet's package ends one pod, and cuts off the other",
        ("a running pod on control-plane", "Connection refused by the pod"),
    ),
    ExpectedFailure("reset", "a reset leaves the kubelet's configuration", ("config.yaml",)),
    ExpectedFailure("purge", "a purge leaves a program", ("/usr/bin/kubectl",)),
)
"""All of the scenario `upgrade` but for `packages`, in one cluster."""

OTHER_PACKAGES_FAILURE = ExpectedFailure(
    "packages", "machines made of other packages", ("kubeadm 1.36.3-1",)
)
