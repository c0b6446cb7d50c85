"""Advisories next to RPMs become updateinfo.xml, and are removed with their packages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
import zstandard

from kubeparcel.console import QuietLog
from kubeparcel.packages.errors import BrokenPackage
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.yum.primary import metadata_locations
from kubeparcel.trust.audit.advisory import write_advisory
from kubeparcel.trust.audit.model import Vulnerability
from tests.support.kill_at_change import killed_publishes
from tests.support.package_builders import five
from tests.support.repository_fixtures import publish_folder

HTTP2 = Vulnerability("GO-2026-0001", ("CVE-2026-1", "GHSA-aaaa"), "Trouble & <more>", "https://vulndb.example/1")
TLS = Vulnerability("GO-2026-0002", (), "", "")
TIME = 1_780_000_000


def write(dist: Path, name: str, *vulnerabilities: Vulnerability, purl: str = "", time: int = TIME) -> Path:
    """Write an advisory about the package file `name`, an RPM `NAME-VERSION-RELEASE.ARCH.rpm`."""
    package, version, release = name.removesuffix(".x86_64.rpm").rsplit("-", 2)
    path = dist / "advisories" / f"{name}.openvex.json"
    path.parent.mkdir(exist_ok=True)
    purl = purl or f"pkg:rpm/{package}@{version}-{release}?arch=x86_64"
    path.write_bytes(write_advisory(purl, time, vulnerabilities))
    return path


def updateinfo(repo: Path, suite: str = "stable") -> bytes:
    """Return the file that repomd.xml lists; empty if it lists none."""
    folder = repo / "yum" / suite
    location = metadata_locations((folder / "repodata/repomd.xml").read_bytes()).get("updateinfo")
    return zstandard.ZstdDecompressor().decompress((folder / location).read_bytes()) if location else b""


def updates(repo: Path, suite: str = "stable") -> dict[str, list[str]]:
    """Return the identifiers of references by the name and version of the packages."""
    document = ElementTree.fromstring(updateinfo(repo, suite) or b"<updates/>")
    return {
        f"{package.attrib['name']} {package.attrib['version']}": [r.attrib["id"] for r in update.iter("reference")]
        for update in document
        for package in update.iter("package")
    }


def test_an_advisory_becomes_an_update(publish, dist, repo):
    write(dist, "kubelet-1.36.3-1.x86_64.rpm", HTTP2, TLS)
    publish()
    (update,) = ElementTree.fromstring(updateinfo(repo))
    assert update.attrib == {"from": "kubeparcel", "status": "final", "type": "security", "version": "1"}
    assert (update.findtext("id") or "").startswith("KUBEPARCEL-kubelet-1.36.3-1-")
    issued = update.find("issued")
    assert issued is not None
    assert issued.attrib == {"date": "2026-05-28 20:26:40"}
    assert update.findtext("description") == "GO-2026-0001: Trouble & <more>\nGO-2026-0002"
    assert [(r.attrib["type"], r.attrib["id"], r.attrib["href"]) for r in update.iter("reference")] == [
        ("other", "GO-2026-0001", "https://vulndb.example/1"),
        ("cve", "CVE-2026-1", "https://www.cve.org/CVERecord?id=CVE-2026-1"),
        ("other", "GHSA-aaaa", "https://github.com/advisories/GHSA-aaaa"),
        ("other", "GO-2026-0002", "https://pkg.go.dev/vuln/GO-2026-0002"),
    ]
    (package,) = update.iter("package")
    assert package.attrib == {"name": "kubelet", "epoch": "0", "version": "1.36.3", "release": "1", "arch": "x86_64"}
    assert package.findtext("filename") == "kubelet-1.36.3-1.x86_64.rpm"
    assert (repo / "yum/stable/packages/kubelet-1.36.3-1.x86_64.rpm.openvex.json").is_file()


def test_without_advisories_there_is_no_updateinfo(publish, repo):
    publish()
    assert not updateinfo(repo)


def test_advisories_follow_packages_through_every_change(publish, dist, newer, repo):
    target = Target(str(repo))
    write(dist, "kubelet-1.36.3-1.x86_64.rpm", HTTP2)
    publish()
    first = updateinfo(repo)
    publish(newer)
    assert updateinfo(repo) == first
    write(newer, "kubelet-1.36.4-1.x86_64.rpm", TLS)
    assert "files about packages were added" in publish(newer).as_text()
    both = {"kubelet 1.36.3": ["GO-2026-0001", "CVE-2026-1", "GHSA-aaaa"], "kubelet 1.36.4": ["GO-2026-0002"]}
    assert updates(repo) == both
    assert "Nothing to do" in publish(newer).as_text()
    publisher.copy("stable", "testing", target, QuietLog())
    assert updates(repo, "testing") == both
    publisher.remove(["kubelet=1.36.3-1"], target, QuietLog(), suite="stable")
    assert updates(repo) == {"kubelet 1.36.4": ["GO-2026-0002"]}
    assert updates(repo, "testing") == both
    publisher.rollback(target, QuietLog())
    assert updates(repo) == both


def test_a_recovered_state_has_the_advisories(publish, dist, repo):
    write(dist, "kubelet-1.36.3-1.x86_64.rpm", HTTP2)
    publish()
    before = updateinfo(repo)
    shutil.rmtree(repo / ".kubeparcel")
    publisher.remove(["kubectl=1.36.3-1"], Target(str(repo)), QuietLog())
    assert updateinfo(repo) == before


def test_a_publish_that_was_killed_is_completed_with_its_advisories(publish, dist, repo):
    publish()
    write(dist, "kubelet-1.36.3-1.x86_64.rpm", HTTP2)
    for copy, _ in killed_publishes(dist, repo, samples=4):
        publish_folder(dist, copy)
        assert [*updates(copy)] == ["kubelet 1.36.3"]


def test_architectures_with_the_same_fixes_have_a_common_update(publish, repo, tmp_path):
    dist = five(tmp_path / "two", arches=("amd64", "arm64"))
    for arch in ("aarch64", "x86_64"):
        write(dist, "kubelet-1.36.3-1.x86_64.rpm", HTTP2, purl=f"pkg:rpm/kubelet@1.36.3-1?arch={arch}").rename(
            dist / f"advisories/kubelet-1.36.3-1.{arch}.rpm.openvex.json"
        )
    publish(dist)
    (update,) = ElementTree.fromstring(updateinfo(repo))
    assert [package.attrib["arch"] for package in update.iter("package")] == ["aarch64", "x86_64"]


@pytest.mark.parametrize(
    ("purl", "status"),
    [
        ("pkg:rpm/kubeadm@1.36.3-1", "fixed"),
        ("pkg:deb/kubelet@1.36.3-1", "fixed"),
        ("pkg:rpm/kubelet@1.36.2-1", "fixed"),
        ("pkg:rpm/kubelet@1.36.3-1?arch=aarch64", "fixed"),
        ("pkg:rpm/kubelet", "fixed"),
        ("pkg:rpm/kubelet@1.36.3-1", "affected"),
        ("kubelet", "fixed"),
    ],
)
def test_what_is_no_advisory_about_the_package_is_left_out(publish, dist, repo, purl, status):
    path = write(dist, "kubelet-1.36.3-1.x86_64.rpm", HTTP2, purl=purl)
    path.write_text(path.read_text().replace('"fixed"', f'"{status}"'))
    publish()
    assert not updateinfo(repo)
    assert not list(repo.rglob("*.openvex.json"))


def test_a_document_that_is_no_openvex_is_left_out(publish, dist, repo):
    path = write(dist, "kubelet-1.36.3-1.x86_64.rpm", HTTP2)
    for text in ("", "[]", "[" * 60_000, json.dumps({"@context": "https://openvex.dev/ns/v0.2.0", "statements": [1]})):
        path.write_text(text)
        publish()
        assert not updateinfo(repo)


def test_a_changed_advisory_is_not_published_again(publish, dist, newer, repo):
    write(dist, "kubelet-1.36.3-1.x86_64.rpm", HTTP2)
    publish()
    for path in repo.rglob("*.openvex.json"):
        path.write_bytes(path.read_bytes().replace(b"GO-2026-0001", b"GO-2026-0009"))
    with pytest.raises(BrokenPackage, match=r"openvex\.json is missing, or was changed"):
        publish(newer)
