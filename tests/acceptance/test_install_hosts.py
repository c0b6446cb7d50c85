"""The install level on other hosts than the default ones, with small packages."""

from __future__ import annotations

from pathlib import Path

from kubeparcel.console import QuietLog
from kubeparcel.hosts import catalog
from kubeparcel.hosts.session import open_session
from kubeparcel.model import Format
from kubeparcel.reports.output import as_text
from kubeparcel.store import Store
from kubeparcel.verify.install import level
from kubeparcel.verify.level_runner import LevelRun, run_level
from tests.acceptance.engines import require_programs
from tests.acceptance.small_packages import small_samples, write_set


def test_upgrade_from_a_previous_release_passes_on_other_hosts(binaries_cache: Path, tmp_path: Path) -> None:
    """Small packages, in containers that have only the capabilities that package managers need, as documented."""
    require_programs("mmdebstrap")
    capabilities = "CHOWN,DAC_OVERRIDE,FOWNER,FSETID,SETGID,SETUID"
    restricted = ("--cap-drop=ALL", f"--cap-add={capabilities}", "--security-opt=no-new-privileges")
    sets: dict[str, list[Path]] = {}
    for version in ("1.36.1", "1.36.3"):
        samples = small_samples(tmp_path / version, kubernetes=version)
        sets[version] = [write_set(samples, format_, tmp_path / f"{version}-{format_}") for format_ in Format]
    hosts = [catalog.load_hosts().get(name) for name in ("bookworm", "trixie-zypper")]
    with open_session(Store(binaries_cache), QuietLog(), engine_options=restricted) as session:
        run = LevelRun.create(session, sets["1.36.3"], sets["1.36.1"])
        report = run_level(level.LEVEL, run, hosts)
    assert report.passed, as_text([report])
    upgrades = [check for check in report.checks if check.subject == "upgrade"]
    assert {check.host for check in upgrades} == {"bookworm", "trixie-zypper"}
    evidence = str([check.evidence for check in upgrades if "versions" in check.name])
    assert "v1.36.1" in evidence
    assert "v1.36.3" in evidence
