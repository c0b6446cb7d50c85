"""An upgrade of the kubelet restarts nothing, not even where needrestart restarts services by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeparcel.build.assembler import assemble_package
from kubeparcel.build.manifests import finalize
from kubeparcel.build.planner import plan_packages
from kubeparcel.config import catalog as packages_catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.hosts import catalog, systemd_node
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.session import Session
from kubeparcel.model import Arch
from kubeparcel.store import Store
from tests.support.fake_sources import locked

SLEEP = Path("/usr/bin/sleep")
UNIT = """[Service]
ExecStart=
ExecStart={program} infinity
"""
CONFIGURATION = "/etc/needrestart/conf.d/kubelet.conf"
UPGRADE = """
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a
dpkg --force-depends --install "$1"
cp /usr/bin/site-agent /usr/bin/site-agent.new && mv /usr/bin/site-agent.new /usr/bin/site-agent
/usr/lib/needrestart/apt-pinvoke 2>&1
"""
"""Upgrades the kubelet and another service's program, then does what apt and unattended-upgrades do afterwards."""


def build_kubelet(folder: Path, revision: str) -> Path:
    """Return a deb of the kubelet whose program sleeps."""
    store, lock = Store(folder / "cache"), locked()
    program = store.add_bytes(SLEEP.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        plans = plan_packages(load_settings({"revision": revision, "format": "deb"}), lock, packages_catalog.load())
    plan = next(plan for plan in plans if plan.name == "kubelet")
    package = finalize(plan, lock, {("kubernetes", Arch.AMD64): {"kubelet": program}}, store)
    target = folder / Path(package.file_name).name
    target.write_bytes(store.path(assemble_package(package, store).sha256).read_bytes())
    return target


@pytest.fixture(scope="module")
def node(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A machine with needrestart, a running kubelet of revision 1, and another running service."""
    host, folder = catalog.load_hosts().get("trixie"), tmp_path_factory.mktemp("needrestart")
    if not session.locations.debian_archive:
        pytest.skip("needs a Debian archive: KUBEPARCEL_DEBIAN")
    with systemd_node.start_node(session, host, "needrestart", network="host") as node:
        node.write_file("/etc/apt/sources.list", f"deb {session.locations.debian_archive} {host.suite} main\n")
        node.run_script("apt-get update && apt-get install --yes --no-install-recommends needrestart", timeout=300)
        for revision in ("1", "2", "3"):
            node.copy_in(build_kubelet(folder, revision), f"/root/{revision}.deb")
        node.run_script("dpkg --force-depends --install /root/1.deb && cp /usr/bin/sleep /usr/bin/site-agent")
        node.write_file("/etc/systemd/system/kubelet.service.d/sleep.conf", UNIT.format(program="/usr/bin/kubelet"))
        node.write_file("/etc/systemd/system/site-agent.service", UNIT.format(program="/usr/bin/site-agent"))
        node.run_script("systemctl daemon-reload && systemctl start kubelet site-agent")
        yield node


def processes(node: Container) -> tuple[str, str]:
    """Return the process IDs of the kubelet and of the other service."""
    pids = node.run("systemctl", "show", "--property=MainPID", "--value", "kubelet", "site-agent").stdout.split()
    assert "0" not in pids
    return pids[0], pids[1]


def test_needrestart_restarts_other_services_but_never_the_kubelet(node):
    kubelet, other = processes(node)
    output = node.run_script(UPGRADE, "/root/2.deb").stdout
    assert processes(node)[0] == kubelet, output
    assert processes(node)[1] != other, output
    assert "nothing restarted it" in output
    assert node.run("readlink", f"/proc/{kubelet}/exe").stdout == "/usr/bin/kubelet (deleted)\n"


def test_without_the_configuration_needrestart_would_restart_the_kubelet(node):
    kubelet, _ = processes(node)
    node.run("mv", CONFIGURATION, "/root/kubelet.conf")
    output = node.run_script(UPGRADE, "/root/3.deb").stdout
    assert processes(node)[0] != kubelet, output
    assert not node.exists(CONFIGURATION)  # a conffile that the administrator removed stays removed
