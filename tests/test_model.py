"""Versions and their order, names in both formats, and the contents of a lock."""

import pickle

import pytest

from kubeparcel.errors import UnknownVersion
from kubeparcel.lock_models import Artifact
from kubeparcel.model import Arch, Format, Version
from tests.support.fake_sources import locked


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1.36.3", "1.36.3"),
        ("v1.36.3", "1.36.3"),
        (" 1.36.3\n", "1.36.3"),
        ("v1.37.0-rc.1", "1.37.0-rc.1"),
        ("1.37.0-alpha.0", "1.37.0-alpha.0"),
    ],
)
def test_a_version_may_have_a_v_in_front(written, read):
    assert str(Version.parse(written)) == read


@pytest.mark.parametrize(
    "text", ["", "v", "1", "1.36", "1.36.x", "1.36.3.1", "vv1.36.3", "stable", "1.36.03", "-1.36.3"]
)
def test_invalid_version_is_an_error_with_an_example(text):
    with pytest.raises(UnknownVersion, match=r"Invalid version .*\.\n +Expected a version like 1\.36\.3"):
        Version.parse(text)


def test_versions_sort_by_number_and_a_prerelease_before_its_final():
    texts = ["1.37.0", "1.9.0", "1.37.0-rc.1", "1.36.10", "1.37.0-rc.0", "1.36.9", "1.37.0-beta.2"]
    assert [str(version) for version in sorted(map(Version.parse, texts))] == [
        "1.9.0",
        "1.36.9",
        "1.36.10",
        "1.37.0-beta.2",
        "1.37.0-rc.0",
        "1.37.0-rc.1",
        "1.37.0",
    ]


@pytest.mark.parametrize(
    ("version", "package"),
    [
        ("1.36.3", "1.36.3"),
        ("1.37.0-rc.1", "1.37.0~rc.1"),
        ("1.37.0-alpha.1-patched", "1.37.0~alpha.1.patched"),
        ("1.36.3+mine.1", "1.36.3+mine.1"),
    ],
)
def test_a_package_version_has_a_tilde_where_the_prerelease_begins(version, package):
    assert Version.parse(version).package_version == package


def test_the_next_patch_of_a_prerelease_is_the_patch_after_its_final():
    assert str(Version.parse("1.36.3-rc.1").next_patch()) == "1.36.4"


def test_version_has_a_series():
    assert Version.parse("1.37.0-rc.1").series == "1.37"


@pytest.mark.parametrize(
    ("arch", "deb", "rpm", "machine"),
    [
        ("amd64", "amd64", "x86_64", 0x3E),
        ("arm64", "arm64", "aarch64", 0xB7),
        ("ppc64le", "ppc64el", "ppc64le", 0x15),
        ("s390x", "s390x", "s390x", 0x16),
    ],
)
def test_an_architecture_has_its_name_in_each_format_and_its_elf_machine(arch, deb, rpm, machine):
    assert (Arch(arch).deb, Arch(arch).rpm, Arch(arch).elf_machine) == (deb, rpm, machine)


def test_every_architecture_of_upstream_is_known():
    assert [str(arch) for arch in Arch] == ["amd64", "arm64", "ppc64le", "s390x"]


@pytest.mark.parametrize(
    ("format_", "arch", "name"),
    [
        ("deb", "amd64", "kubelet_1.37.0~rc.1-1_amd64.deb"),
        ("deb", "ppc64le", "kubelet_1.37.0~rc.1-1_ppc64el.deb"),
        ("deb", None, "kubelet_1.37.0~rc.1-1_all.deb"),
        ("rpm", "amd64", "kubelet-1.37.0~rc.1-1.x86_64.rpm"),
        ("rpm", "arm64", "kubelet-1.37.0~rc.1-1.aarch64.rpm"),
        ("rpm", None, "kubelet-1.37.0~rc.1-1.noarch.rpm"),
    ],
)
def test_a_file_is_named_as_users_of_its_format_expect(format_, arch, name):
    assert Format(format_).file_name("kubelet", "1.37.0~rc.1", "1", arch and Arch(arch)) == name


def test_a_lock_lists_the_artifacts_of_all_components_in_order():
    names = [artifact.label for artifact in locked(arches=[Arch.AMD64, Arch.ARM64]).artifacts]
    assert names == [
        *["kubeadm amd64", "kubelet amd64", "kubectl amd64"],
        *["kubeadm arm64", "kubelet arm64", "kubectl arm64"],
        *["cri-tools amd64", "cri-tools arm64"],
        *["cni amd64", "cni arm64"],
    ]


def test_component_of_a_lock_is_found_by_name(lock):
    assert str(lock.component("cni").version) == "1.9.1"


def test_unknown_component_of_a_lock_raises_key_error(lock):
    with pytest.raises(KeyError, match="etcd"):
        lock.component("etcd")


def test_values_can_be_sent_to_another_process(lock):
    assert pickle.loads(pickle.dumps(lock)) == lock


def test_values_do_not_change():
    artifact = Artifact("cni", "cni", Arch.AMD64, "https://cni.example", "sha256:0")
    with pytest.raises(AttributeError):
        artifact.digest = "sha256:1"
