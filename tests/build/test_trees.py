"""Releases of git trees from settings to packages: locked by commit, built again from any clone, named in records."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from kubeparcel.attest.rebuild import rebuild
from kubeparcel.build.lock import lockfile
from kubeparcel.build.preview import preview_releases
from kubeparcel.config.releases import Releases
from kubeparcel.config.settings import load_settings
from kubeparcel.console import QuietLog
from kubeparcel.errors import ConfigurationError, UnknownVersion
from kubeparcel.packages.reader import read_package
from kubeparcel.trust.package_statement import parse_package_statement
from tests.support.git_trees import CRI_TOOLS, PLUGINS, GitTree
from tests.support.one_release import build, read_lock, resolve_or_load, update_lock
from tests.support.recording_log import RecordingLog

URL = "https://git.example.com/acme/kubernetes.git"
LATER = {"fix.txt": "later\n"}
SETTINGS = "compression: fast\nsource: tree:src/kubernetes\ntrees: {cri-tools: src/cri-tools, cni: src/cni}\n"


@pytest.fixture
def kubernetes(workdir: Path) -> GitTree:
    """A fork of Kubernetes, one commit after v1.36.3; next to it trees of the other components."""
    if not shutil.which("go"):
        pytest.skip("needs Go")
    tree = GitTree(workdir / "src/kubernetes")
    tree.commit({"fix.txt": "fixed\n"})
    tree.git("remote", "add", "origin", URL.replace("://", "://bot:s3cret@"))
    GitTree(workdir / "src/cri-tools", CRI_TOOLS, "v1.36.0")
    GitTree(workdir / "src/cni", PLUGINS, "v1.9.1")
    (workdir / "kubeparcel.yaml").write_text(SETTINGS)
    return tree


def resolve(locked: bool = False, **options: str) -> str:
    """Return the locked version of Kubernetes."""
    return str(resolve_or_load(load_settings(options), RecordingLog(), locked=locked).component("kubernetes").version)


def test_lock_has_commit_and_tree_and_no_path_or_password(kubernetes, workdir):
    version = resolve()
    text = (workdir / lockfile.NAME).read_text()
    assert str(workdir) not in text
    assert "s3cret" not in text
    (artifact,) = yaml.safe_load(text)["components"]["kubernetes"]["artifacts"]
    commit, tree = kubernetes.git("rev-parse", "HEAD", "HEAD^{tree}").split()
    assert artifact == {
        "name": "kubernetes",
        "arch": "amd64",
        "origin": f"k8s.io/kubernetes@v1.36.3+1.g{commit[:14]}",
        "digest": f"gitTree:{tree}",
        "commit": commit,
        "repository": URL,
    }
    assert version == f"1.36.3+1.g{commit[:14]}"
    assert lockfile.dump(read_lock(workdir / lockfile.NAME)) == text


@pytest.mark.parametrize(
    "change", ["commit: x", "commit: ''", "digest: h1:x", "repository: https://a:b@c/", "repository: /srv/x"]
)
def test_invalid_commit_in_a_lock_is_an_error(kubernetes, workdir, change):
    resolve()
    path, key = workdir / lockfile.NAME, change.partition(":")[0]
    lines = [f"      {change}" if line.startswith(f"      {key}:") else line for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigurationError, match=r"kubeparcel\.lock is invalid"):
        resolve()


@pytest.mark.parametrize(
    ("change", "problem", "end"),
    [
        (lambda tree: tree.commit(LATER), r"kubernetes: locked commit \w{12}, the git tree is at \w{12}", ""),
        (
            lambda tree: tree.write({"cmd/kubelet/new.go": "package main\n"}),
            r"kubernetes: the git tree has uncommitted changes \(cmd/kubelet/new.go\), locked with none",
            "-dirty",
        ),
        (
            lambda tree: tree.git("tag", "v1.36.3+acme.1"),
            r"kubernetes: locked 1\.36\.3\+1\.g\w+, the git tree is 1\.36\.3\+acme\.1 by its tags",
            "+acme.1",
        ),
    ],
    ids=["later", "dirty", "tagged"],
)
def test_tree_in_another_state_than_locked_is_resolved_again_unless_locked(kubernetes, change, problem, end):
    version = resolve()
    assert resolve(locked=True) == version
    change(kubernetes)
    with pytest.raises(ConfigurationError, match=f"does not match this request \\({problem}\\)"):
        resolve(locked=True)
    assert resolve() != version
    assert resolve(locked=True).endswith(end)


def test_lock_of_a_tree_is_for_the_tree_only(kubernetes, workdir):
    resolve()
    (workdir / "kubeparcel.yaml").write_text(SETTINGS.replace("source: tree:src/kubernetes", "source: go"))
    with pytest.raises(ConfigurationError, match=r"kubernetes: locked commit \w{12} of a git tree, requested without"):
        resolve(locked=True)


def test_shallow_clone_of_the_locked_commit_needs_no_tags(kubernetes, workdir):
    version = resolve()
    clone = kubernetes.clone(workdir / "clone", "--depth=1", "--no-tags")
    assert resolve(locked=True, source=f"tree:{clone.folder}") == version
    (workdir / lockfile.NAME).unlink()
    with pytest.raises(UnknownVersion, match=r"is a shallow clone: the tag before .* is unknown"):
        resolve(source=f"tree:{clone.folder}")


def test_options_and_variables_name_the_tree(kubernetes, workdir, monkeypatch):
    (workdir / "kubeparcel.yaml").write_text(SETTINGS.replace("source: tree:src/kubernetes\n", ""))
    assert "+1.g" in resolve(source="tree:src/../src/kubernetes")
    monkeypatch.setenv("KUBEPARCEL_SOURCE", f"tree:{kubernetes.folder}")
    assert "+1.g" in resolve(locked=True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "source: upstream\ntrees: {kubernetes: src/kubernetes}\n",
            "trees: upstream's binaries are not compiled this way",
        ),
        ("patches: {kubernetes: [x.patch]}\nversion-suffix: +acme.1\n", "kubernetes is compiled from a git"),
        ("trees: {etcd: src/etcd}\n", "kubeparcel.yaml:1: trees.etcd: etcd is not built"),
        ("trees: {cni: ''}\n", "kubeparcel.yaml:1: trees.cni: invalid folder ''"),
        ("kubernetes: 1.35.4\n", "kubernetes: 1.35.4 is requested, and the git tree"),
    ],
)
def test_settings_that_contradict_a_tree_are_errors(kubernetes, workdir, text, problem):
    (workdir / "x.patch").write_text("")
    source = "" if "source" in text else "source: tree:src/kubernetes\n"
    (workdir / "kubeparcel.yaml").write_text(text + source)
    with pytest.raises(ConfigurationError) as caught:
        resolve()
    assert problem in caught.value.message


def test_suffix_of_the_settings_replaces_number_and_commit(kubernetes, workdir):
    (workdir / "kubeparcel.yaml").write_text(SETTINGS + "version-suffix: +acme.7\n")
    assert resolve() == resolve(locked=True) == "1.36.3+acme.7"


def test_refresh_of_one_checksum_does_not_replace_a_commit(kubernetes):
    resolve()
    with pytest.raises(ConfigurationError, match="kubernetes is compiled from a git tree"):
        update_lock(load_settings({}), RecordingLog(), refresh="kubernetes")


def test_packages_are_built_checked_and_name_the_commit_and_can_be_rebuilt_later(kubernetes, workdir, monkeypatch):
    """One build, because it compiles: everything that reads its packages is here."""
    log = RecordingLog()
    result = build(load_settings({}), log)
    assert result.report.passed, result.report
    commit = result.lock.component("kubernetes").artifacts[0].commit
    uri = f"git+{URL}@{commit}"
    (deb,) = (workdir / "dist/deb").glob("kubelet_1.36.3+1.g*-1_amd64.deb")
    record = next(e for e in read_package(deb).entries if e.path.endswith("/provenance.json")).data.decode()
    assert json.loads(record)["origins"][0] | {"commit": commit, "repository": URL} == json.loads(record)["origins"][0]
    statement_file = workdir / f"dist/attestations/{deb.name}.intoto.json"
    statement = parse_package_statement(statement_file.read_bytes(), deb.name)
    (material,) = [m for m in statement.materials if m.name == "kubernetes"]
    assert (material.uri, material.digest["gitCommit"]) == (uri, commit)
    for sbom in (workdir / "dist/sbom").glob(f"{deb.name}*"):
        assert uri in sbom.read_text()
    everything = [path.read_bytes() for path in (workdir / "dist").rglob("*") if path.is_file()]
    assert not any(secret in data for data in everything for secret in (b"s3cret", str(workdir).encode()))
    (plan,) = preview_releases(Releases((load_settings({}),), (0,)), QuietLog(), locked=True)
    assert plan.as_text().endswith("everything is up to date")
    # Later the tree has moved on, and a clone still has the commit.
    kubernetes.commit(LATER)
    clone = kubernetes.clone(workdir / "elsewhere/clone")
    monkeypatch.setenv("KUBEPARCEL_SOURCE", f"tree:{clone.folder}")
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(workdir / "other-cache"))
    assert rebuild(deb, statement, workdir, "", QuietLog()) == []
    subprocess.run(["dpkg-deb", "--info", deb], check=True, capture_output=True)
