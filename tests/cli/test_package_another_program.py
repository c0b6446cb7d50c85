"""The how-to guide about own components: its examples are built from a module proxy and a web server on loopback."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kubeparcel.config import catalog
from kubeparcel.sources import go_toolchain, selection
from tests.cli.conftest import Program
from tests.cli.test_examples import BLOCK
from tests.support.archive_builders import tar_archive
from tests.support.checkout import ROOT
from tests.support.elf_files import elf
from tests.support.fake_sources import FakeModules, FakeSource
from tests.support.go_proxy import publish_module
from tests.support.upstream_site import UpstreamSite, serve_site

GUIDE = ROOT / "docs/how-to/package-another-program.md"
EXAMPLES = [match[2] for match in BLOCK.finditer(GUIDE.read_text()) if match[1] == "yaml"]
GO_EXAMPLE, FILE_EXAMPLE = EXAMPLES[:2]
ARCHIVE = "/downloads.example.com/node-check/v2.3.1/node-check-x86_64.tar.gz"
MAIN = """package main

import "fmt"

var version = "unknown"

func main() { fmt.Println("hello", version) }
"""


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a module proxy in a folder, which Go uses alone."""
    settings = {"GOPROXY": f"file://{tmp_path}/proxy", "GOSUMDB": "off", "GOMODCACHE": f"{tmp_path}/modules"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    files = {
        "go.mod": "module example.com/hello\n\ngo 1.24\n",
        "cmd/hello/main.go": MAIN,
        "hello.go": "package hello\n",
    }
    publish_module(tmp_path / "proxy", "example.com/hello", "1.2.0", files)
    go_toolchain.find_go.cache_clear()
    yield tmp_path / "proxy"
    go_toolchain.find_go.cache_clear()


@pytest.fixture
def site() -> Iterator[UpstreamSite]:
    with serve_site() as site:
        site.files[ARCHIVE] = tar_archive({"node-check": elf("node-check"), "README": b"text"})
        yield site


@pytest.fixture(autouse=True)
def own_from_real_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes and its companions are small fakes; other components come from the real sources."""
    create, known = selection.create_source, catalog.load().components.keys()
    fakes = {"upstream": FakeSource(), "go": FakeModules(toolchain="go1.26.8")}

    class Chosen(selection.MixedSource):
        def _source(self, component):
            return self.main if component in known else self.other

    def create_source(name, components, *rest, **options):
        own = {component: spec for component, spec in components.items() if component not in known}
        if not own:
            return fakes[name]
        real = create(next(iter(own.values())).source(name), own, *rest, **options)
        return Chosen(fakes[name], real, components) if "kubernetes" in components else real

    for module in ("sources.selection", "build.lock.update", "build.preview"):
        monkeypatch.setattr(f"kubeparcel.{module}.create_source", create_source)


def build(kubeparcel: Program, workdir: Path, text: str, *options: str) -> tuple[int, str]:
    (workdir / "kubeparcel.yaml").write_text(text)
    code, out, err = kubeparcel("build", "--kubernetes", "1.36.3", "--compression", "fast", *options)
    return code, out + err


def run_from(deb: Path, program: str, folder: Path) -> str:
    subprocess.run(["dpkg-deb", "--extract", deb, folder], check=True)
    return subprocess.run([folder / program], check=True, capture_output=True, text=True).stdout


def test_go_program_is_compiled_next_to_downloaded_ones(kubeparcel, workdir, tmp_path, proxy):
    code, text = build(kubeparcel, workdir, GO_EXAMPLE, "--source", "upstream")
    assert code == 0, text
    assert "hello 1.2.0" in text
    assert "hello: not checked against a checksum database" in text
    deb = workdir / "dist/deb/hello_1.2.0-1_amd64.deb"
    assert run_from(deb, "usr/bin/hello", tmp_path / "root") == "hello v1.2.0\n"
    code, out, _ = kubeparcel("show", str(deb), "--json")
    assert "example.com/hello" in out
    (sbom,) = (workdir / "dist/sbom").glob("hello_*.cdx.json")
    assert any("example.com/hello" in c.get("purl", "") for c in json.loads(sbom.read_text())["components"])
    assert kubeparcel("verify")[0] == 0
    assert kubeparcel("build", "--locked", "--kubernetes", "1.36.3", "--source", "upstream", "--dry-run")[0] == 0


def test_files_of_an_upstream_project_are_downloaded_and_verified(kubeparcel, workdir, site):
    code, text = build(kubeparcel, workdir, FILE_EXAMPLE, "--mirror", site.url)
    assert code != 0
    assert "node-check amd64: the download's sha256 is" in text
    assert "correct components.node-check.upstream.sha256 in kubeparcel.yaml" in text
    digest = hashlib.sha256(site.files[ARCHIVE]).hexdigest()
    code, text = build(kubeparcel, workdir, re.sub(r"[0-9a-f]{64}", digest, FILE_EXAMPLE), "--mirror", site.url)
    assert code == 0, text
    assert "node-check: SHA-256 in kubeparcel.yaml" in text
    assert kubeparcel("verify")[0] == 0
    code, out, _ = kubeparcel("versions", "--mirror", site.url)
    assert (code, "1.36.3" in out) == (0, True)
    code, out, _ = kubeparcel("config")
    assert yaml.safe_load(out)["components"]["node-check"]["upstream"][0]["sha256"] == {"amd64": digest}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("module: example.com/hello", "module: example.com/missing"), "-versions example.com/missing prints"),
        (("version: 1.2.0", "version: 1.9.9"), "Choose another version: --components hello=VERSION"),
        (("mains: [cmd/hello]", "mains: [cmd/goodbye]"), "example.com/hello has no cmd/goodbye"),
        (("mains: [cmd/hello]", 'mains: ["."]'), "has no program in .: its package is not main"),
        (("/usr/bin/hello", "/usr/bin/crictl"), "the packages hello and cri-tools both contain /usr/bin/crictl (deb)"),
    ],
)
def test_component_that_cannot_be_packaged_is_an_error(kubeparcel, workdir, proxy, change, message):
    code, text = build(kubeparcel, workdir, GO_EXAMPLE.replace(*change), "--source", "upstream")
    assert code != 0
    assert message in text
    assert not list((workdir / "dist").glob("deb/*"))
