"""The real debs, broken in ways that only a cluster shows: what kubeadm and plugins do, not say.

Each is one program wrapped in a script that does one thing wrong.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

KUBEADM = r"""#!/bin/bash
/usr/bin/kubeadm.real "$@" | sed 's/- 10\.96\.0\.10/- 10.97.0.10/'
code=${PIPESTATUS[0]}
[ "$code" -eq 0 ] || exit "$code"
careless() { # what is in files afterwards is not what the kubelet was started with
    sed -i 's/--node-labels=[^ "]*//' /var/lib/kubelet/kubeadm-flags.env
    cp /var/lib/kubelet/pki/kubelet-client-current.pem /root/kubelet.pem
    sed -i 's|/var/lib/kubelet/pki/kubelet-client-current.pem|/root/kubelet.pem|' \
        /etc/kubernetes/kubelet.conf
}
case $1 in
init)
    export KUBECONFIG=/etc/kubernetes/admin.conf
    kubectl --namespace=kube-system get configmap kubelet-config --output=yaml |
        sed '/maxPods: 42/d' | kubectl replace --filename=- >/dev/null
    sed -i 's/^clusterDomain: .*/clusterDomain: other.local/' /var/lib/kubelet/config.yaml
    careless
    ;;
join)
    touch /etc/kubernetes/bootstrap-kubelet.conf
    careless
    ;;
reset) touch /var/lib/kubelet/config.yaml ;;
esac
"""

CRICTL = r"""#!/bin/bash
/usr/bin/crictl.real "$@" | if [ "$1" = info ]; then tr -d '\n' |
    sed 's/"status": *true,\( *"type": *"NetworkReady"\)/"status": false,\1/'; else cat; fi
exit "${PIPESTATUS[0]}"
"""

SILENT_BRIDGE = r"""#!/bin/sh
"$0.real" "$@" || exit
[ "$CNI_COMMAND" != ADD ] || nsenter --net="$CNI_NETNS" ip link set "$CNI_IFNAME" down
"""

BRIDGE = r"""#!/bin/sh
[ "$CNI_COMMAND" = ADD ] || exec "$0.real" "$@"
echo '{"cniVersion": "1.0.0", "code": 100, "msg": "no bridge today"}'
exit 1
"""


@dataclass(frozen=True)
class Wrapped:
    """A program of a package, by its path, and the script that takes its place."""

    package: str
    program: str
    script: str


CARELESS = (Wrapped("kubeadm", "usr/bin/kubeadm", KUBEADM),)
CARELESS += (Wrapped("cri-tools", "usr/bin/crictl", CRICTL),)
CARELESS += (Wrapped("kubernetes-cni", "opt/cni/bin/bridge", SILENT_BRIDGE),)
CAUGHT: Mapping[str, str] = {
    "defaults": "kubeadm shows other defaults than it has",
    "init-config": "kubeadm init writes another domain than it was given",
    "init-credentials": "the kubelet's certificates are where nobody renews them",
    "init-flags": "the flags file lacks what the instance was given",
    "init-command-line": "so the kubelet runs with other arguments than it says",
    "config-map": "the ConfigMap lacks a setting given to kubeadm init",
    "join-config": "so the worker never hears of it",
    "instance": "and takes as many pods as it likes",
    "bootstrap": "the bootstrap file outlives the bootstrap",
    "join-credentials": "as after kubeadm init",
    "join-flags": "as after kubeadm init",
    "join-command-line": "as after kubeadm init",
    "reachable": "pods have addresses, and nobody reaches them",
    "runtime": "crictl says that there is no network",
    "reset": "a reset leaves the kubelet's configuration behind",
}
"""The checks that the careless packages must fail, all in one cluster, and why."""

UNPLUGGED = (Wrapped("kubernetes-cni", "opt/cni/bin/bridge", BRIDGE),)


def break_debs(dist: Path, faults: tuple[Wrapped, ...], folder: Path) -> Path:
    """Copies of all debs in a folder, some with a program wrapped; give the folder."""
    target = folder / "debs"
    target.mkdir(parents=True)
    for deb in sorted((dist / "deb").glob("*.deb")):
        rows = [row for row in faults if row.package == deb.name.partition("_")[0]]
        tree = folder / "tree" / deb.name
        if not rows:
            (target / deb.name).hardlink_to(deb)
            continue
        tree.parent.mkdir(exist_ok=True)
        _run("dpkg-deb", "--raw-extract", deb, tree)
        for row in rows:
            program = tree / row.program
            program.rename(program.with_name(f"{program.name}.real"))
            program.write_text(row.script)
            program.chmod(0o755)
        _run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", tree, target / deb.name)
    return target


def _run(*argv: object) -> None:
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)
