"""Repositories as pulp publishes them, and lists of mirrors, are imported.

The layouts are those that pulp_deb 3.11 and pulp_rpm 3.39 made from the same packages; the originals were imported too.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from kubeparcel.errors import DownloadError, Unreachable
from tests.acceptance.doctor_peers import GpgSigner
from tests.importing.conftest import fetched, serve
from tests.importing.flat_repository import stanza
from tests.support.client_view import read_apt_suite, read_yum_suite
from tests.support.package_builders import five

ARCHES = ("amd64", "arm64")


def pulp_deb(root: Path, signer: GpgSigner, component: str, suite: str) -> Path:
    """Write what pulp_deb publishes: each index plain and as gz, no by-hash, empty indexes of `all` and sources."""
    for deb in five(root / "new", arches=ARCHES).glob("*.deb"):
        target = root / f"pool/{component}/{deb.name[0]}/{deb.name.partition('_')[0]}/{deb.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        deb.rename(target)
    shutil.rmtree(root / "new")
    release = root / "dists" / suite
    lines = ["Origin: Pulp 3", f"Codename: {suite}", "Date: Sat, 28 Nov 2026 09:04:37 +0000"]
    lines += [f"Architectures: {' '.join(ARCHES)} all", f"Components: {component}", "Acquire-By-Hash: no", "SHA256:"]
    for name in (*(f"binary-{arch}/Packages" for arch in (*ARCHES, "all")), "source/Sources"):
        debs = sorted(root.rglob(f"*_{name.removeprefix('binary-').partition('/')[0]}.deb"))
        text = "\n".join(stanza(root, deb).replace("Filename: ./", "Filename: ") for deb in debs).encode()
        path = release / component / name
        path.parent.mkdir(parents=True)
        for file, data in ((path, text), (path.with_name(f"{path.name}.gz"), gzip.compress(text))):
            file.write_bytes(data)
            size = str(len(data)).rjust(16)
            lines.append(f" {hashlib.sha256(data).hexdigest()} {size} {file.relative_to(release)}")
    (release / "Release").write_text("\n".join(lines) + "\n")
    signer.sign_release(release)
    return root


def pulp_rpm(root: Path, signer: GpgSigner, *options: str) -> Path:
    """Write what pulp_rpm publishes: packages below Packages/ by their first letter."""
    for rpm in five(root / "new").glob("*.rpm"):
        target = root / "Packages" / rpm.name[0] / rpm.name
        target.parent.mkdir(parents=True, exist_ok=True)
        rpm.rename(target)
    shutil.rmtree(root / "new")
    subprocess.run(["createrepo_c", "--quiet", "--no-database", *options, root], check=True, capture_output=True)
    signer.sign_metadata(root)
    return root


@pytest.mark.parametrize(("component", "suite"), [("main", "bookworm"), ("all", "default")])
def test_structured_and_simple_publications_of_pulp_deb_are_imported(run, theirs, tmp_path, repo, component, suite):
    with serve(pulp_deb(tmp_path / "deb", theirs, component, suite)) as site:
        suites = () if suite == "default" else (suite,)  # it lists no folders, and default is tried
        assert len(run(site.url, suites=suites).new) == 10
        assert (run(site.url, suites=suites).new, len(fetched(site))) == ((), 10)
    assert len(read_apt_suite(repo, "stable")) == 10


@pytest.mark.parametrize("options", [(), ("--checksum=sha512", "--general-compress-type=xz")])
def test_publications_of_pulp_rpm_are_imported(run, theirs, tmp_path, repo, options):
    with serve(pulp_rpm(tmp_path / "rpm", theirs, *options)) as site:
        assert len(run(site.url).new) == 5
        assert run(site.url).new == ()
    assert len(read_yum_suite(repo, "stable")) == 5


def test_packages_of_the_first_usable_mirror_are_imported(run, theirs, tmp_path, repo):
    with serve(pulp_rpm(tmp_path / "rpm", theirs)) as mirror, serve(tmp_path / "rpm/repodata") as lists:
        lists.files["/mirrorlist"] = f"{lists.url}/missing/\n{mirror.url}/\n".encode()
        with pytest.raises(Unreachable, match="No mirror of") as error:
            run(f"{lists.url}/mirrorlist?arch=x86_64")
        assert error.value.hint == f"{lists.url}/missing/: no repository."
        result = run(f"{lists.url}/mirrorlist?arch=x86_64", follow=(mirror.url.partition("://")[2],))
        assert (len(result.new), result.location) == (5, mirror.url)
        lists.files["/mirrorlist"] = f"{mirror.url}/\n".encode()
        with pytest.raises(DownloadError, match="mirrorlist leads to another host") as refused:
            run(f"{lists.url}/mirrorlist")
        assert "--follow" in refused.value.hint
