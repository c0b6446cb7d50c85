"""Packages whose faults show at one stage: a second installation, a downgrade or a removal."""

from __future__ import annotations

from collections.abc import Mapping

from tests.acceptance.host_mutants import DEB, RPM, scriptlet
from tests.acceptance.install_mutants import InstallMutant
from tests.acceptance.small_packages import PLUGINS, program
from tests.support.mutants.mutant import ENV_FILES, add_relations, call, change_env_file
from tests.support.sample_packages import Mutation, PackageDraft

FAIL = "exit 3"
DEBIAN_PLUGINS = "containernetworking-plugins"
FOREIGN_PLUGIN = f"{PLUGINS}other-vendors-plugin"
# dpkg runs postrm once for the removal and once for the purge.
FIRST_REMOVAL = {"deb": 2, "rpm": 1}
SECOND_REMOVAL = {"deb": 4, "rpm": 2}
# As above; the first run belongs to a reinstallation.
REMOVAL_IN_USE = {"deb": 4, "rpm": 3}


def _on_run(nth: int | Mapping[str, int], at: str, text: str) -> Mutation:
    """Return a change: a scriptlet does something only the nth time that it runs."""

    def add(draft: PackageDraft) -> None:
        when = nth if isinstance(nth, int) else nth[draft.format]
        count = f"/run/{draft.config['name']}-{at}-{when}"
        draft.append_to_script(at, f'echo >>{count}\n[ "$(wc -l <{count})" -ne {when} ] || {{ {text}; }}')

    return add


def _renamed(name: str, *, provides: bool) -> Mutation:
    """Return a change: the package has another name, and may provide the right one."""

    def rename(draft: PackageDraft) -> None:
        config = draft.config
        if provides:
            right = {"deb": "{name} (= {version})", "rpm": "{name} = {version}"}[draft.format]
            config.setdefault("provides", []).append(right.format_map(config))
        config["name"] = name

    return rename


def _brings_systemctl(draft: PackageDraft) -> None:
    _renamed("cni-plugins", provides=True)(draft)
    draft.add_file("/usr/local/bin/systemctl", "#!/bin/sh\n", mode=0o755)


def _takes_debians_name(draft: PackageDraft) -> None:
    _renamed(DEBIAN_PLUGINS, provides=False)(draft)
    add_relations("no-such-package")(draft)


def _copies_edited_settings(draft: PackageDraft, path: str) -> None:
    draft.append_to_script("preremove", f"! grep -qs edited {path} || cp {path} {path}.copy")


def _empties_settings(draft: PackageDraft) -> None:
    _on_run(2, "postinstall", f"echo >{ENV_FILES[draft.format]}")(draft)


def _alone(name: str, package: str, mutate: Mutation, *, hidden: bool = False) -> InstallMutant:
    scenario = f"{package}-alone"
    return InstallMutant(name, package, mutate, scenario, scenario, hidden=hidden)


def _lacks_plugins(scenario: str) -> InstallMutant:
    change = _renamed("cni-plugins", provides=False)
    name = f"no package provides the CNI plugins ({scenario})"
    return InstallMutant(name, "kubernetes-cni", change, scenario, "dependencies")


