"""Paths, modes and marks of the files of each package, in both formats and layouts."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kubeparcel.build.package_plan import ComponentBinary
from tests.build.plans import PACKAGES, describe_file, plan

DOCUMENTATION = {
    "deb": """
        -0644 /usr/share/doc/{package}/copyright
        -0644 doc /usr/share/doc/{package}/provenance.json
        """,
    "rpm": """
        d0755 /usr/share/doc/{package}
        -0644 doc /usr/share/doc/{package}/provenance.json
        d0755 /usr/share/licenses/{package}
        -0644 license /usr/share/licenses/{package}/LICENSE
        """,
}
"""Files that every package has."""

KUBEADM = {
    ("deb", "etc"): """
        d0755 /etc/systemd/system/kubelet.service.d
        -0644 config /etc/systemd/system/kubelet.service.d/10-kubeadm.conf
        -0755 /usr/bin/kubeadm
        -0644 /usr/share/bash-completion/completions/kubeadm
        -0644 /usr/share/zsh/vendor-completions/_kubeadm
        """,
    ("deb", "official"): """
        d0755 /lib/systemd/system/kubelet.service.d
        -0644 /lib/systemd/system/kubelet.service.d/10-kubeadm.conf
        -0755 /usr/bin/kubeadm
        -0644 /usr/share/bash-completion/completions/kubeadm
        -0644 /usr/share/zsh/vendor-completions/_kubeadm
        """,
    ("rpm", "etc"): """
        d0755 /etc/systemd/system/kubelet.service.d
        -0644 config /etc/systemd/system/kubelet.service.d/10-kubeadm.conf
        -0755 /usr/bin/kubeadm
        -0644 /usr/share/bash-completion/completions/kubeadm
        -0644 /usr/share/zsh/site-functions/_kubeadm
        """,
    ("rpm", "official"): """
        -0755 /usr/bin/kubeadm
        d0755 /usr/lib/systemd/system/kubelet.service.d
        -0644 /usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf
        -0644 /usr/share/bash-completion/completions/kubeadm
        -0644 /usr/share/zsh/site-functions/_kubeadm
        """,
}
IN_BOTH_LAYOUTS = {
    ("kubelet", "deb"): """
        -0644 config /etc/default/kubelet
        d0755 /etc/kubernetes
        d0755 /etc/kubernetes/manifests
        -0644 config /etc/needrestart/conf.d/kubelet.conf
        -0644 /lib/systemd/system/kubelet.service
        -0755 /usr/bin/kubelet
        d0755 /var/lib/kubelet
        """,
    ("kubelet", "rpm"): """
        d0755 /etc/kubernetes
        d0755 /etc/kubernetes/manifests
        d0755 /etc/needrestart
        d0755 /etc/needrestart/conf.d
        -0644 config /etc/needrestart/conf.d/kubelet.conf
        -0644 config /etc/sysconfig/kubelet
        -0755 /usr/bin/kubelet
        -0644 /usr/lib/systemd/system/kubelet.service
        d0755 /var/lib/kubelet
        """,
    ("kubectl", "deb"): """
        -0755 /usr/bin/kubectl
        -0644 /usr/share/bash-completion/completions/kubectl
        -0644 /usr/share/fish/vendor_completions.d/kubectl.fish
        -0644 /usr/share/zsh/vendor-completions/_kubectl
        """,
    ("kubectl", "rpm"): """
        -0755 /usr/bin/kubectl
        -0644 /usr/share/bash-completion/completions/kubectl
        -0644 /usr/share/fish/vendor_completions.d/kubectl.fish
        -0644 /usr/share/zsh/site-functions/_kubectl
        """,
    ("kubernetes-cni", "deb"): """
        d0755 /etc/cni
        d0755 /etc/cni/net.d
        d0755 /opt/cni
        d0755 /opt/cni/bin
        -0755 /opt/cni/bin
        """,
    ("kubernetes-cni", "rpm"): """
        d0755 /etc/cni
        d0755 /etc/cni/net.d
        d0755 /opt/cni
        d0755 /opt/cni/bin
        -0755 /opt/cni/bin
        """,
    ("cri-tools", "deb"): """
        -0755 /usr/bin/crictl
        -0644 /usr/share/bash-completion/completions/crictl
        -0644 /usr/share/fish/vendor_completions.d/crictl.fish
        -0644 /usr/share/zsh/vendor-completions/_crictl
        """,
    ("cri-tools", "rpm"): """
        -0755 /usr/bin/crictl
        -0644 /usr/share/bash-completion/completions/crictl
        -0644 /usr/share/fish/vendor_completions.d/crictl.fish
        -0644 /usr/share/zsh/site-functions/_crictl
        """,
}
EXPECTED_FILES: Mapping[tuple[str, str, str], str] = {
    **{("kubeadm", *key): files for key, files in KUBEADM.items()},
    **{(*key, layout): files for key, files in IN_BOTH_LAYOUTS.items() for layout in ("etc", "official")},
}


@pytest.mark.parametrize(("package", "format_", "layout"), EXPECTED_FILES)
def test_package_has_exactly_the_expected_files(workdir, package, format_, layout):
    files = plan(layout=layout)[package, format_].files
    text = EXPECTED_FILES[package, format_, layout] + DOCUMENTATION[format_].format(package=package)
    expected = [line.strip() for line in text.splitlines() if line.strip()]
    assert [describe_file(file) for file in files] == sorted(expected, key=lambda line: line.split()[-1])


def test_all_packages_are_planned_in_both_formats(workdir):
    assert set(plan()) == {(name, format_) for name in PACKAGES for format_ in ("deb", "rpm")}


@pytest.mark.parametrize(
    ("package", "binaries"),
    [
        ("kubeadm", {"/usr/bin/kubeadm": ComponentBinary("kubernetes", "kubeadm")}),
        ("kubelet", {"/usr/bin/kubelet": ComponentBinary("kubernetes", "kubelet")}),
        ("kubectl", {"/usr/bin/kubectl": ComponentBinary("kubernetes", "kubectl")}),
        ("kubernetes-cni", {"/opt/cni/bin": ComponentBinary("cni")}),
        ("cri-tools", {"/usr/bin/crictl": ComponentBinary("cri-tools", "crictl")}),
    ],
)
def test_programs_are_binaries_of_the_component(workdir, package, binaries):
    files = plan()[package, "deb"].files
    planned_binaries = {file.path: file.content for file in files if isinstance(file.content, ComponentBinary)}
    assert planned_binaries == binaries
