"""Which scenarios of the service level apply, and which steps they have."""

from __future__ import annotations

from collections.abc import Mapping

from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.verify.install.level import LIFECYCLE, UPGRADE, _packages_of
from kubeparcel.verify.node_setup import CRI_SOCKET
from kubeparcel.verify.scenario import HostContext, Scenario
from kubeparcel.verify.service import services
from kubeparcel.verify.service.actions import kubeadm_documents
from kubeparcel.verify.service.level import INSTALL, scenarios

STEPS = ("unit", "answers", "killed", "removed")
Sets = Mapping[str, PackageSet]


def lifecycle(packages: PackageSet, previous: PackageSet | None) -> Scenario[HostContext]:
    applicable = (scenario for scenario, _, _ in scenarios(packages, previous, None))
    return next(scenario for scenario in applicable if scenario.name == "lifecycle")


def test_layout_scenario_needs_packages_in_another_layout(package_sets):
    etc, previous, official = (package_sets[name] for name in ("etc", "previous", "official"))
    planned = list(scenarios(etc, previous, official))
    assert [(scenario.name, initial) for scenario, initial, _ in planned] == [
        ("node", None),
        ("lifecycle", previous),
        ("layouts", official),
        ("preset-disabled", None),
        ("services", None),
        ("fips", None),
    ]
    assert {scenario.name for scenario, _, not_run in planned if not_run} == {"services", "fips"}
    for other in (None, previous):
        reasons = {scenario.name: not_run for scenario, _, not_run in scenarios(etc, None, other) if not_run}
        assert reasons.pop("fips")
        assert reasons.pop("services")
        assert reasons == {"layouts": "no packages in another layout"}


def test_services_are_rows_of_the_catalog_and_clients_are_asked_if_they_are_packaged():
    """A package without a row has no step; without its client, only the unit is checked."""
    names = [step.name for step in services.scenario(INSTALL, ["kubelet", "helm", "etcd", "containerd"]).steps]
    assert names == ["install", *(f"{name}-{step}" for name in ("containerd", "etcd") for step in STEPS)]
    assert services.has_service(["etcd"])
    assert not services.has_service(["etcdctl", "helm", "my-package"])


def test_lifecycle_upgrades_each_package_and_expects_advice_for_the_kubelet(package_sets):
    etc = package_sets["etc"]
    names = [step.name for step in lifecycle(etc, package_sets["previous"]).steps]
    upgrades = [name for name in names if name.startswith("upgrade-")]
    assert upgrades == [f"upgrade-{name}" for name in etc.names]
    assert names[names.index("upgrade-kubelet") + 1] == "restart-advice"


def test_lifecycle_does_not_remove_what_the_kubelet_depends_on(package_sets):
    names = {step.name for step in lifecycle(package_sets["etc"], None).steps}
    assert {"remove-kubeadm", "remove-kubectl", "remove-cri-tools", "stopped"} <= names
    assert "remove-kubernetes-cni" not in names


def test_upgrades_do_not_expect_packages_that_the_previous_ones_lack(package_sets):
    """Such as those with debug symbols."""
    etc, previous = package_sets["etc"], package_sets["previous"]
    fewer = previous.only([name for name in previous.names if name != "kubectl"])
    assert "remove-kubectl" not in {step.name for step in lifecycle(etc, fewer).steps}
    assert _packages_of(UPGRADE, etc, fewer).names == fewer.names
    assert _packages_of(LIFECYCLE, etc, fewer).names == etc.names
    assert _packages_of(UPGRADE, etc, None).names == etc.names


def test_kubeadm_documents_set_the_runtime_and_two_values_of_max_pods():
    init, cluster, config = kubeadm_documents("v1.36.3")
    assert init["nodeRegistration"]["criSocket"] == CRI_SOCKET
    assert cluster["kubernetesVersion"] == "v1.36.3"
    assert config["maxPods"] != int(init["nodeRegistration"]["kubeletExtraArgs"][0]["value"])