STAGE_MUTANTS: tuple[InstallMutant, ...] = (
    # The start of each scenario.
    _lacks_plugins("lifecycle"),
    _lacks_plugins("orders"),
    _lacks_plugins("without-systemd"),
    InstallMutant(
        *("a package with the name of Debian's plugins", "kubectl", _takes_debians_name),
        *("debian-plugins", "debian-plugins", DEB),
    ),
    InstallMutant(
        *("a dependency that contains a systemctl", "kubernetes-cni", _brings_systemctl),
        *("without-systemd", "no-systemd"),
    ),
    # Each package alone.
    _alone(
        "a program that needs another package",
        "cri-tools",
        call("replace_content", "/usr/bin/crictl", "#!/bin/sh\ntest -e /usr/bin/kubectl && echo v1.36.0\n"),
    ),
    _alone(
        "kubeadm's scriptlet requires a kubelet",
        "kubeadm",
        scriptlet("postinstall", "test -e /usr/bin/kubelet"),
        hidden=True,
    ),
    _alone(
        "the plugins' scriptlet requires a kubelet",
        "kubernetes-cni",
        scriptlet("postinstall", "test -e /usr/bin/kubelet"),
        hidden=True,
    ),
    # The lifecycle: install, reinstall, purge, install, edit, remove, purge.
    InstallMutant(
        *("a reinstallation changes a mode", "kubectl"),
        _on_run(2, "postinstall", "chmod 700 /usr/bin/kubectl"),
        *("lifecycle", "reinstalled-same"),
        machine="moments",
        required_steps=("reinstall",),
        expected_text="/usr/bin/kubectl",
    ),
    InstallMutant(
        *("an installation that fails after a purge", "kubectl", _on_run(3, "postinstall", FAIL)),
        *("lifecycle", "install-again"),
        machine="moments",
        expected_text="kubectl",
    ),
    InstallMutant(
        *("another file mode after a purge", "kubernetes-cni"),
        _on_run(3, "postinstall", f"chmod 700 {PLUGINS}portmap"),
        *("lifecycle", "installed-same"),
        machine="moments",
        expected_text="portmap",
    ),
    InstallMutant(
        *("a removal that fails while settings are edited", "cri-tools"),
        _on_run(REMOVAL_IN_USE, "postremove", FAIL),
        *("lifecycle", "remove"),
        machine="moments",
        expected_text="cri-tools",
    ),
    InstallMutant(
        *("a purge that fails after a removal", "kubeadm", _on_run(5, "postremove", FAIL)),
        *("lifecycle", "purge-removed", DEB),
        machine="moments",
        expected_text="kubeadm",
    ),
    InstallMutant(
        *("a purge deletes all plugins", "kubernetes-cni"),
        scriptlet("postremove", f'[ "$1" != purge ] || rm -f {PLUGINS}*'),
        *("lifecycle", "purge-keeps-plugins", DEB),
        machine="moments",
    ),
    InstallMutant(
        *("a copy of edited settings remains", "kubelet", change_env_file(_copies_edited_settings)),
        *("lifecycle", "nothing-left-at-all"),
        machine="moments",
        expected_text=".copy",
        hidden=True,
    ),
    # Upgrade and downgrade.
    InstallMutant(
        *("a previous package that fails to install", "kubectl", _on_run(1, "postinstall", FAIL)),
        *("upgrade", "previous"),
        in_previous=True,
        machine="moments",
        expected_text="kubectl",
    ),
    InstallMutant(
        *("an upgrade changes a packaged file", "kubeadm"),
        scriptlet("postinstall", "echo '# changed' >>/usr/bin/kubeadm"),
        *("upgrade", "upgrade-verify"),
        machine="moments",
        expected_text="/usr/bin/kubeadm",
        hidden=True,
    ),
    InstallMutant(
        *("an upgrade to a program of another version", "cri-tools"),
        call("replace_content", "/usr/bin/crictl", program("crictl", "1.35.0")),
        *("upgrade", "upgrade-versions"),
        machine="moments",
        expected_text="/usr/bin/crictl",
    ),
    InstallMutant(
        *("a previous package that installs only once", "cri-tools"),
        _on_run(2, "postinstall", FAIL),
        *("upgrade", "downgrade", RPM, True),
        machine="moments",
        expected_text="cri-tools",
    ),
    InstallMutant(
        *("a downgrade loses the settings", "kubelet", _empties_settings),
        *("upgrade", "downgrade-keeps-settings"),
        in_previous=True,
        machine="moments",
    ),
    InstallMutant(
        *("a downgrade deletes another vendor's plugin", "kubernetes-cni"),
        _on_run(2, "postinstall", f"rm -f {FOREIGN_PLUGIN}"),
        *("upgrade", "downgrade-keeps-plugins"),
        in_previous=True,
        machine="moments",
    ),
    InstallMutant(
        *("a previous plugin of another version", "kubernetes-cni"),
        call("replace_content", f"{PLUGINS}portmap", program("portmap", "1.9.0")),
        *("upgrade", "downgrade-versions"),
        in_previous=True,
        machine="moments",
        expected_text="portmap",
    ),
    # Several orders of installation.
    InstallMutant(
        *("a first removal that fails", "cri-tools"),
        _on_run(FIRST_REMOVAL, "postremove", FAIL),
        *("orders", "purge"),
        machine="moments",
        expected_text="cri-tools",
    ),
    InstallMutant(
        *("a second installation that fails", "kubectl", _on_run(2, "postinstall", FAIL)),
        *("orders", "backwards"),
        machine="moments",
        expected_text="kubectl",
    ),
    InstallMutant(
        *("a second removal that fails", "kubernetes-cni"),
        _on_run(SECOND_REMOVAL, "postremove", FAIL),
        *("orders", "purge-2"),
        machine="moments",
        expected_text="kubernetes-cni",
    ),
    InstallMutant(
        *("a third installation that fails", "kubeadm", _on_run(3, "postinstall", FAIL)),
        *("orders", "unordered"),
        machine="moments",
        expected_text="kubeadm",
    ),
    InstallMutant(
        *("a third installation changes a mode", "kubernetes-cni"),
        _on_run(3, "postinstall", f"chmod 700 {PLUGINS}portmap"),
        *("orders", "unordered-same"),
        machine="moments",
        expected_text="portmap",
    ),
    # Without systemd.
    InstallMutant(
        *("a program that looks for systemd", "kubectl"),
        call("replace_content", "/usr/bin/kubectl", "#!/bin/sh\ncommand -v systemctl && echo v1.36.3\n"),
        *("without-systemd", "versions"),
        machine="moments",
        expected_text="/usr/bin/kubectl",
    ),
    InstallMutant(
        *("a removal that requires systemd", "cri-tools"),
        scriptlet("postremove", '[ "$1" = remove ] || systemctl daemon-reload'),
        *("without-systemd", "purge"),
        machine="moments",
        expected_text="systemctl",
    ),
    InstallMutant(
        *("an init script where there is no systemd", "kubeadm"),
        scriptlet("postinstall", "command -v systemctl || { mkdir -p /etc/init.d; echo >/etc/init.d/kubelet; }"),
        *("without-systemd", "nothing-left"),
        machine="moments",
        expected_text="/etc/init.d/kubelet",
        hidden=True,
    ),
    # With Debian's plugins.
    InstallMutant(
        *("a plugin changes where Debian's plugins are installed", "kubernetes-cni"),
        scriptlet("postinstall", f"[ ! -e /usr/lib/cni ] || echo >>{PLUGINS}portmap"),
        *("debian-plugins", "verify-clean", DEB),
        machine="moments",
        expected_text="portmap",
    ),
    InstallMutant(
        *("a dependency on Debian's plugins", "kubernetes-cni", add_relations(DEBIAN_PLUGINS)),
        *("debian-plugins", "debian-plugins-purged", DEB),
        machine="moments",
        expected_text="not installed",
    ),
)
