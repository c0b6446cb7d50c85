"""The clients that test repositories: a row each, with commands as people type them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubeparcel.hosts import catalog
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.package_managers import MANAGERS, PackageManager


@dataclass(frozen=True)
class Client:
    """A package manager on a host.

    `heading` is its section of the index page. `start` removes cached indexes (apt also has to
    download them again), `refresh` downloads the indexes, `hold` and `release` hold packages and
    release them, `pin` keeps packages at a version of Kubernetes.
    """

    host: Host
    heading: str
    start: str
    refresh: str
    hold: str
    release: str
    pin: str

    @property
    def manager(self) -> PackageManager:
        """The package manager's commands."""
        return MANAGERS[self.host.family.package_manager]


_COMMANDS: Mapping[str, Mapping[str, str]] = {
    "apt": {
        "heading": "Debian, Ubuntu",
        "start": "rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb && apt-get update",
        "refresh": "apt-get update",
        "hold": "apt-mark hold {names}",
        "release": "apt-mark unhold {names}",
        "pin": "printf 'Package: {names}\\nPin: version {version}-1\\nPin-Priority: 1001\\n'"
        " >/etc/apt/preferences.d/kubernetes",
    },
    "dnf": {
        "heading": "RHEL, Rocky, AlmaLinux, Fedora, Amazon Linux",
        "start": "dnf --quiet clean all",
        "refresh": "dnf --assumeyes --refresh makecache",
        "hold": "echo 'excludepkgs={names}' >>/etc/dnf/dnf.conf",
        "release": "sed -i /^excludepkgs=/d /etc/dnf/dnf.conf",
        "pin": "echo 'excludepkgs={names}-{version}-2.*' >>/etc/dnf/dnf.conf",
    },
    "zypper": {
        "heading": "SUSE, openSUSE",
        "start": "zypper --quiet clean --all",
        "refresh": "zypper --non-interactive refresh --force",
        "hold": "zypper --non-interactive addlock {names}",
        "release": "zypper --non-interactive removelock {names}",
        "pin": "zypper --non-interactive addlock '{names} > {version}-1'",
    },
}
_HOSTS = ("bookworm", "trixie", "sid", "trixie-dnf", "trixie-zypper")


def _client(name: str) -> Client:
    host = catalog.load_hosts().get(name)
    return Client(host, **_COMMANDS[host.family.package_manager])


CLIENTS: Mapping[str, Client] = {name: _client(name) for name in _HOSTS}
SCRIPTS = {"apt": "install-apt.sh", "dnf": "install-yum.sh", "zypper": "install-yum.sh"}


def add_repository(container: Container, address: str) -> None:
    """Add a repository with its install script; zypper needs the key to be imported first."""
    manager = CLIENTS[container.host.name].manager.name
    container.run_script('curl -fsSL "$1" | sh', f"{address}/{SCRIPTS[manager]}", timeout=120)
    if manager == "zypper":
        container.run("rpm", "--import", f"{address}/key.asc")
