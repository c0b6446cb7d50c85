"""The layout level: packages just built, packages of others, and the cache of passed checks."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.console import PlainLog, QuietLog
from kubeparcel.errors import DigestError, UsageError
from kubeparcel.packages import reader
from kubeparcel.paths import PACKAGE
from kubeparcel.reports.output import as_json
from kubeparcel.verify.layout import level
from kubeparcel.verify.layout.checks import CHECKS
from tests.support.archive_builders import CONTROL, deb, member
from tests.support.checked_packages import check_packages
from tests.support.elf_files import Go
from tests.support.mutants.sboms import write_sboms
from tests.support.sample_packages import GO, PackageDraft, SamplePackages, sample_packages


def test_valid_packages_pass_every_check(samples: SamplePackages, valid_packages: dict[str, BuiltPackage]) -> None:
    report = check_packages(list(valid_packages.values()), samples.store, QuietLog())
    assert report.failed == ()
    assert report.exit_code == 0
    assert {check.subject for check in report.checks} == set(valid_packages)


def drop_recorded_contents(draft: PackageDraft) -> None:
    """Leave the record that earlier versions of kubeparcel wrote."""
    record = json.loads(Path(draft.entry("provenance.json")["src"]).read_text())
    del record["contents"]
    draft.replace_content("provenance.json", json.dumps(record))


@pytest.mark.parametrize("which", ["etc", "official"])
def test_valid_packages_pass_by_the_catalog_in_both_layouts(which: str, tmp_path: Path) -> None:
    samples = sample_packages(tmp_path, layout=which)
    for name, package in samples.manifests.items():
        samples.write(package, drop_recorded_contents, tmp_path / "out" / name)
    report = level.check_paths([tmp_path / "out"])
    assert report.failed == ()


def test_own_unit_of_a_site_is_not_judged_as_ours(tmp_path: Path) -> None:
    """A site may replace the unit, the drop-in and the environment file; publishing elsewhere knows by the record."""
    (tmp_path / "kubeparcel.yaml").write_text("""
packages:
  kubelet:
    files:
      - {path: "{unitdir}/kubelet.service", text: "[Service]\\nExecStart=/usr/bin/kubelet --config=/x.yaml\\n"}
      - {path: "{envfile}", text: "SITE=1\\n", config: true}
