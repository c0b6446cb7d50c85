"""The install level with the real packages, on deb hosts and rpm hosts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.conftest import Site
from tests.acceptance.engines import require_programs


@pytest.fixture(autouse=True)
def machine() -> None:
    require_programs("mmdebstrap")


def test_real_packages_pass_on_the_default_hosts(real: Site) -> None:
    document = real.json("verify", "--level", "install")
    install = document["levels"][1]
    hosts = {check["host"] for check in install["checks"]}
    assert hosts == {"trixie", "trixie-dnf"}
    assert install["count"] > 100
    names = {check["name"] for check in install["checks"]}
    assert {"upgrade", "downgrade", "nothing-left", "completions", "kubelet-alone"} <= names
    assert all(check["evidence"] for check in install["checks"] if check["name"] == "versions")


def test_upgrade_from_a_previous_release_passes_on_other_hosts(real: Site, before: Site) -> None:
    """Containers that have only the capabilities that package managers need, as the documents recommend."""
    hosts, previous = "bookworm,trixie-zypper", str(before.folder / "dist")
    capabilities = "CHOWN,DAC_OVERRIDE,FOWNER,FSETID,SETGID,SETUID"
    restricted = f"--cap-drop=ALL --cap-add={capabilities} --security-opt=no-new-privileges"
    document = real.json(
        "verify", "--level", "install", "--on", hosts, "--from", previous, "--engine-options", restricted
    )
    install = document["levels"][1]
    assert install["passed"], json.dumps(install, indent=1)
    upgrades = [check for check in install["checks"] if check["subject"] == "upgrade"]
    assert {check["host"] for check in upgrades} == {"bookworm", "trixie-zypper"}
    evidence = json.dumps([check["evidence"] for check in upgrades if "versions" in check["name"]])
    assert "v1.36.1" in evidence
    assert "v1.36.3" in evidence


def test_missing_engine_is_reported_with_the_command_to_install_it(real: Site, tmp_path: Path) -> None:
    result = real.run("verify", "--level", "install", "--engine", "docker", code=3, PATH=str(tmp_path))
    assert "docker is not installed." in result.stderr
    assert "apt install docker.io" in result.stderr
