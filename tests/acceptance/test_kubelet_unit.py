"""The packages' unit and drop-in under a real systemd: when the kubelet starts, and with which arguments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeparcel.hosts import catalog, systemd_node
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.session import Session
from tests.build.plans import plan, text_at
from tests.support.kubelet_arguments import ARGUMENTS

UNIT = "/lib/systemd/system/kubelet.service"
DROP_INS = "/etc/systemd/system/kubelet.service.d"
KUBEADM = f"{DROP_INS}/10-kubeadm.conf"
CONFIG = "/var/lib/kubelet/config.yaml"
ENV_FILE = "/etc/default/kubelet"
OWN = "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --config=/etc/own.yaml\n"
NOTIFY = "[Service]\nType=notify\nNotifyAccess=all\n"
KUBELET = """#!/bin/sh
cat /proc/$$/cmdline >/run/arguments
[ -z "$NOTIFY_SOCKET" ] || systemd-notify --ready
exec sleep infinity
"""
"""Records its own command line instead of running a kubelet."""

NAMES = (
    "20-etcd-service-manager.conf",
    *("override.conf", "0-site.conf", "1.conf", "10.conf", "10-site.conf", "11-kubeadm.conf", "100-kubeadm.conf"),
    *("10-k.conf", "10-kernel.conf", "10-kube.conf", "10-kubelet.conf", "10-kubeadm-site.conf", "10-kubeadmin.conf"),
)
"""Names that administrators give to drop-ins of their own."""

OTHERS = (
    "README",
    "20-site.conf.bak",
    "10-kubelet.conf.rpmsave",
    "10-kubeadm.conf.dpkg-bak",
    "10-kubeadm.conf.rpmsave",
)
"""Names that systemd does not read."""


@pytest.fixture(scope="module")
def machine(session: Session) -> Iterator[Container]:
    """A machine with a recording kubelet."""
    with systemd_node.start_node(session, catalog.load_hosts().get("trixie"), "kubelet-unit") as machine:
        machine.write_file("/usr/bin/kubelet", KUBELET)
        machine.run("chmod", "0755", "/usr/bin/kubelet")
        yield machine


@pytest.fixture
def node(machine: Container, workdir: Path) -> Iterator[Container]:
    """The machine with the packages' unit and drop-in, and nothing else."""
    packages = plan()
    machine.write_file(UNIT, text_at(packages["kubelet", "deb"], UNIT))
    machine.write_file(KUBEADM, text_at(packages["kubeadm", "deb"], KUBEADM))
    yield machine
    machine.run_script(
        f"systemctl stop kubelet; rm -rf {DROP_INS} {CONFIG} {ENV_FILE} /run/arguments; systemctl daemon-reload"
    )


def starts(node: Container) -> bool:
    """Return whether a restart, which always succeeds, starts the kubelet."""
    node.run_script("systemctl daemon-reload && systemctl restart kubelet")
    return node.run("systemctl", "show", "--property=ActiveState", "--value", "kubelet").stdout == "active\n"


def test_kubelet_waits_before_kubeadm(node):
    assert not starts(node)


def test_kubelet_starts_with_the_configuration_of_kubeadm(node):
    node.write_file(CONFIG, "")
    assert starts(node)


def test_kubelet_starts_where_kubeadm_is_not_installed(node):
    node.run("rm", KUBEADM)
    assert starts(node)


@pytest.mark.parametrize("name", NAMES)
def test_kubelet_starts_with_a_drop_in_of_the_administrator(node, name):
    node.write_file(f"{DROP_INS}/{name}", OWN)
    assert starts(node)


@pytest.mark.parametrize("name", OTHERS)
def test_kubelet_waits_with_files_that_are_no_drop_ins(node, name):
    node.write_file(f"{DROP_INS}/{name}", OWN)
    assert not starts(node)


def test_process_has_the_arguments_of_the_setting(node):
    """In one test, because systemd reads its files again for each."""
    node.write_file(CONFIG, "")
    node.write_file(f"{DROP_INS}/20-notify.conf", NOTIFY)  # a restart waits until the arguments are recorded
    assert starts(node)
    for value, expected in ARGUMENTS.items():
        node.write_file(ENV_FILE, text_at(plan(kubelet_extra_args=value)["kubelet", "deb"], ENV_FILE))
        node.run("systemctl", "restart", "kubelet")
        arguments = node.run("cat", "/run/arguments").stdout.removesuffix("\0").split("\0")
        base = arguments.index(f"--config={CONFIG}") + 1
        assert arguments[base:] == expected, value
