"""The real packages are installed, upgraded and removed on a deb host and an rpm host."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.engines import require_programs


@pytest.fixture(autouse=True)
def machine() -> None:
    require_programs("mmdebstrap")


def test_the_real_packages_pass_on_the_hosts_this_machine_can_make(real):
    document = real.json("verify", "--level", "install")
    install = document["levels"][1]
    hosts = {check["host"] for check in install["checks"]}
    assert hosts == {"trixie", "trixie-dnf"}
    assert install["count"] > 100
    names = {check["name"] for check in install["checks"]}
    assert {"upgrade", "downgrade", "nothing-left", "completions", "kubelet-alone"} <= names
    assert all(check["evidence"] for check in install["checks"] if check["name"] == "versions")


def test_an_upgrade_from_an_earlier_release_keeps_what_is_in_use(real, before):
    earlier = str(before.folder / "dist")
    said = real.json(
        "verify", "--level", "install", "--on", "bookworm,trixie-zypper", "--from", earlier
    )
    install = said["levels"][1]
    assert install["passed"], json.dumps(install, indent=1)
    upgrades = [check for check in install["checks"] if check["subject"] == "upgrade"]
    assert {check["host"] for check in upgrades} == {"bookworm", "trixie-zypper"}
    shown = json.dumps([check["evidence"] for check in upgrades if "versions" in check["name"]])
    assert "v1.36.1" in shown
    assert "v1.36.3" in shown


def test_the_level_tells_when_it_has_no_engine(real, tmp_path):
    said = real.run(
        "verify", "--level", "install", "--engine", "docker", code=3, PATH=str(tmp_path)
    )
    assert "docker: is not installed." in said.stderr
    assert "apt install docker.io" in said.stderr
