"""Git checkouts: their commit, version and changes are read and exported."""

from __future__ import annotations

import os
import subprocess

import pytest

from kubeparcel.errors import ConfigurationError
from kubeparcel.sources.git_repository import public_url, read_checkout
from tests.sources.checkouts.conftest import FILES, export
from tests.support.git_trees import GitTree


def test_commit_tag_time_and_tree_are_read(tree):
    clean = read_checkout(tree.folder)
    assert (clean.tag, clean.distance, clean.changes, clean.repository) == ("v1.36.3", 0, (), "")
    assert (clean.commit, clean.tree) == tuple(tree.git("rev-parse", "HEAD", "HEAD^{tree}").split())
    assert clean.released == int(tree.git("show", "--no-patch", "--format=%ct"))
    tree.commit({"a.go": "package x\n"})
    tree.git("tag", "v1.36.4-lts.1")
    assert (read_checkout(tree.folder).tag, read_checkout(tree.folder).distance) == ("v1.36.3", 1)


def change(tree: GitTree) -> None:
    tree.write({"a.go": "package changed\n"})


def add(tree: GitTree) -> None:
    tree.write({"sub/new.go": "package b\n"})


def stage(tree: GitTree) -> None:
    change(tree)
    tree.git("add", "a.go")


def remove(tree: GitTree) -> None:
    (tree.folder / "a.go").unlink()


def ignore(tree: GitTree) -> None:
    tree.write({"ignored.go": "package a\n", "kept.txt": ""})
    (tree.folder / ".git/info/exclude").write_text("kept.txt\n")


@pytest.mark.parametrize(
    ("action", "changes"),
    [(change, ("a.go",)), (add, ("sub/new.go",)), (stage, ("a.go",)), (remove, ("a.go",)), (ignore, ())],
)
def test_changed_and_new_files_are_found_and_exported_but_no_ignored_ones(tree, tmp_path, action, changes):
    action(tree)
    index = (tree.folder / ".git/index").read_bytes()
    state = read_checkout(tree.folder)
    assert state.changes == changes
    export(tree, state, tmp_path / "out")
    exported = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert exported == (FILES.keys() | set(changes)) - ({"a.go"} if action is remove else set())
    assert (tree.folder / ".git/index").read_bytes() == index


def test_changes_that_git_was_told_to_overlook_are_not_compiled(tree, tmp_path):
    tree.git("update-index", "--assume-unchanged", "a.go")
    change(tree)
    export(tree, read_checkout(tree.folder), tmp_path / "out")
    assert (tmp_path / "out/a.go").read_text() == FILES["a.go"]


def test_other_changes_than_the_locked_ones_are_not_exported(tree, tmp_path):
    change(tree)
    locked = read_checkout(tree.folder)
    add(tree)
    with pytest.raises(ConfigurationError, match=r"has other uncommitted changes than kubeparcel\.lock"):
        export(tree, locked, tmp_path / "out")


def test_earlier_commit_is_exported_while_another_one_is_checked_out(tree, tmp_path):
    earlier = read_checkout(tree.folder)
    tree.commit({"a.go": "package later\n"})
    assert export(tree, earlier, tmp_path / "out") == earlier.released
    assert (tmp_path / "out/a.go").read_text() == FILES["a.go"]
    other = GitTree(tmp_path / "other", {"x.go": "package x\n"})
    with pytest.raises(ConfigurationError, match=f"has no commit {earlier.commit[:12]}"):
        export(other, earlier, tmp_path / "out2")


def test_worktrees_sha256_repositories_and_folders_of_other_users_are_read(tree, tmp_path):
    tree.git("worktree", "add", "--quiet", str(tmp_path / "worktree"))
    state = read_checkout(tmp_path / "worktree")
    assert state.commit == read_checkout(tree.folder).commit
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "nobody", tree.folder], check=True)
        assert read_checkout(tree.folder).commit == state.commit
    tree.git("init", "--quiet", "--object-format=sha256", str(tmp_path / "long"))
    long = object.__new__(GitTree)
    long.folder = tmp_path / "long"
    long.commit(FILES)
    state = read_checkout(long.folder)
    export(long, state, tmp_path / "out")
    assert len(state.commit) == len(state.tree) == 64


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://git.example.com/acme/k8s.git", "https://git.example.com/acme/k8s.git"),
        ("https://bot:s3cret@git.example.com:8443/acme/k8s?token=s3cret#x", "https://git.example.com:8443/acme/k8s"),
        ("git@git.example.com:acme/k8s.git", "ssh://git.example.com/acme/k8s.git"),
        ("ssh://git:s3cret@git.example.com/acme/k8s", "ssh://git.example.com/acme/k8s"),
        ("https://bot:s3c@ret@git.example.com/acme", "https://git.example.com/acme"),
        *((text, "") for text in ("/srv/git/k8s", "../k8s", "file:///srv/k8s", "ext::sh -c id", "https://x:y/z", "")),
        ("https://git.example.com/\x1b[31mred", ""),
    ],
)
def test_url_of_the_remote_has_no_credentials_and_no_paths_of_this_machine(tree, remote, expected):
    assert public_url(remote) == expected
    if remote.isprintable() and remote:
        tree.git("config", "remote.origin.url", remote)
        assert read_checkout(tree.folder).repository == expected
