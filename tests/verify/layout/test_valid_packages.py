"""Valid packages pass: of both layouts, of other versions, and customized ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.console import QuietLog
from kubeparcel.verify.layout import level
from tests.support.checked_packages import check_packages
from tests.support.elf_files import Go
from tests.support.sample_packages import GO, Mutation, PackageDraft, SamplePackages, sample_packages


def drop_recorded_contents(draft: PackageDraft) -> None:
    """Leave the record that earlier versions of kubeparcel wrote."""
    record = json.loads(Path(draft.entry("provenance.json")["src"]).read_text())
    del record["contents"]
    draft.replace_content("provenance.json", json.dumps(record))


def build_all(samples: SamplePackages, folder: Path, mutate: Mutation | None = None) -> list[BuiltPackage]:
    """Write all packages into a folder, and return them as results of the build."""
    return [samples.build(package, mutate, folder / name) for name, package in samples.manifests.items()]


def assert_valid(samples: SamplePackages, folder: Path) -> None:
    """Assert that all packages pass, as built and by their records."""
    assert check_packages(build_all(samples, folder), samples.store, QuietLog()).failed == ()
    assert level.check_paths([folder]).failed == ()


@pytest.mark.parametrize("which", ["etc", "official"])
def test_valid_packages_pass_by_the_catalog_in_both_layouts(which, tmp_path):
    build_all(sample_packages(tmp_path, layout=which), tmp_path / "out", drop_recorded_contents)
    assert level.check_paths([tmp_path / "out"]).failed == ()


def test_own_unit_of_a_site_is_not_judged_as_ours(tmp_path):
    """A site may replace the unit, the drop-in and the environment file; publishing elsewhere knows by the record."""
    (tmp_path / "kubeparcel.yaml").write_text("""
packages:
  kubelet:
    files:
      - {path: "{unitdir}/kubelet.service", text: "[Service]\\nExecStart=/usr/bin/kubelet --config=/x.yaml\\n"}
      - {path: "{envfile}", text: "SITE=1\\n", config: true}
""")
    samples = sample_packages(tmp_path)
    built = build_all(samples, tmp_path / "out")
    assert check_packages(built, samples.store, QuietLog()).failed == ()
    report = level.check_paths([tmp_path / "out"])
    assert report.failed == ()
    names = {check.name for check in report.checks if check.subject.startswith("kubelet")}
    assert not names & {"unit-exec-start", "unit-restart", "unit-waits-for-config", "env-file"}


@pytest.mark.parametrize("version", ["1.11.10", "1.24.17", "1.29.15", "1.31.0", "1.37.0-rc.1"])
def test_valid_packages_of_other_versions_pass_by_the_catalog(version, tmp_path):
    go = {**GO, "kubernetes": Go(version=f"v{version}")}
    build_all(sample_packages(tmp_path, version, go=go), tmp_path / "out", drop_recorded_contents)
    assert level.check_paths([tmp_path / "out"]).failed == ()


@pytest.mark.parametrize("folder", ["/usr/lib/cni", "/usr/libexec/cni", "/usr/lib/kubernetes/cni"])
def test_packages_with_another_folder_of_plugins_pass(folder, tmp_path):
    assert_valid(sample_packages(tmp_path, cni_bin_dir=folder), tmp_path / "out")


def test_packages_without_rows_of_the_catalog_pass(tmp_path):
    (tmp_path / "kubeparcel.yaml").write_text("""
packages:
  kubelet:
    files: [{path: /etc/kubernetes/manifests, remove: true}]
    relations: [{depends: kubernetes-cni, remove: true}]
  kubernetes-cni:
    files: [{path: /opt/cni/bin/portmap, remove: true}]
  kubectl:
    relations: [{conflicts: kubernetes-client, remove: true}]
""")
    assert_valid(sample_packages(tmp_path), tmp_path / "out")


CUSTOMIZED = """
packages:
  kubelet:
    relations: [{depends: chrony, formats: [deb]}, {recommends: chrony, formats: [rpm]}]
    files:
      - {path: /etc/sysctl.d/99-kubelet.conf, text: vm.overcommit_memory=1, config: true, mode: "0600"}
      - {path: "{envfile}", text: "KUBELET_EXTRA_ARGS=", config: true, mode: "0600"}
  kubectl:
    files: [{path: /usr/bin/kubectl, binary: kubectl, mode: "0700"}]
"""


@pytest.mark.parametrize("layout", ["etc", "official"])
def test_customized_packages_are_judged_by_the_settings_that_made_them(layout, tmp_path):
    (tmp_path / "kubeparcel.yaml").write_text(CUSTOMIZED)
    build_all(sample_packages(tmp_path, layout=layout), tmp_path / "out")
    assert level.check_paths([tmp_path / "out"]).failed == ()


def test_changes_after_the_build_fail_against_the_record_in_the_package(tmp_path):
    (tmp_path / "kubeparcel.yaml").write_text(CUSTOMIZED)
    samples = sample_packages(tmp_path)

    def change(draft: PackageDraft) -> None:
        draft.config["depends"].remove("chrony")
        draft.remove("/etc/sysctl.d/99-kubelet.conf")
        draft.add_file("/usr/bin/stray")

    file = samples.write(samples.manifest("kubelet", "deb"), change, tmp_path / "out")
    failed = {check.name for check in level.check_paths([file]).failed}
    assert failed == {"relations", "files-present", "no-stray-files"}


def test_stricter_modes_are_no_fault_in_packages_of_others(tmp_path, official_samples):
    def drop_record(draft: PackageDraft) -> None:
        draft.remove("provenance.json")
        draft.set_info("/kubelet.service", mode=0o600)
        draft.set_info("/etc/kubernetes/manifests", mode=0o700)

    file = official_samples.write(official_samples.manifest("kubelet", "deb"), drop_record, tmp_path)
    assert "modes" not in {check.name for check in level.check_paths([file]).failed}


def test_upstream_binaries_without_module_information_pass(tmp_path):
    silent = {name: Go("", "", settings={}, sources=("/go/src/x.go",)) for name in GO}
    samples = sample_packages(tmp_path, go=silent, source="upstream")
    report = check_packages(build_all(samples, tmp_path / "out"), samples.store, QuietLog())
    assert report.failed == ()
    assert not {"go-trimpath", "no-build-paths"} & {check.name for check in report.checks}
