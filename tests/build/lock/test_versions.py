"""Listing versions: those that can be built, with their status."""

import json

import pytest

from kubeparcel.build.lock.versions import list_versions
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import UnknownVersion
from kubeparcel.sources.http.retry import RetryPolicy
from kubeparcel.sources.upstream import Upstream
from tests.support.fake_sources import FakeSource
from tests.support.upstream_site import serve_site

CNI = ("cni 1.9.1", "cni 1.8.0", "cni 1.7.1", "cni 1.6.2", "cni 1.5.1")
CRI_TOOLS = tuple(f"cri-tools 1.{minor}.0" for minor in (36, 35, 34, 33, 32, 31))
MARKERS = {
    "latest": "1.37.0-rc.1",
    "1.36": "1.36.3",
    "1.35": "1.35.4",
    "1.34": "1.34.4",
    "1.33": "1.33.9",
    "1.31": "1.31.4",
}


def test_pre_releases_and_unsupported_versions_are_marked(workdir, fake_sources, log):
    fake_sources(FakeSource(MARKERS, (*CNI, *CRI_TOOLS)))
    versions = list_versions(load_settings({}), log)
    assert {str(version): status for version, status in versions.status.items()} == {
        "1.37.0-rc.1": "pre-release",
        "1.36.3": "supported",
        "1.35.4": "supported",
        "1.34.4": "supported",
        "1.33.9": "out of support",
        "1.31.4": "out of support",
    }
    assert [line.split(maxsplit=1) for line in versions.as_text().splitlines()][:3] == [
        ["Version", "Status"],
        ["1.37.0-rc.1", "pre-release"],
        ["1.36.3", "supported"],
    ]
    document = json.loads(versions.as_json())
    assert document["versions"] == list(document["status"]) == list(MARKERS.values())
    assert document["incomplete"] == []


@pytest.mark.parametrize("missing", ["cni 1.7.1", "cri-tools"])
def test_version_without_a_component_is_not_listed_but_named(workdir, fake_sources, log, missing):
    out = [name for name in (*CNI, *CRI_TOOLS) if not name.startswith(missing)]
    fake_sources(FakeSource(MARKERS, [*out, "cri-tools 1.35.0"]))
    versions = list_versions(load_settings({}), log)
    names = {"cni 1.7.1": ("1.34.4",), "cri-tools": ("1.34.4", "1.33.9", "1.31.4")}[missing]
    assert tuple(map(str, versions.incomplete)) == names
    assert not set(names) & {str(version) for version in versions.status}
    assert f"Not listed, because the source has only parts of them: {', '.join(names)}" in versions.as_text()
    assert json.loads(versions.as_json())["incomplete"] == list(names)


def test_support_is_judged_by_published_minors_even_if_they_cannot_be_built(workdir, fake_sources, log):
    fake_sources(FakeSource(MARKERS, [name for name in (*CNI, *CRI_TOOLS) if name != "cni 1.9.1"]))
    versions = list_versions(load_settings({}), log)
    assert {str(v): status for v, status in versions.status.items()}["1.33.9"] == "out of support"


def test_mirror_with_markers_but_without_files_lists_only_complete_releases(workdir, log):
    with serve_site() as site:
        mirror = Upstream(catalog.load().components, site.url, RetryPolicy(attempts=1))
        site.publish_marker("stable", "v1.36.3")
        site.publish_marker("stable-1.36", "v1.36.3")
        site.publish_marker("stable-1.35", "v1.35.4")
        with pytest.raises(UnknownVersion, match=r"\n  1\.36\.3: no files of Kubernetes 1\.36\.3\n  1\.35\.4: "):
            list_versions(load_settings({"mirror": site.url}), log)
        for component, version in (("kubernetes", "1.36.3"), ("cri-tools", "1.36.0"), ("cni", "1.9.1")):
            site.publish_release(mirror, component, version)
        versions = list_versions(load_settings({"mirror": site.url}), log)
        assert list(map(str, versions.status)) == ["1.36.3"]
        assert list(map(str, versions.incomplete)) == ["1.35.4"]
