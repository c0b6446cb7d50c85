"""Git checkouts: their commit, version and changes are read, and nothing that they configure is run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from kubeparcel.config.tree_settings import is_version_tag, require_requested, tree_version
from kubeparcel.errors import ConfigurationError, ExternalError, UnknownVersion
from kubeparcel.lock_models import Artifact, BuildVariant, Checkout
from kubeparcel.model import Arch, Version, upstream_notation
from kubeparcel.packages.versions import deb_version_key, rpm_version_key
from kubeparcel.sources.checkouts import public_url, read_checkout
from kubeparcel.sources.tree_export import export_tree
from tests.support.git_trees import GitTree

FILES = {"a.go": "package a\n", "sub/b.go": "package b\n", ".gitignore": "ignored*\n"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FIPS, SUFFIX = BuildVariant(fips=True), BuildVariant(suffix="acme.2")


@pytest.fixture
def tree(tmp_path) -> GitTree:
    return GitTree(tmp_path / "tree", FILES)


def export(tree: GitTree, checkout: Checkout, target: Path) -> int:
    return export_tree(tree.folder, artifact(checkout), target)


def artifact(checkout: Checkout) -> Artifact:
    return Artifact("cni", "cni", Arch.AMD64, "example.com/a@v1.0.0", checkout.digest, commit=checkout.commit)


def checkout(tag: str, distance: int = 0, *changes: str, shallow: bool = False) -> Checkout:
    return Checkout(Path("/src/k8s"), COMMIT, "1" * 40, 1, tag, distance, shallow, changes)


# --- Versions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "variant", "expected"),
    [
        (checkout("v1.36.3"), BuildVariant(), "1.36.3"),
        (checkout("v1.36.3", 5), BuildVariant(), "1.36.3+5.g0123456789abcd"),
        (checkout("v1.37.0-rc.1", 5), BuildVariant(), "1.37.0-rc.1+5.g0123456789abcd"),
        (checkout("v1.36.3+acme.1"), BuildVariant(), "1.36.3+acme.1"),
        (checkout("v1.36.3+acme.1", 5), BuildVariant(), "1.36.3+acme.1.5.g0123456789abcd"),
        (checkout("v1.36.3", 0, "a.go"), BuildVariant(), "1.36.3+0.g0123456789abcd-dirty"),
        (checkout("v1.36.3", 5, "a.go"), FIPS, "1.36.3+fips.5.g0123456789abcd-dirty"),
        (checkout("v1.36.3", 5), SUFFIX, "1.36.3+acme.2"),
        (checkout("v1.36.3", 5, "a.go"), SUFFIX, "1.36.3+acme.2-dirty"),
        (checkout("v1.36.3", shallow=True), BuildVariant(), "1.36.3"),
        (checkout("v1.36.3", 5, shallow=True), SUFFIX, "1.36.3+acme.2"),
    ],
)
def test_version_is_that_of_the_nearest_tag_and_the_commits_since_then(state, variant, expected):
    version = tree_version(state, variant)
    assert str(version) == expected
    assert version.is_dirty == bool(state.changes)
    assert "-" not in version.package_version
    assert upstream_notation(version.package_version) == expected


def test_versions_sort_as_their_commits_for_dpkg_and_rpm():
    words = ["+2.gfff", "+2.gfff-dirty", "+10.g000", "+10.g000-dirty"]
    versions = ["1.36.3", *(Version.parse(f"1.36.3{word}").package_version for word in words), "1.36.4~rc.0", "1.36.4"]
    for key in (deb_version_key, rpm_version_key):
        assert sorted(set(versions), key=key) == versions


@pytest.mark.parametrize(
    ("state", "problem", "command"),
    [
        (checkout(""), "has no version tag, such as v1.36.3, at commit 0123456789ab", "git fetch --tags"),
        (checkout("", shallow=True), "is a shallow clone: the tag before", "git fetch --unshallow --tags"),
        (checkout("v1.36.3", 5, shallow=True), "how many commits 0123456789ab is after v1.36.3", "--unshallow"),
    ],
)
def test_unknown_version_names_the_command_that_fetches_what_is_missing(state, problem, command):
    with pytest.raises(UnknownVersion) as caught:
        tree_version(state, BuildVariant())
    assert problem in caught.value.message
    assert command in caught.value.hint


@pytest.mark.parametrize("requested", ["1.36.4", "1.35", "1.37"])
def test_another_requested_version_than_that_of_the_tree_is_an_error(requested):
    version = Version.parse("1.36.3+5.gabc")
    for accepted in ("stable", "1.36", "1.36.3", "1.36.3+5.gabc", ""):
        require_requested("kubernetes", accepted, version, checkout("v1.36.3"))
    with pytest.raises(
        ConfigurationError, match=rf"{requested} is requested, and the git tree /src/k8s is at 1\.36\.3"
    ):
        require_requested("kubernetes", requested, version, checkout("v1.36.3"))


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        *((tag, True) for tag in ("v1.36.3", "v1.37.0-rc.1", "v1.36.3+k3s1")),
        *(
            (tag, False)
            for tag in ("v1.36.3-k3s1", "v1.36.3-lts.1", "v1.36", "1.36.3", "v1.36.3+fips.1", "v1.1.1+a.01")
        ),
    ],
)
def test_tags_whose_versions_sort_wrongly_are_not_used(tag, expected):
    assert is_version_tag(tag) is expected


# --- The state of a checkout ---------------------------------------------------------------------


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
    index = (tree.folder / ".git/index").read_bytes()
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


# --- Hostile and broken trees --------------------------------------------------------------------


def trap(folder: Path) -> tuple[str, Path]:
    """Return a command that leaves a mark, and the mark."""
    return f"touch {folder}/ran; cat", folder / "ran"


def test_programs_that_a_tree_configures_are_not_run(tree, tmp_path, monkeypatch):
    command, mark = trap(tmp_path)
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\n{command}\n")
    script.chmod(0o755)
    tree.commit({".gitattributes": "*.go filter=evil diff=evil\n"})
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "gpg.program", "diff.external"):
        tree.git("config", key, str(script))
    for key in ("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv"):
        tree.git("config", key, str(script))
    tree.git("config", "log.showSignature", "true")
    tree.git("config", "include.path", str(tmp_path / "missing"))
    tree.git("config", "remote.origin.url", f"ext::{script}")
    tree.git("config", "remote.origin.promisor", "true")
    for hook in ("post-index-change", "reference-transaction", "post-checkout"):
        (tree.folder / ".git/hooks").mkdir(exist_ok=True)
        (tree.folder / ".git/hooks" / hook).symlink_to(script)
    (tree.folder / "a.go").write_text("package changed\n")
    mark.unlink(missing_ok=True)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(script))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(script))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
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


def test_shallow_clone_without_tags_is_said(tree, tmp_path):
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
    subprocess.run(
        [
            *("git", "-c", "user.name=x", "-c", "user.email=x@example.com"),
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "late",
        ],
        cwd=tree.folder,
        env={**os.environ, "GIT_COMMITTER_DATE": "@4294967296 +0000"},
        check=True,
    )


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
