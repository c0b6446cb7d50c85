"""The files of the page "Build on many machines": systemd accepts the units, and Dask the command lines."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.support.checkout import ROOT
from tests.support.dask_cluster import certificates

PAGE = ROOT / "docs/how-to/build-on-many-machines.md"


def blocks(language: str) -> list[str]:
    """Return the blocks of code in the page."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def units() -> dict[str, str]:
    """Return the systemd units by name."""
    return {re.match(r"# .*/(\S+)\n", block)[1]: block for block in blocks("ini")}


def manifests() -> list[dict[str, Any]]:
    """Return the objects for Kubernetes."""
    return [document for block in blocks("yaml") if "apiVersion" in block for document in yaml.safe_load_all(block)]


def commands() -> list[list[str]]:
    """Return the command lines of Dask in units and manifests."""
    lines = [re.search(r"ExecStart=((?:.*\\\n)*.*)", unit)[1] for unit in units().values()]
    containers = [
        container
        for manifest in manifests()
        if manifest["kind"] == "Deployment"
        for container in manifest["spec"]["template"]["spec"]["containers"]
    ]
    started = [[*container["command"], *container["args"]] for container in containers]
    return [*(shlex.split(line.replace("\\\n", "")) for line in lines), *started]


def test_dask_knows_the_options_of_every_command(tmp_path):
    from distributed.cli import dask_scheduler, dask_worker

    certificates(tmp_path)

    programs = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}
    parsed = {}
    for program, kind, *words in commands():
        assert program == "/opt/kubeparcel/bin/dask"
        arguments = [re.sub("^(/etc/kubeparcel)?/tls/", f"{tmp_path}/", word) for word in words]
        parsed.setdefault(kind, []).append(programs[kind].make_context(kind, arguments).params)
    assert [options["port"] for options in parsed["scheduler"]] == ["8786", "8786"]
    assert [options["nthreads"] for options in parsed["worker"]] == [2, 1, 2]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_accepts_the_units(tmp_path):
    for name, text in units().items():
        file = tmp_path / name
        file.write_text(text.replace("/opt/kubeparcel/bin/dask", "/usr/bin/env"))
        process = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)
        assert [line for line in process.stderr.splitlines() if str(name) in line] == []


def test_manifests_select_their_pods_and_mount_their_volumes():
    kinds = [manifest["kind"] for manifest in manifests()]
    assert kinds == ["Deployment", "Service", "Deployment"]
    for manifest in manifests():
        spec = manifest["spec"]
        if manifest["kind"] == "Service":
            assert spec["selector"] == {"app": manifest["metadata"]["name"]}
            continue
        pod = spec["template"]["spec"]
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
        mounts = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in pod["volumes"]}
