"""Reads the state of a git checkout: its commit, its nearest version tag, and the files that are not committed."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from kubeparcel.config.tree_settings import is_version_tag
from kubeparcel.lock_models import Checkout
from kubeparcel.sources.git_repository import Repository, git, open_repository

WORKSPACE, VENDOR = "go.work", "vendor/modules.txt"
"""Files in the top folder of a tree: its workspace, and the list of modules in its vendor folder."""

_DESCRIPTION = re.compile(r"(v\S+)-(\d+)-g[0-9a-f]+")
_SCP = re.compile(r"(?:[^/@:]+@)?([^/@:]+):(?!//)(.+)")
_URL = re.compile(r"[!-?A-~]{1,500}")
"""Printable ASCII characters except @."""


def read_checkout(folder: Path, module_folder: str = "") -> Checkout:
    """Return the state of a checkout, with the go.mod in `module_folder` and files above; raise ConfigurationError."""
    with open_repository(folder) as repository:
        tree, commit = repository.snapshot(), repository.commit
        changes = repository.git("diff-tree", "-r", "--name-only", "--no-renames", f"{commit}^{{tree}}", tree)
        tag, distance = _nearest_tag(repository)
        paths = [str(Path(module_folder, "go.mod")), WORKSPACE, VENDOR]
        names = repository.git("ls-tree", "-r", "--name-only", tree, "--", *paths).splitlines()
        return Checkout(
            *(folder, commit, tree, repository.time(commit), tag, distance, repository.shallow),
            *(tuple(changes.splitlines()), _remote(repository)),
            {name: repository.git("cat-file", "blob", f"{tree}:{name}") for name in names},
        )


def _nearest_tag(repository: Repository) -> tuple[str, int]:
    """Return the nearest version tag and the number of commits since then; an empty tag if there is none."""
    names = git("for-each-ref", "--format=%(refname:strip=2)", "refs/tags", git_dir=repository.source).stdout
    patterns = [f"--match={name}" for name in names.splitlines() if is_version_tag(name)]
    words = ["describe", "--tags", "--long", "--abbrev=64", *patterns, repository.commit]
    output = git(*words, git_dir=repository.source, check=False).stdout if patterns else ""
    match = _DESCRIPTION.fullmatch(output.strip())
    return (match[1], int(match[2])) if match else ("", 0)


def _remote(repository: Repository) -> str:
    words = ("config", "--local", "--no-includes", "--get", "remote.origin.url")
    return public_url(git(*words, git_dir=repository.source, check=False).stdout.strip())


def public_url(remote: str) -> str:
    """Return the URL of a git remote without credentials; empty for a path on this machine."""
    if scp := _SCP.fullmatch(remote):
        remote = f"ssh://{scp[1]}/{scp[2].lstrip('/')}"
    try:
        parts = urlsplit(remote)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme not in ("https", "http", "ssh", "git") or not parts.hostname:
        return ""
    url = f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
    return url if _URL.fullmatch(url) else ""
