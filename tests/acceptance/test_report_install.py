"""What a failed run on a host leaves: log lines, evidence, and the kept container."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from kubeparcel.console import PlainLog
from kubeparcel.hosts import catalog, cleanup
from kubeparcel.hosts.engine import Engine
from kubeparcel.hosts.session import open_session
from kubeparcel.model import Format
from kubeparcel.reports import html
from kubeparcel.store import Store
from kubeparcel.verify.install import level
from kubeparcel.verify.level_runner import LevelRun, run_level
from tests.acceptance.small_packages import small_samples, write_set
from tests.support.sample_packages import PackageDraft


def _leave_a_file(draft: PackageDraft) -> None:
    draft.append_to_script("postinstall", "echo '<left>' >/etc/kubectl-was-here; exit 7")


def test_failed_check_has_evidence_and_keep_leaves_its_container(
    engine: Engine, binaries_cache: Path, tmp_path: Path
) -> None:
    new = write_set(small_samples(tmp_path / "new"), Format.DEB, tmp_path, "kubectl", _leave_a_file)
    stream = io.StringIO()
    host = catalog.load_hosts().get("trixie")
    with open_session(Store(binaries_cache), PlainLog(stream), keep=True) as session:
        run = LevelRun.create(session, [new])
        only = ["kubectl-alone", "cri-tools-alone"]
        report = run_level(level.LEVEL, run, [host], only)
    output = stream.getvalue()
    enter, remove = _kept_commands(output)
    try:
        assert [check.name for check in report.failed] == ["kubectl-alone"]
        (failed,) = report.failed
        assert "exit status 7" in "".join(failed.evidence.values())
        assert re.search(r"^Install +trixie · cri-tools-alone · 1 check · ", output, re.MULTILINE)
        assert "trixie · kubectl-alone · 1 of 1 check failed: kubectl-alone · " in output
        assert "exit status 7" in html.render_html([report], datetime.now(UTC))
        inside = [word for word in enter if word != "-it"][:-1]
        left = subprocess.run([*inside, "cat", "/etc/kubectl-was-here"], capture_output=True, text=True, check=True)
        assert left.stdout == "<left>\n"
        packages = subprocess.run([*inside, "ls", "/packages/current"], capture_output=True, text=True, check=True)
        assert "kubectl" in packages.stdout
    finally:
        subprocess.run(remove, check=True, capture_output=True)


def _kept_commands(output: str) -> tuple[list[str], list[str]]:
    """Return the commands in the log that enter the container and remove it."""
    (commands,) = re.findall(r"^Kept +(.+)\n +Remove it with: (.+)$", output, re.MULTILINE)
    return shlex.split(commands[0]), shlex.split(commands[1])


def test_without_keep_the_container_is_removed(engine: Engine, binaries_cache: Path, tmp_path: Path) -> None:
    new = write_set(small_samples(tmp_path / "new"), Format.DEB, tmp_path, "kubectl", _leave_a_file)
    stream = io.StringIO()
    with open_session(Store(binaries_cache), PlainLog(stream)) as session:
        host = catalog.load_hosts().get("trixie")
        run = LevelRun.create(session, [new])
        report = run_level(level.LEVEL, run, [host], only=["kubectl-alone"])
        left = session.engine.list_labeled(f"{cleanup.RUN_LABEL}={session.run_id}")
    assert not report.passed
    assert "Kept" not in stream.getvalue()
    assert left == []
