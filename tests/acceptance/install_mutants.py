"""Packages broken in one respect each, and the check of the install level that must notice.

Faults that cannot hide one another share a machine: they are in files or moments of their own, and
the machine's checks must fail exactly where they are expected to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.acceptance.host_mutants import DEB, RPM, HostMutant, script
from tests.acceptance.small_packages import PLUGINS, program
from tests.support.elf_files import elf
from tests.support.mutants.mutant import depend, env, fields, on
from tests.support.package_workshop import Draft, Mutate


@dataclass(frozen=True)
class InstallMutant(HostMutant):
    """Those of one `machine` share it; without a name it has one of its own.

    `after` are the steps before it that the check cannot be without, beside the vital ones. `said`
    are words that its finding has, and no other fault's on that machine.
    """

    machine: str = ""
    after: Sequence[str] = ()
    said: str = ""


def _needs_nothing(name: str) -> Mutate:
    def without(draft: Draft) -> None:
        rows = draft.config["depends"]
        draft.config["depends"] = [row for row in rows if not row.startswith(name)]

    return without


def _no_conffile(draft: Draft, path: str) -> None:
    row = draft.row(path)
    row.pop("type")


def _other_text(draft: Draft, path: str) -> None:
    draft.put(path, "KUBELET_EXTRA_ARGS=--v=1\n")


def _remove_env(draft: Draft, path: str) -> None:
    draft.script("preremove", f"rm -f {path}")


def _wrapper(draft: Draft) -> None:
    draft.put("/usr/bin/kubectl", "#!/bin/sh\n>/usr/share/kubectl-was-here && echo v1.36.3\n")


def _arm(draft: Draft) -> None:
    draft.put("/usr/bin/kubectl", elf("kubectl", machine=183))


# What only dpkg, or only rpm, tells a scriptlet.
_UPGRADE = {"deb": '[ -z "$2" ]', "rpm": '[ "$1" -eq 1 ]'}


def _asks(draft: Draft) -> None:
    draft.script("postinstall", f"{_UPGRADE[draft.format]} || read answer || exit 1")


def _steals(draft: Draft) -> None:
    draft.add("/usr/lib/cni/bridge", program("bridge", "1.9.1"), mode=0o755)


def _leaves(path: str) -> Mutate:
    return script("postinstall", f'mkdir -p "{path.rpartition("/")[0]}"; echo left >{path}')


PACKAGE_MUTANTS: tuple[InstallMutant, ...] = (
    InstallMutant(
        *("the kubelet forgets iptables", "kubelet", _needs_nothing("iptables")),
        *("kubelet-alone", "kubelet-alone"),
    ),
    InstallMutant(
        *("the kubelet forgets the CNI plugins", "kubelet", _needs_nothing("kubernetes-cni")),
        *("kubelet-alone", "kubelet-alone"),
    ),
    InstallMutant(
        *("a dependency that nobody has", "kubectl", depend("no-such-package")),
        *("lifecycle", "install"),
    ),
    InstallMutant(
        *("a conflict with its own kind", "kubeadm", depend("kubectl", relation="conflicts")),
        *("lifecycle", "install"),
    ),
    InstallMutant(
        *("a conflict with Debian's plugins", "kubernetes-cni"),
        depend("containernetworking-plugins", relation="conflicts"),
        *("debian-plugins", "debian-plugins-intact", DEB),
    ),
    InstallMutant(
        *("a file of Debian's plugins", "kubernetes-cni", _steals),
        *("debian-plugins", "install", DEB),
    ),
    InstallMutant(
        *("the environment file is no conffile", "kubelet", env(_no_conffile)),
        *("upgrade", "upgrade-keeps-settings"),
        machine="in use",
    ),
    InstallMutant(
        *("the environment file changes between revisions", "kubelet", env(_other_text)),
        *("upgrade", "upgrade", DEB),
        hidden=True,
    ),
    InstallMutant(
        *("the environment file changes and rpm lays the new one beside", "kubelet"),
        *(env(_other_text), "upgrade", "upgrade-keeps-settings", RPM),
        hidden=True,
    ),
    InstallMutant(
        *("a removal takes the edited settings along", "kubelet", env(_remove_env)),
        *("lifecycle", "remove-keeps-settings"),
        hidden=True,
        machine="kept",
    ),
    InstallMutant(
        *("an upgrade empties the folder of plugins", "kubernetes-cni"),
        script("preinstall", f"rm -rf {PLUGINS}*"),
        *("upgrade", "upgrade-keeps-plugins"),
        machine="in use",
    ),
    InstallMutant(
        *("a removal empties the folder of plugins", "kubernetes-cni"),
        script("postremove", f"rm -rf {PLUGINS}"),
        *("lifecycle", "remove-keeps-plugins"),
        machine="kept",
    ),
    InstallMutant(
        *("a question at an upgrade", "kubelet", _asks),
        *("upgrade", "upgrade"),
    ),
    InstallMutant(
        *("an installation that fails", "kubectl", script("postinstall", "exit 3")),
        *("lifecycle", "install"),
    ),
    InstallMutant(
        *("a removal that fails", "kubectl", script("postremove", "exit 3")),
        *("lifecycle", "purge"),
    ),
    InstallMutant(
        *("a removal that fails before it begins", "kubelet", script("preremove", "exit 3")),
        *("lifecycle", "purge"),
    ),
    InstallMutant(
        *("an installation that works only once", "kubectl"),
        script("postinstall", "mkdir /var/lib/kubectl-was-here"),
        *("lifecycle", "reinstall"),
    ),
    InstallMutant(
        *("an undeclared file stays", "kubeadm", _leaves("/var/lib/kubeadm/undeclared")),
        *("lifecycle", "nothing-left"),
        hidden=True,
        machine="left",
        said="/var/lib/kubeadm/undeclared",
    ),
    InstallMutant(
        *("an undeclared file stays in /etc", "cri-tools", _leaves("/etc/crictl.yaml")),
        *("lifecycle", "nothing-left"),
        hidden=True,
        machine="left",
        said="/etc/crictl.yaml",
    ),
    InstallMutant(
        *("a link stays", "kubelet"),
        script("postinstall", "ln -sf /usr/bin/kubelet /usr/local/bin/kubelet"),
        *("lifecycle", "nothing-left"),
        hidden=True,
        machine="left",
        said="/usr/local/bin/kubelet",
    ),
    InstallMutant(
        *("a file of the host is changed", "kubelet"),
        script("postinstall", "echo 127.0.0.1 kubelet >>/etc/host.conf"),
        *("lifecycle", "nothing-left"),
        machine="left",
        said="/etc/host.conf",
    ),
    InstallMutant(
        *("a packaged file is changed", "kubeadm"),
        script("postinstall", "echo '# changed' >>/usr/bin/kubeadm"),
        *("lifecycle", "verify-clean"),
        hidden=True,
        machine="installed",
    ),
    InstallMutant(
        *("a program of another version", "kubectl"),
        on("put", "/usr/bin/kubectl", program("kubectl", "1.36.2")),
        *("lifecycle", "versions"),
        machine="installed",
        said="/usr/bin/kubectl",
    ),
    InstallMutant(
        *("a plugin of another version", "kubernetes-cni"),
        on("put", f"{PLUGINS}portmap", program("portmap", "1.9.0")),
        *("lifecycle", "versions"),
        machine="installed",
        said="portmap",
    ),
    InstallMutant(
        *("a program of another architecture", "kubectl", _arm),
        *("lifecycle", "versions"),
        machine="installed 2",
    ),
    InstallMutant(
        *(
            "a program that is not executable",
            "kubectl",
            on("info", "/usr/bin/kubectl", mode=0o644),
        ),
        *("kubectl-alone", "kubectl-alone"),
    ),
    InstallMutant(
        *("a program that writes to /usr", "kubectl", _wrapper),
        *("lifecycle", "read-only-usr"),
    ),
    InstallMutant(
        *("completions of nothing", "kubectl"),
        on("put", "/bash-completion/completions/kubectl", "true\n"),
        *("lifecycle", "completions"),
        hidden=True,
        machine="installed",
    ),
    InstallMutant(
        *("completions that name no function", "kubectl"),
        on("put", "/bash-completion/completions/kubectl", "complete -F __absent kubectl\n"),
        *("lifecycle", "completions"),
        hidden=True,
        machine="installed 2",
    ),
    InstallMutant(
        *(
            "systemd taken for granted",
            "kubelet",
            script("postinstall", "systemctl daemon-reload"),
        ),
        *("without-systemd", "install"),
    ),
    InstallMutant(
        *("a scriptlet that looks which package came first", "kubeadm"),
        script("postinstall", "[ ! -e /usr/bin/kubelet ] || touch /etc/kubelet-came-first"),
        *("orders", "backwards-same"),
        hidden=True,
        machine="moments",
    ),
    InstallMutant(
        *("a scriptlet that needs another package without saying so", "cri-tools"),
        script("postinstall", "test -e /usr/bin/kubectl"),
        *("orders", "one-by-one"),
        hidden=True,
    ),
    InstallMutant(
        *("a version that cannot be gone back to", "kubelet"),
        script("preremove", '[ "$1" != upgrade ] || dpkg --compare-versions "$2" gt 1.36.3-1'),
        *("upgrade", "downgrade", DEB),
        hidden=True,
        machine="moments",
    ),
    InstallMutant(
        *("an older version than before", "kubectl", fields(release="0")),
        *("upgrade", "upgrade"),
    ),
)
