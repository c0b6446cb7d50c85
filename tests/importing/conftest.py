"""Fixtures: repositories of another publisher, and a function that imports from them into ours."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from kubeparcel.console import Log, QuietLog
from kubeparcel.errors import KubeparcelError
from kubeparcel.importing import importer
from kubeparcel.importing.importer import ImportRequest, import_packages
from kubeparcel.importing.result import ImportResult
from kubeparcel.importing.source import SourceQuery
from kubeparcel.repository.open_repository import Target
from tests.acceptance import doctor_peers as peers
from tests.acceptance.doctor_peers import GpgSigner
from tests.cli.conftest import kubeparcel
from tests.conftest import isolate_environment
from tests.importing.flat_repository import write_flat
from tests.support.package_builders import five
from tests.support.repository_fixtures import bucket, configuration, proxy, repo, server
from tests.support.upstream_site import UpstreamSite, serve_site

Import = Callable[..., ImportResult]


class Signers(NamedTuple):
    """Small keys: of the other publisher, of somebody else, and ours."""

    theirs: GpgSigner
    other: GpgSigner
    ours: GpgSigner


@pytest.fixture(scope="package")
def signers() -> Iterator[Signers]:
    with tempfile.TemporaryDirectory(prefix="kpt-", ignore_cleanup_errors=True) as base:
        signers = Signers(*(peers.create_signer(Path(base, name), "rsa2048") for name in Signers._fields))
        yield signers
        for signer in signers:
            subprocess.run(["gpgconf", "--kill", "all"], env=signer.env, check=False)


@pytest.fixture
def theirs(signers: Signers) -> GpgSigner:
    return signers.theirs


@pytest.fixture(scope="package")
def published(signers: Signers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their apt and yum repositories with the suite stable, published once."""
    base = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        isolate_environment(patch, base / "cache")
        peers.ours(base / "repo", five(base / "dist"), signers.theirs)
    return base / "repo"


@pytest.fixture
def both(published: Path, tmp_path: Path) -> Path:
    """A copy of their apt and yum repositories."""
    return Path(shutil.copytree(published, tmp_path / "both"))


@pytest.fixture
def flat(theirs: GpgSigner, tmp_path: Path) -> Path:
    """Their flat apt repository with the five packages."""
    folder = five(tmp_path / "flat")
    for file in folder.glob("*.rpm"):
        file.unlink()
    return write_flat(folder, theirs)


@pytest.fixture
def run(signers: Signers, repo: Path, monkeypatch: pytest.MonkeyPatch) -> Import:
    """Return a function that imports from a location into our repository, with their key; it never waits."""
    monkeypatch.setattr(importer, "PAUSES", (0.0, 0.0))

    def import_from(
        location: object,
        *only: str,
        to: object = repo,
        key: object = signers.theirs.public,
        log: Log | None = None,
        into: str = "",
        dry_run: bool = False,
        arches: Sequence[str] = (),
        suites: Sequence[str] = (),
        follow: Sequence[str] = (),
        insecure: bool = False,
    ) -> ImportResult:
        query = SourceQuery(str(location), "" if insecure else str(key), suites, arches, follow, insecure)
        target = Target(str(to), str(signers.ours.secret), dry_run)
        return import_packages(ImportRequest(query, only, into), target, log or QuietLog())

    return import_from


@pytest.fixture
def refused(run: Import, repo: Path) -> Callable[..., str]:
    """Return a function that runs an import which fails and leaves no packages; it returns the message."""

    def refuse(location: object, error: type[KubeparcelError], *only: str, **options: object) -> str:
        with pytest.raises(error) as caught:
            run(location, *only, **options)
        assert not (repo / "apt").exists()
        assert not (repo / "yum").exists()
        return f"{caught.value.message}\n{caught.value.hint}"

    return refuse


@contextmanager
def serve(folder: Path) -> Iterator[UpstreamSite]:
    """Serve the files that a folder has now, without listings."""
    with serve_site() as site:
        upload(folder, site)
        yield site


def upload(folder: Path, site: UpstreamSite) -> None:
    """Serve the files of a folder, and no others."""
    site.files = {f"/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fetched(site: UpstreamSite) -> list[str]:
    """Return the packages that were read whole, and forget all requests."""
    paths = [request.path for request in site.requests if "Range" not in request.headers]
    site.requests.clear()
    return sorted(path.rpartition("/")[2] for path in paths if path.endswith((".deb", ".rpm")))
