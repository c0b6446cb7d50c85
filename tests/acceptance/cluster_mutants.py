"""The real debs, broken in ways that only a running cluster shows.

Mostly a program is wrapped in a script that does a few things wrong. Faults that do not hide one
another share a cluster; each check that must fail has to find its own fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from tests.acceptance.broken_debs import Fault, append_to_script, edit_file, wrap_program

STOP_SCHEDULER = r"""#!/bin/bash
unschedule() { # stop the scheduler, and remove its image
    crictl rmi "$(sed -n 's/^ *image: //p' /etc/kubernetes/manifests/kube-scheduler.yaml)"
    crictl ps --quiet --name=kube-scheduler | xargs crictl stop
}
"""

KUBEADM = (
    STOP_SCHEDULER
    + r"""
careless() { # change files after the kubelet has read them
    sed -i 's/--node-labels=[^ "]*//' /var/lib/kubelet/kubeadm-flags.env
    cp /var/lib/kubelet/pki/kubelet-client-current.pem /root/kubelet.pem
    sed -i 's|/var/lib/kubelet/pki/kubelet-client-current.pem|/root/kubelet.pem|' \
        /etc/kubernetes/kubelet.conf
    touch /usr/lib/systemd/system/kubelet.service
}
if [ "$1" = init ]; then # use other subnets than given
    sed -i 's|serviceSubnet: .*|serviceSubnet: 10.113.0.0/16|' "$3"
    sed -i 's|podSubnet: .*|podSubnet: 10.245.0.0/16|' "$3"
    echo 'clusterDNS: [10.112.0.10]' >>"$3"
fi
/usr/bin/kubeadm.real "$@" | sed 's/- 10\.96\.0\.10/- 10.97.0.10/'
code=${PIPESTATUS[0]}
[ "$code" -eq 0 ] || exit "$code"
case $1 in
init)
    export KUBECONFIG=/etc/kubernetes/admin.conf
    kubectl --namespace=kube-system get configmap kubelet-config --output=yaml |
        sed '/maxPods: 42/d' | kubectl replace --filename=- >/dev/null
    sed -i 's/^clusterDomain: .*/clusterDomain: other.local/' /var/lib/kubelet/config.yaml
    careless
    unschedule
    exit 1
    ;;
join)
    touch /etc/kubernetes/bootstrap-kubelet.conf
    careless
    exit 1
    ;;
reset) touch /var/lib/kubelet/config.yaml ;;
esac
"""
)

CRICTL = r"""#!/bin/bash
/usr/bin/crictl.real "$@" | case $1 in
info) tr -d '\n' | sed 's/"status": *true,\( *"type": *"NetworkReady"\)/"status": false,\1/' ;;
images) sed 's|/etcd:|/another:|' ;;
*) cat ;;
esac
exit "${PIPESTATUS[0]}"
"""

KUBECTL = r"""#!/bin/bash
case " $* " in
*" get node "*"type=='Ready'"*) echo Unknown ;;
*) exec /usr/bin/kubectl.real "$@" ;;
esac
"""

PLUGGED = "/run/plugged"
BRIDGE = rf"""#!/bin/sh
[ "$CNI_COMMAND" = ADD ] || exec "$0.real" "$@"
if [ ! -e {PLUGGED} ]; then # a plugin that adds no pod to the network
    echo '{{"cniVersion": "1.0.0", "code": 100, "msg": "bridge fault"}}'
    exit 1
fi
"$0.real" "$@" || exit
nsenter --net="$CNI_NETNS" ip link set "$CNI_IFNAME" down
"""
"""A plugin that adds no pods, and once the file PLUGGED exists, pods that are not reachable."""

LEFTOVER = '[ "$1" != purge ] || echo "#!/bin/sh" >/usr/bin/kubectl'
"""A scriptlet that leaves a program after a purge."""

UNIT = "lib/systemd/system/kubelet.service"
UNCONDITIONAL = edit_file("kubelet", UNIT, "ConditionPathExists", "#ConditionPathExists")
DROP_IN = "etc/systemd/system/kubelet.service.d/10-kubeadm.conf"


ExpectedFailures: TypeAlias = Mapping[str, Sequence[str]]
"""For each check that must fail, texts that its findings must have."""

FAULTS: tuple[Fault, ...] = (
    wrap_program("kubeadm", "usr/bin/kubeadm", KUBEADM),
    edit_file(
        "kubeadm", DROP_IN, "$KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS", "$KUBELET_EXTRA_ARGS $KUBELET_KUBEADM_ARGS"
    ),
    UNCONDITIONAL,
    wrap_program("cri-tools", "usr/bin/crictl", CRICTL),
    wrap_program("kubectl", "usr/bin/kubectl", KUBECTL),
    edit_file("kubectl", "DEBIAN/control", "Version: ", "Version: 1:"),
    append_to_script("kubectl", "DEBIAN/postrm", LEFTOVER),
    wrap_program("kubernetes-cni", "opt/cni/bin/bridge", BRIDGE),
)
EXPECTED_FAILURES: ExpectedFailures = {
    "packages": ["kubectl 1:1.36.3-1"],  # an unexpected epoch
    "waiting": ["ActiveState=activ"],  # a crash loop before kubeadm
    "defaults": ["10.97.0.10"],  # kubeadm prints other defaults
    "images": ["/etcd:"],  # crictl lists an image under another name
    "init": ["exit code 1"],  # kubeadm init exits with an error
    "control-plane": ["kube-scheduler running"],  # the scheduler is stopped
    "init-config": ["other.local"],  # init writes another domain
    "init-credentials": ["/root/kubelet.pem"],  # certificates in another folder
    "init-flags": ["--node-labels="],  # the node's own settings are lost
    "init-reloaded": ["NeedDaemonReload=yes"],  # the unit changes after systemd has read it
    "init-command-line": ["--node-labels="],  # the kubelet runs with other arguments
    "config-map": ["maxPods: None"],  # the ConfigMap lacks a setting
    "services": ["clusterIP: 10.113.0.1"],  # another service subnet
    "join": ["exit code 1"],  # kubeadm join exits with an error
    "bootstrap": ["a file"],  # the bootstrap file remains
    "join-config": ["maxPods: None"],  # the worker lacks a setting
    "join-credentials": ["/root/kubelet.pem"],  # as after kubeadm init
    "join-flags": ["--node-labels="],  # as after kubeadm init
    "join-reloaded": ["NeedDaemonReload=yes"],  # as after kubeadm init
    "join-command-line": ["--node-labels="],  # as after kubeadm init
    "subnets": ["10.245."],  # another pod subnet
    "network": ["to be Ready"],  # kubectl reports the state Unknown
    "pods": ["bridge fault"],  # the plugin adds no pods to the network
    # pods are not reachable
    "reachable": ["worker → pod on control-plane"],
    "runtime": ["NetworkReady: False"],  # crictl reports no network
    "instance": ["capacity of pods: 110"],  # the worker has the default limit of pods
    "extra-args": ["--max-pods=18 --"],  # kubeadm's flags come last
    "reset": ["config.yaml"],  # kubeadm reset leaves the kubelet's configuration
    "purge": ["/usr/bin/kubectl"],  # a purge leaves a program
}
"""Every check of the scenario `cluster`, in one cluster."""
