"""Variants of compiled binaries, FIPS and GOAMD64: requested, locked, and named in packages."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from kubeparcel.build import lockfile
from kubeparcel.build.assembler import provenance
from kubeparcel.build.planner import plan_packages
from kubeparcel.build.resolver import resolve_or_load, update_lock
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import BuildVariant, Lock, Request
from kubeparcel.packages.versions import deb_version_key, rpm_version_key
from tests.conftest import FakeModules, FakeSource, locked

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
    assert "go" not in lockfile.request_document(Request())


@pytest.mark.parametrize(
    "text", ["go: 1", "go: {fips: 1}", "go: {fips: 'true'}", "go: {amd64: v9}", "go: {amd64: 3}", "go: {other: true}"]
)
def test_invalid_variant_in_the_lock_is_an_error(tmp_path, text):
    path = tmp_path / "kubeparcel.lock"
    path.write_text(lockfile.dump(fips_lock()).replace("go:\n    fips: true", text))
    assert text in path.read_text()
    with pytest.raises(ConfigurationError, match=r"kubeparcel\.lock is invalid"):
        lockfile.read(path)


def test_lock_of_a_variant_satisfies_the_same_variant_only():
    lock, request = fips_lock(), Request("1.36.3", fips_lock().request.versions)
    assert lockfile.mismatches(lock, dataclasses.replace(request, variant=FIPS)) == []
    assert lockfile.mismatches(lock, request) == ["compiled with go: locked fips, requested default"]
    assert lockfile.mismatches(lock, dataclasses.replace(request, variant=BuildVariant(True, "v3"))) == [
        "compiled with go: locked fips, requested fips, amd64: v3"
    ]


def test_changed_variant_is_a_difference():
    assert list(lockfile.differences(locked(), fips_lock()))[:2] == ["source: upstream → go", "go: default → fips"]


def test_variant_is_compiled_without_asking_upstream(fake_sources, workdir, log):
    fake_sources(FakeSource(down=ConfigurationError("never asked")), FakeModules())
    (workdir / "kubeparcel.yaml").write_text("go: {fips: true, amd64: v2}\nmirror: /srv/mirror\n")
    lock = resolve_or_load(load_settings({"kubernetes": "1.36"}), log, locked=False)
    assert (lock.source, lock.request.variant) == ("go", BuildVariant(fips=True, amd64="v2"))
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


def test_versions_of_a_variant_sort_after_the_release_and_before_the_next():
    versions = ["1.36.3~rc.1-1", "1.36.3-1", "1.36.3-9", "1.36.3+fips-1", "1.36.3+fips-2", "1.36.4-1"]
    mixed = versions[3:] + versions[:3]
    for key in (deb_version_key, rpm_version_key):
        assert sorted(mixed, key=key) == versions
