"""Builds that are killed, interrupted, or started twice: no partial files, and a next run that succeeds."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.conftest import PROGRAM, Site
from tests.acceptance.mirror_builds import assert_build_succeeds, assert_complete, create_site
from tests.support.waiting import TIMEOUT, wait_until


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return create_site(tmp_path)


def test_two_builds_at_once_do_not_share_an_output_folder(site):
    holder = (
        "import sys, time; from pathlib import Path\n"
        "from kubeparcel.build.output import lock_output_folder\n"
        "with lock_output_folder(Path('dist')):\n    print('in', flush=True); time.sleep(300)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder], cwd=site.folder, env=site.env, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        result = site.run("build", code=3)
        assert f"process {other.pid}" in result.stderr
        other.kill()
    assert_build_succeeds(site)


def test_build_killed_at_any_moment_leaves_no_partial_file(site):
    started = time.monotonic()
    assert_build_succeeds(site)
    whole = time.monotonic() - started
    sums = (site.folder / "dist/SHA256SUMS").read_text()
    for step in range(1, 13):
        shutil.rmtree(site.folder / "dist")
        shutil.rmtree(site.env["KUBEPARCEL_CACHE"])
        build = subprocess.Popen(
            [*PROGRAM, "build"], cwd=site.folder, env=site.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(whole * step / 13)
        build.kill()
        build.wait()
        assert_complete(site)
        assert_build_succeeds(site)
        assert (site.folder / "dist/SHA256SUMS").read_text() == sums


def compiling(pid: int) -> bool:
    """Return whether a process has a child that compiles with Go."""
    words = ["ps", "-o", "args=", "--ppid", str(pid)]
    return " build " in subprocess.run(words, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_build_prints_one_line(real, tmp_path, binaries_cache, ended_by):
    """Interrupted in the middle of compiling, when Go runs below it."""
    shutil.copy(real.folder / "kubeparcel.lock", tmp_path)
    env = {**real.env, "KUBEPARCEL_CACHE": str(tmp_path / "cache")}
    build = subprocess.Popen(
        [*PROGRAM, "build", "--locked"],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert wait_until(lambda: compiling(build.pid))
    finally:
        build.send_signal(ended_by)
        out, err = build.communicate(timeout=TIMEOUT)
    assert build.returncode == 130
    assert err.splitlines()[-1].startswith("Interrupted.")
    assert "Traceback" not in err
    assert not list(tmp_path.glob("dist/*/*"))
    assert not list((tmp_path / "cache/scratch").iterdir())
    assert out == ""
