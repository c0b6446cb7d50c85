"""Other tools mirror the repository: a copy has the same bytes as the published files."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.acceptance.clients.configurations import configure_dnf
from tests.acceptance.clients.conftest import PublishFolder
from tests.acceptance.engines import require_programs
from tests.support.package_builders import five
from tests.support.web_server import WebServer


@pytest.fixture(scope="module")
def repo(web: WebServer, publish: PublishFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    publish(five(folder / "dist"), folder / "repo", web.address)
    publish(five(folder / "newer", "1.36.4"), folder / "repo", web.address)
    web.root = folder / "repo"
    return web.root


def digests(files: Iterable[Path]) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run(argv: list[str | Path], folder: Path) -> str:
    result = subprocess.run(
        argv,
        env={**os.environ, "HOME": str(folder), "GNUPGHOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_aptly_mirrors_every_package(repo: Path, web: WebServer, tmp_path: Path) -> None:
    require_programs("aptly")
    config = tmp_path / "aptly.conf"
    config.write_text(json.dumps({"rootDir": str(tmp_path / "aptly"), "architectures": ["amd64"]}))
    aptly: list[str | Path] = ["aptly", f"-config={config}"]
    signed = f"-keyring={repo / 'key.gpg'}"
    create = ["mirror", "create", signed, "ours", f"{web.address}/apt", "stable", "main"]
    run([*aptly, *create], tmp_path)
    output = run([*aptly, "mirror", "update", signed, "ours"], tmp_path)
    assert "successfully updated" in output
    run([*aptly, "snapshot", "create", "copy", "from", "mirror", "ours"], tmp_path)
    publish = ["publish", "snapshot", "-skip-signing", "-distribution=stable", "copy"]
    run([*aptly, *publish], tmp_path)
    copied = digests((tmp_path / "aptly/public/pool").rglob("*.deb"))
    assert copied == digests((repo / "apt/pool").rglob("*.deb"))
    assert len(copied) == 8


def test_dnf_reposync_copies_packages_and_metadata(repo: Path, tmp_path: Path) -> None:
    require_programs("dnf")
    # reposync is a plugin; another one, local, has a repository of its own.
    options = [*configure_dnf(tmp_path, repo, plugins=True), "--disableplugin", "local"]
    run(["dnf", *options, "reposync", "--download-metadata", "-p", str(tmp_path)], tmp_path)
    ours, copy = repo / "yum/stable", tmp_path / "kubernetes-stable"
    packages = digests(copy.rglob("*.rpm"))
    assert packages == digests(ours.rglob("*.rpm"))
    assert len(packages) == 8
    metadata = digests((copy / "repodata").iterdir())
    assert metadata.items() <= digests(ours.glob("repodata/*")).items()
    assert {"primary", "filelists", "other"} <= {name.partition("-")[2].partition(".")[0] for name in metadata}
    assert "repomd.xml" in metadata
