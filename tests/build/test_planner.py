"""What is planned: the exact contents of the five packages, for every Kubernetes and both layouts.

The expectations are the contract's (shared/requirements.md, the pages of upstream), written down
here once more: nothing below is computed from the catalog.
"""

from __future__ import annotations

import os
import subprocess
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kubeparcel.build.planner import (
    ComponentBinary,
    FilePlan,
    LocalFile,
    OwnedDirectory,
    PackagePlan,
    ProvenanceRecord,
    Symlink,
    TextContent,
    plan_packages,
)
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Arch, Format, Version
from tests.conftest import RELEASED, locked

PACKAGES = ("kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")


def planned(kubernetes: str = "1.36.3", **flags: str) -> dict[tuple[str, str], PackagePlan]:
    """The plan for amd64 by package and format, with the settings that hold where we stand."""
    found = plan_packages(load_settings(flags), locked(kubernetes), catalog.load())
    return {(package.name, str(package.format)): package for package in found}


def shown(file: FilePlan) -> str:
    """One file as a line: `0644 config /etc/default/kubelet`; folders begin with a `d`."""
    kind = "d" if isinstance(file.content, OwnedDirectory) else "-"
    marks = [*(["config"] if file.config else []), *([file.role] if file.role else [])]
    return " ".join([f"{kind}{file.mode:04o}", *marks, file.path])


def text(package: PackagePlan, path: str) -> str:
    """What a planned text file holds."""
    (file,) = [file for file in package.files if file.path == path]
    assert isinstance(file.content, TextContent)
    return file.content.text


# --- What each package holds ---------------------------------------------------------------------

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
        -0644 /lib/systemd/system/kubelet.service
        -0755 /usr/bin/kubelet
        -0644 /usr/share/doc/kubelet/copyright
        -0644 doc /usr/share/doc/kubelet/provenance.json
        d0755 /var/lib/kubelet
        """,
    ("kubelet", "rpm"): """
        d0755 /etc/kubernetes
        d0755 /etc/kubernetes/manifests
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
HELD: Mapping[tuple[str, str, str], str] = {
    **{("kubeadm", *where): files for where, files in KUBEADM.items()},
    **{
        (*what, layout): files
        for what, files in IN_BOTH_LAYOUTS.items()
        for layout in ("etc", "official")
    },
}


@pytest.mark.parametrize(("package", "format_", "layout"), HELD)
def test_a_package_holds_exactly_these_files(here, package, format_, layout):
    files = planned(layout=layout)[package, format_].files
    assert [shown(file) for file in files] == textwrap.dedent(HELD[package, format_, layout]).split(
        "\n"
    )[1:-1]


def test_all_five_packages_are_made_in_both_formats(here):
    assert set(planned()) == {(name, format_) for name in PACKAGES for format_ in ("deb", "rpm")}


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
def test_a_program_of_a_package_is_upstreams_binary(here, package, binaries):
    files = planned()[package, "deb"].files
    assert {f.path: f.content for f in files if isinstance(f.content, ComponentBinary)} == binaries


