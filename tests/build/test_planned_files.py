"""Paths, modes and marks of the files of each package, in both formats and layouts."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import pytest

from kubeparcel.build.planner import ComponentBinary
from tests.build.plans import PACKAGES, describe_file, plan

KUBEADM = {
    ("deb", "etc"): """
        d0755 /etc/systemd/system/kubelet.service.d
        -0644 config /etc/systemd/system/kubelet.service.d/10-kubeadm.conf
        -0755 /usr/bin/kubeadm
        -0644 /usr/share/bash-completion/completions/kubeadm
        -0644 /usr/share/doc/kubeadm/copyright
        -0644 doc /usr/share/doc/kubeadm/provenance.json
        -0644 /usr/share/zsh/vendor-completions/_kubeadm
        """,
    ("deb", "official"): """
        d0755 /lib/systemd/system/kubelet.service.d
        -0644 /lib/systemd/system/kubelet.service.d/10-kubeadm.conf
        -0755 /usr/bin/kubeadm
        -0644 /usr/share/bash-completion/completions/kubeadm
        -0644 /usr/share/doc/kubeadm/copyright
        -0644 doc /usr/share/doc/kubeadm/provenance.json
        -0644 /usr/share/zsh/vendor-completions/_kubeadm
        """,
    ("rpm", "etc"): """
        d0755 /etc/systemd/system/kubelet.service.d
        -0644 config /etc/systemd/system/kubelet.service.d/10-kubeadm.conf
        -0755 /usr/bin/kubeadm
        -0644 /usr/share/bash-completion/completions/kubeadm
        d0755 /usr/share/doc/kubeadm
        -0644 doc /usr/share/doc/kubeadm/provenance.json
        d0755 /usr/share/licenses/kubeadm
        -0644 license /usr/share/licenses/kubeadm/LICENSE
        -0644 /usr/share/zsh/site-functions/_kubeadm
        """,
    ("rpm", "official"): """
        -0755 /usr/bin/kubeadm
        d0755 /usr/lib/systemd/system/kubelet.service.d
        -0644 /usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf
        -0644 /usr/share/bash-completion/completions/kubeadm
        d0755 /usr/share/doc/kubeadm
        -0644 doc /usr/share/doc/kubeadm/provenance.json
        d0755 /usr/share/licenses/kubeadm
        -0644 license /usr/share/licenses/kubeadm/LICENSE
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
        -0644 /usr/share/doc/kubelet/copyright
        -0644 doc /usr/share/doc/kubelet/provenance.json
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
        d0755 /usr/share/doc/kubelet
        -0644 doc /usr/share/doc/kubelet/provenance.json
        d0755 /usr/share/licenses/kubelet
        -0644 license /usr/share/licenses/kubelet/LICENSE
        d0755 /var/lib/kubelet
        """,
    ("kubectl", "deb"): """
        -0755 /usr/bin/kubectl
        -0644 /usr/share/bash-completion/completions/kubectl
        -0644 /usr/share/doc/kubectl/copyright
        -0644 doc /usr/share/doc/kubectl/provenance.json
        -0644 /usr/share/fish/vendor_completions.d/kubectl.fish
        -0644 /usr/share/zsh/vendor-completions/_kubectl
        """,
    ("kubectl", "rpm"): """
        -0755 /usr/bin/kubectl
        -0644 /usr/share/bash-completion/completions/kubectl
        d0755 /usr/share/doc/kubectl
        -0644 doc /usr/share/doc/kubectl/provenance.json
        -0644 /usr/share/fish/vendor_completions.d/kubectl.fish
        d0755 /usr/share/licenses/kubectl
        -0644 license /usr/share/licenses/kubectl/LICENSE
        -0644 /usr/share/zsh/site-functions/_kubectl
        """,
    ("kubernetes-cni", "deb"): """
        d0755 /etc/cni
        d0755 /etc/cni/net.d
        d0755 /opt/cni
        d0755 /opt/cni/bin
        -0755 /opt/cni/bin
        -0644 /usr/share/doc/kubernetes-cni/copyright
        -0644 doc /usr/share/doc/kubernetes-cni/provenance.json
        """,
    ("kubernetes-cni", "rpm"): """
        d0755 /etc/cni
        d0755 /etc/cni/net.d
        d0755 /opt/cni
        d0755 /opt/cni/bin
        -0755 /opt/cni/bin
        d0755 /usr/share/doc/kubernetes-cni
        -0644 doc /usr/share/doc/kubernetes-cni/provenance.json
        d0755 /usr/share/licenses/kubernetes-cni
        -0644 license /usr/share/licenses/kubernetes-cni/LICENSE
        """,
    ("cri-tools", "deb"): """
        -0755 /usr/bin/crictl
        -0644 /usr/share/bash-completion/completions/crictl
        -0644 /usr/share/doc/cri-tools/copyright
        -0644 doc /usr/share/doc/cri-tools/provenance.json
        -0644 /usr/share/fish/vendor_completions.d/crictl.fish
        -0644 /usr/share/zsh/vendor-completions/_crictl
        """,
    ("cri-tools", "rpm"): """
        -0755 /usr/bin/crictl
        -0644 /usr/share/bash-completion/completions/crictl
        d0755 /usr/share/doc/cri-tools
        -0644 doc /usr/share/doc/cri-tools/provenance.json
        -0644 /usr/share/fish/vendor_completions.d/crictl.fish
        d0755 /usr/share/licenses/cri-tools
        -0644 license /usr/share/licenses/cri-tools/LICENSE
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
    expected = textwrap.dedent(EXPECTED_FILES[package, format_, layout]).strip().splitlines()
    assert [describe_file(file) for file in files] == expected


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
