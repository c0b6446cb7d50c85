"""The commands of the page "Keep a release alive" lead from a patch to a published repository."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from tests.acceptance.conftest import Site
from tests.cli.test_examples import BLOCK, named_files
from tests.support.checkout import ROOT

PAGE = ROOT / "docs/how-to/keep-a-release-alive.md"
SRV, ADDRESS = "/srv/www/kubernetes", "https://packages.example.com/kubernetes"


def test_commands_of_the_page_publish_a_patched_component(real: Site, tmp_path: Path) -> None:
    """Kubernetes itself is that of the other tests, so that only the CNI plugins are compiled."""
    blocks = BLOCK.findall(PAGE.read_text())
    configuration = next(text for kind, text in blocks if kind == "yaml")
    site = real.with_files(tmp_path, {**named_files(PAGE), "kubeparcel.yaml": configuration})
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    site.run("key", "new")
    output = ""
    for line in "".join(text for kind, text in blocks if kind == "sh").splitlines():
        words = shlex.split(line.replace(SRV, f"{tmp_path}/srv"), comments=True)
        if words[0] == "./inv":
            result = site.run(*words[1:])
            output += result.stdout + result.stderr
        else:
            subprocess.run(words, cwd=tmp_path, check=True)
    assert "CNI plugins patched: portmap.patch" in output
    published = sorted({path.name for path in (tmp_path / "srv").rglob("kubernetes-cni*1.7.1*[bm]")})
    assert published == ["kubernetes-cni-1.7.1+acme.1-1.x86_64.rpm", "kubernetes-cni_1.7.1+acme.1-1_amd64.deb"]
    deb = next((tmp_path / "srv").rglob(published[1]))
    subprocess.run(["dpkg-deb", "--extract", deb, tmp_path / "root"], check=True)
    modules = subprocess.run(
        ["go", "version", "-m", tmp_path / "root/opt/cni/bin/portmap"], check=True, capture_output=True, text=True
    ).stdout
    assert "=>\t./patched/github.com/containernetworking/plugins" in modules
