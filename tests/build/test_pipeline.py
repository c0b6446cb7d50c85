"""The steps of a build: fetching and assembling."""

import json

from kubeparcel.build.lock.resolver import resolve
from kubeparcel.build.manifests import finalize
from kubeparcel.build.planner import plan_packages
from kubeparcel.build.release_build import assemble_packages, fetch
from kubeparcel.build.workers.check_unit import CheckUnit
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.lock_models import Request
from kubeparcel.model import Arch
from kubeparcel.reports.results import Check
from tests.support.fake_sources import FakeModules, FakeSource
from tests.support.one_release import build

CATALOG = catalog.load()


def test_fetch_uses_the_locked_source_for_the_requested_architectures(fake_sources, log, store):
    go = FakeModules()
    fake_sources(FakeSource(), go)
    lock = resolve(Request("1.36", arches=tuple(Arch), source="go"), log)
    binaries = fetch(lock, load_settings({"arch": "arm64"}), store, log)
    assert {artifact.arch for artifact in go.fetched} == {Arch.ARM64}
    assert set(binaries) == {(name, Arch.ARM64) for name in ("kubernetes", "cri-tools", "cni")}


def test_assemble_packages_builds_every_planned_package(fake_sources, log, workdir, store):
    fake_sources()
    lock = resolve(Request("1.36"), log)
    settings = load_settings({"format": "deb", "compression": "fast"})
    binaries = fetch(lock, settings, store, log)
    manifests = [finalize(plan, lock, binaries, store) for plan in plan_packages(settings, lock, CATALOG)]
    packages = assemble_packages(manifests, store, log)
    assert [built.manifest.file_name for built in packages] == [
        "deb/kubeadm_1.36.3-1_amd64.deb",
        "deb/kubelet_1.36.3-1_amd64.deb",
        "deb/kubectl_1.36.3-1_amd64.deb",
        "deb/kubernetes-cni_1.9.1-1_amd64.deb",
        "deb/cri-tools_1.36.0-1_amd64.deb",
    ]
    assert all(store.has(built.sha256) for built in packages)


def test_build_names_packages_of_earlier_builds(fake_sources, log, workdir, store, monkeypatch):
    fake_sources()
    monkeypatch.setattr(CheckUnit, "run", lambda *_: (Check("x", "x"),))
    options = {"kubernetes": "1.36.3", "format": "deb", "compression": "fast"}
    first = build(load_settings(options), log)
    assert first.others == ()
    assert "also contains" not in first.as_text()
    second = build(load_settings({**options, "revision": "2"}), log)
    assert len(second.others) == 5
    assert "dist also contains 5 packages of earlier builds (deb/cri-tools_1.36.0-1_amd64.deb, …)." in second.as_text()
    assert "dist/deb/kubelet_1.36.3-1_amd64.deb" in json.loads(second.as_json())["others"]
