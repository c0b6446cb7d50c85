"""The commands of each package manager.

In a command, `{names}` stands for package names and `{files}` for package files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

_ERRORS = re.compile(
    r"scriptlet failed|scriptlet, exit status|Error in \S+ scriptlet|^dpkg: (error|warning)|^E: |"
    r"systemctl: (command )?not found",
    re.MULTILINE,
)
_HARMLESS = re.compile(
    r"^dpkg: warning: (downgrading|while removing \S+, directory .* not empty|files list file for"
    r"|unable to delete old directory).*$",
    re.MULTILINE,
)

DOWNLOADS = "/var/lib/kubeparcel/downloads"
"""The folder on a host in which packages are stored without installing them."""


@dataclass(frozen=True)
class PackageManager:
    """The commands of one package manager.

    `repository_script` is the template of a script that configures folders as the only repository, `hold_script` of one
    that keeps the named packages at their versions. `version_selector` names a package at a version. `list_installed`
    prints `NAME VERSION` lines. `refresh` reads the indexes of all repositories. `download` stores packages and all
    dependencies that are not installed in the folder DOWNLOADS. `install_unordered` installs files in the given order.
    `purge` is empty if there is no such command.
    """

    name: str
    repository_script: str
    hold_script: str
    refresh: str
    download: str
    install: str
    reinstall: str
    upgrade: str
    downgrade: str
    version_selector: str
    remove: str
    purge: str
    list_installed: str
    find_provider: str
    verify: str
    install_unordered: tuple[str, ...]

    @staticmethod
    def argv(command: str, names: Iterable[str] = (), files: Iterable[str] = ()) -> list[str]:
        """Return a command as an argument list, with its placeholders replaced."""
        values = {"{names}": list(names), "{files}": list(files)}
        return [argument for part in command.split() for argument in values.get(part, [part])]

    def at_versions(self, versions: Mapping[str, str]) -> list[str]:
        """Return the arguments that select packages at their versions."""
        return [self.version_selector.format(name=n, version=v) for n, v in versions.items()]


def error_lines(output: str) -> Sequence[str]:
    """Return the lines of a package manager's output that report an error or a warning."""
    return [line for line in _HARMLESS.sub("", output).splitlines() if _ERRORS.search(line)]


_APT = PackageManager(
    name="apt",
    repository_script="hosts/repository-apt.sh",
    hold_script="hosts/hold-apt.sh",
    refresh="apt-get --quiet --error-on=any update",
    download=f"apt-get --yes --no-install-recommends --option Dir::Cache::archives={DOWNLOADS} "
    "--download-only install {names}",
    install="apt-get --yes install {names}",
    reinstall="apt-get --yes --reinstall install {names}",
    upgrade="apt-get --yes dist-upgrade",
    downgrade="apt-get --yes --allow-downgrades install {names}",
    version_selector="{name}={version}",
    remove="apt-get --yes remove {names}",
    purge="apt-get --yes purge {names}",
    list_installed="dpkg-query --show -f ${Package}\\t${Version}\\t${db:Status-Abbrev}\\n {names}",
    find_provider="dpkg-query --status {names}",
    verify="dpkg --verify {names}",
    install_unordered=("dpkg --unpack {files}", "dpkg --configure --pending"),
)
_DNF = PackageManager(
    name="dnf",
    repository_script="hosts/repository-dnf.sh",
    hold_script="hosts/hold-dnf.sh",
    refresh="dnf makecache",
    download=f"dnf --assumeyes --setopt=install_weak_deps=False --setopt=destdir={DOWNLOADS} "
    "install --downloadonly {names}",
    install="dnf --assumeyes install {names}",
    reinstall="dnf --assumeyes reinstall {names}",
    upgrade="dnf --assumeyes upgrade",
    downgrade="dnf --assumeyes downgrade {names}",
    version_selector="{name}-{version}",
    remove="dnf --assumeyes remove {names}",
    purge="",
    list_installed="rpm --query --queryformat %{NAME}\\t%{VERSION}-%{RELEASE}\\n {names}",
    find_provider="rpm --query --whatprovides {names}",
    verify="rpm --verify {names}",
    install_unordered=("rpm --install --noorder {files}",),
)
_ZYPPER = replace(
    _DNF,
    name="zypper",
    repository_script="hosts/repository-zypper.sh",
    hold_script="hosts/hold-zypper.sh",
    refresh="zypper --non-interactive --gpg-auto-import-keys refresh",
    download=f"zypper --non-interactive --no-gpg-checks --pkg-cache-dir {DOWNLOADS} "
    "install --no-recommends --download-only {names}",
    install="zypper --non-interactive install {names}",
    reinstall="zypper --non-interactive install --force {names}",
    upgrade="zypper --non-interactive update",
    downgrade="zypper --non-interactive install --oldpackage {names}",
    version_selector="{name}={version}",
    remove="zypper --non-interactive remove {names}",
)
MANAGERS: Mapping[str, PackageManager] = {m.name: m for m in (_APT, _DNF, _ZYPPER)}
