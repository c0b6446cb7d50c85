"""Packages that must not be published are rejected, and the repository does not change."""

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.doctor.examination import ExaminationRequest, examine
from kubeparcel.errors import ConfigurationError, UsageError
from kubeparcel.packages.errors import BrokenPackage
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.policy import PolicyViolation
from tests.support import client_view
from tests.support.package_builders import deb, five, rpm
from tests.support.sample_packages import sample_packages


def test_publish_rejects_unmet_dependencies(publish, dist, repo):
    (dist / "kubernetes-cni_1.9.1-1_amd64.deb").unlink()
    (dist / "cri-tools-1.36.0-1.x86_64.rpm").unlink()
    with pytest.raises(PolicyViolation) as violation:
        publish()
    assert "kubelet 1.36.3-1 amd64 (deb) needs kubernetes-cni (>= 1.2.0)" in str(violation.value)
    assert "cri-tools for x86_64 (rpm) is missing" in str(violation.value)
    assert not (repo / "apt").exists()


def test_publish_rejects_an_architecture_without_companions(publish, dist, repo):
    publish()
    before = client_view.read_files(repo)
    deb(dist, "kubelet", "1.36.3-1", "arm64", "kubernetes-cni (>= 1.2.0)")
    with pytest.raises(PolicyViolation, match="kubernetes-cni for arm64") as violation:
        publish()
    assert "kubelet 1.36.3-1 arm64" in str(violation.value)
    assert client_view.read_files(repo) == before


def test_publish_rejects_other_content_of_a_published_version(publish, dist, repo, tmp_path):
    publish()
    before = client_view.read_files(repo)
    for make in (deb, rpm):
        other = make(tmp_path / make.__name__, "kubectl", "1.36.3-1", body=b"other")
        with pytest.raises(PolicyViolation, match="different content"):
            publish(other.parent)
    assert client_view.read_files(repo) == before


def test_publish_rejects_two_different_files_of_one_package(publish, dist):
    deb(dist / "again", "kubectl", "1.36.3-1", body=b"other")
    with pytest.raises(PolicyViolation, match="Two different files of kubectl"):
        publish()


@pytest.mark.parametrize("cut", [0.0, 0.02, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("name", ["kubelet_1.36.3-1_amd64.deb", "kubelet-1.36.3-1.x86_64.rpm"])
def test_publish_rejects_a_truncated_package(publish, dist, repo, name, cut):
    data = (dist / name).read_bytes()
    (dist / name).write_bytes(data[: int(cut * len(data))])
    with pytest.raises(BrokenPackage, match=name):
        publish()
    assert not (repo / "apt").exists()


def test_publish_rejects_a_file_that_is_not_a_package(publish, dist):
    (dist / "x.deb").write_bytes(b"<html>404</html>")
    with pytest.raises(BrokenPackage, match=r"x\.deb: it is not a deb"):
        publish()


def test_publish_rejects_an_unknown_architecture(publish, dist):
    deb(dist, "x", arch="pdp11")
    with pytest.raises(BrokenPackage, match="pdp11"):
        publish()


def test_remove_rejects_packages_that_others_need(publish, repo):
    publish()
    before = client_view.read_files(repo)
    with pytest.raises(PolicyViolation, match="needs kubernetes-cni"):
        publisher.remove(["kubernetes-cni"], Target(str(repo)), QuietLog())
    with pytest.raises(UsageError, match="No package in the repository matches"):
        publisher.remove(["nobody"], Target(str(repo)), QuietLog())
    assert client_view.read_files(repo) == before


@pytest.mark.parametrize("suite", ["../x", "a/b", ".", "-x", "a\nb"])
def test_suite_name_cannot_leave_the_repository(publish, repo, suite):
    with pytest.raises(ConfigurationError):
        publish(suite=suite)
    assert not repo.exists() or not (repo / "apt").exists()


@pytest.mark.parametrize("name", ["../../etc/x", "a/b", "a b", ".x", "", "<b>", "a\x00b"])
def test_package_name_cannot_leave_the_repository(publish, dist, repo, name):
    deb(dist, "x", fields=f"Package: {name}\n")  # of two fields of a name the last one counts
    with pytest.raises(BrokenPackage, match="its Package field"):
        publish()
    assert not (repo / "apt").exists()


def test_packages_of_the_distribution_in_a_suite_do_not_have_to_be_complete(publish, repo, tmp_path):
    """Debian's iptables for amd64 in one suite: rpms, other architectures and suites find theirs elsewhere."""
    outside = tmp_path / "outside"
    deb(outside, "iptables", "1.8.9-2", depends="libxtables12 (= 1.8.9-2)")
    publish(outside, suite="stable")
    for make, arch in ((deb, "amd64"), (deb, "arm64"), (rpm, "amd64")):
        make(outside, "own", "1.0-1", arch, "iptables (>= 9), conntrack")
    publish(outside, suite="stable")
    publish(five(tmp_path / "five", arches=("amd64", "arm64")))
    report = examine(ExaminationRequest(str(repo), quick=True), QuietLog())
    assert report.exit_code == 0, report.as_text()
    publisher.remove(["iptables"], Target(str(repo)), QuietLog())


CUSTOMIZED = """
packages:
  kubelet:
    relations: [{depends: chrony, formats: [deb]}]
    files: [{path: /usr/bin/kubelet, binary: kubelet, mode: "0700"}]
"""


def test_publish_judges_packages_by_the_settings_that_made_them(key, repo, tmp_path):
    (tmp_path / "kubeparcel.yaml").write_text(CUSTOMIZED)
    samples = sample_packages(tmp_path)
    for package in samples.manifests.values():
        samples.write(package, None, tmp_path / "out" / package.name)
    result = publisher.publish(tmp_path / "out", Target(str(repo)), QuietLog())
    assert len(result.state.packages) == 10
    stanza = (repo / "apt/dists/stable/main/binary-amd64/Packages").read_text()
    assert "chrony" in stanza
    report = examine(ExaminationRequest(str(repo)), QuietLog())
    assert report.exit_code == 0, report.as_text()
