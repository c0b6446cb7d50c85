"""Optional packages of the catalog: built if kubeparcel.yaml, a variable or an option names them."""

from __future__ import annotations

import pytest

from kubeparcel.config import catalog
from kubeparcel.config.settings import Settings, load_settings
from kubeparcel.errors import ConfigurationError

FIVE = ["kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools"]


def selected(settings: Settings) -> list[str]:
    return list(settings.catalog_packages(catalog.load().packages))


def test_no_optional_package_is_built_by_default(workdir):
    assert selected(load_settings({})) == FIVE


@pytest.mark.parametrize("text", ["packages: [kubectl-convert]", "packages: {kubectl-convert: {}}"])
def test_file_names_optional_packages(workdir, text):
    (workdir / "kubeparcel.yaml").write_text(text)
    assert selected(load_settings({})) == [*FIVE, "kubectl-convert"]


def test_option_and_variable_name_optional_packages(workdir, monkeypatch):
    assert selected(load_settings({"packages": "kubectl-convert"})) == [*FIVE, "kubectl-convert"]
    monkeypatch.setenv("KUBEPARCEL_PACKAGES", "kubectl-convert")
    assert selected(load_settings({})) == [*FIVE, "kubectl-convert"]


def test_option_keeps_the_changes_of_the_file(workdir):
    (workdir / "kubeparcel.yaml").write_text("packages:\n  kubelet:\n    section: misc\n")
    settings = load_settings({"packages": "kubectl-convert"})
    assert selected(settings) == [*FIVE, "kubectl-convert"]
    assert settings.packages["kubelet"].section == "misc"


def test_binaries_of_optional_packages_are_requested(workdir):
    assert load_settings({"packages": "kubectl-convert"}).request().programs == ("kubernetes/kubectl-convert",)


def test_unknown_name_is_an_error_that_suggests_one(workdir):
    with pytest.raises(ConfigurationError, match=r"--packages: unknown package 'kubectl-convrt'.*kubectl-convert\?"):
        load_settings({"packages": "kubectl-convrt"})
