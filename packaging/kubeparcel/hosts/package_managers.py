"""How each package manager is asked for the same things: a row each, words as a person types them.

`{names}` stands for packages by name, `{files}` for package files, each a word of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

_COMPLAINTS = re.compile(
    r"scriptlet failed|scriptlet, exit status|Error in \S+ scriptlet|^dpkg: (error|warning)|^E: |"
    r"systemctl: (command )?not found",
    re.MULTILINE,
)
_HARMLESS = re.compile(
    r"^dpkg: warning: (downgrading|while removing \S+, directory .* not empty|files list file for"
    r"|unable to delete old directory).*$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Manager:
    """One package manager. `update` makes the repository its own; it is a template.

    `at` writes a package at a version. `state` prints `NAME VERSION` of installed packages.
    `unordered` installs files in the order given, without thinking. `forget` removes settings
    as well; empty where there is no such thing.
    """

    name: str
    update: str
    install: str
    reinstall: str
    upgrade: str
    downgrade: str
    at: str
    remove: str
    forget: str
    state: str
    provided: str
    verify: str
    unordered: tuple[str, ...]

    @staticmethod
    def words(command: str, names: Iterable[str] = (), files: Iterable[str] = ()) -> list[str]:
        """A command as an argument list."""
        lists = {"{names}": list(names), "{files}": list(files)}
        return [word for part in command.split() for word in lists.get(part, [part])]

    def exactly(self, versions: Mapping[str, str]) -> list[str]:
        """The words that mean packages at their versions."""
        return [self.at.format(name=n, version=v) for n, v in versions.items()]


def complaints(said: str) -> Sequence[str]:
    """The lines in which a package manager complains, though it may have gone on."""
    serious = _HARMLESS.sub("", said)
    return [line for line in serious.splitlines() if _COMPLAINTS.search(line)]


_APT = Manager(
    name="apt",
    update="hosts/repository-apt.sh",
    install="apt-get --yes install {names}",
    reinstall="apt-get --yes --reinstall install {names}",
    upgrade="apt-get --yes dist-upgrade",
    downgrade="apt-get --yes --allow-downgrades install {names}",
    at="{name}={version}",
    remove="apt-get --yes remove {names}",
    forget="apt-get --yes purge {names}",
    state="dpkg-query --show -f ${Package}\\t${Version}\\t${db:Status-Abbrev}\\n {names}",
    provided="dpkg-query --status {names}",
    verify="dpkg --verify {names}",
    unordered=("dpkg --unpack {files}", "dpkg --configure --pending"),
)
_DNF = Manager(
    name="dnf",
    update="hosts/repository-dnf.sh",
    install="dnf --assumeyes install {names}",
    reinstall="dnf --assumeyes reinstall {names}",
    upgrade="dnf --assumeyes upgrade",
    downgrade="dnf --assumeyes downgrade {names}",
    at="{name}-{version}",
    remove="dnf --assumeyes remove {names}",
    forget="",
    state="rpm --query --queryformat %{NAME}\\t%{VERSION}-%{RELEASE}\\n {names}",
    provided="rpm --query --whatprovides {names}",
    verify="rpm --verify {names}",
    unordered=("rpm --install --noorder {files}",),
)
_ZYPPER = replace(
    _DNF,
    name="zypper",
    update="hosts/repository-zypper.sh",
    install="zypper --non-interactive install {names}",
    reinstall="zypper --non-interactive install --force {names}",
    upgrade="zypper --non-interactive update",
    downgrade="zypper --non-interactive install --oldpackage {names}",
    at="{name}={version}",
    remove="zypper --non-interactive remove {names}",
)
MANAGERS: Mapping[str, Manager] = {row.name: row for row in (_APT, _DNF, _ZYPPER)}