# --- The drop-in, the unit, the environment file -------------------------------------------------

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

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
"""

PLACES = [
    ("deb", "etc", "/etc/systemd/system", "/lib/systemd/system", "/etc/default/kubelet"),
    ("deb", "official", "/lib/systemd/system", "/lib/systemd/system", "/etc/default/kubelet"),
    ("rpm", "etc", "/etc/systemd/system", "/usr/lib/systemd/system", "/etc/sysconfig/kubelet"),
    (
        *("rpm", "official", "/usr/lib/systemd/system", "/usr/lib/systemd/system"),
        "/etc/sysconfig/kubelet",
    ),
]


def without_remarks(content: str) -> str:
    return "".join(line for line in content.splitlines(keepends=True) if line[:1] != "#")


@pytest.mark.parametrize(("format_", "layout", "dropindir", "unitdir", "envfile"), PLACES)
def test_the_drop_in_says_this_line_by_line(here, format_, layout, dropindir, unitdir, envfile):
    path = f"{dropindir}/kubelet.service.d/10-kubeadm.conf"
    found = text(planned(layout=layout)["kubeadm", format_], path)
    assert without_remarks(found) == DROP_IN.format(envfile=envfile)


@pytest.mark.parametrize(("format_", "layout", "dropindir", "unitdir", "envfile"), PLACES)
def test_the_unit_says_this_line_by_line(here, format_, layout, dropindir, unitdir, envfile):
    found = text(planned(layout=layout)["kubelet", format_], f"{unitdir}/kubelet.service")
    dropin = f"{dropindir}/kubelet.service.d/10-kubeadm.conf"
    assert without_remarks(found) == UNIT.format(dropin=dropin)


@pytest.mark.parametrize(("format_", "layout", "dropindir", "unitdir", "envfile"), PLACES)
def test_the_environment_file_is_one_line(here, format_, layout, dropindir, unitdir, envfile):
    package = planned(layout=layout)["kubelet", format_]
    assert text(package, envfile) == "KUBELET_EXTRA_ARGS=\n"


def test_extra_arguments_of_the_settings_stand_in_the_environment_file(here):
    flags = {"kubelet_extra_args": "--v=4 --node-ip=10.0.0.1"}
    found = text(planned(**flags)["kubelet", "deb"], "/etc/default/kubelet")
    assert found == "KUBELET_EXTRA_ARGS=--v=4 --node-ip=10.0.0.1\n"


@pytest.mark.parametrize("program", ["kubectl", "kubeadm", "crictl"])
def test_completions_are_asked_of_the_program_itself(here, program):
    package = planned()["cri-tools" if program == "crictl" else program, "deb"]
    bash = text(package, f"/usr/share/bash-completion/completions/{program}")
    zsh = text(package, f"/usr/share/zsh/vendor-completions/_{program}")
    assert f"{program} completion bash" in bash
    assert zsh.startswith(f"#compdef {program}\n")
    assert f"{program} completion zsh" in zsh


def test_a_copyright_names_upstream_its_licence_and_where_debian_has_the_text(here):
    found = text(planned()["cri-tools", "deb"], "/usr/share/doc/cri-tools/copyright")
    for words in (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
        "Upstream-Name: cri-tools",
        "Source: https://github.com/kubernetes-sigs/cri-tools",
        "Copyright: 2026 The cri-tools Authors",
        "License: Apache-2.0",
        "/usr/share/common-licenses/Apache-2.0",
    ):
        assert words in found


# --- Relations by version ------------------------------------------------------------------------

HOST = {
    "deb": "conntrack ebtables ethtool iproute2 mount socat util-linux",
    "rpm": "conntrack-tools ebtables ethtool iproute socat util-linux",
}
OLD_IPTABLES = "iptables (>= 1.4.21)"
NEW_IPTABLES = "recommends iptables (>= 1.8.4)"


def kubelet(cni: str, iptables: str, deb: str, rpm: str) -> Mapping[str, list[str]]:
    """The kubelet's relations in both formats, from words."""
    first = [f"kubernetes-cni (>= {cni})", iptables]
    return {"deb": [*first, *deb.split()], "rpm": [*first, *rpm.split()]}


