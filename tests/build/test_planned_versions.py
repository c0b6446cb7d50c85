"""File names, versions, times and fields of the planned packages."""

import pytest

from kubeparcel.build.planner import plan_packages
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Arch
from tests.build.plans import plan
from tests.support.fake_sources import RELEASED, locked


@pytest.mark.parametrize(
    ("arch", "names"),
    [
        ("amd64", ["deb/kubelet_1.37.0~rc.1-2_amd64.deb", "rpm/kubelet-1.37.0~rc.1-2.x86_64.rpm"]),
        ("ppc64le", ["deb/kubelet_1.37.0~rc.1-2_ppc64el.deb", "rpm/kubelet-1.37.0~rc.1-2.ppc64le.rpm"]),
    ],
)
def test_file_name_has_version_revision_and_architecture(workdir, arch, names):
    settings = load_settings({"arch": arch, "revision": "2"})
    packages = plan_packages(settings, locked("1.37.0-rc.1", arches=[Arch(arch)]), catalog.load())
    assert [package.file_name for package in packages if package.name == "kubelet"] == names


def test_package_has_the_version_of_its_component(workdir):
    versions = {name: package.version for (name, _), package in plan().items()}
    assert versions == {
        **dict.fromkeys(("kubeadm", "kubelet", "kubectl"), "1.36.3"),
        "kubernetes-cni": "1.9.1",
        "cri-tools": "1.36.0",
    }


def test_only_requested_formats_and_architectures_are_planned(workdir):
    settings = load_settings({"arch": "arm64", "format": "rpm"})
    packages = plan_packages(settings, locked(arches=tuple(Arch)), catalog.load())
    assert {(package.arch, package.format) for package in packages} == {("arm64", "rpm")}


def test_package_time_is_the_release_time_of_its_component(workdir):
    times = {name: package.time for (name, _), package in plan().items()}
    assert times["kubelet"] == RELEASED["kubernetes"]
    assert times["kubernetes-cni"] == RELEASED["cni"]


def test_package_time_is_source_date_epoch_if_set(workdir, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert {package.time for package in plan().values()} == {1_000_000_000}


@pytest.mark.parametrize("epoch", ["yesterday", "-1", "1.5", "²", "4294967296", "9" * 30])
def test_invalid_source_date_epoch_is_an_error(workdir, monkeypatch, epoch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(ConfigurationError, match=r"Invalid SOURCE_DATE_EPOCH .*: expected seconds"):
        plan()


def test_package_fields_come_from_settings_and_catalog(workdir):
    flags = {"maintainer": "Jane Doe <jane@example.org>", "vendor": "Example", "revision": "3"}
    package = plan(**flags, compression="small")["kubelet", "rpm"]
    assert package.fields == {
        "section": "net",
        "summary": "Node agent for Kubernetes clusters",
        "description": catalog.load().packages["kubelet"].description,
        "license": "Apache-2.0",
        "homepage": "https://kubernetes.io",
        "maintainer": "Jane Doe <jane@example.org>",
        "vendor": "Example",
    }
    assert (package.revision, package.compression) == ("3", "small")


def test_equal_settings_and_lock_give_equal_plans(workdir):
    assert list(plan().items()) == list(plan().items())
