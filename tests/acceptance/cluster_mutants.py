"""The real debs, broken in ways that only a cluster shows: what kubeadm and plugins do, not say.

Mostly a program is wrapped in a script that does a few things wrong. Faults that cannot hide one
another share a cluster; each check that must fail is to say what is its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.acceptance.broken_debs import Fault, append_to_script, edit_file, wrap_program

STOP_SCHEDULER = r"""#!/bin/bash
unschedule() { # the scheduler ends, and cannot begin again
    crictl rmi "$(sed -n 's/^ *image: //p' /etc/kubernetes/manifests/kube-scheduler.yaml)"
    crictl ps --quiet --name=kube-scheduler | xargs crictl stop
}
"""

KUBEADM = (
    STOP_SCHEDULER
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
STARTS_BEFORE_KUBEADM = edit_file(
    "kubelet", UNIT, "ConditionPathExists=|", "#ConditionPathExists=|"
)
DROP_IN = "etc/systemd/system/kubelet.service.d/10-kubeadm.conf"


@dataclass(frozen=True)
class ExpectedFailure:
    """A check that broken packages must fail: why, and words of what it must have found."""

    check: str
    reason: str
    texts: tuple[str, ...]


FAULTS: tuple[Fault, ...] = (
    wrap_program("kubeadm", "usr/bin/kubeadm", KUBEADM),
    edit_file(
        "kubeadm",
        DROP_IN,
        "$KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS",
        "$KUBELET_EXTRA_ARGS $KUBELET_KUBEADM_ARGS",
    ),
    STARTS_BEFORE_KUBEADM,
    wrap_program("cri-tools", "usr/bin/crictl", CRICTL),
    wrap_program("kubectl", "usr/bin/kubectl", KUBECTL),
    edit_file("kubectl", "DEBIAN/control", "Version: ", "Version: 1:"),
    append_to_script("kubectl", "DEBIAN/postrm", LEFTOVER),
    wrap_program("kubernetes-cni", "opt/cni/bin/bridge", SILENT_BRIDGE),
)
EXPECTED_FAILURES = (
    ExpectedFailure("packages", "an epoch that nobody asked for", ("kubectl 1:1.36.3-1",)),
    ExpectedFailure("waiting", "a crash loop before kubeadm", ("ActiveState=activ",)),
    ExpectedFailure("defaults", "kubeadm shows other defaults than it has", ("10.97.0.10",)),
    ExpectedFailure("images", "crictl has another name for an image", ("/etcd:",)),
    ExpectedFailure("init", "kubeadm init says that it failed", ("exit code 1",)),
    ExpectedFailure("control-plane", "nobody schedules pods", ("kube-scheduler running",)),
    ExpectedFailure(
        "init-config", "init writes another domain than it was given", ("other.local",)
    ),
    ExpectedFailure(
        "init-credentials", "certificates where nobody renews them", ("/root/kubelet.pem",)
    ),
    ExpectedFailure("init-flags", "what the instance was given is lost", ("--node-labels=",)),
    ExpectedFailure(
        "init-reloaded", "a unit written after systemd read it", ("NeedDaemonReload=yes",)
    ),
    ExpectedFailure(
        "init-command-line", "it runs with other arguments than it says", ("--node-labels=",)
    ),
    ExpectedFailure(
        "config-map", "the ConfigMap lacks what kubeadm init was given", ("maxPods: None",)
    ),
    ExpectedFailure("services", "another range for services", ("clusterIP: 10.113.0.1",)),
    ExpectedFailure("join", "kubeadm join says that it failed", ("exit code 1",)),
    ExpectedFailure("bootstrap", "the bootstrap file outlives the bootstrap", ("a file",)),
    ExpectedFailure("join-config", "the worker never hears of a setting", ("maxPods: None",)),
    ExpectedFailure("join-credentials", "as after kubeadm init", ("/root/kubelet.pem",)),
    ExpectedFailure("join-flags", "as after kubeadm init", ("--node-labels=",)),
    ExpectedFailure("join-reloaded", "as after kubeadm init", ("NeedDaemonReload=yes",)),
    ExpectedFailure("join-command-line", "as after kubeadm init", ("--node-labels=",)),
    ExpectedFailure("subnets", "pods are in another network", ("10.245.",)),
    ExpectedFailure("network", "kubectl does not know whether nodes are Ready", ("to be Ready",)),
    ExpectedFailure(
        "reachable",
        "pods have addresses, and nobody reaches them",
        ("worker → pod on control-plane",),
    ),
    ExpectedFailure("runtime", "crictl says that there is no network", ("NetworkReady: False",)),
    ExpectedFailure(
        "instance", "the worker takes as many pods as it likes", ("capacity of pods: 110",)
    ),
    ExpectedFailure(
        "extra-args", "kubeadm's flags come after the last resort", ("--max-pods=18 --",)
    ),
    ExpectedFailure("reset", "a reset leaves the kubelet's configuration", ("config.yaml",)),
    ExpectedFailure("purge", "a purge leaves a program", ("/usr/bin/kubectl",)),
)
"""All of the scenario `cluster` but for `pods`, in one cluster."""

UNPLUGGED_FAULTS: tuple[Fault, ...] = (
    wrap_program("kubernetes-cni", "opt/cni/bin/bridge", NO_BRIDGE),
)
UNPLUGGED_FAILURE = ExpectedFailure(
    "pods", "a plugin that adds no pod to the network", ("no bridge today",)
)