KUBELET = {
    "1.11.0": kubelet(
        *("0.6.0", OLD_IPTABLES),
        "ebtables ethtool iproute2 mount socat util-linux",
        "ebtables ethtool iproute socat util-linux",
    ),
    "1.12.0": kubelet(
        *("0.8.7", OLD_IPTABLES),
        "ebtables ethtool iproute2 mount socat util-linux",
        "ebtables ethtool iproute socat util-linux",
    ),
    "1.19.0": kubelet("0.8.7", OLD_IPTABLES, **HOST),
    "1.25.0": kubelet("0.8.7", OLD_IPTABLES, **HOST),
    "1.25.1": kubelet("1.1.1", OLD_IPTABLES, **HOST),
    "1.27.0": kubelet("1.1.1", OLD_IPTABLES, **HOST),
    "1.28.0": kubelet("1.2.0", OLD_IPTABLES, **HOST),
    "1.29.0": kubelet("1.2.0", OLD_IPTABLES, **HOST),
    "1.30.0": kubelet("1.2.0", OLD_IPTABLES, **HOST),
    "1.31.0": kubelet("1.2.0", OLD_IPTABLES, **HOST),
    "1.32.0": kubelet(
        *("1.2.0", OLD_IPTABLES),
        "conntrack ethtool iproute2 mount util-linux",
        "conntrack-tools ethtool iproute util-linux",
    ),
    "1.34.2": kubelet("1.2.0", OLD_IPTABLES, "mount util-linux", "util-linux"),
    "1.36.3": kubelet("1.2.0", OLD_IPTABLES, "mount util-linux", "util-linux"),
    "1.36.5": kubelet("1.2.0", NEW_IPTABLES, "mount util-linux", "util-linux"),
    "1.37.0-rc.1": kubelet("1.2.0", NEW_IPTABLES, "mount util-linux", "util-linux"),
}


@pytest.mark.parametrize("format_", ["deb", "rpm"])
@pytest.mark.parametrize("version", KUBELET)
def test_the_kubelet_needs_this(here, version, format_):
    relations = planned(version)["kubelet", format_].relations
    found = [other if name == "depends" else f"{name} {other}" for name, other in relations]
    assert sorted(found) == sorted(KUBELET[version][format_])


KUBEADM_NEEDS = {
    "1.11.0": "kubelet (>= 1.6.0), kubelet (<< 1.12~), kubectl (>= 1.6.0), kubectl (<< 1.13~), "
    "kubernetes-cni (>= 0.6.0), cri-tools (>= 1.11.0)",
    "1.12.0": "kubelet (>= 1.6.0), kubelet (<< 1.13~), kubectl (>= 1.6.0), kubectl (<< 1.14~), "
    "kubernetes-cni (>= 0.8.7), cri-tools (>= 1.11.0)",
    "1.19.0": "kubelet (>= 1.13.0), kubelet (<< 1.20~), kubectl (>= 1.13.0), kubectl (<< 1.21~), "
    "kubernetes-cni (>= 0.8.7), cri-tools (>= 1.13.0)",
    "1.25.1": "kubelet (>= 1.19.0), kubelet (<< 1.26~), kubectl (>= 1.19.0), kubectl (<< 1.27~), "
    "kubernetes-cni (>= 1.1.1), cri-tools (>= 1.25.0)",
    "1.27.0": "kubelet (>= 1.19.0), kubelet (<< 1.28~), kubectl (>= 1.19.0), kubectl (<< 1.29~), "
    "kubernetes-cni (>= 1.1.1), cri-tools (>= 1.25.0)",
    "1.28.0": "kubelet (>= 1.19.0), kubelet (<< 1.29~), kubectl (>= 1.19.0), kubectl (<< 1.30~), "
    "kubernetes-cni (>= 1.2.0), cri-tools (>= 1.28.0)",
    "1.29.0": "kubelet (>= 1.19.0), kubelet (<< 1.30~), kubectl (>= 1.19.0), kubectl (<< 1.31~), "
    "kubernetes-cni (>= 1.2.0), cri-tools (>= 1.28.0)",
    "1.30.0": "cri-tools (>= 1.30.0)",
    "1.31.0": "cri-tools (>= 1.30.0)",
    "1.32.0": "",
    "1.34.2": "",
    "1.36.3": "",
    "1.36.5": "",
    "1.37.0-rc.1": "",
}


