"""The service level's pure parts: what systemd prints is read right, and what applies is played."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kubeparcel.errors import UsageError
from kubeparcel.hosts import catalog
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.model import Format
from kubeparcel.verify.node_setup import CRI_SOCKET
from kubeparcel.verify.service import actions, assertions, kubelet, level
from kubeparcel.verify.service.scenarios import scenarios
from tests.support.package_workshop import workshop

EXEC_START = (
    "{ path=/usr/bin/kubelet ; argv[]=/usr/bin/kubelet $A $B ; ignore_errors=no ; pid=0 ; }\n"
    "{ path=/bin/true ; argv[]=/bin/true ; ignore_errors=no ; pid=0 ; }"
)


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> dict[str, PackageSet]:
    """Small packages in both layouts, and of an earlier revision, as sets of debs."""
    rows = {"etc": {}, "official": {"layout": "official"}, "earlier": {"revision": "1~0"}}
    found = {}
    for name, flags in rows.items():
        folder = tmp_path_factory.mktemp(name)
        shop = workshop(folder, **flags)
        files = [
            shop.write(package, None, folder / package.name)
            for package in shop.packages.values()
            if package.format is Format.DEB
        ]
        found[name] = load_package_sets(files, folder / "set")[Format.DEB]
    return found


def test_a_property_that_comes_several_times_is_read_as_lines():
    said = "EnvironmentFiles=/a (ignore_errors=yes)\nMainPID=4\nEnvironmentFiles=/b (x=no)\n"
    found = kubelet.properties_in(said)
    assert found == {"EnvironmentFiles": "/a (ignore_errors=yes)\n/b (x=no)", "MainPID": "4"}


def test_an_environment_file_that_has_to_exist_is_told_from_one_that_has_not():
    said = "/a (ignore_errors=yes)\n/b (ignore_errors=no)"
    assert kubelet.optional_files_in(said) == ["/a", "!/b"]
    assert kubelet.optional_files_in("") == []


def test_every_command_of_a_unit_is_seen():
    assert kubelet.commands_in(EXEC_START) == ["/usr/bin/kubelet $A $B", "/bin/true"]


def test_flags_are_split_as_systemd_splits_them():
    text = '# kubeadm\'s\nKUBELET_KUBEADM_ARGS="--max-pods=33 --node-ip=192.0.2.1"\n'
    assert kubelet.flags_in(text, "KUBELET_KUBEADM_ARGS") == [
        "--max-pods=33",
        "--node-ip=192.0.2.1",
    ]
    assert kubelet.flags_in("A='--x \"--y=two words\"'\n", "A") == ["--x", "--y=two words"]
    assert kubelet.flags_in("A=\n", "A") == []
    assert kubelet.flags_in("B=1\n", "A") == []


def test_the_kubelets_files_are_found_in_both_layouts(sets):
    etc, official = kubelet.KubeletFiles.of(sets["etc"]), kubelet.KubeletFiles.of(sets["official"])
    assert etc.drop_in == "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"
    assert official.drop_in == "/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"
    assert etc.unit == official.unit == "/lib/systemd/system/kubelet.service"
    assert etc.env_file == "/etc/default/kubelet"


def test_the_command_line_begins_with_the_arguments_of_the_drop_in_in_their_order():
    names = [word.partition("=")[0] for word in assertions.BASE_ARGUMENTS]
    assert names == ["/usr/bin/kubelet", "--bootstrap-kubeconfig", "--kubeconfig", "--config"]


def test_upgrades_and_layouts_are_played_only_with_packages_to_begin_with(sets):
    alone = [scenario.name for scenario, _ in scenarios(sets["etc"], None, None)]
    assert alone == ["node", "life", "preset-disabled"]
    both = list(scenarios(sets["etc"], sets["earlier"], sets["official"]))
    assert [scenario.name for scenario, _ in both] == ["node", "life", "layouts", "preset-disabled"]
    assert [first for _, first in both] == [None, sets["earlier"], sets["official"], None]


def test_the_same_layout_is_no_change_of_layout(sets):
    names = [scenario.name for scenario, _ in scenarios(sets["etc"], None, sets["earlier"])]
    assert "layouts" not in names


def test_every_package_is_upgraded_by_itself_and_the_kubelet_has_to_speak(sets):
    life = next(s for s, _ in scenarios(sets["etc"], sets["earlier"], None) if s.name == "life")
    names = [step.name for step in life.steps]
    upgraded = [name for name in names if name.startswith("upgrade-")]
    assert upgraded == [f"upgrade-{name}" for name in sets["etc"].names]
    assert names[names.index("upgrade-kubelet") + 1] == "advice"


def test_what_the_kubelet_needs_is_not_removed_under_it(sets):
    life = next(s for s, _ in scenarios(sets["etc"], None, None) if s.name == "life")
    names = {step.name for step in life.steps}
    assert {"remove-kubeadm", "remove-kubectl", "remove-cri-tools", "stopped"} <= names
    assert "remove-kubernetes-cni" not in names


def test_kubeadm_is_told_where_the_runtime_is_and_what_the_kubelet_is_to_show():
    init, cluster, config = actions.documents("v1.36.3")
    assert init["nodeRegistration"]["criSocket"] == CRI_SOCKET
    assert cluster["kubernetesVersion"] == "v1.36.3"
    assert config["maxPods"] != int(init["nodeRegistration"]["kubeletExtraArgs"][0]["value"])


def test_packages_that_cannot_be_a_node_are_refused_with_what_is_missing(sets):
    host = catalog.load_hosts().get("trixie")
    kubectl = tuple(one for one in sets["etc"].contents if one.name == "kubectl")
    with pytest.raises(UsageError, match="needs kubeadm and kubelet as deb"):
        level._fits(host, replace(sets["etc"], contents=kubectl))
    with pytest.raises(UsageError, match="needs kubeadm and kubelet as deb"):
        level._fits(host, None)


def test_an_old_kubernetes_is_refused_with_the_levels_that_know_it(sets):
    host = catalog.load_hosts().get("trixie")
    old = tuple(
        replace(one, version="1.30.2") if one.name == "kubeadm" else one
        for one in sets["etc"].contents
    )
    with pytest.raises(UsageError, match="this is Kubernetes") as raised:
        level._fits(host, replace(sets["etc"], contents=old))
    assert "--level install" in raised.value.hint
