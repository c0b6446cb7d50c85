"""Mutants of kubeadm's drop-in for the kubelet's unit."""

from __future__ import annotations

from tests.support.mutants.mutant import DROP_IN_PATH, ENV_FILES, Mutant, call
from tests.support.sample_packages import PackageDraft

COMMAND = "/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS"


def _drop_in(name: str, old: str, new: str, check: str, *also: str) -> Mutant:
    return Mutant(
        f"drop-in: {name}", "kubeadm", call("replace_text", DROP_IN_PATH, old, new), check, also_fails=frozenset(also)
    )


def _use_other_env_file(draft: PackageDraft) -> None:
    other = "rpm" if draft.format == "deb" else "deb"
    draft.replace_text(DROP_IN_PATH, ENV_FILES[draft.format], ENV_FILES[other])


_FLAGS = "EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n"


DROP_IN = (
    _drop_in("no reset", "ExecStart=\n", "", "drop-in-resets-exec-start"),
    _drop_in(
        "reset after the command",
        f"ExecStart=\nExecStart={COMMAND}",
        f"ExecStart={COMMAND}\nExecStart=",
        "drop-in-resets-exec-start",
        "kubelet-command-line",
        "kubelet-extra-args-last",
    ),
    _drop_in(
        "two commands", f"ExecStart={COMMAND}", f"ExecStart={COMMAND}\nExecStart={COMMAND}", "drop-in-resets-exec-start"
    ),
    _drop_in(
        "commented out",
        f"ExecStart={COMMAND}",
        f"#ExecStart={COMMAND}",
        "drop-in-resets-exec-start",
        "kubelet-command-line",
        "kubelet-extra-args-last",
    ),
    _drop_in(
        "in another section",
        "[Service]",
        "[Unit]",
        "drop-in-readable",
        "drop-in-environment",
        "drop-in-environment-files",
        "drop-in-resets-exec-start",
        "kubelet-command-line",
        "kubelet-extra-args-last",
    ),
    _drop_in("a line without =", "[Service]\n", "[Service]\nEnvironment\n", "drop-in-readable"),
    _drop_in("flags file must exist", "=-/var/lib", "=/var/lib", "drop-in-environment-files-optional"),
    _drop_in("environment file must exist", "=-/etc/", "=/etc/", "drop-in-environment-files-optional"),
    _drop_in("no flags file", _FLAGS, "", "drop-in-environment-files"),
    _drop_in("environment files swapped", "ExecStart=\n", f"{_FLAGS}ExecStart=\n", "drop-in-environment-files"),
    _drop_in(
        "environment files cleared by an empty one",
        "ExecStart=\n",
        "EnvironmentFile=\nExecStart=\n",
        "drop-in-environment-files",
    ),
    Mutant("drop-in: the other format's file", "kubeadm", _use_other_env_file, "drop-in-environment-files"),
    _drop_in("another kubeconfig", "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/admin.conf", "drop-in-environment"),
    Mutant(
        "drop-in: assignment without quotes",
        "kubeadm",
        lambda d: d.edit_lines(DROP_IN_PATH, lambda line: line.replace('"', "")),
        "drop-in-environment",
    ),
    _drop_in(
        "an additional variable",
        "ExecStart=\n",
        'Environment="KUBELET_EXTRA_ARGS=--v=9"\nExecStart=\n',
        "drop-in-environment",
    ),
    _drop_in(
        "variables in another order",
        "$KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS",
        "$KUBELET_KUBEADM_ARGS $KUBELET_CONFIG_ARGS",
        "kubelet-command-line",
    ),
    _drop_in(
        "extra arguments first",
        COMMAND,
        COMMAND.replace(" $KUBELET_EXTRA_ARGS", "").replace("$", "$KUBELET_EXTRA_ARGS $", 1),
        "kubelet-extra-args-last",
        "kubelet-command-line",
    ),
    _drop_in("a missing variable", " $KUBELET_KUBEADM_ARGS", "", "kubelet-command-line"),
    _drop_in("variables in quotes", "$KUBELET_EXTRA_ARGS", '"$KUBELET_EXTRA_ARGS"', "kubelet-variables-split"),
    _drop_in("variables in braces", "$KUBELET_EXTRA_ARGS", "${KUBELET_EXTRA_ARGS}", "kubelet-variables-split"),
    _drop_in("another binary", "=/usr/bin/kubelet", "=/usr/local/bin/kubelet", "kubelet-command-line"),
)
