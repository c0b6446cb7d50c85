"""Configurations with which apt and dnf on this machine read one repository, and nothing of the machine's own."""

from __future__ import annotations

import shutil
from pathlib import Path

APT = """
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{folder}/sources";
Dir::State "{folder}/state";
Dir::Cache "{folder}/cache";
APT::Update::Error-Mode "any";
APT::Sandbox::User "root";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
"""
DNF = """
[main]
cachedir={folder}/cache
persistdir={folder}/cache
logdir={folder}
reposdir={folder}/repos
plugins={plugins}
assumeyes=1
skip_if_unavailable=0
"""


def configure_apt(folder: Path, repo: Path, more: str = "") -> dict[str, str]:
    """Configure apt in a new folder, with `more` settings; return its environment variables."""
    for name in ("sources", "state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    shutil.copy(repo / "stable.sources", folder / "sources")
    (folder / "apt.conf").write_text(APT.format(folder=folder) + more)
    # apt leaves some of the files that it writes keys to.
    return {"APT_CONFIG": str(folder / "apt.conf"), "TMPDIR": str(folder)}


def configure_dnf(folder: Path, repo: Path, *, plugins: bool = False) -> list[str]:
    """Configure dnf in a new folder; return its options."""
    (folder / "repos").mkdir(parents=True)
    shutil.copy(repo / "stable.repo", folder / "repos")
    (folder / "dnf.conf").write_text(DNF.format(folder=folder, plugins=int(plugins)))
    return ["--config", str(folder / "dnf.conf"), "--releasever", "1"]
