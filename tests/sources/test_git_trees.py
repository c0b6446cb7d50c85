"""Components compiled from git trees, with the real go command and git."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from kubeparcel.config import catalog
from kubeparcel.errors import ConfigurationError, ToolError
from kubeparcel.lock_models import BuildVariant, Component
from kubeparcel.model import Arch
from kubeparcel.sources.compilation import Compilation
from kubeparcel.sources.git_repository import read_checkout
from kubeparcel.sources.git_trees import GitTrees
from tests.support.git_trees import KUBERNETES, PLUGINS, GitTree
from tests.support.recording_log import RecordingLog


@pytest.fixture
def tree(tmp_path) -> GitTree:
    if not shutil.which("go"):
        pytest.skip("needs Go")
    return GitTree(tmp_path / "kubernetes")


def source(tree: GitTree, component: str = "kubernetes", variant: BuildVariant | None = None) -> GitTrees:
    checkouts = {component: read_checkout(tree.folder)}
    return GitTrees(catalog.load().components, {component: tree.folder}, checkouts, variant=variant)


def pin(tree: GitTree, component: str = "kubernetes", variant: BuildVariant | None = None) -> Component:
    trees = source(tree, component, variant)
    return trees.pin(component, trees.resolve_kubernetes("stable"), [Arch.AMD64])


def compiled(tree: GitTree, component: Component, store, log=None) -> dict[str, Path]:
    """Return the programs."""
    ((_, digests),) = source(tree).fetch(component.artifacts, store, log or RecordingLog()).items()
    return {name: store.path(sha256) for name, sha256 in digests.items()}


def output(program: Path) -> list[str]:
    program.chmod(0o755)
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()


def test_programs_are_compiled_with_vendor_and_workspace_and_print_their_commit(tree, store):
    commit = tree.commit({"docs.md": "changed\n"})
    component = pin(tree)
    programs = compiled(tree, component, store)
    assert programs.keys() == {"kubeadm", "kubelet", "kubectl"}
    version = f"v1.36.3+1.g{commit[:14]}"
    assert output(programs["kubelet"]) == ["hello", version, commit, "clean", "2026-07-22T18:07:38Z"]


def test_clones_in_other_folders_give_the_same_bytes_and_compile_only_once(tree, store, tmp_path, monkeypatch):
    component = pin(tree)
    programs = {name: path.read_bytes() for name, path in compiled(tree, component, store).items()}
    with monkeypatch.context() as patch:
        patch.setattr(Compilation, "run", lambda *_: pytest.fail("compiled again"))
        compiled(tree, component, store)
    clone = tree.clone(tmp_path / "a clone")
    assert pin(clone) == component
    store.delete_record("go", source(clone)._tree_recipe(component.artifacts[0]))
    for path in compiled(tree, component, store).values():
        path.unlink()
    again = {name: path.read_bytes() for name, path in compiled(clone, component, store).items()}
    assert again == programs
    assert str(tmp_path).encode() not in again["kubelet"]


def test_changed_tree_is_reported_and_stamped_dirty(tree, store):
    tree.write({"cmd/kubelet/new.go": 'package main\n\nfunc init() { println("new") }\n'})
    component = pin(tree)
    (remark,) = component.remarks
    assert "has changes that are not committed: cmd/kubelet/new.go. Its version ends in -dirty." in remark
    assert component.version.package_version == str(component.version).replace("-dirty", ".dirty")
    words = output(compiled(tree, component, store)["kubelet"])
    assert (words[1], words[3]) == (f"v{component.version}", "dirty")
    assert words[1].endswith("-dirty")
    tree.git("clean", "--force", "--quiet")
    assert source(tree).cached(pin(tree).artifacts[0], store) is None


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (PLUGINS, "is the module github.com/containernetworking/plugins, not k8s.io/kubernetes"),
        ({"README.md": ""}, "has no go.mod, not k8s.io/kubernetes"),
        ({"go.mod": KUBERNETES["go.mod"]}, "has no vendor/modules.txt: dependencies come from the tree's own vendor"),
    ],
)
def test_tree_of_another_project_or_without_vendor_is_not_locked(tmp_path, files, problem):
    with pytest.raises(ConfigurationError) as caught:
        pin(GitTree(tmp_path / "tree", files))
    assert problem in caught.value.message


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"go.work": KUBERNETES["go.work"] + "\nuse ../outside\n"}, "go.work: the folder ../outside leads out"),
        ({"go.work": KUBERNETES["go.work"] + "\nreplace example.com/x => /srv/x\n"}, "go.work: the folder /srv/x "),
        ({"go.mod": KUBERNETES["go.mod"] + "\nreplace example.com/x => ../x\n"}, "go.mod: the folder ../x leads out"),
        (
            {"staging/src/k8s.io/component-base/go.mod": "module x\n\nreplace example.com/x => ../../../../../x\n"},
            "staging/src/k8s.io/component-base/go.mod: the folder ../../../../../x leads out",
        ),
    ],
)
def test_modules_outside_the_tree_are_not_compiled(tree, store, files, problem):
    tree.commit(files)
    with pytest.raises(ConfigurationError) as caught:
        compiled(tree, pin(tree), store)
    assert f"{tree.folder}: {problem}" in caught.value.message


def test_error_of_the_compiler_names_the_tree(tree, store):
    tree.commit({"vendor/modules.txt": "## workspace\n"})
    with pytest.raises(ToolError) as caught:
        compiled(tree, pin(tree), store)
    assert f"inconsistent vendoring in {tree.folder}" in caught.value.hint


def test_binaries_of_another_commit_variant_or_program_are_not_used(tree, store):
    artifact = pin(tree).artifacts[0]
    recipes = {
        source(tree)._tree_recipe(artifact),
        source(tree, variant=BuildVariant(fips=True))._tree_recipe(artifact),
        *(
            source(tree)._tree_recipe(dataclasses.replace(artifact, **{name: "other"}))
            for name in ("commit", "digest", "origin")
        ),
    }
    assert len(recipes) == 5
    assert source(tree)._tree_recipe(dataclasses.replace(artifact, repository="other")) in recipes


def test_tree_that_is_not_named_is_an_error_with_the_commit(tree, store):
    component = pin(tree)
    with pytest.raises(ConfigurationError, match=f"commit {component.artifacts[0].commit[:12]} of a git tree, and no"):
        GitTrees(catalog.load().components, {}).fetch(component.artifacts, store, RecordingLog())
