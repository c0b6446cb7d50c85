"""A host as a machine: systemd is its first process, and containers run inside."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kubeparcel.errors import ToolError
from kubeparcel.hosts import catalog, systemd_node

SETTINGS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")
"""What a kubelet writes into the kernel when it starts."""


def test_what_a_machine_sets_in_the_kernel_does_not_reach_the_machine_below(here):
    before = {name: Path("/proc/sys", name).read_text() for name in SETTINGS}
    with systemd_node.start_node(here, catalog.load_hosts().get("trixie"), "n1") as box:
        for name in SETTINGS:
            other = "1" if before[name].strip() == "0" else "0"
            box.write_file(f"/proc/sys/{name}", other)
            assert box.read_file(f"/proc/sys/{name}") == other
        masked = box.run("systemctl", "is-enabled", "systemd-sysctl.service", check=False)
        assert masked.stdout.strip() == "masked-runtime"
        box.restart()
        systemd_node.finish_boot(box)
        box.write_file(f"/proc/sys/{SETTINGS[0]}", "2")
    assert {name: Path("/proc/sys", name).read_text() for name in SETTINGS} == before


@pytest.mark.parametrize("name", ["trixie", "trixie-dnf"])
def test_a_node_has_systemd_and_a_container_runtime_and_survives_a_restart(here, name):
    with systemd_node.start_node(here, catalog.load_hosts().get(name), "n1") as box:
        assert box.read_file("/proc/1/comm").strip() == "systemd"
        assert box.run("hostname").stdout.strip() == "n1"
        box.wait_for(
            lambda: box.run("ctr", "version", check=False).exit_code == 0,
            "containerd to answer",
            diagnose=lambda: box.run("systemctl", "status", "containerd", check=False).stdout,
        )
        box.write_file("/var/lib/kubelet/note", "kept")
        box.restart()
        systemd_node.finish_boot(box)
        assert box.read_file("/var/lib/kubelet/note") == "kept"


def test_a_machine_whose_first_process_ends_is_not_waited_for(here, monkeypatch):
    monkeypatch.setattr(systemd_node, "INIT", ("sh", "-c", "echo no systemd today; exit 4"))
    started = time.monotonic()
    with (
        pytest.raises(ToolError, match=r"trixie: systemd exited with code 4 during boot") as raised,
        systemd_node.start_node(here, catalog.load_hosts().get("trixie"), "n1"),
    ):
        pass
    assert time.monotonic() - started < systemd_node.BOOT_TIMEOUT
    assert "no systemd today" in raised.value.hint
    assert "systemd 258 and later need cgroup v2" in raised.value.hint
