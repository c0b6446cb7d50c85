"""Packages with one fault each, and the check of the install level that must fail.

Faults that do not hide one another share a machine. On each machine, exactly the expected checks
must fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.acceptance.host_mutants import DEB, RPM, HostMutant, scriptlet
from tests.acceptance.small_packages import PLUGINS, program
from tests.support.elf_files import elf
from tests.support.mutants.mutant import add_relations, call, change_env_file, set_fields
from tests.support.sample_packages import Mutation, PackageDraft


@dataclass(frozen=True)
class InstallMutant(HostMutant):
    """A fault for the install level; mutants with the same `machine` share it.

    `required_steps` must run before the check, besides the vital ones. `expected_text` is in the
    finding of this fault, and of no other on its machine.
    """

    machine: str = ""
    required_steps: Sequence[str] = ()
    expected_text: str = ""


def _without_dependency(name: str) -> Mutation:
    def without(draft: PackageDraft) -> None:
        rows = draft.config["depends"]
        draft.config["depends"] = [row for row in rows if not row.startswith(name)]

    return without


def _not_a_conffile(draft: PackageDraft, path: str) -> None:
    row = draft.entry(path)
    row.pop("type")


def _other_content(draft: PackageDraft, path: str) -> None:
    draft.replace_content(path, "KUBELET_EXTRA_ARGS=--v=1\n")


def _remove_before_removal(draft: PackageDraft, path: str) -> None:
    draft.append_to_script("preremove", f"rm -f {path}")


def _writes_to_usr(draft: PackageDraft) -> None:
    draft.replace_content("/usr/bin/kubectl", "#!/bin/sh\n>/usr/share/kubectl-was-here && echo v1.36.3\n")


def _built_for_arm64(draft: PackageDraft) -> None:
    draft.replace_content("/usr/bin/kubectl", elf("kubectl", machine=183))


# How a scriptlet of each format recognizes a first installation.
_FIRST_INSTALLATION = {"deb": '[ -z "$2" ]', "rpm": '[ "$1" -eq 1 ]'}


def _prompts_on_upgrade(draft: PackageDraft) -> None:
    draft.append_to_script("postinstall", f"{_FIRST_INSTALLATION[draft.format]} || read answer || exit 1")


def _owns_debians_file(draft: PackageDraft) -> None:
    draft.add_file("/usr/lib/cni/bridge", program("bridge", "1.9.1"), mode=0o755)


def _leaves_file(path: str) -> Mutation:
    return scriptlet("postinstall", f'mkdir -p "{path.rpartition("/")[0]}"; echo left >{path}')


PACKAGE_MUTANTS: tuple[InstallMutant, ...] = (
    InstallMutant(
        *("the kubelet lacks a dependency on iptables", "kubelet", _without_dependency("iptables")),
        *("kubelet-alone", "kubelet-alone"),
    ),
    InstallMutant(
        *("the kubelet lacks a dependency on the CNI plugins", "kubelet", _without_dependency("kubernetes-cni")),
        *("kubelet-alone", "kubelet-alone"),
    ),
    InstallMutant(
        *("a dependency that does not exist", "kubectl", add_relations("no-such-package")), *("lifecycle", "install")
    ),
    InstallMutant(
        *("a conflict with another of the packages", "kubeadm", add_relations("kubectl", relation="conflicts")),
        *("lifecycle", "install"),
    ),
    InstallMutant(
        *("a conflict with Debian's plugins", "kubernetes-cni"),
        add_relations("containernetworking-plugins", relation="conflicts"),
        *("debian-plugins", "debian-plugins-intact", DEB),
    ),
    InstallMutant(
        *("a file that Debian's plugins own", "kubernetes-cni", _owns_debians_file), *("debian-plugins", "install", DEB)
    ),
    InstallMutant(
        *("the environment file is not a conffile", "kubelet", change_env_file(_not_a_conffile)),
        *("upgrade", "upgrade-keeps-settings"),
        machine="in use",
    ),
    InstallMutant(
        *("the environment file changes between revisions", "kubelet", change_env_file(_other_content)),
        *("upgrade", "upgrade", DEB),
        hidden=True,
    ),
    InstallMutant(
        *("the environment file changes and rpm writes an rpmnew", "kubelet"),
        *(change_env_file(_other_content), "upgrade", "upgrade-keeps-settings", RPM),
        hidden=True,
    ),
    InstallMutant(
        *("a removal deletes edited settings", "kubelet", change_env_file(_remove_before_removal)),
        *("lifecycle", "remove-keeps-settings"),
        hidden=True,
        machine="kept",
    ),
    InstallMutant(
        *("an upgrade empties the plugin folder", "kubernetes-cni"),
        scriptlet("preinstall", f"rm -rf {PLUGINS}*"),
        *("upgrade", "upgrade-keeps-plugins"),
        machine="in use",
    ),
    InstallMutant(
        *("a removal empties the plugin folder", "kubernetes-cni"),
        scriptlet("postremove", f"rm -rf {PLUGINS}"),
        *("lifecycle", "remove-keeps-plugins"),
        machine="kept",
    ),
    InstallMutant(*("a prompt during an upgrade", "kubelet", _prompts_on_upgrade), *("upgrade", "upgrade")),
    InstallMutant(
        *("an installation that fails", "kubectl", scriptlet("postinstall", "exit 3")), *("lifecycle", "install")
    ),
    InstallMutant(*("a removal that fails", "kubectl", scriptlet("postremove", "exit 3")), *("lifecycle", "purge")),
    InstallMutant(
        *("a removal whose preremove fails", "kubelet", scriptlet("preremove", "exit 3")), *("lifecycle", "purge")
    ),
    InstallMutant(
        *("an installation that works only once", "kubectl"),
        scriptlet("postinstall", "mkdir /var/lib/kubectl-was-here"),
        *("lifecycle", "reinstall"),
    ),
    InstallMutant(
        *("an undeclared file remains", "kubeadm", _leaves_file("/var/lib/kubeadm/undeclared")),
        *("lifecycle", "nothing-left"),
        hidden=True,
        machine="left",
        expected_text="/var/lib/kubeadm/undeclared",
    ),
    InstallMutant(
        *("an undeclared file remains in /etc", "cri-tools", _leaves_file("/etc/crictl.yaml")),
        *("lifecycle", "nothing-left"),
        hidden=True,
        machine="left",
        expected_text="/etc/crictl.yaml",
    ),
    InstallMutant(
        *("a link remains", "kubelet"),
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
        call("replace_content", "/usr/bin/kubectl", program("kubectl", "1.36.2")),
        *("lifecycle", "versions"),
        machine="installed",
        expected_text="/usr/bin/kubectl",
    ),
    InstallMutant(
        *("a plugin of another version", "kubernetes-cni"),
        call("replace_content", f"{PLUGINS}portmap", program("portmap", "1.9.0")),
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
        *("a program that is not executable", "kubectl", call("set_info", "/usr/bin/kubectl", mode=0o644)),
        *("kubectl-alone", "kubectl-alone"),
    ),
    InstallMutant(*("a program that writes to /usr", "kubectl", _writes_to_usr), *("lifecycle", "read-only-usr")),
    InstallMutant(
        *("an empty completion file", "kubectl"),
        call("replace_content", "/bash-completion/completions/kubectl", "true\n"),
        *("lifecycle", "completions"),
        hidden=True,
        machine="installed",
    ),
    InstallMutant(
        *("completions that name a missing function", "kubectl"),
        call("replace_content", "/bash-completion/completions/kubectl", "complete -F __absent kubectl\n"),
        *("lifecycle", "completions"),
        hidden=True,
        machine="installed 2",
    ),
    InstallMutant(
        *("a scriptlet that requires systemd", "kubelet", scriptlet("postinstall", "systemctl daemon-reload")),
        *("without-systemd", "install"),
    ),
    InstallMutant(
        *("a scriptlet that depends on the order of installation", "kubeadm"),
        scriptlet("postinstall", "[ ! -e /usr/bin/kubelet ] || touch /etc/kubelet-came-first"),
        *("orders", "backwards-same"),
        hidden=True,
        machine="moments",
    ),
    InstallMutant(
        *("a scriptlet with an undeclared dependency", "cri-tools"),
        scriptlet("postinstall", "test -e /usr/bin/kubectl"),
        *("orders", "one-by-one"),
        hidden=True,
    ),
    InstallMutant(
        *("a version that prevents a downgrade", "kubelet"),
        scriptlet("preremove", '[ "$1" != upgrade ] || dpkg --compare-versions "$2" gt 1.36.3-1'),
        *("upgrade", "downgrade", DEB),
        hidden=True,
        machine="moments",
    ),
    InstallMutant(
        *("a version lower than the previous one", "kubectl", set_fields(release="0")), *("upgrade", "upgrade")
    ),
)
