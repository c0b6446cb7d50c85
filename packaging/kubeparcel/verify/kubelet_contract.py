"""What Kubernetes' documentation and kubeadm require of the kubelet's files.

Source: "Configuring each kubelet in your cluster using kubeadm" (kubernetes.io). The catalog
defines where files are installed.
"""

from __future__ import annotations

from collections.abc import Mapping

KUBELET = "/usr/bin/kubelet"
UNIT = "kubelet.service"
DROP_IN = "10-kubeadm.conf"
DROP_IN_DIR = "kubelet.service.d"

OTHER_DROP_INS = (
    "[!1]*.conf",
    *(f"{DROP_IN[:length]}[!{DROP_IN[length]}]*conf" for length in range(1, DROP_IN.index(".") + 1)),
)
"""Patterns of drop-ins that are not kubeadm's: glob(7) cannot negate a whole name.

They differ in one character each. It may be the dot, as in `10.conf`, so that no other dot is required.
"""

ENVIRONMENT: Mapping[str, str] = {
    "KUBELET_KUBECONFIG_ARGS": (
        "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
    ),
    "KUBELET_CONFIG_ARGS": "--config=/var/lib/kubelet/config.yaml",
}
"""The variables that the drop-in sets with Environment=."""

CONFIG_FILE = "/var/lib/kubelet/config.yaml"
KUBEADM_FLAGS_FILE = "/var/lib/kubelet/kubeadm-flags.env"
"""Written by `kubeadm init` and `kubeadm join`; sets KUBELET_KUBEADM_ARGS."""

FIPS_ONLY = "GODEBUG=fips140=only"
"""The variable that lets Go's cryptography fail for algorithms that FIPS 140-3 does not approve."""

EXTRA_ARGS = "KUBELET_EXTRA_ARGS"
"""The administrator's arguments, set in the package's environment file."""

VARIABLES = ("$KUBELET_KUBECONFIG_ARGS", "$KUBELET_CONFIG_ARGS", "$KUBELET_KUBEADM_ARGS", f"${EXTRA_ARGS}")
COMMAND_LINE = (KUBELET, *VARIABLES)
"""The kubelet's command line in this order: later flags override earlier ones."""

DYNAMICALLY_LINKED = (KUBELET,)
"""Binaries that upstream links dynamically; all others are static."""