@pytest.mark.parametrize("format_", ["deb", "rpm"])
@pytest.mark.parametrize("version", KUBEADM_NEEDS)
def test_kubeadm_needs_this(here, version, format_):
    relations = planned(version)["kubeadm", format_].relations
    assert {name for name, _ in relations} <= {"depends"}
    assert sorted(other for _, other in relations) == sorted(
        filter(None, KUBEADM_NEEDS[version].split(", "))
    )


@pytest.mark.parametrize("package", ["kubectl", "kubernetes-cni", "cri-tools"])
@pytest.mark.parametrize("version", ["1.11.0", "1.28.0", "1.36.3"])
def test_the_other_packages_need_nothing(here, package, version):
    assert planned(version)[package, "deb"].relations == ()
    assert planned(version)[package, "rpm"].relations == ()


# --- Every Kubernetes ----------------------------------------------------------------------------


@pytest.mark.parametrize("minor", range(11, 41))
def test_every_minor_can_be_planned_and_none_pins_an_exact_version(here, minor):
    every = tuple(Arch)
    settings = load_settings({"arch": ",".join(every)})
    for patch in ("0-alpha.1", "0", "1", "17"):
        packages = plan_packages(
            settings, locked(f"1.{minor}.{patch}", arches=every), catalog.load()
        )
        assert len(packages) == len(PACKAGES) * len(Format) * len(Arch)
        others = [other for package in packages for _, other in package.relations]
        assert not [other for other in others if "(= " in other]
        assert not [other for other in others if "{" in other]


@pytest.mark.parametrize("minor", range(11, 41))
def test_the_cni_release_of_a_kubernetes_satisfies_its_own_packages(here, minor):
    """Otherwise a repository filled by one build could not be installed from."""
    for patch in ("0", "1", "17"):
        found = planned(f"1.{minor}.{patch}")
        kubernetes = locked(f"1.{minor}.{patch}").component("kubernetes").version
        pairs = catalog.load().components["cni"].pairs
        (paired,) = [row.version for row in pairs if row.kubernetes.contains(kubernetes)]
        relations = (*found["kubelet", "deb"].relations, *found["kubeadm", "deb"].relations)
        bounds = [other.partition(" (>= ")[2][:-1] for _, other in relations if "-cni" in other]
        assert bounds
        assert Version.parse(paired) >= max(map(Version.parse, bounds))


# --- Names, versions, times ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arch", "names"),
    [
        ("amd64", ["deb/kubelet_1.37.0~rc.1-2_amd64.deb", "rpm/kubelet-1.37.0~rc.1-2.x86_64.rpm"]),
        (
            "ppc64le",
            ["deb/kubelet_1.37.0~rc.1-2_ppc64el.deb", "rpm/kubelet-1.37.0~rc.1-2.ppc64le.rpm"],
        ),
    ],
)
def test_a_file_carries_version_revision_and_architecture_in_its_name(here, arch, names):
    settings = load_settings({"arch": arch, "revision": "2"})
    packages = plan_packages(settings, locked("1.37.0-rc.1", arches=[Arch(arch)]), catalog.load())
    assert [package.file_name for package in packages if package.name == "kubelet"] == names


def test_each_package_has_its_components_version(here):
    found = {name: package.version for (name, _), package in planned().items()}
    assert found == {
        **dict.fromkeys(("kubeadm", "kubelet", "kubectl"), "1.36.3"),
        "kubernetes-cni": "1.9.1",
        "cri-tools": "1.36.0",
    }


def test_only_the_asked_formats_and_architectures_are_planned(here):
    settings = load_settings({"arch": "arm64", "format": "rpm"})
    packages = plan_packages(settings, locked(arches=tuple(Arch)), catalog.load())
    assert {(package.arch, package.format) for package in packages} == {("arm64", "rpm")}


def test_a_package_carries_the_time_of_its_components_release(here):
    found = {name: package.time for (name, _), package in planned().items()}
    assert found["kubelet"] == RELEASED["kubernetes"]
    assert found["kubernetes-cni"] == RELEASED["cni"]


