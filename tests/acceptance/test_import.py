"""Repositories by aptly, reprepro, apt-ftparchive and createrepo_c are imported, and apt and dnf install the result."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.importing.importer import ImportRequest, import_packages
from kubeparcel.importing.source import SourceQuery
from kubeparcel.repository.open_repository import Target
from tests.acceptance import doctor_peers as peers
from tests.acceptance.clients.configurations import configure_apt, configure_dnf
from tests.acceptance.doctor_peers import PROGRAMS, GpgSigner
from tests.acceptance.engines import require_programs
from tests.conftest import isolate_environment
from tests.support.package_builders import five

SOURCES = ("aptly", "reprepro", "flat", "createrepo")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The repositories of four publishers, with their key and ours."""
    require_programs(*PROGRAMS, "dnf", "apt-get")
    base = tmp_path_factory.mktemp("i")
    with pytest.MonkeyPatch.context() as patch:
        isolate_environment(patch, base / "cache")
        theirs, ours = (peers.create_signer(base / name) for name in ("theirs", "ours"))
        dist = five(base / "dist")
        for name in ("aptly", "reprepro", "flat"):
            getattr(peers, name)(base / name, dist, theirs)
        (base / "signed").mkdir()
        for file in dist.glob("*.rpm"):
            theirs.sign_rpm(Path(shutil.copy(file, base / "signed")))
        peers.createrepo(base / "createrepo", base / "signed", theirs)
        yield base
        for signer in (theirs, ours):
            peers.run("gpgconf", "--kill", "all", cwd=base, env=signer.env)


def import_from(base: Path, source: str, repo: Path) -> tuple[int, int]:
    """Import a repository into another one; return how many packages were selected, and how many were new."""
    query = SourceQuery(str(base / source), str(base / "theirs/public.asc"))
    result = import_packages(ImportRequest(query), Target(str(repo), str(base / "ours/secret.asc")), QuietLog())
    assert result.exit_code == 0
    return len(result.selected.packages), len(result.new)


@pytest.mark.parametrize("source", SOURCES)
def test_clients_install_what_was_imported(base: Path, source: str, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    assert import_from(base, source, repo) == (5, 5)
    assert import_from(base, source, repo) == (5, 0)
    (install_with_dnf if source == "createrepo" else install_with_apt)(repo, tmp_path)
    for name in ("cri-tools", "kubernetes-cni"):
        assert (tmp_path / f"root/usr/share/{name}/file").read_bytes() == b"x\n"


def test_one_repository_takes_packages_of_all_publishers(base: Path, tmp_path: Path) -> None:
    new = [import_from(base, source, tmp_path / "repo")[1] for source in SOURCES]
    assert new == [5, 0, 0, 5], "the debs are the same files"
    published = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "repo/apt/pool").rglob("*.deb")}
    assert published == {hashlib.sha256(path.read_bytes()).hexdigest() for path in (base / "dist").glob("*.deb")}


def install_with_apt(repo: Path, folder: Path) -> None:
    status = folder / "root/var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.touch()
    root = f'Dir::State::status "{status}";\nDPkg::Options {{ "--root={folder}/root"; "--force-depends"; }};\n'
    env = GpgSigner(folder).env | configure_apt(folder, repo, root) | {"DEBIAN_FRONTEND": "noninteractive"}
    peers.run("apt-get", "update", cwd=folder, env=env)
    peers.run("apt-get", "install", "--yes", "cri-tools", "kubernetes-cni", cwd=folder, env=env)


def install_with_dnf(repo: Path, folder: Path) -> None:
    command = ["dnf", *configure_dnf(folder, repo), "--installroot", folder / "root", "install"]
    peers.run(*command, "cri-tools", "kubernetes-cni", cwd=folder, env=GpgSigner(folder).env)
