"""Exports the files of a commit from git's objects, and checks that they need nothing outside their folder.

A checkout itself is never compiled: it may contain files that the commit does not have, and change meanwhile.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from kubeparcel.errors import ConfigurationError, ExternalError
from kubeparcel.files import translate_os_errors
from kubeparcel.lock_models import Artifact
from kubeparcel.sources.git_repository import LINK, WORKSPACE, Repository, git, open_repository
from kubeparcel.sources.go_toolchain import Go

_INDEX = "export"
_TEST = "_test.go"
"""The end of the names of files that a build does not need: a quarter of Kubernetes."""

_NO_CONVERSION = "* -text -ident -filter -working-tree-encoding\n"


def export_tree(folder: Path, artifact: Artifact, target: Path) -> int:
    """Export the files of a locked tree into the new folder `target`; return the time of its commit.

    Raises ConfigurationError if the checkout does not have them, or if one of them is a symbolic link that leads
    out of the tree; ExternalError if its repository is damaged.
    """
    commit, tree = artifact.commit, artifact.digest.partition(":")[2]
    with open_repository(folder) as repository:
        _require_objects(repository, commit, tree)
        _verify_objects(repository, commit, tree)
        (repository.own / "info/attributes").write_text(_NO_CONVERSION)
        with translate_os_errors(target):
            target.mkdir()
        repository.git("read-tree", tree, index=_INDEX)
        entries = [(mode, path) for mode, path in repository.entries(_INDEX) if not path.rstrip('"').endswith(_TEST)]
        paths = "".join(f"{path}\n" for _, path in entries)
        repository.git("checkout-index", "--stdin", work_tree=target, index=_INDEX, stdin=paths)
        for mode, path in entries:
            if mode == LINK:
                _require_inside(target, target / _unquote(path), f"{folder}: the symbolic link {path}")
        return repository.time(commit)


def _require_objects(repository: Repository, commit: str, tree: str) -> None:
    kinds = repository.git("cat-file", "--batch-check=%(objecttype)", stdin=f"{commit}\n{tree}\n").splitlines()
    if kinds[0] != "commit":
        raise ConfigurationError(
            f"The git tree {repository.folder} has no commit {commit[:12]}, which kubeparcel.lock names.",
            "Fetch it (git fetch), or lock the commit that is checked out: inv resolve",
        )
    if kinds[1] != "tree" and repository.snapshot() != tree:
        raise ConfigurationError(
            f"The git tree {repository.folder} has other uncommitted changes than kubeparcel.lock was written for.",
            "Commit them, and lock the commit: inv resolve",
        )


def _verify_objects(repository: Repository, commit: str, tree: str) -> None:
    """Raise ExternalError for an object with other content than its id says."""
    words = ("rev-list", "--objects", "--verify-objects", "--no-walk", commit, tree)
    process = git(*words, git_dir=repository.own, check=False)
    if process.exit_code or process.stderr:
        problem = (process.stderr.splitlines() or ["git rev-list failed"])[0]
        raise ExternalError(
            f"The git tree {repository.folder} is damaged: {problem[:300]}", "Nothing was compiled. Clone it again."
        )


def require_own_folders(root: Path, module: Path, go: Go, tree: Path) -> None:
    """Raise ConfigurationError if a go.mod or go.work in `root` names a folder outside; messages name `tree`."""
    folders = [module]
    if (root / WORKSPACE).is_file():
        document = json.loads(go.run("work", "edit", "-json", str(root / WORKSPACE), cwd=root).stdout)
        uses = [str(row["DiskPath"]) for row in document.get("Use") or ()]
        for path in (*uses, *_replacements(document)):
            _require_inside(root, root / path, f"{tree}: go.work: the folder {path}")
        folders = [root / path for path in uses]
    for folder in folders:
        name = (folder / "go.mod").relative_to(root)
        document = json.loads(go.run("mod", "edit", "-json", str(folder / "go.mod"), cwd=root).stdout)
        for path in _replacements(document):
            _require_inside(root, folder / path, f"{tree}: {os.path.normpath(name)}: the folder {path}")


def _replacements(document: dict[str, list[dict[str, dict[str, str]]]]) -> Iterator[str]:
    """Yield the folders that replace modules."""
    for row in document.get("Replace") or ():
        if not row["New"].get("Version"):
            yield row["New"]["Path"]


def _require_inside(root: Path, path: Path, label: str) -> None:
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise ConfigurationError(
            f"{label} leads out of the tree, and its commit does not have what is there.",
            "Nothing was compiled. Commit what is needed into the tree.",
        )


def _unquote(path: str) -> str:
    """Return a path that git may have quoted as in C."""
    if not path.startswith('"'):
        return path
    return os.fsdecode(path[1:-1].encode("ascii").decode("unicode_escape").encode("latin-1"))
