"""Packages broken in one respect each, and the check of the install level that must notice.

Faults that cannot hide one another share a machine: they are in files or moments of their own, and
the machine's checks must fail exactly where they are expected to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.acceptance.host_mutants import DEB, RPM, HostMutant, scriptlet
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
    required_steps: Sequence[str] = ()
    expected_text: str = ""


def _without_dependency(name: str) -> Mutate:
    def without(draft: Draft) -> None:
        rows = draft.config["depends"]
        draft.config["depends"] = [row for row in rows if not row.startswith(name)]

    return without


def _not_a_conffile(draft: Draft, path: str) -> None:
    row = draft.row(path)
    row.pop("type")


def _other_content(draft: Draft, path: str) -> None:
    draft.put(path, "KUBELET_EXTRA_ARGS=--v=1\n")


def _remove_before_removal(draft: Draft, path: str) -> None:
    draft.script("preremove", f"rm -f {path}")


def _writes_to_usr(draft: Draft) -> None:
    draft.put("/usr/bin/kubectl", "#!/bin/sh\n>/usr/share/kubectl-was-here && echo v1.36.3\n")


def _built_for_arm64(draft: Draft) -> None:
    draft.put("/usr/bin/kubectl", elf("kubectl", machine=183))


# What only dpkg, or only rpm, tells a scriptlet.
_FIRST_INSTALLATION = {"deb": '[ -z "$2" ]', "rpm": '[ "$1" -eq 1 ]'}


def _prompts_on_upgrade(draft: Draft) -> None:
    draft.script("postinstall", f"{_FIRST_INSTALLATION[draft.format]} || read answer || exit 1")


def _owns_debians_file(draft: Draft) -> None:
    draft.add("/usr/lib/cni/bridge", program("bridge", "1.9.1"), mode=0o755)


def _leaves_file(path: str) -> Mutate:
    return scriptlet("postinstall", f'mkdir -p "{path.rpartition("/")[0]}"; echo left >{path}')


PACKAGE_MUTANTS: tuple[InstallMutant, ...] = (
    InstallMutant(
        *("the kubelet forgets iptables", "kubelet", _without_dependency("iptables")),
        *("kubelet-alone", "kubelet-alone"),
    ),
    InstallMutant(
        *("the kubelet forgets the CNI plugins", "kubelet", _without_dependency("kubernetes-cni")),
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
        *("a file of Debian's plugins", "kubernetes-cni", _owns_debians_file),
        *("debian-plugins", "install", DEB),
    ),
    InstallMutant(
        *("the environment file is no conffile", "kubelet", env(_not_a_conffile)),
        *("upgrade", "upgrade-keeps-settings"),
        machine="in use",
    ),
    InstallMutant(
        *("the environment file changes between revisions", "kubelet", env(_other_content)),
        *("upgrade", "upgrade", DEB),
        hidden=True,
    ),
    InstallMutant(
        *("the environment file changes and rpm lays the new one beside", "kubelet"),
        *(env(_other_content), "upgrade", "upgrade-keeps-settings", RPM),
        hidden=True,
    ),
    InstallMutant(
        *("a removal takes the edited settings along", "kubelet", env(_remove_before_removal)),
        *("lifecycle", "remove-keeps-settings"),
        hidden=True,
        machine="kept",
    ),
    InstallMutant(
        *("an upgrade empties the folder of plugins", "kubernetes-cni"),
        scriptlet("preinstall", f"rm -rf {PLUGINS}*"),
        *("upgrade", "upgrade-keeps-plugins"),
        machine="in use",
    ),
    InstallMutant(
        *("a removal empties the folder of plugins", "kubernetes-cni"),
        scriptlet("postremove", f"rm -rf {PLUGINS}"),
        *("lifecycle", "remove-keeps-plugins"),
        machine="kept",
    ),
    InstallMutant(
        *("a question at an upgrade", "kubelet", _prompts_on_upgrade),
        *("upgrade", "upgrade"),
    ),
    InstallMutant(
        *("an installation that fails", "kubectl", scriptlet("postinstall", "exit 3")),
        *("lifecycle", "install"),
    ),
    InstallMutant(
        *("a removal that fails", "kubectl", scriptlet("postremove", "exit 3")),
        *("lifecycle", "purge"),
    ),
    InstallMutant(
        *(
            "a removal that fails before it begins",
            "kubelet",
            scriptlet("preremove", "exit 3"),
        ),
        *("lifecycle", "purge"),
    ),
    InstallMutant(
        *("an installation that works only once", "kubectl"),
        scriptlet("postinstall", "mkdir /var/lib/kubectl-was-here"),
        *("lifecycle", "reinstall"),
    ),
    InstallMutant(
        *("an undeclared file stays", "kubeadm", _leaves_file("/var/lib/kubeadm/undeclared")),
        *("lifecycle", "nothing-left"),
        hidden=True,
        machine="left",
        expected_text="/var/lib/kubeadm/undeclared",
    ),
    InstallMutant(
        *("an undeclared file stays in /etc", "cri-tools", _leaves_file("/etc/crictl.yaml")),
        *("lifecycle", "nothing-left"),
        hidden=True,
        machine="left",
        expected_text="/etc/crictl.yaml",
    ),
    InstallMutant(
        *("a link stays", "kubelet"),
        scriptlet("postinstall", "ln -sf /usr/bin/kubelet /usr/local/bin/kubelet"),
        *("lifecycle", "nothing-left"),
        hidden=True,
        machine="left",
        expected_text="/usr/local/bin/kubelet",
    ),
    InstallMutant(
        *("a file of the host is changed", "kubelet"),
        scriptlet("postinstall", "echo 127.0.0.1 kubelet >>/etc/host.conf"),
        *("lifecycle", "nothing-left"),
        machine="left",
        expected_text="/etc/host.conf",
    ),
    InstallMutant(
        *("a packaged file is changed", "kubeadm"),
        scriptlet("postinstall", "echo '# changed' >>/usr/bin/kubeadm"),
        *("lifecycle", "verify-clean"),
        hidden=True,
        machine="installed",
    ),
    InstallMutant(
        *("a program of another version", "kubectl"),
        on("put", "/usr/bin/kubectl", program("kubectl", "1.36.2")),
        *("lifecycle", "versions"),
        machine="installed",
        expected_text="/usr/bin/kubectl",
    ),
    InstallMutant(
        *("a plugin of another version", "kubernetes-cni"),
        on("put", f"{PLUGINS}portmap", program("portmap", "1.9.0")),
        *("lifecycle", "versions"),
        machine="installed",
        expected_text="portmap",
    ),
    InstallMutant(
        *("a program of another architecture", "kubectl", _built_for_arm64),
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
        *("a program that writes to /usr", "kubectl", _writes_to_usr),
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
            scriptlet("postinstall", "systemctl daemon-reload"),
        ),
        *("without-systemd", "install"),
    ),
    InstallMutant(
        *("a scriptlet that looks which package came first", "kubeadm"),
        scriptlet("postinstall", "[ ! -e /usr/bin/kubelet ] || touch /etc/kubelet-came-first"),
        *("orders", "backwards-same"),
        hidden=True,
        machine="moments",
    ),
    InstallMutant(
        *("a scriptlet that needs another package without saying so", "cri-tools"),
        scriptlet("postinstall", "test -e /usr/bin/kubectl"),
        *("orders", "one-by-one"),
        hidden=True,
    ),
    InstallMutant(
        *("a version that cannot be gone back to", "kubelet"),
        scriptlet("preremove", '[ "$1" != upgrade ] || dpkg --compare-versions "$2" gt 1.36.3-1'),
        *("upgrade", "downgrade", DEB),
        hidden=True,
        machine="moments",
    ),
    InstallMutant(
        *("an older version than before", "kubectl", fields(release="0")),
        *("upgrade", "upgrade"),
    ),
)
