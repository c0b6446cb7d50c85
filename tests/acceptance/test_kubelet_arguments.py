"""The kubelet's extra arguments under a real systemd: from the setting to the process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubeparcel.hosts import catalog, systemd_node
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.session import Session
from tests.build.plans import plan, text_at
from tests.support.kubelet_arguments import ARGUMENTS

KUBELET = """#!/bin/sh
cat /proc/$$/cmdline >/run/arguments
systemd-notify --ready
exec sleep infinity
"""
"""Records its own command line instead of running a kubelet."""

NOTIFY = "[Service]\nType=notify\nNotifyAccess=all\n"
DROP_INS = "/etc/systemd/system/kubelet.service.d"


@pytest.fixture(scope="module")
def node(session: Session) -> Iterator[Container]:
    """A machine with the packages' unit and drop-in, and a recording kubelet."""
    with systemd_node.start_node(session, catalog.load_hosts().get("trixie"), "gate-arguments") as node:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir("/")
            packages = plan()
        drop_in = f"{DROP_INS}/10-kubeadm.conf"
        unit = "/lib/systemd/system/kubelet.service"
        node.write_file(unit, text_at(packages["kubelet", "deb"], unit))
        node.write_file(drop_in, text_at(packages["kubeadm", "deb"], drop_in))
        node.write_file(f"{DROP_INS}/20-notify.conf", NOTIFY)
        node.write_file("/usr/bin/kubelet", KUBELET)
        node.run("chmod", "0755", "/usr/bin/kubelet")
        node.write_file("/var/lib/kubelet/config.yaml", "")
        node.run("systemctl", "daemon-reload")
        yield node


@pytest.mark.parametrize("value", ARGUMENTS)
def test_process_has_the_arguments_of_the_setting(node, tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    path = "/etc/default/kubelet"
    node.write_file(path, text_at(plan(kubelet_extra_args=value)["kubelet", "deb"], path))
    node.run("systemctl", "restart", "kubelet")
    arguments = node.run("cat", "/run/arguments").stdout.removesuffix("\0").split("\0")
    base = arguments.index("--config=/var/lib/kubelet/config.yaml") + 1
    assert arguments[base:] == ARGUMENTS[value]
