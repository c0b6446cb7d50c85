"""Mutants of the kubelet's unit and environment file."""

from __future__ import annotations

from tests.support.mutants.mutant import MISSING_FILE, STRAY_FILE, UNIT_PATH, Mutant, call, change_env_file


def _unit(name: str, old: str, new: str, check: str, *also: str) -> Mutant:
    return Mutant(
        f"unit: {name}", "kubelet", call("replace_text", UNIT_PATH, old, new), check, also_fails=frozenset(also)
    )


UNIT = (
    _unit("arguments", "=/usr/bin/kubelet", "=/usr/bin/kubelet --v=2", "unit-exec-start"),
    _unit("restarted only on failure", "=always", "=on-failure", "unit-restart"),
    _unit("no unlimited restarts", "StartLimitIntervalSec=0\n", "", "unit-restart"),
    _unit("wanted by rescue.target only", "=multi-user.target", "=rescue.target", "unit-enabled"),
    _unit("does not wait for the network", "After=network-online.target\n", "", "unit-network"),
    _unit("restart loop before kubeadm init", "ConditionPathExists", "#ConditionPathExists", "unit-waits-for-config"),
    _unit(
        "waits for the drop-in's absence only",
        "ConditionPathExists=|/var/lib/kubelet/config.yaml\n",
        "",
        "unit-waits-for-config",
    ),
    _unit(
        "ignores an administrator's drop-in",
        "ConditionPathExistsGlob=|/etc/systemd/system/kubelet.service.d/[!1]*.conf\n",
        "",
        "unit-waits-for-config",
    ),
    _unit(
        "ignores a drop-in whose name begins as kubeadm's",
        "ConditionPathExistsGlob=|/etc/systemd/system/kubelet.service.d/10-kube[!a]*conf\n",
        "",
        "unit-waits-for-config",
    ),
    _unit("a broken line", "[Service]\n", "[Service\n", "unit-readable", "unit-exec-start", "unit-restart"),
    Mutant(
        "unit: in /etc",
        "kubelet",
        lambda d: d.entry(UNIT_PATH).update(dst="/etc/systemd/system/kubelet.service", type="config|noreplace"),
        "unit-not-in-etc",
        also_fails=STRAY_FILE | MISSING_FILE,
    ),
    Mutant(
        "environment file: another variable",
        "kubelet",
        change_env_file(lambda d, env: d.replace_content(env, "KUBELET_EXTRA_ARGS=\nKUBELET_KUBEADM_ARGS=--x\n")),
        "env-file",
    ),
    Mutant(
        "environment file: quoted arguments that systemd joins",
        "kubelet",
        change_env_file(lambda d, env: d.replace_content(env, 'KUBELET_EXTRA_ARGS="--v=2" --node-ip=::1\n')),
        "env-file",
    ),
    Mutant(
        "environment file: none",
        "kubelet",
        change_env_file(lambda d, env: d.replace_content(env, "# nothing\n")),
        "env-file",
    ),
)
