"""The clients that repositories are tried with: a row each, in words as a person types them."""

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

    `heading` is its section of the index page. `start` makes the host as if it had never read
    the repository; apt has to be told to read it then. `refresh` reads the indexes again, `hold`
    and `release` keep packages as they are and let them go again, `pin` keeps them at a version
    of Kubernetes.
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
        """How it is asked to install and upgrade."""
        return MANAGERS[self.host.family.package_manager]


@dataclass(frozen=True)
class _Row:
    heading: str
    start: str
    refresh: str
    hold: str
    release: str
    pin: str


_ROWS: Mapping[str, _Row] = {
    "apt": _Row(
        heading="Debian, Ubuntu",
        start="rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb && apt-get update",
        refresh="apt-get update",
        hold="apt-mark hold {names}",
        release="apt-mark unhold {names}",
        pin="printf 'Package: {names}\\nPin: version {version}-1\\nPin-Priority: 1001\\n'"
        " >/etc/apt/preferences.d/kubernetes",
    ),
    "dnf": _Row(
        heading="RHEL, Rocky, AlmaLinux, Fedora, Amazon Linux",
        start="dnf --quiet clean all",
        refresh="dnf --assumeyes --refresh makecache",
        hold="echo 'excludepkgs={names}' >>/etc/dnf/dnf.conf",
        release="sed -i /^excludepkgs=/d /etc/dnf/dnf.conf",
        pin="echo 'excludepkgs={names}-{version}-2.*' >>/etc/dnf/dnf.conf",
    ),
    "zypper": _Row(
        heading="SUSE, openSUSE",
        start="zypper --quiet clean --all",
        refresh="zypper --non-interactive refresh --force",
        hold="zypper --non-interactive addlock {names}",
        release="zypper --non-interactive removelock {names}",
        pin="zypper --non-interactive addlock '{names} > {version}-1'",
    ),
}
_HOSTS = ("bookworm", "trixie", "sid", "trixie-dnf", "trixie-zypper")


def _client(name: str) -> Client:
    host = catalog.load_hosts().get(name)
    row = _ROWS[host.family.package_manager]
    return Client(host, row.heading, row.start, row.refresh, row.hold, row.release, row.pin)


CLIENTS: Mapping[str, Client] = {name: _client(name) for name in _HOSTS}
SCRIPTS = {"apt": "install-apt.sh", "dnf": "install-yum.sh", "zypper": "install-yum.sh"}


def added(box: Container, address: str) -> None:
    """Add a repository by its own script; zypper has to be told to trust the key."""
    manager = CLIENTS[box.host.name].manager.name
    box.run_script('curl -fsSL "$1" | sh', f"{address}/{SCRIPTS[manager]}", timeout=120)
    if manager == "zypper":
        box.run("rpm", "--import", f"{address}/key.asc")
