"""A user's own components, from settings to packages: Go modules, and files of any upstream, side by side."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import textwrap
from pathlib import Path

import pytest

from kubeparcel.attest.materials import require_upstream_origins
from kubeparcel.build.lock import comparison, lockfile
from kubeparcel.build.lock.resolver import resolve
from kubeparcel.build.manifests import provenance
from kubeparcel.build.pipeline import build_releases, mirror_release
from kubeparcel.build.planner import plan_packages
from kubeparcel.build.preview import preview
from kubeparcel.config import catalog as catalogs
from kubeparcel.config.releases import load_releases
from kubeparcel.config.settings import Settings, load_settings
from kubeparcel.errors import ConfigurationError, DigestError, UnknownVersion
from kubeparcel.lock_models import Request
from kubeparcel.model import Arch
from kubeparcel.packages.reader import read_package
from kubeparcel.sources import selection
from kubeparcel.sources.upstream import Upstream
from tests.support.archive_builders import tar_archive
from tests.support.elf_files import elf
from tests.support.fake_sources import FakeModules, FakeSource
from tests.support.one_release import build, fetch_release, read_lock, resolve_or_load, update_lock
from tests.support.recording_log import RecordingLog
from tests.support.upstream_site import UpstreamSite, serve_site

PROGRAM = elf("hello")
PATH = "/download/hello-1.2.0-x86_64.tar.gz"
SETTINGS = """
kubernetes: 1.36.3
source: go
components:
  hello:
    version: {version}
    binaries: [hello]
    upstream:
      - archive: "{url}/download/hello-{{version}}-{{arch.rpm}}.tar.gz"
        sha256: {{amd64: "{digest}"}}
packages:
  hello:
    component: hello
    summary: Says hello
    files: [{{path: /usr/bin/hello, binary: hello}}]
