"""The task that shows what is in a package."""

from __future__ import annotations

import json
from pathlib import Path

from kubeparcel.cli.options import Option
from kubeparcel.cli.output import print_result
from kubeparcel.cli.task import task
from kubeparcel.errors import UsageError


@task(
    "Verify",
    ("show kubelet", "Show the newest kubelet in dist, in each format and for each architecture."),
    ("show kubelet=1.36.3-1 kubeadm", "Show one version of the kubelet, and kubeadm."),
    ("show ~/Downloads/kubelet_1.36.3-1.1_amd64.deb", "Show a package built by others."),
    ("show kubelet --json", "Print the same as JSON."),
    path=Option("package files, or NAME or NAME=VERSION of packages in the output folder", "PACKAGE", positional=True),
)
def show(path: list[str], json_: bool = False) -> None:
    """Show a package: its files, scripts, relations and provenance.

    Nothing is installed or unpacked.
    """
    from kubeparcel.config.settings import load_settings
    from kubeparcel.packages import description
    from kubeparcel.packages.find import read_selected

    if not path:
        raise UsageError("Missing PACKAGE: a package file, or the name of a package in the output folder.")
    base = Path.cwd()
    packages = read_selected(path, base, base / load_settings({}, base).out)
    if json_:
        document = {"packages": [description.as_dict(package) for package in packages]}
        print_result(json.dumps(document, indent=2))
    else:
        print_result("\n\n".join(map(description.as_text, packages)))
