"""Faults planted in repositories of five publishers: the doctor finds each, and nothing else."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.doctor.examination import ExaminationRequest, examine
from kubeparcel.doctor.report import DoctorReport
from tests.acceptance import doctor_peers as peers
from tests.acceptance.doctor_faults import FAULTS, PlantedFault, TargetRepository, faults_with_names
from tests.acceptance.doctor_peers import PROGRAMS, GpgSigner
from tests.conftest import isolate_environment
from tests.support.package_builders import five
from tests.support.upstream_site import serve_site

MAKERS = ("ours", "aptly", "reprepro", "flat", "createrepo")


@pytest.fixture(scope="session")
def repositories(tmp_path_factory: pytest.TempPathFactory, binaries_cache: Path) -> Iterator[Path]:
    """A sound repository by each publisher, and keys."""
    missing_sqv = [] if shutil.which("sqv") else ["mmdebstrap"]
    missing = [name for name in (*PROGRAMS, *missing_sqv) if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with pytest.MonkeyPatch.context() as patch:
        base = tmp_path_factory.mktemp("c")
        isolate_environment(patch, base / "cache")
        if missing_sqv:
            patch.setenv("PATH", str(peers.install_sqv(binaries_cache, base / "sqv")), prepend=os.pathsep)
        signer = peers.create_signer(base / "signer")
        peers.create_signer(base / "other")
        peers.create_signer(base / "weak", "rsa1024")
        peers.create_signer(base / "old", "rsa2048", "--cert-digest-algo", "SHA1")
        dist = five(base / "dist")
        for name in ("ours", "aptly", "reprepro", "flat"):
            getattr(peers, name)(base / name, dist, signer)
        peers.createrepo(base / "createrepo", base / "ours/yum/stable/packages", signer)
        yield base
        for home in ("signer", "other", "weak", "old"):
            peers.run("gpgconf", "--kill", "all", cwd=base, env=GpgSigner(base / home).env)


def examine_folder(root: Path, key: Path | None = None, later: float = 0, **more: Any) -> DoctorReport:
    now = time.time() + later if later else None
    return examine(ExaminationRequest(str(root), str(key or ""), now=now, **more), QuietLog())


@pytest.mark.parametrize("maker", MAKERS)
def test_sound_repository_passes_all_checks(repositories: Path, maker: str) -> None:
    report = examine_folder(repositories / maker, repositories / "signer/public.asc")
    assert report.failed_checks == {}, report.as_text()
    verified = {check.subject for check in report.report.checks if check.name == "sqv" and check.passed}
    assert verified == {subject.name for subject in report.subjects if subject.packages}
    assert sum(len(subject.packages) for subject in report.subjects) == (10 if maker == "ours" else 5)
    assert report.exit_code == 0


@pytest.mark.parametrize("fault", [pytest.param(fault, id=name) for name, fault in faults_with_names()])
def test_planted_fault_fails_exactly_its_checks(repositories: Path, tmp_path: Path, fault: PlantedFault) -> None:
    root = tmp_path / "repository"
    shutil.copytree(repositories / fault.maker, root, symlinks=True)
    homes = [GpgSigner(repositories / name) for name in ("signer", "other", fault.trusted_key or "signer")]
    fault.damage(TargetRepository(root, *homes, repositories / "ours/yum/stable/packages"))
    key = repositories / fault.trusted_key / "public.asc" if fault.trusted_key else None
    report = examine_folder(root, key, **fault.options)
    failed = report.failed_checks
    failed.pop("attestations", None)  # the repository's own statement misses whatever was damaged, too
    names = {name for checks in failed.values() for name in checks}
    also = {"sqv"} if fault.sqv_rejects else set()
    assert names == fault.checks | also, report.as_text()
    assert report.exit_code == 1


def test_faults_cover_all_publishers() -> None:
    assert len(FAULTS) >= 60
    assert len({fault.name for fault in FAULTS}) >= 45
    assert {fault.maker for fault in FAULTS} == set(MAKERS)


def test_repositories_are_found_below_a_folder(repositories: Path) -> None:
    report = examine_folder(repositories, repositories / "signer/public.asc")
    subjects = {subject.name for subject in report.subjects if subject.packages}
    assert subjects == {
        *("apt flat", "apt ours/apt/dists/stable", "apt aptly/dists/stable"),
        *("apt reprepro/dists/stable", "yum createrepo", "yum ours/yum/stable"),
    }


@pytest.mark.parametrize("listed", [True, False])
def test_layout_of_the_official_repositories_is_supported(repositories: Path, tmp_path: Path, listed: bool) -> None:
    """Flat debs in deb/, rpms in rpm/: in a folder, or on a server without folder listings."""
    base = tmp_path / "core:/stable:/v1.36"
    shutil.copytree(repositories / "flat", base / "deb")
    shutil.copytree(repositories / "createrepo", base / "rpm")
    shutil.copy(repositories / "signer/public.asc", base / "deb/Release.key")
    with serve_site() as site:
        for path in base.rglob("*"):
            if path.is_file():
                site.files[f"/{path.relative_to(tmp_path)}"] = path.read_bytes()
        where: object = base if listed else f"{site.url}/core:/stable:/v1.36"
        report = examine(ExaminationRequest(str(where)), QuietLog())
    assert report.failed_checks == {}, report.as_text()
    subjects = [subject.name for subject in report.subjects]
    assert subjects[:4] == ["key", "apt deb", "yum rpm", "debs and rpms"]
    orphans = next(check for check in report.report.checks if check.name == "orphans")
    assert orphans.passed == listed