"""


@pytest.fixture
def site():
    with serve_site() as site:
        site.files[PATH] = tar_archive({"hello-1.2.0/hello": PROGRAM})
        yield site


@pytest.fixture
def write(workdir: Path, site: UpstreamSite, monkeypatch):
    """Return a function that writes the settings; all but `hello` are of fake sources."""
    versions = {version: version for version in ("1.36.2", "1.36.3")}
    fakes = {"upstream": FakeSource(), "go": FakeModules(versions, toolchain="go1.26.8")}

    def create_source(name, components, *_, **__):
        if "kubernetes" in components:
            fakes[name].binaries = components["kubernetes"].binaries
        if "hello" not in components:
            return fakes[name]
        return (
            selection.MixedSource(fakes[name], Upstream(components), components)
            if name == "go"
            else Upstream(components)
        )

    for module in ("sources.selection", "build.lock.update", "build.preview"):
        monkeypatch.setattr(f"kubeparcel.{module}.create_source", create_source)

    def write_settings(version: str = "1.2.0", digest: str = "") -> Settings:
        digest = digest or hashlib.sha256(site.files[PATH]).hexdigest()
        (workdir / "kubeparcel.yaml").write_text(SETTINGS.format(version=version, url=site.url, digest=digest))
        return load_settings({})

    return write_settings


def test_file_of_any_upstream_is_packaged_next_to_compiled_ones(write, workdir, site):
    settings, log = write(), RecordingLog()
    assert [
        a.action
        for a in preview(settings, resolve_or_load(settings, log, locked=False, dry_run=True), log).artifacts
        if a.artifact.name == "hello"
    ] == ["download"]
    result = build(settings, log)
    assert [(c.name, c.subject, c.findings) for c in result.report.checks if not c.passed] == []
    deb = read_package(workdir / "dist/deb/hello_1.2.0-1_amd64.deb")
    record = json.loads(next(e for e in deb.entries if e.path.endswith("/provenance.json")).text)
    assert (record["source"], record["component"], record["version"]) == ("upstream", "hello", "1.2.0")
    assert "toolchain" not in record
    assert record["origins"] == [
        {
            "origin": f"{site.url}{PATH}",
            "digest": f"sha256:{hashlib.sha256(site.files[PATH]).hexdigest()}",
            "checksum": "settings",
        }
    ]
    assert ("Inputs", "hello: SHA-256 in kubeparcel.yaml") in [(k, t.splitlines()[-1]) for k, t in log.messages]
    statement = json.loads((workdir / "dist/attestations/hello_1.2.0-1_amd64.deb.intoto.json").read_text())
    materials = [m["uri"] for m in statement["predicate"]["buildDefinition"]["resolvedDependencies"]]
    assert f"{site.url}{PATH}" in materials
    assert not any("toolchain" in uri for uri in materials)
    assert list((workdir / "dist/sbom").glob("hello_*"))


def test_rows_of_releases_have_components_of_their_own(write, workdir):
    write()
    row = textwrap.indent((workdir / "kubeparcel.yaml").read_text().strip(), "    ")
    rows = f"format: deb\nreleases:\n  - kubernetes: 1.36.2\n    source: go\n  -{row[3:]}\n"
    (workdir / "kubeparcel.yaml").write_text(rows)
    result = build_releases(load_releases({}), RecordingLog())
    assert {outcome.verdict for outcome in result.outcomes} == {"built"}
    without, own = ({c.name for c in lock.components} for lock in lockfile.read_all(workdir / lockfile.NAME))
    assert own - without == {"hello"}
    assert len(list((workdir / "dist/deb").glob("hello_*"))) == 1
    (workdir / "kubeparcel.yaml").write_text(rows.replace("binaries: [hello]", "binaries: [[]]"))
    with pytest.raises(ConfigurationError, match=r"kubeparcel\.yaml:10: components\.hello\.binaries"):
        load_releases({})


def test_lock_has_the_definition_and_is_read_without_the_settings(write, workdir):
    lock = resolve_or_load(write(), RecordingLog(), locked=False)
    (workdir / "kubeparcel.yaml").unlink()
    assert read_lock(workdir / lockfile.NAME) == lock
    text = (workdir / lockfile.NAME).read_text()
    (workdir / lockfile.NAME).write_text(text.replace("{version}-{arch.rpm}", "{version}-{arch.x}"))
    with pytest.raises(ConfigurationError, match="unknown placeholder"):
        read_lock(workdir / lockfile.NAME)


def test_changed_definition_and_removed_package_are_resolved_again(write, workdir):
    lock = resolve_or_load(write(), RecordingLog(), locked=False)
    changed = write(digest="b" * 64)
    with pytest.raises(ConfigurationError, match=r"components\.hello has changed"):
        resolve_or_load(changed, RecordingLog(), locked=True)
    assert comparison.mismatches(lock, write(version="1.3.0").request()) == ["hello: locked 1.2.0, requested 1.3.0"]
    (workdir / "kubeparcel.yaml").write_text("kubernetes: 1.36.3\nsource: go\n")
    update = update_lock(load_settings({}), RecordingLog(), check=True)
    assert update.differences == ("hello: 1.2.0 → none",)
    assert "hello" in update.as_text()
    reduced = resolve_or_load(load_settings({}), log := RecordingLog(), locked=False)
    assert "kubeparcel.lock written" in dict(log.messages)["Release"]
    assert "hello" not in (workdir / lockfile.NAME).read_text()
    assert [*reduced.components] == [c for c in lock.components if c.name != "hello"]


def test_settings_of_the_compiler_do_not_apply_to_downloaded_files(write, workdir):
    write()
    with (workdir / "kubeparcel.yaml").open("a") as file:
        file.write("go: {amd64: v3, debug: true}\n")
    resolve_or_load(settings := load_settings({"format": "deb"}), log := RecordingLog(), locked=False)
    assert "hello is downloaded: `go` and `patches` do not apply to it." in log.warnings
    lock = resolve_or_load(settings, log, locked=True)
    plans = {plan.name: plan for plan in plan_packages(settings, lock, settings.catalog())}
    assert ("kubelet-dbgsym" in plans, "hello-dbgsym" in plans) == (True, False)
    assert "go" in provenance(plans["kubelet"], lock, {})
    assert "go" not in provenance(plans["hello"], lock, {})


def test_digest_that_does_not_match_names_the_setting(write):
    with pytest.raises(DigestError) as caught:
        build(write(digest="b" * 64), RecordingLog())
    assert "hello amd64: the download's sha256 is" in caught.value.message
    assert "correct components.hello.upstream.sha256 in kubeparcel.yaml" in caught.value.hint


def test_mirror_has_files_of_own_components_and_names_what_is_compiled_only(workdir, site):
    """A component that is only a Go module is not asked for; files without a published checksum have none there."""
    upstream = Upstream(catalogs.load().components)
    for component, version in (("kubernetes", "1.36.3"), ("cri-tools", "1.36.0"), ("cni", "1.9.1")):
        site.publish_release(upstream, component, version)
    site.files[f"/127.0.0.1{PATH}"] = site.files[PATH]
    site.write_to(workdir / "near")
    digest = hashlib.sha256(site.files[PATH]).hexdigest()
    text = SETTINGS.format(version="1.2.0", url="http://127.0.0.1", digest=digest).replace("source: go", "mirror: near")
    text = text.replace("components:\n", "components:\n  tool: {version: 1.0.0, go: {module: example.com/tool}}\n")
    (workdir / "kubeparcel.yaml").write_text(f"{text}  tool: {{component: tool, summary: x}}\n")
    log = RecordingLog()
    mirror_release(load_settings({}), workdir / "far", log)
    assert ("Not copied", "tool: published as Go modules only") in log.messages
    assert (workdir / f"far/127.0.0.1{PATH}").read_bytes() == site.files[PATH]
    assert not (workdir / f"far/127.0.0.1{PATH}.sha256").exists()
    (workdir / "kubeparcel.yaml").write_text(text.replace("  tool:", "  # tool:").replace("near", "far"))
    assert len(fetch_release(load_settings({}), log, locked=False).binaries["hello", Arch.AMD64]) == 1


def test_rebuild_fetches_nothing_from_places_that_only_a_statement_names(write):
    lock = resolve_or_load(write(), RecordingLog(), locked=False)
    artifacts = lock.component("hello").artifacts
    with pytest.raises(ConfigurationError, match=r"defines the component hello, from http://127") as caught:
        require_upstream_origins(artifacts, lock, "hello.deb")
    assert "--key FILE" in caught.value.hint
    require_upstream_origins(artifacts, lock, "hello.deb", trusted=True)
    require_upstream_origins(artifacts, lock, "hello.deb", [lock])  # it is the user's own
    moved = [dataclasses.replace(a, origin="http://elsewhere.example/x") for a in artifacts]
    with pytest.raises(ConfigurationError, match="where its project does not publish it"):
        require_upstream_origins(moved, lock, "hello.deb", trusted=True)


@pytest.mark.parametrize(("requested", "found"), [("1.2", "1.2.3"), ("1.2.1", "1.2.1")])
def test_minor_of_a_component_is_its_newest_patch(monkeypatch, requested, found):
    out = ["cri-tools 1.36.0", *(f"cni 1.2.{patch}" for patch in range(4))]
    monkeypatch.setattr("kubeparcel.build.lock.resolver.select_source", lambda *_: FakeSource(out=out))
    lock = resolve(Request("1.36", {"cni": requested}), RecordingLog())
    assert str(lock.component("cni").version) == found
    with pytest.raises(UnknownVersion, match=r"No CNI plugins 1\.3 is published"):
        resolve(Request("1.36", {"cni": "1.3"}), RecordingLog())
