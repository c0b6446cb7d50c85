"""Variants of compiled binaries, FIPS and GOAMD64: requested, locked, and named in packages."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from kubeparcel.build.lock import comparison, lockfile
from kubeparcel.build.lock import document as lock_document
from kubeparcel.build.lock.inputs import describe_inputs
from kubeparcel.build.manifests import provenance
from kubeparcel.build.planner import plan_packages
from kubeparcel.config import catalog
from kubeparcel.config.patch_settings import stamped_version
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import BuildVariant, Lock, Patch, Request
from kubeparcel.packages.versions import deb_version_key, rpm_version_key
from tests.support.fake_sources import FakeModules, FakeSource, locked
from tests.support.one_release import resolve_or_load, update_lock

FIPS = BuildVariant(fips=True)


def fips_lock() -> Lock:
    """Return a lock of FIPS binaries."""
    lock = locked(source="go", variant=FIPS)
    components = tuple(dataclasses.replace(c, version=c.version.with_suffix("fips")) for c in lock.components)
    return dataclasses.replace(lock, source="go", components=components)


def test_variant_is_written_to_the_lock_and_read(tmp_path):
    lock = fips_lock()
    lockfile.write(lock, tmp_path / "kubeparcel.lock")
    document = yaml.safe_load((tmp_path / "kubeparcel.lock").read_text())
    assert document["request"]["go"] == {"fips": True}
    assert document["components"]["kubernetes"]["version"] == "1.36.3+fips"
    assert lockfile.read(tmp_path / "kubeparcel.lock") == lock
    assert "go" not in lock_document.request_document(Request())


@pytest.mark.parametrize(
    "text",
    [
        "go: 1",
        "go: {fips: 1}",
        "go: {fips: 'true'}",
        "go: {debug: 1}",
        "go: {amd64: v9}",
        "go: {amd64: 3}",
        "go: {other: true}",
    ],
)
def test_invalid_variant_in_the_lock_is_an_error(tmp_path, text):
    path = tmp_path / "kubeparcel.lock"
    path.write_text(lockfile.dump(fips_lock()).replace("go:\n    fips: true", text))
    assert text in path.read_text()
    with pytest.raises(ConfigurationError, match=r"kubeparcel\.lock is invalid"):
        lockfile.read(path)


def test_lock_of_a_variant_satisfies_the_same_variant_only():
    lock, request = fips_lock(), Request("1.36.3", fips_lock().request.versions)
    assert comparison.mismatches(lock, dataclasses.replace(request, variant=FIPS)) == []
    assert comparison.mismatches(lock, request) == ["compiled with go: locked fips, requested default"]
    assert comparison.mismatches(lock, dataclasses.replace(request, variant=BuildVariant(True, "v3"))) == [
        "compiled with go: locked fips, requested fips, amd64: v3"
    ]


def test_changed_variant_is_a_difference():
    assert list(comparison.differences(locked(), fips_lock()))[:2] == ["source: upstream → go", "go: default → fips"]


def test_variant_is_compiled_without_asking_upstream(fake_sources, workdir, log):
    fake_sources(FakeSource(down=ConfigurationError("never asked")), FakeModules())
    (workdir / "kubeparcel.yaml").write_text("go: {fips: true, amd64: v2, debug: true}\nmirror: /srv/mirror\n")
    lock = resolve_or_load(load_settings({"kubernetes": "1.36"}), log, locked=False)
    assert (lock.source, lock.request.variant) == ("go", BuildVariant(fips=True, amd64="v2", debug=True))
    assert "The mirror /srv/mirror is not used" in log.warnings[0]
    assert resolve_or_load(load_settings({"kubernetes": "1.36"}), log, locked=True) == lock
    assert update_lock(load_settings({"kubernetes": "1.36"}), log).exit_code == 0


def test_upstream_has_no_variants(fake_sources, workdir, log):
    fake_sources()
    (workdir / "kubeparcel.yaml").write_text("go: {amd64: v3}\n")
    with pytest.raises(ConfigurationError, match=r"go\.amd64: upstream's binaries are not compiled this way"):
        resolve_or_load(load_settings({"kubernetes": "1.36", "source": "upstream"}), log, locked=False)


def test_packages_of_a_variant_name_it(workdir):
    lock = fips_lock()
    plans = plan_packages(load_settings({}), lock, catalog.load())
    names = [plan.file_name for plan in plans if plan.name in ("kubelet", "cri-tools")]
    assert names == [
        "deb/kubelet_1.36.3+fips-1_amd64.deb",
        "rpm/kubelet-1.36.3+fips-1.x86_64.rpm",
        "deb/cri-tools_1.36.0+fips-1_amd64.deb",
        "rpm/cri-tools-1.36.0+fips-1.x86_64.rpm",
    ]
    record = provenance(plans[0], lock, {"kubeadm": "0" * 64})
    assert (record["go"], record["version"]) == ({"fips": True}, "1.36.3+fips")
    assert "go" not in provenance(plans[0], locked(), {})


PATCHES = (
    Patch("kubernetes", "fix-1.patch", "a" * 64, ">=1.36.0 <1.37.0", fuzz=1),
    Patch("kubernetes", "fix-2.patch", "b" * 64, "<1.36.0"),
)
PATCHED = BuildVariant(suffix="acme.1", patches=PATCHES)


def patched_lock() -> Lock:
    """Return a lock of Kubernetes with a patch."""
    lock = locked(source="go", variant=PATCHED)
    components = tuple(
        dataclasses.replace(c, version=stamped_version(PATCHED, c.name, c.version)) for c in lock.components
    )
    return dataclasses.replace(lock, source="go", components=components)


def test_patches_are_written_to_the_lock_and_read(tmp_path):
    lock = patched_lock()
    lockfile.write(lock, tmp_path / "kubeparcel.lock")
    request = yaml.safe_load((tmp_path / "kubeparcel.lock").read_text())["request"]
    assert "go" not in request
    assert request["version-suffix"] == "+acme.1"
    assert request["patches"]["kubernetes"][0] == {
        "file": "fix-1.patch",
        "sha256": "a" * 64,
        "fuzz": 1,
        "versions": ">=1.36.0 <1.37.0",
    }
    assert [str(c.version) for c in lock.components] == ["1.36.3+acme.1", "1.36.0", "1.9.1"]
    assert lockfile.read(tmp_path / "kubeparcel.lock") == lock


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a" * 64, "a" * 63),
        ("file: fix-1.patch", "file: /etc/fix-1.patch"),
        ("fuzz: 1", "fuzz: 3"),
        ("fuzz: 1", "fuzz: true"),
        ("fuzz: 1", "fuzz: [1]"),
        ("file: fix-1.patch", "other: fix-1.patch"),
        ("+acme.1\n", "-acme.1\n"),
        ("version-suffix:", "version:"),
        (">=1.36.0 <1.37.0", "=1.36"),
        ("patches:\n    kubernetes:", "patches:"),
    ],
)
def test_invalid_patch_in_the_lock_is_an_error(tmp_path, old, new):
    path = tmp_path / "kubeparcel.lock"
    text = lockfile.dump(patched_lock())
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigurationError, match=r"kubeparcel\.lock is invalid"):
        lockfile.read(path)


def test_changed_patch_needs_another_lock(fake_sources, workdir, log):
    fake_sources(FakeSource(down=ConfigurationError("never asked")), FakeModules())
    (workdir / "kubeparcel.yaml").write_text("patches: {kubernetes: [fix.patch]}\nversion-suffix: +acme.1\n")
    (workdir / "fix.patch").write_text("one")
    settings = load_settings({"kubernetes": "1.36"})
    lock = resolve_or_load(settings, log, locked=False)
    assert resolve_or_load(settings, log, locked=True) == lock
    (workdir / "fix.patch").write_text("two")
    with pytest.raises(ConfigurationError) as caught:
        resolve_or_load(settings, log, locked=True)
    assert (
        "compiled with go: locked kubernetes: fix.patch (sha256 7692c3ad3540…), +acme.1, "
        "requested kubernetes: fix.patch (sha256 3fc4ccfe7458…), +acme.1" in caught.value.message
    )
    assert update_lock(settings, log).exit_code == 1
    assert resolve_or_load(settings, log, locked=True) != lock


def test_upstreams_binaries_are_not_patched(fake_sources, workdir, log):
    fake_sources()
    (workdir / "kubeparcel.yaml").write_text("patches: {cni: [fix.patch]}\nversion-suffix: +acme.1\n")
    (workdir / "fix.patch").touch()
    with pytest.raises(ConfigurationError, match=r"^patches: upstream's binaries are not compiled this way"):
        resolve_or_load(load_settings({"kubernetes": "1.36", "source": "upstream"}), log, locked=False)


def test_packages_and_output_name_the_patches(workdir):
    lock = patched_lock()
    plans = plan_packages(load_settings({}), lock, catalog.load())
    names = [plan.file_name for plan in plans if plan.name in ("kubelet", "cri-tools")]
    assert names[:3] == [
        "deb/kubelet_1.36.3+acme.1-1_amd64.deb",
        "rpm/kubelet-1.36.3+acme.1-1.x86_64.rpm",
        "deb/cri-tools_1.36.0-1_amd64.deb",
    ]
    record = provenance(plans[0], lock, {"kubeadm": "0" * 64})
    assert record["patches"] == [{"file": "fix-1.patch", "sha256": "a" * 64, "fuzz": 1}]
    assert record["version"] == "1.36.3+acme.1"
    plugins = next(plan for plan in plans if plan.component == "cni")
    assert not {"patches", "go"} & provenance(plugins, lock, {}).keys()
    assert describe_inputs(lock).splitlines()[-1] == "Kubernetes patched: fix-1.patch"


def test_versions_of_a_variant_sort_after_the_release_and_before_the_next():
    versions = ["1.36.3~rc.1-1", "1.36.3-1", "1.36.3-9", "1.36.3+fips-1", "1.36.3+fips-2", "1.36.4-1"]
    mixed = versions[3:] + versions[:3]
    for key in (deb_version_key, rpm_version_key):
        assert sorted(mixed, key=key) == versions
