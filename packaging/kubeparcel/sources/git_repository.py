"""Runs git on checkouts that others configured: it starts no other program, and uses no network.

Commands that look at files of a checkout take a git folder of our own, so that filters, hooks and monitors of the
checkout are not configured. From the checkout's own git folder, only objects and references are read.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from kubeparcel.config.tree_settings import is_version_tag
from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import Checkout
from kubeparcel.model import TIMESTAMP_LIMIT
from kubeparcel.paths import cache_dir
from kubeparcel.process import CompletedProcess, find_program, run
from kubeparcel.store import Store

TIMEOUT = 120
"""Seconds; each command takes less than five for a checkout of Kubernetes."""

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "HOME": os.devnull,
    "XDG_CONFIG_HOME": os.devnull,
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_DEFAULT_REF_FORMAT": "files",
    "LC_ALL": "C",
}

_OPTIONS = (
    *("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "core.untrackedCache=false", "core.quotePath=true"),
    "advice.graftFileDeprecated=false",
)
"""For the checkout's own git folder; later commands take another one."""

SUBMODULE, LINK = "160000", "120000"
"""The modes of entries that are not files."""

_COMMITTER = re.compile(r"^committer .*> (\d{1,20}) [+-]\d{4}$", re.MULTILINE)

WORKSPACE, VENDOR = "go.work", "vendor/modules.txt"
"""Files in the top folder of a tree: its workspace, and the list of modules in its vendor folder."""

_DESCRIPTION = re.compile(r"(v\S+)-(\d+)-g[0-9a-f]+")
_SCP = re.compile(r"(?:[^/@:]+@)?([^/@:]+):(?!//)(.+)")
_URL = re.compile(r"[!-?A-~]{1,500}")
"""Printable ASCII characters except @."""


def git(
    *args: str,
    git_dir: Path,
    work_tree: Path | None = None,
    index: Path | None = None,
    stdin: str | None = None,
    check: bool = True,
) -> CompletedProcess:
    """Run git with a git folder; raise ToolError."""
    program = find_program("git", "Install git: apt-get install git, or dnf install git.")
    ours: dict[str, str] = {"GIT_INDEX_FILE": str(index)} if index else {}
    env: Mapping[str, str | None] = {
        **{name: None for name in os.environ if name.startswith("GIT_")},
        **_ENVIRONMENT,
        **ours,
    }
    options = [word for option in _OPTIONS for word in ("-c", option)]
    folders = [f"--git-dir={git_dir}", *([f"--work-tree={work_tree}"] if work_tree else [])]
    command: list[str | Path] = [program, *options, *folders, *args]
    return run(command, cwd=work_tree, env=env, stdin=stdin, check=check, timeout=TIMEOUT)


class SubmoduleError(ConfigurationError):
    """A tree contains another repository."""


@dataclass(frozen=True)
class Repository:
    """The checkout `folder` at `commit`; `source` is its git folder, `own` ours.

    `index` and `excludes` are files of the checkout, which may be missing.
    """

    folder: Path
    source: Path
    own: Path
    commit: str
    shallow: bool
    index: Path
    excludes: Path

    def git(self, *args: str, work_tree: Path | None = None, index: str = "index", stdin: str | None = None) -> str:
        """Return what git prints; raise ConfigurationError."""
        folders = {"git_dir": self.own, "work_tree": work_tree or self.folder, "index": self.own / index}
        process = git(*args, **folders, stdin=stdin, check=False)
        if process.exit_code:
            raise git_error(self.folder, process.stderr)
        return process.stdout

    def entries(self, index: str = "index") -> list[tuple[str, str]]:
        """Return the mode and the path of each file in an index; unusual paths are quoted."""
        lines = self.git("ls-files", "--stage", index=index).splitlines()
        return [(line[:6], line.partition("\t")[2]) for line in lines]

    def time(self, commit: str) -> int:
        """Return the time of a commit in seconds since 1970; raise ConfigurationError."""
        match = _COMMITTER.search(self.git("cat-file", "commit", commit).partition("\n\n")[0])
        if not match or int(match[1]) >= TIMESTAMP_LIMIT:
            raise ConfigurationError(
                f"The git tree {self.folder}: the time of commit {commit[:12]} is not between 1970 and 2106.",
                "Commit with the right time: git commit --amend --date=now",
            )
        return int(match[1])

    def snapshot(self) -> str:
        """Return git's id of the files in the checkout: those of the commit, changed and new ones, but no ignored ones.

        The checkout's own index only saves reading unchanged files. Raises SubmoduleError before git would run
        programs that a submodule configures.
        """
        submodules = [
            line for line in self.git("ls-tree", "-r", self.commit).splitlines() if line.startswith(SUBMODULE)
        ]
        self._reject_submodules([(SUBMODULE, line.partition("\t")[2]) for line in submodules])
        if self.excludes.is_file():
            shutil.copyfile(self.excludes, self.own / "info/exclude")
        try:
            shutil.copyfile(self.index, self.own / "index")
            self._add_all()
        except SubmoduleError:
            raise
        except (OSError, ConfigurationError):
            (self.own / "index").unlink(missing_ok=True)
            self.git("read-tree", self.commit)
            self._add_all()
        return self.git("write-tree").strip()

    def _add_all(self) -> None:
        self._reject_submodules(self.entries())
        self.git("add", "--all", "--", ".")
        self._reject_submodules(self.entries())

    def _reject_submodules(self, entries: list[tuple[str, str]]) -> None:
        path = next((path for mode, path in entries if mode == SUBMODULE), "")
        if path:
            raise SubmoduleError(
                f"The git tree {self.folder} contains another repository, {path}: its commit does not have the files.",
                "Commit the files themselves, remove that repository, or let .gitignore name it.",
            )


def git_error(folder: Path, text: str) -> ConfigurationError:
    """Return the error for a checkout that git cannot read, with git's last message."""
    lines = [line for line in text.splitlines() if line.startswith(("fatal:", "error:"))] or text.splitlines()
    problem = lines[-1].partition(": ")[2] or lines[-1] if lines else "git printed nothing"
    return ConfigurationError(f"The git tree {folder} cannot be read: {problem[:300]}", "Check it with: git fsck")


@contextmanager
def open_repository(folder: Path) -> Iterator[Repository]:
    """Yield the repository of a checkout; raise ConfigurationError for a folder that is none."""
    if not folder.is_dir():
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise ConfigurationError(f"The git tree {folder} {problem}.", "Name the top folder of a clone.")
    source = folder / ".git"
    if not source.exists():
        raise ConfigurationError(
            f"{folder} is not a git tree: it has no .git.",
            "Name the top folder of a clone: its commit and tags decide the version of the packages.",
        )
    paths = [word for name in ("objects", "index", "info/exclude") for word in ("--git-path", name)]
    query = (*paths, "--is-shallow-repository", "--verify", "HEAD^{commit}")
    process = git("rev-parse", *query, git_dir=source, check=False)
    if process.exit_code:
        raise git_error(folder, process.stderr)
    objects, index, excludes, shallow, commit = process.stdout.splitlines()
    with Store(cache_dir()).scratch(elsewhere=True) as scratch:
        own = scratch / "git"
        object_format = "sha256" if len(commit) == 64 else "sha1"
        git("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}", git_dir=own)
        for name, text in (("info/exclude", ""), ("objects/info/alternates", f"{objects}\n")):
            (own / name).parent.mkdir(exist_ok=True)
            (own / name).write_text(text, "utf-8")
        yield Repository(folder, source, own, commit, shallow == "true", Path(index), Path(excludes))


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
