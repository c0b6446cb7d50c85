"""Hosts that run systemd and a container runtime."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kubeparcel.errors import ToolError
from kubeparcel.hosts import catalog, systemd_node

SETTINGS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")
"""The kernel settings that a kubelet writes when it starts."""


def test_kernel_settings_of_a_node_do_not_change_the_machine(session):
    before = {name: Path("/proc/sys", name).read_text() for name in SETTINGS}
    with systemd_node.start_node(session, catalog.load_hosts().get("trixie"), "n1") as node:
        for name in SETTINGS:
            other = "1" if before[name].strip() == "0" else "0"
            node.write_file(f"/proc/sys/{name}", other)
            assert node.run("cat", f"/proc/sys/{name}").stdout == other
        masked = node.run("systemctl", "is-enabled", "systemd-sysctl.service", check=False)
        assert masked.stdout.strip() == "masked-runtime"
        node.restart()
        systemd_node.finish_boot(node)
        node.write_file(f"/proc/sys/{SETTINGS[0]}", "2")
    assert {name: Path("/proc/sys", name).read_text() for name in SETTINGS} == before


@pytest.mark.parametrize("name", ["trixie", "trixie-dnf"])
def test_a_node_runs_systemd_and_containerd_and_survives_a_restart(session, name):
    with systemd_node.start_node(session, catalog.load_hosts().get(name), "n1") as node:
        assert node.run("cat", "/proc/1/comm").stdout.strip() == "systemd"
        assert node.run("hostname").stdout.strip() == "n1"
        node.wait_for(
            lambda: node.run("ctr", "version", check=False).exit_code == 0,
            "containerd to answer",
            diagnose=lambda: node.run("systemctl", "status", "containerd", check=False).stdout,
        )
        node.write_file("/var/lib/kubelet/note", "kept")
        node.restart()
        systemd_node.finish_boot(node)
        assert node.run("cat", "/var/lib/kubelet/note").stdout == "kept"


def test_a_node_whose_first_process_exits_is_an_error_at_once(session, monkeypatch):
    monkeypatch.setattr(systemd_node, "INIT", ("sh", "-c", "echo no systemd today; exit 4"))
    started = time.monotonic()
    with (
        pytest.raises(ToolError, match=r"trixie: systemd exited with code 4 during boot") as raised,
        systemd_node.start_node(session, catalog.load_hosts().get("trixie"), "n1"),
    ):
        pass
    assert time.monotonic() - started < systemd_node.BOOT_TIMEOUT
    assert "no systemd today" in raised.value.hint
    assert "systemd 258 and later need cgroup v2" in raised.value.hint
