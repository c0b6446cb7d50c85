"""Variants of compiled binaries, FIPS and GOAMD64: requested, locked, and named in packages."""

import dataclasses

import pytest
import yaml

from kubeparcel.build.lock import comparison, lockfile
from kubeparcel.build.lock import document as lock_document
from kubeparcel.build.lock.components import describe_inputs
from kubeparcel.build.manifests import provenance
from kubeparcel.build.planner import plan_packages
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import BuildVariant, Patch, Request
from kubeparcel.packages.versions import deb_version_key, rpm_version_key
from tests.build.plans import compiled_lock
from tests.support.fake_sources import FakeModules, FakeSource, locked
from tests.support.one_release import read_lock, resolve_or_load, update_lock, write_lock

FIPS = BuildVariant(fips=True)


PATCHES = (
    Patch("kubernetes", "fix-1.patch", "a" * 64, ">=1.36.0 <1.37.0", fuzz=1),
    Patch("kubernetes", "fix-2.patch", "b" * 64, "<1.36.0"),
)
FIPS_LOCK = compiled_lock(FIPS)
PATCHED_LOCK = compiled_lock(BuildVariant(suffix="acme.1", patches=PATCHES))


def test_variant_is_written_to_the_lock_and_read(tmp_path):
    write_lock(FIPS_LOCK, tmp_path / "kubeparcel.lock")
    document = yaml.safe_load((tmp_path / "kubeparcel.lock").read_text())
    assert document["request"]["go"] == {"fips": True}
    assert document["components"]["kubernetes"]["version"] == "1.36.3+fips"
    assert read_lock(tmp_path / "kubeparcel.lock") == FIPS_LOCK
    assert "go" not in lock_document.request_document(Request())


def test_lock_of_a_variant_satisfies_the_same_variant_only():
    lock, request = FIPS_LOCK, Request("1.36.3", FIPS_LOCK.request.versions)
    assert comparison.mismatches(lock, dataclasses.replace(request, variant=FIPS)) == []
    assert comparison.mismatches(lock, request) == ["compiled with go: locked fips, requested default"]
    assert comparison.mismatches(lock, dataclasses.replace(request, variant=BuildVariant(True, "v3"))) == [
        "compiled with go: locked fips, requested fips, amd64: v3"
    ]


def test_changed_variant_is_a_difference():
    assert list(comparison.differences(locked(), FIPS_LOCK))[:2] == ["source: upstream → go", "go: default → fips"]


def test_variant_is_compiled_without_asking_upstream(fake_sources, workdir, log):
    fake_sources(FakeSource(down=ConfigurationError("never asked")), FakeModules())
    (workdir / "kubeparcel.yaml").write_text("go: {fips: true, amd64: v2, debug: true}\nmirror: /srv/mirror\n")
    lock = resolve_or_load(load_settings({"kubernetes": "1.36"}), log, locked=False)
    assert (lock.source, lock.request.variant) == ("go", BuildVariant(fips=True, amd64="v2", debug=True))
    assert "The mirror /srv/mirror is not used" in log.warnings[0]
    assert resolve_or_load(load_settings({"kubernetes": "1.36"}), log, locked=True) == lock
    assert update_lock(load_settings({"kubernetes": "1.36"}), log).exit_code == 0


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("go: {amd64: v3}\n", r"go\.amd64: upstream's binaries are not compiled this way"),
        (
            "patches: {cni: [fix.patch]}\nversion-suffix: +acme.1\n",
            "^patches: upstream's binaries are not compiled this way",
        ),
    ],
)
def test_upstream_has_no_variants_and_no_patches(fake_sources, workdir, log, settings, problem):
    fake_sources()
    (workdir / "kubeparcel.yaml").write_text(settings)
    (workdir / "fix.patch").touch()
    with pytest.raises(ConfigurationError, match=problem):
        resolve_or_load(load_settings({"kubernetes": "1.36", "source": "upstream"}), log, locked=False)


def test_packages_of_a_variant_name_it(workdir):
    plans = plan_packages(load_settings({}), FIPS_LOCK, catalog.load())
    names = [plan.file_name for plan in plans if plan.name in ("kubelet", "cri-tools")]
    assert names == [
        "deb/kubelet_1.36.3+fips-1_amd64.deb",
        "rpm/kubelet-1.36.3+fips-1.x86_64.rpm",
        "deb/cri-tools_1.36.0+fips-1_amd64.deb",
        "rpm/cri-tools-1.36.0+fips-1.x86_64.rpm",
    ]
    record = provenance(plans[0], FIPS_LOCK, {"kubeadm": "0" * 64})
    assert (record["go"], record["version"]) == ({"fips": True}, "1.36.3+fips")
    assert "go" not in provenance(plans[0], locked(), {})


def test_patches_are_written_to_the_lock_and_read(tmp_path):
    write_lock(PATCHED_LOCK, tmp_path / "kubeparcel.lock")
    request = yaml.safe_load((tmp_path / "kubeparcel.lock").read_text())["request"]
    assert "go" not in request
    assert request["version-suffix"] == "+acme.1"
    assert request["patches"]["kubernetes"][0] == {
        "file": "fix-1.patch",
        "sha256": "a" * 64,
        "fuzz": 1,
        "versions": ">=1.36.0 <1.37.0",
    }
    assert [str(c.version) for c in PATCHED_LOCK.components] == ["1.36.3+acme.1", "1.36.0", "1.9.1"]
    assert read_lock(tmp_path / "kubeparcel.lock") == PATCHED_LOCK


@pytest.mark.parametrize(
    ("lock", "old", "new"),
    [
        *(
            (FIPS_LOCK, "go:\n    fips: true", text)
            for text in (
                *("go: 1", "go: {fips: 1}", "go: {fips: 'true'}", "go: {debug: 1}"),
                *("go: {amd64: v9}", "go: {amd64: 3}", "go: {other: true}"),
            )
        ),
        (PATCHED_LOCK, "a" * 64, "a" * 63),
        (PATCHED_LOCK, "file: fix-1.patch", "file: /etc/fix-1.patch"),
        (PATCHED_LOCK, "fuzz: 1", "fuzz: 3"),
        (PATCHED_LOCK, "fuzz: 1", "fuzz: true"),
        (PATCHED_LOCK, "fuzz: 1", "fuzz: [1]"),
        (PATCHED_LOCK, "file: fix-1.patch", "other: fix-1.patch"),
        (PATCHED_LOCK, "+acme.1\n", "-acme.1\n"),
        (PATCHED_LOCK, "version-suffix:", "version:"),
        (PATCHED_LOCK, ">=1.36.0 <1.37.0", "=1.36"),
        (PATCHED_LOCK, "patches:\n    kubernetes:", "patches:"),
    ],
)
def test_invalid_variant_or_patch_in_the_lock_is_an_error(tmp_path, lock, old, new):
    text = lockfile.dump(lock)
    assert old in text
    (tmp_path / "kubeparcel.lock").write_text(text.replace(old, new))
    with pytest.raises(ConfigurationError, match=r"kubeparcel\.lock is invalid"):
        read_lock(tmp_path / "kubeparcel.lock")


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


def test_packages_and_output_name_the_patches(workdir):
    lock = PATCHED_LOCK
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
