"""The steps of a build: fetching and assembling."""

from __future__ import annotations

from kubeparcel.build import pipeline
from kubeparcel.build.planner import plan_packages
from kubeparcel.build.resolver import resolve
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.model import Arch, Request
from tests.conftest import FakeModules, FakeSource

CATALOG = catalog.load()


def test_fetch_uses_the_locked_source_for_the_requested_architectures(fake_sources, log, store):
    go = FakeModules()
    fake_sources(FakeSource(), go)
    lock = resolve(Request("1.36", arches=tuple(Arch), source="go"), CATALOG, log)
    binaries = pipeline.fetch(lock, load_settings({"arch": "arm64"}), store, log)
    assert {artifact.arch for artifact in go.fetched} == {Arch.ARM64}
    assert set(binaries) == {(name, Arch.ARM64) for name in ("kubernetes", "cri-tools", "cni")}


def test_assemble_packages_builds_every_planned_package(fake_sources, log, here, store):
    fake_sources()
    lock = resolve(Request("1.36"), CATALOG, log)
    settings = load_settings({"format": "deb", "compression": "fast"})
    binaries = pipeline.fetch(lock, settings, store, log)
    plans = plan_packages(settings, lock, CATALOG)
    packages = pipeline.assemble_packages(plans, lock, binaries, store, log)
    assert [built.manifest.file_name for built in packages] == [
        "deb/kubeadm_1.36.3-1_amd64.deb",
        "deb/kubelet_1.36.3-1_amd64.deb",
        "deb/kubectl_1.36.3-1_amd64.deb",
        "deb/kubernetes-cni_1.9.1-1_amd64.deb",
        "deb/cri-tools_1.36.0-1_amd64.deb",
    ]
    assert all(store.has(built.sha256) for built in packages)
