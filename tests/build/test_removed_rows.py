"""Rows that a user takes away from packages of the catalog."""

from __future__ import annotations

import pytest

from kubeparcel.build.manifests import finalize
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.store import Store
from tests.build.plans import paths, plan
from tests.support.fake_sources import locked, stored

DEBIAN_PLUGINS = "containernetworking-plugins"


@pytest.fixture
def write(workdir):
    """Return a function that writes rows for a package to kubeparcel.yaml."""

    def write_rows(package: str, rows: str) -> None:
        (workdir / "kubeparcel.yaml").write_text(f"packages:\n  {package}: {{{rows}}}\n")

    return write_rows


@pytest.mark.parametrize("format_", ["deb", "rpm"])
def test_removed_file_is_not_in_the_package(write, format_):
    path = "/usr/share/bash-completion/completions/kubectl"
    write("kubectl", f"files: [{{path: {path}, remove: true}}]")
    assert path not in paths(plan()["kubectl", format_])
    assert "/usr/bin/kubectl" in paths(plan()["kubectl", format_])


def test_removed_path_may_have_a_placeholder_or_be_of_one_layout(write):
    write("kubelet", "files: [{path: '{envfile}', remove: true}]")
    assert not {"/etc/default/kubelet", "/etc/sysconfig/kubelet"} & {*paths(plan()["kubelet", "deb"])}
    write("kubelet", "files: [{path: /etc/sysconfig/kubelet, remove: true}]")
    assert "/etc/default/kubelet" in paths(plan()["kubelet", "deb"])
    assert "/etc/sysconfig/kubelet" not in paths(plan()["kubelet", "rpm"])


def test_removal_for_one_format_keeps_the_file_in_the_other(write):
    write("kubelet", "files: [{path: /etc/kubernetes/manifests, remove: true, formats: [deb]}]")
    assert "/etc/kubernetes/manifests" not in paths(plan()["kubelet", "deb"])
    assert "/etc/kubernetes/manifests" in paths(plan()["kubelet", "rpm"])


def test_file_of_every_package_can_be_removed_from_one(write):
    write("kubectl", "files: [{path: '/usr/share/licenses/{package}/LICENSE', remove: true}]")
    assert "/usr/share/licenses/kubectl/LICENSE" not in paths(plan()["kubectl", "rpm"])
    assert "/usr/share/licenses/kubelet/LICENSE" in paths(plan()["kubelet", "rpm"])


def test_removed_relation_disappears_whatever_its_bound(write):
    write("kubelet", "relations: [{depends: iptables, remove: true}, {depends: util-linux, remove: true}]")
    relations = plan()["kubelet", "deb"].relations
    assert relations == (("depends", "kubernetes-cni (>= 1.2.0)"), ("depends", "mount"))


def test_removed_relation_can_be_replaced(write):
    write("kubelet", "relations: [{depends: iptables, remove: true}, {depends: 'iptables (>= 1.8)'}]")
    others = [other for _, other in plan()["kubelet", "deb"].relations if other.startswith("iptables")]
    assert others == ["iptables (>= 1.8)"]


def test_removing_a_dependency_keeps_other_relations_to_that_package(write):
    write("kubelet", "relations: [{depends: iptables, remove: true}, {recommends: iptables}]")
    assert ("recommends", "iptables") in plan()["kubelet", "deb"].relations


def test_conflict_with_a_distribution_package_can_be_removed(write):
    write("kubectl", "relations: [{conflicts: oc, remove: true}, {replaces: kubernetes-client, remove: true}]")
    assert ("conflicts", "oc") not in plan()["kubectl", "rpm"].relations
    assert plan()["kubectl", "deb"].relations == (("conflicts", "kubernetes-client (<< 1.31.4~)"),)


def test_removed_script_does_not_run(write):
    write("kubelet", "scripts: [{at: postinstall, remove: true, formats: [rpm]}]")
    assert "postinstall" not in plan()["kubelet", "rpm"].scripts
    assert "postinstall" in plan()["kubelet", "deb"].scripts


def manifest(store: Store) -> PackageManifest:
    """Return the manifest of the deb of CNI plugins."""
    lock = locked()
    binaries = stored(lock.artifacts, store)
    return finalize(plan()["kubernetes-cni", "deb"], lock, binaries, store)


