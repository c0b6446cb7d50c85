"""Small git trees with the shape of Kubernetes, cri-tools and the CNI plugins: a workspace, staging and vendor."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

STAGING = "k8s.io/component-base => ./staging/src/k8s.io/component-base"
VERSION_PACKAGE = """\
package version

var gitVersion, gitCommit, gitTreeState, buildDate string

func Report() string { return gitVersion + " " + gitCommit + " " + gitTreeState + " " + buildDate }
"""
MAIN = """\
package main

import (
\t"os"

\t"example.com/greeting"
\t"k8s.io/component-base/version"
)

func main() { os.Stdout.WriteString(greeting.Text + " " + version.Report() + "\\n") }
"""
KUBERNETES: Mapping[str, str] = {
    "go.mod": "module k8s.io/kubernetes\n\ngo 1.24.0\n\n"
    f"require (\n\texample.com/greeting v1.0.0\n\tk8s.io/component-base v0.0.0\n)\n\nreplace {STAGING}\n",
    "go.work": "go 1.24.0\n\nuse (\n\t.\n\t./staging/src/k8s.io/component-base\n)\n",
    "staging/src/k8s.io/component-base/go.mod": "module k8s.io/component-base\n\ngo 1.24.0\n",
    "staging/src/k8s.io/component-base/version/version.go": VERSION_PACKAGE,
    "vendor/modules.txt": "## workspace\n# example.com/greeting v1.0.0\n## explicit; go 1.24.0\nexample.com/greeting\n"
    f"# {STAGING.replace(' ', ' v0.0.0 ', 1)}\n## explicit; go 1.24.0\n",
    "vendor/example.com/greeting/greeting.go": 'package greeting\n\nconst Text = "hello"\n',
    **{f"cmd/{name}/main.go": MAIN for name in ("kubeadm", "kubelet", "kubectl")},
    ".gitignore": "/_output\n",
}


def module_tree(module: str, variable: str, *mains: str) -> dict[str, str]:
    """Return the files of a module without dependencies, whose programs print a variable of one of its packages."""
    package = variable.rpartition("/")[2].partition(".")[0]
    folder, name = variable.removeprefix(f"{module}/").rpartition(".")[0], variable.rpartition(".")[2]
    main = f'package main\n\nimport "{module}/{folder}"\n\nfunc main() {{ println({package}.{name}) }}\n'
    return {
        "go.mod": f"module {module}\n\ngo 1.24.0\n",
        "vendor/modules.txt": "",
        f"{folder}/version.go": f"package {package}\n\nvar {name} string\n",
        **{f"{path}/main.go": main for path in mains},
    }


CRI_TOOLS = module_tree("sigs.k8s.io/cri-tools", "sigs.k8s.io/cri-tools/pkg/version.Version", "cmd/crictl")
PLUGINS = module_tree(
    "github.com/containernetworking/plugins",
    "github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion",
    *("plugins/meta/portmap", "plugins/main/bridge", "plugins/ipam/host-local"),
)


TREES: Mapping[str, tuple[Mapping[str, str], str]] = {
    "kubernetes": (KUBERNETES, "v1.36.3"),
    "cri-tools": (CRI_TOOLS, "v1.36.0"),
    "cni": (PLUGINS, "v1.9.1"),
}
"""The files and the tag of a tree of each component."""


class GitTree:
    """A git repository in a folder."""

    def __init__(self, folder: Path, files: Mapping[str, str] = KUBERNETES, tag: str = "v1.36.3") -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit(files)
        if tag:
            self.git("tag", "--annotate", "--message=release", tag)

    def git(self, *args: str) -> str:
        return run_git(self.folder, *args)

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, files: Mapping[str, str]) -> str:
        """Commit files; return the commit."""
        self.write(files)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--message=change", "--allow-empty")
        return self.git("rev-parse", "HEAD").strip()

    def clone(self, folder: Path, *options: str) -> GitTree:
        """Return a clone in another folder."""
        run_git(self.folder, "clone", "--quiet", *options, f"file://{self.folder}", str(folder))
        clone = object.__new__(GitTree)
        clone.folder = folder
        return clone


def run_git(folder: Path, *args: str) -> str:
    """Run git with a fixed identity and fixed times."""
    date = "2026-07-22T18:07:38+00:00"
    person = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _PERSON.items()}
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    config = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    environment = {**os.environ, **person, **dates, **config}
    return subprocess.run(
        ["git", *args], cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout


_PERSON = {"NAME": "A maintainer", "EMAIL": "maintainer@example.com"}
