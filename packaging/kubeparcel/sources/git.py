"""Runs git on checkouts that others configured: it starts no other program, and uses no network.

Commands that look at files of a checkout take a git folder of their own, so that filters, hooks and monitors of the
checkout are not configured. From the checkout's own git folder, only objects and references are read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kubeparcel.process import CompletedProcess, find_program, run

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