def test_source_date_epoch_is_the_time_of_every_package(here, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert {package.time for package in planned().values()} == {1_000_000_000}


@pytest.mark.parametrize("epoch", ["yesterday", "-1", "1.5", "²"])
def test_a_source_date_epoch_that_is_no_number_is_an_error(here, monkeypatch, epoch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(ConfigurationError, match=r"SOURCE_DATE_EPOCH: .* is not a number of"):
        planned()


def test_the_settings_say_who_packages_and_how(here):
    flags = {"maintainer": "Jane Doe <jane@example.org>", "vendor": "Example", "revision": "3"}
    package = planned(**flags, compression="small")["kubelet", "rpm"]
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


def test_the_same_settings_and_lock_give_the_same_plan(here):
    assert list(planned().items()) == list(planned().items())


# --- Scriptlets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "format_", "layout", "moments"),
    [
        ("kubeadm", "deb", "etc", {"postinstall", "postremove"}),
        ("kubeadm", "deb", "official", {"preinstall", "postinstall", "postremove"}),
        ("kubeadm", "rpm", "etc", {"postinstall", "postremove"}),
        ("kubeadm", "rpm", "official", {"postinstall", "postremove"}),
        ("kubelet", "deb", "etc", {"postinstall", "preremove", "postremove"}),
        ("kubelet", "deb", "official", {"postinstall", "preremove", "postremove"}),
        ("kubelet", "rpm", "etc", {"postinstall", "preremove", "postremove"}),
        ("kubectl", "deb", "etc", set()),
        ("kubernetes-cni", "rpm", "etc", set()),
        ("cri-tools", "deb", "official", set()),
    ],
)
def test_scriptlets_run_at_these_moments(here, package, format_, layout, moments):
    assert set(planned(layout=layout)[package, format_].scripts) == moments


@pytest.mark.parametrize("layout", ["etc", "official"])
def test_every_scriptlet_is_shell_and_debs_name_the_shell(here, layout):
    for (_, format_), package in planned(layout=layout).items():
        for script in package.scripts.values():
            subprocess.run(["sh", "-n"], input=script, text=True, check=True)
            assert script.startswith("#!/bin/sh\nset -e\n") is (format_ == "deb")


def systemctl(folder: Path) -> Callable[[str, str], list[str]]:
    """Run a scriptlet's text on a machine whose systemctl only writes down what it is told."""
    tool, told = folder / "systemctl", folder / "told"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    tool.chmod(0o755)
    (folder / "dpkg-maintscript-helper").write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    (folder / "dpkg-maintscript-helper").chmod(0o755)
    running = folder / "run/systemd/system"
    running.mkdir(parents=True)

    def run(script: str, arguments: str) -> list[str]:
        told.write_text("")
        here = script.replace("/run/systemd/system", str(running))
        assert here.count("/etc/systemd/system/multi-user") in (0, 1)
        here = here.replace("rm -f /etc", f"rm -f {folder}/etc")
        subprocess.run(
            ["sh", "-c", here, "scriptlet", *arguments.split()],
            env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
            check=True,
        )
        return told.read_text().splitlines()

    return run


PRESET = "preset kubelet.service"
RELOAD = "daemon-reload"
ACTIVE = "--quiet is-active kubelet.service"


@pytest.mark.parametrize(
    ("format_", "moment", "arguments", "told"),
    [
        ("deb", "postinstall", "configure", [PRESET, RELOAD]),
        ("deb", "postinstall", "configure 1.36.1-1", [RELOAD, ACTIVE]),
        ("deb", "postinstall", "abort-upgrade 1.36.1-1", []),
        ("deb", "preremove", "remove", ["stop kubelet.service"]),
        ("deb", "preremove", "upgrade 1.36.3-1", []),
        ("deb", "postremove", "remove", [RELOAD]),
        ("deb", "postremove", "purge", [RELOAD]),
        ("rpm", "postinstall", "1", [PRESET, RELOAD]),
        ("rpm", "postinstall", "2", [RELOAD, ACTIVE]),
        ("rpm", "preremove", "0", ["--no-reload disable --now kubelet.service"]),
        ("rpm", "preremove", "1", []),
        ("rpm", "postremove", "0", [RELOAD]),
        ("rpm", "postremove", "1", [RELOAD]),
    ],
)
def test_the_kubelet_is_preset_once_stopped_at_removal_and_never_restarted(
    here, tmp_path, format_, moment, arguments, told
):
    script = planned()["kubelet", format_].scripts[moment]
    assert systemctl(tmp_path)(script, arguments) == told


@pytest.mark.parametrize(
    ("format_", "moment", "arguments"),
    [
        ("deb", "postinstall", "configure"),
        ("deb", "postinstall", "configure 1.36.1-1"),
        ("deb", "postremove", "remove"),
        ("rpm", "postinstall", "1"),
        ("rpm", "postinstall", "2"),
        ("rpm", "postremove", "0"),
    ],
)
def test_kubeadm_has_systemd_read_its_drop_in_and_leaves_the_kubelet_alone(
    here, tmp_path, format_, moment, arguments
):
    script = planned()["kubeadm", format_].scripts[moment]
    assert systemctl(tmp_path)(script, arguments) == [RELOAD]


@pytest.mark.parametrize("moment", ["preinstall", "postinstall", "postremove"])
def test_in_the_official_layout_the_drop_in_that_would_mask_ours_is_moved_away(
    here, tmp_path, moment
):
    script = planned(layout="official")["kubeadm", "deb"].scripts[moment]
    first = systemctl(tmp_path)(script, "upgrade 1.36.1-1")[0]
    assert first == (
        "rm_conffile /etc/systemd/system/kubelet.service.d/10-kubeadm.conf -- upgrade 1.36.1-1"
    )


@pytest.mark.parametrize("package", ["kubeadm", "kubelet"])
@pytest.mark.parametrize("format_", ["deb", "rpm"])
def test_scriptlets_do_nothing_where_there_is_no_systemd(here, package, format_):
    """In a container image, or while an image is being built."""
    for script in planned()[package, format_].scripts.values():
        nowhere = script.replace("/run/systemd/system", "/nowhere").replace("rm -f /etc", "true ")
        for arguments in ("configure", "remove", "purge", "0", "1", "2"):
            if arguments.isdigit() == (format_ == "rpm"):
                done = subprocess.run(
                    ["/bin/sh", "-c", nowhere, "scriptlet", arguments],
                    env={"PATH": "/nowhere"},
                    capture_output=True,
                    check=False,
                )
                assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# --- The user's own ------------------------------------------------------------------------------


@pytest.fixture
def write(here):
    """Write kubeparcel.yaml where the user stands."""

    def text(content: str) -> None:
        (here / "kubeparcel.yaml").write_text(textwrap.dedent(content))

    return text


def paths(package: PackagePlan) -> list[str]:
    return [file.path for file in package.files]


def one(package: PackagePlan, path: str) -> FilePlan:
    (found,) = [file for file in package.files if file.path == path]
    return found


def test_a_file_of_ones_own_is_added_to_a_package_of_the_catalog(here, write):
    (here / "20-mine.conf").write_text("[Service]\n")
    write("""
        packages:
          kubelet:
            files:
              - {path: "{unitdir}/kubelet.service.d/20-mine.conf", source: 20-mine.conf}
    """)
    found = planned()
    file = one(found["kubelet", "deb"], "/lib/systemd/system/kubelet.service.d/20-mine.conf")
    assert file == FilePlan(file.path, 0o644, LocalFile(here / "20-mine.conf"))
    assert "/usr/lib/systemd/system/kubelet.service.d/20-mine.conf" in paths(
        found["kubelet", "rpm"]
    )
    assert "/usr/bin/kubelet" in paths(found["kubelet", "deb"])
    assert len(found["kubeadm", "deb"].files) == 7


def test_a_file_for_one_format_is_added_to_that_one(write):
    write("packages: {kubelet: {files: [{path: /etc/x, text: x, formats: [deb]}]}}")
    found = planned()
    assert "/etc/x" in paths(found["kubelet", "deb"])
    assert "/etc/x" not in paths(found["kubelet", "rpm"])


def test_a_file_of_the_catalog_is_replaced(write):
    write("""
        packages:
          kubelet:
            files: [{path: "{envfile}", text: "KUBELET_EXTRA_ARGS=--v=2\\n", config: true}]
    """)
    for format_, path in (("deb", "/etc/default/kubelet"), ("rpm", "/etc/sysconfig/kubelet")):
        assert one(planned()["kubelet", format_], path) == FilePlan(
            path, 0o644, TextContent("KUBELET_EXTRA_ARGS=--v=2\n"), config=True
        )


def test_a_file_may_be_replaced_by_its_full_path_where_the_catalog_names_a_place(write):
    write("packages: {kubelet: {files: [{path: /etc/default/kubelet, text: x}]}}")
    found = planned()
    assert one(found["kubelet", "deb"], "/etc/default/kubelet").content == TextContent("x")
    assert text(found["kubelet", "rpm"], "/etc/sysconfig/kubelet") == "KUBELET_EXTRA_ARGS=\n"


def test_a_file_replaced_in_one_format_stays_in_the_other(write):
    write("packages: {kubectl: {files: [{path: /usr/bin/kubectl, text: x, formats: [deb]}]}}")
    found = planned()
    assert one(found["kubectl", "deb"], "/usr/bin/kubectl").content == TextContent("x")
    assert one(found["kubectl", "rpm"], "/usr/bin/kubectl").content == ComponentBinary(
        "kubernetes", "kubectl"
    )


def test_a_file_that_every_package_has_can_be_replaced(write):
    write('packages: {kubectl: {files: [{path: "/usr/share/doc/{package}/copyright", text: x}]}}')
    assert text(planned()["kubectl", "deb"], "/usr/share/doc/kubectl/copyright") == "x"


def test_a_relation_of_ones_own_comes_after_the_catalogs(write):
    write('packages: {kubectl: {relations: [{recommends: "bash-completion (>= 2)"}]}}')
    assert planned()["kubectl", "deb"].relations == (("recommends", "bash-completion (>= 2)"),)


def test_a_relation_may_name_the_kubernetes_series_around(write):
    write("""
        packages:
          kubectl:
            relations:
              - depends: "kubelet (>= {minor})"
              - depends: "kubelet (<< {next-minor}~)"
              - breaks: "kubeadm (>= {after-next-minor}~)"
    """)
    assert [other for _, other in planned()["kubectl", "deb"].relations] == [
        *["kubelet (>= 1.36)", "kubelet (<< 1.37~)", "kubeadm (>= 1.38~)"]
    ]


def test_a_scriptlet_of_ones_own_replaces_that_of_its_moment_and_format(here, write):
    (here / "mine.sh").write_text("#!/bin/sh\necho {{ package }}\n")
    write("""
        packages:
          kubelet:
            scripts: [{at: postinstall, template: mine.sh, formats: [deb]}]
    """)
    found = planned()
    assert found["kubelet", "deb"].scripts["postinstall"] == "#!/bin/sh\necho kubelet\n"
    assert "systemctl preset" in found["kubelet", "rpm"].scripts["postinstall"]


def test_fields_of_the_catalog_can_be_said_otherwise(write):
    write("packages: {kubelet: {summary: Ours, homepage: https://example.org}}")
    fields = planned()["kubelet", "deb"].fields
    assert (fields["summary"], fields["homepage"]) == ("Ours", "https://example.org")
    assert fields["section"] == "net"


MINE = """
    packages:
      my-policy:
        summary: What all our nodes have
        version: 2.1.0
        arch: all
        license: MIT
        files:
          - {path: /etc/my-policy.conf, template: policy.conf, config: true}
          - {path: /usr/sbin/my-policy, source: policy.sh, mode: 0755}
          - {path: /usr/sbin/policy, link: my-policy}
          - {path: /etc/my-policy.d, dir: true}
        relations:
          - depends: "kubelet (>= {minor})"
"""


def test_a_package_of_ones_own_is_planned_once_for_each_format(here, write):
    (here / "policy.conf").write_text("for={{ package }} {{ version }}\n")
    (here / "policy.sh").write_text("#!/bin/sh\n")
    write(MINE)
    settings = load_settings({"arch": "amd64,arm64"})
    packages = plan_packages(settings, locked(arches=[Arch.AMD64, Arch.ARM64]), catalog.load())
    deb, rpm = [package for package in packages if package.name == "my-policy"]
    assert deb.file_name == "deb/my-policy_2.1.0-1_all.deb"
    assert rpm.file_name == "rpm/my-policy-2.1.0-1.noarch.rpm"
    assert {file.path: (file.mode, file.content) for file in deb.files} == {
        "/etc/my-policy.conf": (0o644, TextContent("for=my-policy 2.1.0\n")),
        "/etc/my-policy.d": (0o755, OwnedDirectory()),
        "/usr/sbin/my-policy": (0o755, LocalFile(here / "policy.sh")),
        "/usr/sbin/policy": (0o644, Symlink("my-policy")),
        "/usr/share/doc/my-policy/copyright": (
            0o644,
            one(deb, "/usr/share/doc/my-policy/copyright").content,
        ),
    }
    assert "License: MIT\n" in text(deb, "/usr/share/doc/my-policy/copyright")
    assert deb.relations == (("depends", "kubelet (>= 1.36)"),)


def test_a_package_of_ones_own_may_hold_binaries_of_a_component(write):
    write("""
        packages:
          kubectl-only:
            component: kubernetes
            summary: Another name for it
            files: [{path: /opt/kubectl, binary: kubectl}]
    """)
    package = planned()["kubectl-only", "rpm"]
    assert (package.version, package.component) == ("1.36.3", "kubernetes")
    assert one(package, "/opt/kubectl").content == ComponentBinary("kubernetes", "kubectl")
    assert one(package, "/usr/share/doc/kubectl-only/provenance.json").content == ProvenanceRecord()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "files: [{path: /x, source: mine.conf}]",
            "kubeparcel.yaml: /x: there is no file {here}/mine.conf.",
        ),
        ("files: [{path: /x, source: .}]", "kubeparcel.yaml: /x: there is no file {here}"),
        ("files: [{path: /x, template: mine.conf}]", "Template mine.conf not found"),
        ("files: [{path: /x, template: bad.conf}]", "bad.conf:2: 'nobody' is undefined."),
        ("scripts: [{at: preremove, template: bad.conf}]", "bad.conf:2: 'nobody' is undefined."),
        (
            "files: [{path: '{unitdr}/x', text: x}]",
            "packages.kubelet.files: unknown placeholder in '{{unitdr}}/x'.",
        ),
        (
            "files: [{path: '{}/x', text: x}]",
            "unknown placeholder in '{{}}/x'.",
        ),
        ("files: [{path: '{package}/x', text: x}]", "kubelet/x is not an absolute path."),
        (
            'relations: [{depends: "x (>= {minr})"}]',
            (
                "relations: unknown placeholder in 'x (>= {{minr}})'.\n"
                "  Use one of: {{minor}}, {{next-minor}}, {{after-next-minor}}."
            ),
        ),
    ],
)
def test_what_cannot_be_used_is_named(here, write, content, words):
    (here / "bad.conf").write_text("a\n{{ nobody }}\n")
    write(f"packages: {{kubelet: {{{content}}}}}")
    with pytest.raises(ConfigurationError) as caught:
        planned()
    assert words.format(here=here) in str(caught.value)