def test_one_of_all_binaries_can_be_removed(write, store):
    write("kubernetes-cni", "files: [{path: /opt/cni/bin/portmap, remove: true}]")
    programs = [file.path for file in manifest(store).files if file.path.startswith("/opt/cni/bin/")]
    assert programs == ["/opt/cni/bin/bridge", "/opt/cni/bin/host-local", "/opt/cni/bin/loopback"]


def test_removing_an_unknown_binary_is_an_error(write, store):
    write("kubernetes-cni", "files: [{path: /opt/cni/bin/portmapp, remove: true}]")
    with pytest.raises(ConfigurationError, match="cni has no binary portmapp to remove for amd64"):
        manifest(store)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("files: [{path: /etc/kubernets, remove: true}]", "files.0: kubelet has no file /etc/kubernets to remove."),
        ("relations: [{depends: iptable, remove: true}]", "relations.0: kubelet has no depends iptable to remove."),
        ("relations: [{recommends: mount, remove: true}]", "relations.0: kubelet has no recommends mount to remove."),
        ("scripts: [{at: preinstall, remove: true}]", "scripts.0: kubelet has no preinstall to remove."),
    ],
)
def test_removing_what_the_catalog_does_not_have_is_an_error_with_its_line(write, rows, message):
    write("kubelet", rows)
    with pytest.raises(ConfigurationError) as error:
        load_settings({})
    assert error.value.message.startswith(f"kubeparcel.yaml:2: packages.kubelet.{message}")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("files: [{path: /etc/kubernets, remove: true}]", "Did you mean /etc/kubernetes"),
        (
            "files: [{path: /etc/kubernetes, remove: true, dir: true}]",
            "remove: true removes the path, so it has no content",
        ),
        ("scripts: [{at: postinstall}]", "expected a template"),
    ],
    ids=["similar path", "content of a removed path", "script without a template"],
)
def test_invalid_rows_are_errors(write, rows, problem):
    write("kubelet", rows)
    with pytest.raises(ConfigurationError, match=problem):
        load_settings({})


@pytest.mark.parametrize(
    ("folder", "owned"),
    [
        ("/opt/cni/bin", ["/opt/cni", "/opt/cni/bin"]),
        ("/usr/lib/cni", ["/usr/lib/cni"]),
        ("/usr/libexec/kubernetes/cni", ["/usr/libexec/kubernetes", "/usr/libexec/kubernetes/cni"]),
    ],
)
def test_plugins_are_in_the_chosen_folder_and_its_parents_are_owned(workdir, folder, owned):
    package = plan(cni_bin_dir=folder)["kubernetes-cni", "deb"]
    ours = [path for path in paths(package) if not path.startswith(("/usr/share", "/etc"))]
    assert ours == sorted([*owned, folder])
    assert f"put into {folder} are" in package.fields["description"].replace("\n", " ")


@pytest.mark.parametrize(
    ("folder", "format_", "conflicts"),
    [
        ("/usr/lib/cni", "deb", [("conflicts", DEBIAN_PLUGINS), ("replaces", DEBIAN_PLUGINS)]),
        ("/usr/libexec/cni", "rpm", [("conflicts", DEBIAN_PLUGINS)]),
        ("/usr/lib/cni", "rpm", [("conflicts", "cni-plugins")]),
        ("/opt/cni/bin", "deb", []),
        ("/opt/cni/bin", "rpm", []),
    ],
)
def test_plugins_in_the_distributions_folder_conflict_with_its_plugins(workdir, folder, format_, conflicts):
    assert list(plan(cni_bin_dir=folder)["kubernetes-cni", format_].relations) == conflicts


def test_user_file_among_the_plugins_uses_the_placeholder(workdir):
    (workdir / "kubeparcel.yaml").write_text(
        "cni-bin-dir: /usr/lib/cni\n"
        "packages: {kubernetes-cni: {files: [{path: '{cnibindir}/ours', text: x, mode: 0755}]}}\n"
    )
    assert "/usr/lib/cni/ours" in paths(plan()["kubernetes-cni", "deb"])


@pytest.mark.parametrize("folder", ["opt/cni", "/opt/cni/", "/usr/../opt", "{unitdir}/cni", "/usr/bin", "/usr/libexec"])
def test_folder_that_is_relative_or_the_distributions_is_rejected(workdir, folder):
    (workdir / "kubeparcel.yaml").write_text(f"cni-bin-dir: '{folder}'\n")
    with pytest.raises(ConfigurationError, match=r"kubeparcel\.yaml:1: cni-bin-dir"):
        load_settings({})
