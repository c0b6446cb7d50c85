"""Resolving a request to exact versions, and reusing the lock."""

from __future__ import annotations

import dataclasses

import pytest

from kubeparcel.build.lock import lockfile
from kubeparcel.build.lock.resolver import resolve
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import UnknownVersion, Unreachable
from kubeparcel.lock_models import Request
from kubeparcel.model import Arch
from tests.support.fake_sources import DEFAULT_VERSIONS, FakeModules, FakeSource
from tests.support.one_release import read_lock, resolve_or_load, update_lock
from tests.support.recording_log import RecordingLog

UNREACHABLE = Unreachable("dl.k8s.io does not answer (timed out after 5 s).")


def resolve_versions(request: Request, log: RecordingLog) -> dict[str, str]:
    return {c.name: str(c.version) for c in resolve(request, log).components}


def test_resolve_adds_the_newest_cri_tools_of_the_minor_and_the_matching_cni(fake_sources, log):
    fake_sources(FakeSource(out=["cri-tools 1.36.0", "cri-tools 1.36.1", "cri-tools 1.36.2"]))
    assert resolve_versions(Request("1.36"), log) == {"kubernetes": "1.36.3", "cri-tools": "1.36.2", "cni": "1.9.1"}


@pytest.mark.parametrize(
    ("published", "version"),
    [
        (["cri-tools 1.36.0"], "1.36.0"),
        (["cri-tools 1.35.0", "cri-tools 1.35.1", "cri-tools 1.34.0"], "1.35.1"),
        (["cri-tools 1.31.0"], "1.31.0"),
    ],
)
def test_resolve_warns_and_uses_older_cri_tools_if_the_minor_has_none(fake_sources, log, published, version):
    fake_sources(FakeSource({"1.37": "1.37.0-rc.1"}, published))
    lock = resolve(Request("1.37"), log)
    assert str(lock.component("cri-tools").version) == version
    assert lock.warnings == (f"cri-tools 1.37 is not published yet: using {version}, the newest earlier one.",)


def test_resolve_does_not_warn_if_the_minor_has_cri_tools(fake_sources, log):
    fake_sources()
    assert resolve(Request("1.36"), log).warnings == ()


def test_resolve_without_any_cri_tools_names_the_searched_minors_and_the_option(fake_sources, log):
    fake_sources(FakeSource(out=["cri-tools 1.29.0"]))
    with pytest.raises(UnknownVersion) as caught:
        resolve(Request("1.36"), log)
    assert str(caught.value) == (
        "No cri-tools is published for Kubernetes 1.36.3 (searched 1.30 to 1.36).\n"
        "  Choose one with --cri-tools VERSION."
    )
    assert caught.value.exit_code == 2


def test_release_that_is_too_old_for_an_optional_component_is_reported_with_the_first(fake_sources, log):
    fake_sources(FakeSource({"1.21": "1.21.5"}, ["cri-tools 1.21.0"]))
    with pytest.raises(UnknownVersion) as caught:
        resolve(Request("1.21", {"etcd": ""}), log)
    assert caught.value.message == "The catalog has no etcd for Kubernetes 1.21.5."
    assert caught.value.hint.startswith("It has etcd from Kubernetes 1.22.0 on: ")


def test_resolve_uses_requested_versions_of_cri_tools_and_cni(fake_sources, log):
    fake_sources(FakeSource(out=[]))
    assert resolve_versions(Request("1.36", {"cri-tools": "1.30.1", "cni": "1.8.0"}), log) == {
        "kubernetes": "1.36.3",
        "cri-tools": "1.30.1",
        "cni": "1.8.0",
    }


def test_resolve_rejects_an_unpublished_kubernetes_version(fake_sources, log):
    fake_sources()
    with pytest.raises(UnknownVersion, match=r"Kubernetes 1\.99 is not published"):
        resolve(Request("1.99"), log)


def test_lock_records_request_source_and_toolchain(fake_sources, log):
    fake_sources(FakeSource(down=UNREACHABLE), FakeModules(toolchain="go1.26.8"))
    lock = resolve(Request("1.36", arches=(Arch.AMD64, Arch.S390X)), log)
    assert lock.request == Request("1.36", DEFAULT_VERSIONS, arches=(Arch.AMD64, Arch.S390X))
    assert (lock.source, lock.toolchain) == ("go", "go1.26.8")
    assert {artifact.arch for artifact in lock.artifacts} == {Arch.AMD64, Arch.S390X}


def test_lock_does_not_record_the_mirror(fake_sources, log):
    fake_sources()
    assert resolve(Request("1.36", mirror="/srv/mirror"), log).request == Request("1.36", DEFAULT_VERSIONS)


def test_resolve_raises_the_error_of_a_component_that_cannot_be_pinned(fake_sources, log):
    class Hidden(FakeSource):
        def pin(self, component, version, arches):
            if component == "cni":
                raise UnknownVersion("CNI plugins 1.9.1 is not published for s390x.")
            return super().pin(component, version, arches)

    fake_sources(Hidden())
    with pytest.raises(UnknownVersion, match="not published for s390x"):
        resolve(Request("1.36"), log)


def test_source_without_signatures_is_reported_if_they_are_required(fake_sources, log, workdir):
    fake_sources()
    settings = load_settings({"source": "go", "require_signatures": True})
    for locked in (False, True):
        log.warnings.clear()
        resolve_or_load(settings, log, locked=locked)
        assert log.warnings == ["Go modules have no signatures: required ones do not apply to source go."]


def test_unchanged_components_keep_the_dates_of_the_lock(fake_sources, log, workdir):
    """Mirrors date files differently: cri-tools of the next patch must have the same bytes."""
    source = FakeSource({"1.36.3": "1.36.3", "1.36.4": "1.36.4"})
    fake_sources(source)
    first = resolve_or_load(load_settings({"kubernetes": "1.36.3"}), log, locked=False)
    pin = source.pin
    source.pin = lambda *words: dataclasses.replace(pin(*words), released=1_800_000_000)
    second = resolve_or_load(load_settings({"kubernetes": "1.36.4"}), log, locked=False)
    assert second.component("kubernetes").released == 1_800_000_000
    for name in ("cri-tools", "cni"):
        assert second.component(name).released == first.component(name).released != 1_800_000_000
    update_lock(load_settings({"kubernetes": "1.36.4", "cni": "1.9.1"}), log)
    assert read_lock(workdir / lockfile.NAME).component("cni").released == first.component("cni").released
