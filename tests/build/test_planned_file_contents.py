"""Contents of the drop-in, the unit, the environment file, completions and copyright."""

from __future__ import annotations

import pytest

from kubeparcel.verify.kubelet import parse_flags
from kubeparcel.verify.kubelet_contract import EXTRA_ARGS
from tests.build.plans import plan, text_at
from tests.support.kubelet_arguments import ARGUMENTS

DROP_IN = """\
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-{envfile}
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS \
$KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""

UNIT = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0
ConditionPathExists=|/var/lib/kubelet/config.yaml
ConditionPathExists=|!{dropin}
ConditionPathExistsGlob=|/etc/systemd/system/kubelet.service.d/[!1]*.conf
ConditionPathExistsGlob=|/etc/systemd/system/kubelet.service.d/1[!0]*conf
ConditionPathExistsGlob=|/etc/systemd/system/kubelet.service.d/10[!-]*conf
ConditionPathExistsGlob=|/etc/systemd/system/kubelet.service.d/10-[!k]*conf
ConditionPathExistsGlob=|/etc/systemd/system/kubelet.service.d/10-k[!u]*conf
ConditionPathExistsGlob=|/etc/systemd/system/kubelet.service.d/10-ku[!b]*conf
ConditionPathExistsGlob=|/etc/systemd/system/kubelet.service.d/10-kub[!e]*conf
ConditionPathExistsGlob=|/etc/systemd/system/kubelet.service.d/10-kube[!a]*conf
ConditionPathExistsGlob=|/etc/systemd/system/kubelet.service.d/10-kubea[!d]*conf
ConditionPathExistsGlob=|/etc/systemd/system/kubelet.service.d/10-kubead[!m]*conf
ConditionPathExistsGlob=|/etc/systemd/system/kubelet.service.d/10-kubeadm[!.]*conf

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
"""

PATHS = [
    ("deb", "etc", "/etc/systemd/system", "/lib/systemd/system", "/etc/default/kubelet"),
    ("deb", "official", "/lib/systemd/system", "/lib/systemd/system", "/etc/default/kubelet"),
    ("rpm", "etc", "/etc/systemd/system", "/usr/lib/systemd/system", "/etc/sysconfig/kubelet"),
    (*("rpm", "official", "/usr/lib/systemd/system", "/usr/lib/systemd/system"), "/etc/sysconfig/kubelet"),
]


def without_comments(content: str) -> str:
    return "".join(line for line in content.splitlines(keepends=True) if line[:1] != "#")


@pytest.mark.parametrize(("format_", "layout", "dropindir", "unitdir", "envfile"), PATHS)
def test_drop_in_has_the_expected_lines(workdir, format_, layout, dropindir, unitdir, envfile):
    path = f"{dropindir}/kubelet.service.d/10-kubeadm.conf"
    content = text_at(plan(layout=layout)["kubeadm", format_], path)
    assert without_comments(content) == DROP_IN.format(envfile=envfile)


@pytest.mark.parametrize(("format_", "layout", "dropindir", "unitdir", "envfile"), PATHS)
def test_unit_has_the_expected_lines(workdir, format_, layout, dropindir, unitdir, envfile):
    content = text_at(plan(layout=layout)["kubelet", format_], f"{unitdir}/kubelet.service")
    dropin = f"{dropindir}/kubelet.service.d/10-kubeadm.conf"
    assert without_comments(content) == UNIT.format(dropin=dropin)


@pytest.mark.parametrize(("format_", "layout", "dropindir", "unitdir", "envfile"), PATHS)
def test_environment_file_is_empty_by_default(workdir, format_, layout, dropindir, unitdir, envfile):
    package = plan(layout=layout)["kubelet", format_]
    assert text_at(package, envfile) == "KUBELET_EXTRA_ARGS=\n"


@pytest.mark.parametrize("value", ARGUMENTS)
def test_systemd_reads_the_extra_arguments_of_the_settings(workdir, value):
    packages = plan(kubelet_extra_args=value)
    for format_, path in (("deb", "/etc/default/kubelet"), ("rpm", "/etc/sysconfig/kubelet")):
        assert parse_flags(text_at(packages["kubelet", format_], path), EXTRA_ARGS) == ARGUMENTS[value]


def test_plain_extra_arguments_are_not_quoted(workdir):
    content = text_at(plan(kubelet_extra_args="--v=4 --node-ip=10.0.0.1")["kubelet", "deb"], "/etc/default/kubelet")
    assert content == "KUBELET_EXTRA_ARGS=--v=4 --node-ip=10.0.0.1\n"


@pytest.mark.parametrize("program", ["kubectl", "kubeadm", "crictl"])
def test_completions_call_the_program(workdir, program):
    package = plan()["cri-tools" if program == "crictl" else program, "deb"]
    bash = text_at(package, f"/usr/share/bash-completion/completions/{program}")
    zsh = text_at(package, f"/usr/share/zsh/vendor-completions/_{program}")
    assert f"{program} completion bash" in bash
    assert zsh.startswith(f"#compdef {program}\n")
    assert f"{program} completion zsh" in zsh


def test_copyright_names_upstream_license_and_license_text(workdir):
    content = text_at(plan()["cri-tools", "deb"], "/usr/share/doc/cri-tools/copyright")
    for line in (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
        "Upstream-Name: cri-tools",
        "Source: https://github.com/kubernetes-sigs/cri-tools",
        "Copyright: 2026 The cri-tools Authors",
        "License: Apache-2.0",
        "/usr/share/common-licenses/Apache-2.0",
    ):
        assert line in content