""")
    samples = sample_packages(tmp_path)
    files = {name: samples.write(package, None, tmp_path / "out" / name) for name, package in samples.manifests.items()}
    built = [samples.built(samples.manifests[name], file) for name, file in files.items()]
    assert check_packages(built, samples.store, QuietLog()).failed == ()
    report = level.check_paths([tmp_path / "out"])
    assert report.failed == ()
    names = {check.name for check in report.checks if check.subject.startswith("kubelet")}
    assert not names & {"unit-exec-start", "unit-restart", "unit-waits-for-config", "env-file"}


@pytest.mark.parametrize("version", ["1.11.10", "1.24.17", "1.29.15", "1.31.0", "1.37.0-rc.1"])
def test_valid_packages_of_other_versions_pass_by_the_catalog(version: str, tmp_path: Path) -> None:
    go = {**GO, "kubernetes": Go(version=f"v{version}")}
    samples = sample_packages(tmp_path, version, go=go)
    for package in samples.manifests.values():
        samples.write(package, drop_recorded_contents, tmp_path / "out" / package.file_name)
    assert level.check_paths([tmp_path / "out"]).failed == ()


def assert_valid(samples: SamplePackages, folder: Path) -> None:
    """Assert that all packages pass, as built and by their records."""
    packages = [(package, samples.write(package, None, folder / name)) for name, package in samples.manifests.items()]
    built = [samples.built(package, file) for package, file in packages]
    assert check_packages(built, samples.store, QuietLog()).failed == ()
    assert level.check_paths([file for _, file in packages]).failed == ()


@pytest.mark.parametrize("folder", ["/usr/lib/cni", "/usr/libexec/cni", "/usr/lib/kubernetes/cni"])
def test_packages_with_another_folder_of_plugins_pass(folder: str, tmp_path: Path) -> None:
    samples = sample_packages(tmp_path, cni_bin_dir=folder)
    assert_valid(samples, tmp_path / "out")


def test_packages_without_rows_of_the_catalog_pass(tmp_path: Path) -> None:
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
    samples = sample_packages(tmp_path)
    assert_valid(samples, tmp_path / "out")


def test_every_check_applies_to_some_package(
    samples: SamplePackages, official_samples: SamplePackages, valid_packages: dict[str, BuiltPackage], tmp_path: Path
) -> None:
    package = official_samples.manifest("kubeadm", "deb")
    file = official_samples.write(package, None, tmp_path)
    write_sboms(file)
    built = official_samples.built(package, file)
    reports = (
        check_packages([*valid_packages.values()], samples.store, QuietLog()),
        check_packages([built], official_samples.store, QuietLog()),
        level.check_paths([file]),
    )
    applied = {check.name for report in reports for check in report.checks}
    assert applied == {check.name for check in CHECKS} | {level.READABLE_CHECK}


def test_check_names_are_unique_and_in_kebab_case() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and " " not in name and "_" not in name for name in names)
    assert all(check.meaning and not check.meaning.endswith(".") for check in CHECKS)


def test_passed_checks_are_cached_and_still_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = sample_packages(tmp_path)
    package = samples.manifest("kubeadm", "deb")
    built = samples.built(package, samples.write(package, None, tmp_path / "work"))
    first = check_packages([built], samples.store, QuietLog())

    def unreadable(path: Path, cache: object = None) -> None:
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr(reader, "read_package", unreadable)
    second = check_packages([built], samples.store, QuietLog())
    assert second.checks == first.checks


def test_another_expectation_invalidates_the_cache(tmp_path: Path) -> None:
    samples = sample_packages(tmp_path)
    package = samples.manifest("kubectl", "deb")
    built = samples.built(package, samples.write(package, None, tmp_path / "work"))
    assert check_packages([built], samples.store, QuietLog()).passed

    other = dataclasses.replace(package, version="1.36.4")
    report = check_packages([dataclasses.replace(built, manifest=other)], samples.store, QuietLog())
    assert "identity" in {check.name for check in report.failed}


def test_failed_checks_are_not_cached(tmp_path: Path) -> None:
    samples = sample_packages(tmp_path)
    package = samples.manifest("kubectl", "deb")
    file = samples.write(package, lambda d: d.remove("copyright"), tmp_path / "work")
    built = samples.built(package, file)
    for _ in range(2):
        assert not check_packages([built], samples.store, QuietLog()).passed


def test_package_built_from_a_damaged_file_raises_digest_error(tmp_path: Path) -> None:
    samples = sample_packages(tmp_path)
    package = samples.manifest("kubectl", "deb")
    built = samples.built(package, samples.write(package, lambda d: d.remove("copyright"), tmp_path / "work"))
    damaged = next(f for f in package.files if f.path == "/usr/bin/kubectl")
    samples.store.path(damaged.sha256).write_bytes(b"damaged")
    with pytest.raises(DigestError, match="/usr/bin/kubectl"):
        check_packages([built], samples.store, QuietLog())


def test_path_in_two_packages_fails_in_both(samples: SamplePackages, tmp_path: Path) -> None:
    def greedy(draft: PackageDraft) -> None:
        draft.add_file("/usr/share/man/man1/kubectl.1")

    for name in ("kubectl", "kubeadm"):
        samples.write(samples.manifest(name, "deb"), greedy, tmp_path / name)
    report = level.check_paths([tmp_path])
    clashes = [check for check in report.failed if check.name == "one-owner-per-path"]
    assert [check.findings[0].location for check in clashes] == ["/usr/share/man/man1/kubectl.1"] * 2
    assert clashes[0].findings[0].found == "also in kubectl"


def test_path_in_two_packages_of_a_build_fails(samples: SamplePackages, tmp_path: Path) -> None:
    built = []
    for name in ("kubectl", "kubeadm"):
        package = samples.manifest(name, "rpm")
        page = next(file for file in package.files if "completions" in file.path)
        page = dataclasses.replace(page, path="/usr/share/man/man1/kube.1")
        package = dataclasses.replace(package, files=(*package.files, page))
        built.append(samples.built(package, samples.write(package, None, tmp_path / "out" / name)))
    report = check_packages(built, samples.store, QuietLog())
    assert {check.name for check in report.failed} == {"one-owner-per-path"}


def test_package_outside_the_catalog_gets_only_general_checks(samples: SamplePackages, tmp_path: Path) -> None:
    def rename(draft: PackageDraft) -> None:
        draft.config["name"] = "node-tools"
        draft.remove("provenance.json")

    file = samples.write(samples.manifest("kubelet", "deb"), rename, tmp_path)
    names = {check.name for check in level.check_paths([file]).checks}
    assert {"modes", "declared-digests", "drop-in-readable"} & names == {"modes", "declared-digests"}
    assert "files-present" not in names
    assert "relations" not in names


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
def test_customized_packages_are_judged_by_the_settings_that_made_them(layout: str, tmp_path: Path) -> None:
    (tmp_path / "kubeparcel.yaml").write_text(CUSTOMIZED)
    samples = sample_packages(tmp_path, layout=layout)
    for name, package in samples.manifests.items():
        samples.write(package, None, tmp_path / "out" / name)
    assert level.check_paths([tmp_path / "out"]).failed == ()


def test_changes_after_the_build_fail_against_the_record_in_the_package(tmp_path: Path) -> None:
    (tmp_path / "kubeparcel.yaml").write_text(CUSTOMIZED)
    samples = sample_packages(tmp_path)

    def change(draft: PackageDraft) -> None:
        draft.config["depends"].remove("chrony")
        draft.remove("/etc/sysctl.d/99-kubelet.conf")
        draft.add_file("/usr/bin/stray")

    file = samples.write(samples.manifest("kubelet", "deb"), change, tmp_path / "out")
    failed = {check.name for check in level.check_paths([file]).failed}
    assert failed == {"relations", "files-present", "no-stray-files"}


def test_stricter_modes_are_no_fault_in_packages_of_others(tmp_path: Path, official_samples: SamplePackages) -> None:
    def drop_record(draft: PackageDraft) -> None:
        draft.remove("provenance.json")
        draft.set_info("/kubelet.service", mode=0o600)
        draft.set_info("/etc/kubernetes/manifests", mode=0o700)

    file = official_samples.write(official_samples.manifest("kubelet", "deb"), drop_record, tmp_path)
    assert "modes" not in {check.name for check in level.check_paths([file]).failed}


def test_file_that_is_not_a_package_is_one_failed_check(tmp_path: Path) -> None:
    file = tmp_path / "kubelet.deb"
    file.write_text("<html>404</html>")
    (check,) = level.check_paths([file]).checks
    assert (check.name, check.passed) == ("readable", False)
    assert "neither a deb nor an rpm" in check.findings[0].found


def test_missing_packages_raise_usage_error_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"No packages \(\*\.deb or \*\.rpm\) in /"):
        level.check_paths([tmp_path])
    with pytest.raises(UsageError, match="no such file or folder"):
        level.check_paths([tmp_path / "missing.deb"])


def test_build_check_logs_its_result(
    samples: SamplePackages, valid_packages: dict[str, BuiltPackage], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_packages(list(valid_packages.values()), samples.store, PlainLog())
    assert capsys.readouterr().err.startswith("Check      10 packages, ")

    package = samples.manifest("kubectl", "rpm")
    file = samples.write(package, lambda d: d.set_info("/usr/bin/kubectl", mode=0o600), tmp_path)
    check_packages([samples.built(package, file)], samples.store, PlainLog())
    output = capsys.readouterr().err
    assert "modes" in output
    assert "0600" in output


def test_results_module_imports_no_heavy_libraries() -> None:
    code = "import sys, kubeparcel.reports.results; print(*sys.modules)"
    env = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    argv = [sys.executable, "-c", code]
    result = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert not {"pydantic", "yaml", "elftools", "zstandard", "xml"} & set(result.stdout.split())


def test_report_of_real_checks_is_valid_json(samples: SamplePackages, tmp_path: Path) -> None:
    samples.write(samples.manifest("kubelet", "rpm"), None, tmp_path)
    document = json.loads(as_json([level.check_paths([tmp_path])]))
    assert document["passed"] is True
    assert document["count"] == len(document["checks"])


def test_upstream_binaries_without_module_information_pass(tmp_path: Path) -> None:
    silent = {name: Go("", "", settings={}, sources=("/go/src/x.go",)) for name in GO}
    samples = sample_packages(tmp_path, go=silent, source="upstream")
    built = [
        samples.built(package, samples.write(package, None, tmp_path / "out" / name))
        for name, package in samples.manifests.items()
    ]
    report = check_packages(built, samples.store, QuietLog())
    assert report.failed == ()
    assert not {"go-trimpath", "no-build-paths"} & {check.name for check in report.checks}


def test_a_check_reports_its_first_findings_and_the_number_of_others(tmp_path: Path) -> None:
    members = [member(f"./usr/bin/{number}", b"x" * 99, mode=0o777) for number in range(250)]
    control = {"control": CONTROL + "Depends: " + "a" * 5000 + "\n", "postinst": "#!/bin/sh\n" + "exit 1\n" * 250}
    (tmp_path / "a.deb").write_bytes(deb(*members, control=control))
    report = level.check_paths([tmp_path / "a.deb"])
    failed = next(check for check in report.checks if check.name == "scripts-succeed")
    assert len(failed.findings) == 101
    assert failed.findings[-1].found == "150 more findings"
    assert all(len(finding.found) < 2100 for check in report.checks for finding in check.findings)
