"""New builds of published versions: incidental differences keep the published package, others are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.model import Format
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.policy import PolicyViolation
from tests.support import client_view
from tests.support.elf_files import Go, elf
from tests.support.package_builders import deb, five, rpm
from tests.support.recording_log import RecordingLog
from tests.support.sample_packages import GO, RELEASED, sample_packages

MAKERS = {Format.DEB: deb, Format.RPM: rpm}
OTHER_MAINTAINER = "Maintainer: Others <others@example.invalid>\n"


def file_names(repo: Path, suite: str) -> set[str]:
    return set(client_view.read_repository(repo)[suite])


def publish_with_log(folder: Path, repo: Path, **options: bool) -> list[str]:
    """Publish a folder, and return the warnings."""
    log = RecordingLog()
    publisher.publish(folder, Target(str(repo)), log, skip_layout_check=True, **options)
    return log.warnings


@pytest.mark.parametrize("format_", Format)
def test_recompiled_companion_stays_as_published(publish, repo, tmp_path, format_):
    make = MAKERS[format_]
    make(five(tmp_path / "old", "1.31.4"), "cri-tools", "1.31.0-1", body=elf(go=Go(toolchain="go1.22.1")))
    make(five(tmp_path / "new", "1.31.5"), "cri-tools", "1.31.0-1", body=elf(go=Go(toolchain="go1.23.9")))
    publish(tmp_path / "old")
    before = client_view.read_repository(repo)
    warnings = publish_with_log(tmp_path / "new", repo)
    after = client_view.read_repository(repo)
    suite = "apt v1.31" if format_ is Format.DEB else "yum v1.31"
    assert all(before[name].items() <= after[name].items() for name in before)
    assert any("kubelet" in name and "1.31.5" in name for name in after[suite])
    assert len(warnings) == 1
    assert f"Kept the published cri-tools 1.31.0-1 {'amd64' if make is deb else 'x86_64'}" in warnings[0]
    assert "differs in compilation of /usr/share/cri-tools/file" in warnings[0]
    assert publish_with_log(tmp_path / "new", repo) == []  # nothing is new any more


def test_other_maintainer_keeps_any_published_package(publish, dist, repo, tmp_path):
    publish()
    before = client_view.read_files(repo)
    deb(tmp_path / "new", "kubeadm", "1.36.3-1", fields=OTHER_MAINTAINER)
    warnings = publish_with_log(tmp_path / "new", repo)
    assert warnings == ["Kept the published kubeadm 1.36.3-1 amd64 (deb); the new one differs in maintainer."]
    assert client_view.read_files(repo) == before


def test_kept_package_joins_the_suite_of_a_new_minor(publish, repo, tmp_path):
    publish(five(tmp_path / "old", "1.35.1"))
    new = five(tmp_path / "new", "1.36.0")
    deb(new, "kubernetes-cni", "1.9.1-1", fields=OTHER_MAINTAINER)
    publish(new)
    view = client_view.read_repository(repo)
    name = "kubernetes-cni_1.9.1-1_amd64.deb"
    assert view["apt v1.36"][name] == view["apt v1.35"][name]


REVISED = """
maintainer: Others <others@example.invalid>
vendor: Others
packages: {cri-tools: {relations: [{depends: chrony}]}}
"""


@pytest.mark.parametrize(
    ("settings", "changes", "differences"),
    [
        ("", {"released": RELEASED - 40_000_000}, {"file times"}),
        ("maintainer: Others <others@example.invalid>", {}, {"maintainer"}),
        ("compression: small", {}, {"compression"}),
        (REVISED, {}, {"relations, maintainer", "relations, maintainer, vendor", "maintainer", "maintainer, vendor"}),
    ],
    ids=["dates of a mirror", "maintainer", "compression", "settings"],
)
def test_release_with_other_builds_of_shared_packages_is_published(key, repo, tmp_path, settings, changes, differences):
    """Packages as kubeparcel builds them: changelog and copyright of a deb repeat the date and the maintainer."""
    for version in ("1.36.3", "1.36.4"):
        folder = tmp_path / version
        folder.mkdir()
        (folder / "kubeparcel.yaml").write_text(settings if version == "1.36.4" else "")
        go = {**GO, "kubernetes": Go(version=f"v{version}")}
        samples = sample_packages(folder, version, go=go, **(changes if version == "1.36.4" else {}))
        for package in samples.manifests.values():
            samples.write(package, None, folder / "out" / package.name)
    publisher.publish(tmp_path / "1.36.3/out", Target(str(repo)), QuietLog())
    before = client_view.read_repository(repo)
    log = RecordingLog()
    result = publisher.publish(tmp_path / "1.36.4/out", Target(str(repo)), log)
    after = client_view.read_repository(repo)
    assert all(before[suite].items() <= after[suite].items() for suite in before)
    assert len(after["apt stable"]) == len(after["yum stable"]) == 8
    assert {kept.differences for kept in result.kept} == differences
    assert len(log.warnings) == 4
    document = json.loads(result.as_json())
    assert {row["name"] for row in document["kept"]} == {"cri-tools", "kubernetes-cni"}
    with pytest.raises(PolicyViolation, match="cri-tools"):
        publisher.publish(tmp_path / "1.36.4/out/cri-tools", Target(str(repo)), QuietLog(), strict=True)


@pytest.mark.parametrize("format_", Format)
@pytest.mark.parametrize(
    ("package", "change", "difference"),
    [
        ("cri-tools", {"depends": "conntrack"}, "relations"),
        ("cri-tools", {"body": b"other"}, "contents of /usr/share/cri-tools/file"),
        ("kubectl", {"body": b"other"}, "contents of /usr/share/kubectl/file"),
    ],
)
def test_changed_package_needs_a_revision(publish, repo, tmp_path, format_, package, change, difference):
    publish()
    before = client_view.read_files(repo)
    new = five(tmp_path / "new")
    version = "1.36.0-1" if package == "cri-tools" else "1.36.3-1"
    MAKERS[format_](new, package, version, **change)
    with pytest.raises(PolicyViolation, match="higher --revision") as violation:
        publish(new)
    assert f"differs in {difference}" in violation.value.message
    assert client_view.read_files(repo) == before


def test_recompiled_core_package_needs_a_revision(publish, repo, tmp_path):
    for folder, version in (("old", "go1.22.1"), ("new", "go1.23.9")):
        deb(five(tmp_path / folder), "kubectl", "1.36.3-1", body=elf(go=Go(toolchain=version)))
    publish(tmp_path / "old")
    with pytest.raises(PolicyViolation, match=r"differs in compilation of /usr/share/kubectl/file"):
        publish(tmp_path / "new")


def test_strict_rejects_any_other_content(publish, repo, tmp_path):
    publish()
    deb(tmp_path / "new", "cri-tools", "1.36.0-1", fields=OTHER_MAINTAINER)
    with pytest.raises(PolicyViolation, match="different content"):
        publish_with_log(tmp_path / "new", repo, strict=True)
    assert len(publish_with_log(tmp_path / "new", repo)) == 1


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"!<arch>\n")])
def test_published_file_that_cannot_be_read_is_not_kept(publish, repo, tmp_path, damage):
    publish()
    damage(next(repo.rglob("cri-tools_*.deb")))
    deb(tmp_path / "new", "cri-tools", "1.36.0-1", fields=OTHER_MAINTAINER)
    with pytest.raises(PolicyViolation, match="different content"):
        publish_with_log(tmp_path / "new", repo)


@pytest.mark.parametrize("make", [deb, rpm])
def test_superseded_revisions_are_not_published(publish, repo, dist, make):
    make(dist, "kubectl", "1.36.3-2")
    make(dist, "kubectl", "1.36.3-10")
    make(dist, "kubectl", "1.36.4-1")
    publish()
    suite = "apt stable" if make is deb else "yum stable"
    names = {name for name in file_names(repo, suite) if name.startswith("kubectl")}
    separator, arch = ("_", "_amd64.deb") if make is deb else ("-", ".x86_64.rpm")
    assert names == {f"kubectl{separator}{version}{arch}" for version in ("1.36.3-10", "1.36.4-1")}


def test_all_revisions_are_published_on_request(publish, repo, dist):
    deb(dist, "kubectl", "1.36.3-2")
    publish()
    assert "kubectl_1.36.3-1_amd64.deb" not in file_names(repo, "apt stable")
    publish_with_log(dist, repo, all_revisions=True)
    assert {"kubectl_1.36.3-1_amd64.deb", "kubectl_1.36.3-2_amd64.deb"} <= file_names(repo, "apt stable")


def test_older_revision_than_the_published_one_is_left_out(publish, repo, dist, tmp_path):
    deb(dist, "kubectl", "1.36.3-2")
    publish()
    before = client_view.read_files(repo)
    publish(five(tmp_path / "older"))
    assert client_view.read_files(repo) == before


def test_error_names_every_package_that_needs_a_revision(publish, tmp_path):
    publish()
    new = five(tmp_path / "new")
    for name in ("kubectl", "kubelet"):
        deb(new, name, "1.36.3-1", body=b"other")
    with pytest.raises(PolicyViolation) as violation:
        publish(new)
    lines = violation.value.message.splitlines()
    assert [line.partition(" is already")[0] for line in lines] == [
        "kubectl 1.36.3-1 amd64 (deb)",
        "kubelet 1.36.3-1 amd64 (deb)",
    ]
