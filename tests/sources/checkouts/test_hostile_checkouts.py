"""Hostile, damaged and unreadable git checkouts: nothing that they configure is run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from kubeparcel.errors import ConfigurationError, ExternalError
from kubeparcel.sources.git_repository import read_checkout
from kubeparcel.sources.tree_export import export_tree
from tests.sources.checkouts.conftest import FILES, artifact, export
from tests.support.git_trees import GitTree


def trap(folder: Path) -> tuple[str, Path]:
    """Return a command that leaves a mark, and the mark."""
    return f"touch {folder}/ran; cat", folder / "ran"


def test_programs_that_a_tree_configures_are_not_run(tree, tmp_path, monkeypatch):
    command, mark = trap(tmp_path)
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\n{command}\n")
    script.chmod(0o755)
    tree.commit({".gitattributes": "*.go filter=evil diff=evil\n"})
    programs = (
        *("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "gpg.program", "diff.external"),
        *("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv"),
    )
    settings = {"log.showSignature": "true", "include.path": str(tmp_path / "missing")}
    remote = {"remote.origin.url": f"ext::{script}", "remote.origin.promisor": "true"}
    for key, value in {**dict.fromkeys(programs, str(script)), **settings, **remote}.items():
        tree.git("config", key, value)
    for hook in ("post-index-change", "reference-transaction", "post-checkout"):
        (tree.folder / ".git/hooks").mkdir(exist_ok=True)
        (tree.folder / ".git/hooks" / hook).symlink_to(script)
    (tree.folder / "a.go").write_text("package changed\n")
    mark.unlink(missing_ok=True)
    settings = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": str(script)}
    paths = {"GIT_DIR": str(tmp_path / "nowhere"), "GIT_INDEX_FILE": str(tmp_path / "index")}
    for name, value in {**settings, **paths, "GIT_EXTERNAL_DIFF": str(script)}.items():
        monkeypatch.setenv(name, value)
    state = read_checkout(tree.folder)
    assert state.changes == ("a.go",)
    export_tree(tree.folder, artifact(state), tmp_path / "out")
    assert not mark.exists()
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("how", ["committed", "staged", "new"])
def test_another_repository_in_a_tree_is_an_error_before_git_asks_it(tree, tmp_path, how):
    command, mark = trap(tmp_path)
    other = GitTree(tree.folder / "sub/module", {"x.go": "package x\n"}, "")
    if how != "new":
        tree.git("-c", "advice.addEmbeddedRepo=false", "add", "--all")
    if how == "committed":
        tree.git("commit", "--quiet", "--message=submodule")
    other.git("config", "core.fsmonitor", command)
    (other.folder / "x.go").write_text("package changed\n")
    with pytest.raises(ConfigurationError, match="contains another repository, sub/module"):
        read_checkout(tree.folder)
    assert not mark.exists()


def test_objects_with_other_content_than_their_ids_say_are_not_compiled(tree, tmp_path):
    state = read_checkout(tree.folder)
    good, evil = (tree.git("rev-parse", "HEAD:a.go").strip(), tree.git("hash-object", "-w", ".gitignore").strip())
    objects = tree.folder / ".git/objects"
    (objects / good[:2] / good[2:]).chmod(0o644)
    (objects / good[:2] / good[2:]).write_bytes((objects / evil[:2] / evil[2:]).read_bytes())
    with pytest.raises(ExternalError, match=r"is damaged: .*hash mismatch"):
        export(tree, state, tmp_path / "out")


def test_replaced_objects_are_not_used(tree, tmp_path):
    state = read_checkout(tree.folder)
    tree.git("replace", tree.git("rev-parse", "HEAD:a.go").strip(), tree.git("rev-parse", "HEAD:sub/b.go").strip())
    assert read_checkout(tree.folder).tree == state.tree
    export(tree, state, tmp_path / "out")
    assert (tmp_path / "out/a.go").read_text() == FILES["a.go"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "up/../../outside"])
def test_link_that_leads_out_of_the_tree_is_an_error(tree, tmp_path, target):
    (tree.folder / "sub/up").symlink_to(".")
    (tree.folder / "ünïcode").symlink_to("sub/b.go")
    tree.commit({})
    export(tree, read_checkout(tree.folder), tmp_path / "fine")
    (tree.folder / "sub/link.go").symlink_to(target)
    tree.commit({})
    with pytest.raises(ConfigurationError, match=r"the symbolic link sub/link\.go leads out of the tree"):
        export(tree, read_checkout(tree.folder), tmp_path / "out")


def test_shallow_clone_without_tags_is_reported(tree, tmp_path):
    tree.commit({"a.go": "package later\n"})
    clone = tree.clone(tmp_path / "clone", "--depth=1", "--no-tags")
    state = read_checkout(clone.folder)
    assert (state.shallow, state.tag) == (True, "")


def missing(folder: Path) -> None:
    pass


def file(folder: Path) -> None:
    folder.write_text("")


def no_repository(folder: Path) -> None:
    folder.mkdir()


def no_commit(folder: Path) -> None:
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet", folder], check=True)


def bad_configuration(folder: Path) -> None:
    (GitTree(folder, FILES).folder / ".git/config").write_text("[core\n")


def late_commit(folder: Path) -> None:
    tree = GitTree(folder, FILES)
    command = [
        "git",
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@example.com",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "late",
    ]
    dates = {"GIT_COMMITTER_DATE": "@4294967296 +0000"}
    subprocess.run(command, cwd=tree.folder, env={**os.environ, **dates}, check=True)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (missing, "does not exist"),
        (file, "is not a folder"),
        (no_repository, "is not a git tree: it has no .git"),
        (no_commit, "cannot be read: Needed a single revision"),
        (bad_configuration, "cannot be read: bad config line 1"),
        (late_commit, "is not between 1970 and 2106"),
    ],
)
def test_folder_that_is_no_tree_is_named_with_the_problem(tmp_path, make, problem):
    make(tmp_path / "tree")
    with pytest.raises(ConfigurationError) as caught:
        read_checkout(tmp_path / "tree")
    assert problem in caught.value.message
    assert str(tmp_path / "tree") in caught.value.message
