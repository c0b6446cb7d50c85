"""The layout level judges paths of two packages as dpkg and rpm do when they install both."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.mutants.paths import DIRECTORY, SHARED_PATHS, SharedPath
from tests.support.sample_packages import SamplePackages, sample_packages

pytestmark = pytest.mark.acceptance
INSTALLABLE = [s for s in SHARED_PATHS if not (s.arch == "s390x" or s.conflicts)]
"""Pairs that a package manager does not refuse for another reason."""

FOR_DPKG = [s for s in INSTALLABLE if not (s.on_merged_usr or f"-> {DIRECTORY}" in (s.first, s.second))]
"""Without absolute symlinks, which `dpkg --root` follows outside of the root."""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> SamplePackages:
    return sample_packages(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty root with a merged /usr."""
    root = tmp_path / "root"
    for folder in ("usr/lib", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/rpm", "etc"):
        (root / folder).mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    (root / "etc/hostname").write_text("host\n")
    for name in ("status", "available"):
        (root / "var/lib/dpkg" / name).touch()
    return root


@pytest.mark.parametrize("shared", FOR_DPKG, ids=lambda s: s.name)
@pytest.mark.parametrize("reverse", [False, True], ids=["a-b", "b-a"])
def test_dpkg_refuses_the_same_pairs(
    shared: SharedPath, reverse: bool, samples: SamplePackages, root: Path, tmp_path: Path
) -> None:
    files = shared.write(samples, "deb", tmp_path)
    results = [
        subprocess.run(["dpkg", f"--root={root}", "--unpack", file], capture_output=True, text=True, check=False)
        for file in (reversed(files) if reverse else files)
    ]
    output = "".join(result.stdout + result.stderr for result in results)
    assert results[0].returncode == 0, output
    assert bool(results[1].returncode) == ("deb" in shared.refused), output


def test_dpkg_overwrites_silently_on_a_merged_usr(samples: SamplePackages, root: Path, tmp_path: Path) -> None:
    (shared,) = (s for s in SHARED_PATHS if s.on_merged_usr)
    for file in shared.write(samples, "deb", tmp_path):
        subprocess.run(["dpkg", f"--root={root}", "--unpack", file], capture_output=True, check=True)
    assert (root / "usr/lib/shared/path").read_text() == "two", "the file of the first package is lost"


@pytest.mark.parametrize("shared", INSTALLABLE, ids=lambda s: s.name)
@pytest.mark.parametrize("together", [True, False], ids=["together", "one by one"])
def test_rpm_refuses_the_same_pairs(
    shared: SharedPath, together: bool, samples: SamplePackages, root: Path, tmp_path: Path
) -> None:
    files = shared.write(samples, "rpm", tmp_path)
    command = ["rpm", "--root", root, "--nodeps", "--nosignature", "-i"]
    results = [
        subprocess.run([*command, *batch], capture_output=True, text=True, check=False)
        for batch in ([files] if together else [[file] for file in files])
    ]
    output = "".join(result.stdout + result.stderr for result in results)
    assert bool(results[-1].returncode) == ("rpm" in shared.refused), output
