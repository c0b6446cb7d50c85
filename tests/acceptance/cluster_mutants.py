"""The real debs, broken in ways that only a cluster shows: what kubeadm and plugins do, not say.

Mostly a program is wrapped in a script that does a few things wrong. Faults that cannot hide one
another share a cluster; each check that must fail is to say what is its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.acceptance.broken_debs import Fault, added, edited, wrapped

UNSCHEDULE = r"""#!/bin/bash
unschedule() { # the scheduler ends, and cannot begin again
    crictl rmi "$(sed -n 's/^ *image: //p' /etc/kubernetes/manifests/kube-scheduler.yaml)"
    crictl ps --quiet --name=kube-scheduler | xargs crictl stop
}
"""

KUBEADM = (
    UNSCHEDULE
    + r"""
careless() { # what is in files afterwards is not what the kubelet was started with
    sed -i 's/--node-labels=[^ "]*//' /var/lib/kubelet/kubeadm-flags.env
    cp /var/lib/kubelet/pki/kubelet-client-current.pem /root/kubelet.pem
    sed -i 's|/var/lib/kubelet/pki/kubelet-client-current.pem|/root/kubelet.pem|' \
        /etc/kubernetes/kubelet.conf
    touch /usr/lib/systemd/system/kubelet.service
}
if [ "$1" = init ]; then # other networks than it was given
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

SILENT_BRIDGE = r"""#!/bin/sh
"$0.real" "$@" || exit
[ "$CNI_COMMAND" != ADD ] || nsenter --net="$CNI_NETNS" ip link set "$CNI_IFNAME" down
"""

NO_BRIDGE = r"""#!/bin/sh
[ "$CNI_COMMAND" = ADD ] || exec "$0.real" "$@"
echo '{"cniVersion": "1.0.0", "code": 100, "msg": "no bridge today"}'
exit 1
"""

LEFTOVER = '[ "$1" != purge ] || echo "#!/bin/sh" >/usr/bin/kubectl'
"""For the end of a scriptlet after removal."""

UNIT = "lib/systemd/system/kubelet.service"
IMPATIENT = edited("kubelet", UNIT, "ConditionPathExists=|", "#ConditionPathExists=|")
DROP_IN = "etc/systemd/system/kubelet.service.d/10-kubeadm.conf"


@dataclass(frozen=True)
class Caught:
    """A check that broken packages must fail: why, and words of what it must have found."""

    check: str
    why: str
    said: tuple[str, ...]


CARELESS: tuple[Fault, ...] = (
    wrapped("kubeadm", "usr/bin/kubeadm", KUBEADM),
    edited(
        "kubeadm",
        DROP_IN,
        "$KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS",
        "$KUBELET_EXTRA_ARGS $KUBELET_KUBEADM_ARGS",
    ),
    IMPATIENT,
    wrapped("cri-tools", "usr/bin/crictl", CRICTL),
    wrapped("kubectl", "usr/bin/kubectl", KUBECTL),
    edited("kubectl", "DEBIAN/control", "Version: ", "Version: 1:"),
    added("kubectl", "DEBIAN/postrm", LEFTOVER),
    wrapped("kubernetes-cni", "opt/cni/bin/bridge", SILENT_BRIDGE),
)
CAUGHT = (
    Caught("packages", "an epoch that nobody asked for", ("kubectl 1:1.36.3-1",)),
    Caught("waiting", "a crash loop before kubeadm", ("ActiveState=activ",)),
    Caught("defaults", "kubeadm shows other defaults than it has", ("10.97.0.10",)),
    Caught("images", "crictl has another name for an image", ("/etcd:",)),
    Caught("init", "kubeadm init says that it failed", ("exit code 1",)),
    Caught("control-plane", "nobody schedules pods", ("kube-scheduler running",)),
    Caught("init-config", "init writes another domain than it was given", ("other.local",)),
    Caught("init-credentials", "certificates where nobody renews them", ("/root/kubelet.pem",)),
    Caught("init-flags", "what the instance was given is lost", ("--node-labels=",)),
    Caught("init-reloaded", "a unit written after systemd read it", ("NeedDaemonReload=yes",)),
    Caught("init-command-line", "it runs with other arguments than it says", ("--node-labels=",)),
    Caught("config-map", "the ConfigMap lacks what kubeadm init was given", ("maxPods: None",)),
    Caught("services", "another range for services", ("clusterIP: 10.113.0.1",)),
    Caught("join", "kubeadm join says that it failed", ("exit code 1",)),
    Caught("bootstrap", "the bootstrap file outlives the bootstrap", ("a file",)),
    Caught("join-config", "the worker never hears of a setting", ("maxPods: None",)),
    Caught("join-credentials", "as after kubeadm init", ("/root/kubelet.pem",)),
    Caught("join-flags", "as after kubeadm init", ("--node-labels=",)),
    Caught("join-reloaded", "as after kubeadm init", ("NeedDaemonReload=yes",)),
    Caught("join-command-line", "as after kubeadm init", ("--node-labels=",)),
    Caught("subnets", "pods are in another network", ("10.245.",)),
    Caught("network", "kubectl does not know whether nodes are Ready", ("to be Ready",)),
    Caught(
        "reachable",
        "pods have addresses, and nobody reaches them",
        ("worker → pod on control-plane",),
    ),
    Caught("runtime", "crictl says that there is no network", ("NetworkReady: False",)),
    Caught("instance", "the worker takes as many pods as it likes", ("capacity of pods: 110",)),
    Caught("extra-args", "kubeadm's flags come after the last resort", ("--max-pods=18 --",)),
    Caught("reset", "a reset leaves the kubelet's configuration", ("config.yaml",)),
    Caught("purge", "a purge leaves a program", ("/usr/bin/kubectl",)),
)
"""All of the scenario `cluster` but for `pods`, in one cluster."""

UNPLUGGED: tuple[Fault, ...] = (wrapped("kubernetes-cni", "opt/cni/bin/bridge", NO_BRIDGE),)
NO_PODS = Caught("pods", "a plugin that adds no pod to the network", ("no bridge today",))
