"""Planted faults in repositories of four other publishers and our own: each is found, alone."""

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
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A healthy repository of each maker, and keys: made once, a second or two."""
    own = [] if shutil.which("sqv") else ["mmdebstrap"]
    missing = [name for name in (*PROGRAMS, *own) if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with pytest.MonkeyPatch.context() as patch:
        base = tmp_path_factory.mktemp("c")
        isolate_environment(patch, base / "cache")
        if own:
            (base / "sqv").mkdir()
            patch.setenv("PATH", str(peers.install_sqv(base / "sqv")), prepend=os.pathsep)
        who = peers.create_signer(base / "who")
        peers.create_signer(base / "other")
        peers.create_signer(base / "weak", "rsa1024")
        peers.create_signer(base / "old", "rsa2048", "--cert-digest-algo", "SHA1")
        dist = five(base / "dist")
        for name in ("ours", "aptly", "reprepro", "flat"):
            getattr(peers, name)(base / name, dist, who)
        peers.createrepo(base / "createrepo", base / "ours/yum/stable/packages", who)
        yield base
        for home in ("who", "other", "weak", "old"):
            peers.run("gpgconf", "--kill", "all", cwd=base, env=GpgSigner(base / home).env)


def diagnosed(root: Path, key: Path | None = None, later: float = 0, **more: Any) -> DoctorReport:
    now = time.time() + later if later else None
    return examine(ExaminationRequest(str(root), str(key or ""), now=now, **more), QuietLog())


@pytest.mark.parametrize("maker", MAKERS)
def test_nothing_is_wrong_with_a_healthy_repository(clinic: Path, maker: str) -> None:
    found = diagnosed(clinic / maker, clinic / "who/public.asc")
    assert found.failed_checks == {}, found.as_text()
    asked = {check.subject for check in found.report.checks if check.name == "sqv"}
    assert asked == {one.name for one in found.subjects if one.packages}
    assert sum(len(one.packages) for one in found.subjects) == (10 if maker == "ours" else 5)
    assert found.exit_code == 0


@pytest.mark.parametrize("row", [pytest.param(one, id=name) for name, one in faults_with_names()])
def test_a_planted_fault_is_found_and_nothing_else(
    clinic: Path, tmp_path: Path, row: PlantedFault
) -> None:
    root = tmp_path / "repository"
    shutil.copytree(clinic / row.maker, root, symlinks=True)
    homes = [GpgSigner(clinic / name) for name in ("who", "other", row.trusted_key or "who")]
    row.damage(TargetRepository(root, *homes, clinic / "ours/yum/stable/packages"))
    key = clinic / row.trusted_key / "public.asc" if row.trusted_key else None
    found = diagnosed(root, key, **row.options)
    names = {name for checks in found.failed_checks.values() for name in checks}
    also = {"sqv"} if row.sqv_rejects else set()
    assert names == row.checks | also, found.as_text()
    assert found.exit_code == 1


def test_there_are_many_planted_faults() -> None:
    assert len(FAULTS) >= 60
    assert len({one.name for one in FAULTS}) >= 45
    assert {one.maker for one in FAULTS} == set(MAKERS)


def test_below_a_base_all_repositories_are_found(clinic: Path) -> None:
    found = diagnosed(clinic, clinic / "who/public.asc")
    subjects = {one.name for one in found.subjects if one.packages}
    assert subjects == {
        *("apt flat", "apt ours/apt/dists/stable", "apt aptly/dists/stable"),
        *("apt reprepro/dists/stable", "yum createrepo", "yum ours/yum/stable"),
    }


@pytest.mark.parametrize("listed", [True, False])
def test_the_shape_of_the_official_repositories_is_known(
    clinic: Path, tmp_path: Path, listed: bool
) -> None:
    """Flat debs in deb/, rpms in rpm/: in a folder, or behind a server that lists nothing."""
    base = tmp_path / "core:/stable:/v1.36"
    shutil.copytree(clinic / "flat", base / "deb")
    shutil.copytree(clinic / "createrepo", base / "rpm")
    shutil.copy(clinic / "who/public.asc", base / "deb/Release.key")
    with serve_site() as site:
        for path in base.rglob("*"):
            if path.is_file():
                site.files[f"/{path.relative_to(tmp_path)}"] = path.read_bytes()
        where: object = base if listed else f"{site.url}/core:/stable:/v1.36"
        found = examine(ExaminationRequest(str(where)), QuietLog())
    assert found.failed_checks == {}, found.as_text()
    subjects = [one.name for one in found.subjects]
    assert subjects[:4] == ["key", "apt deb", "yum rpm", "debs and rpms"]
    assert ("files" in subjects) == listed
