"""Source `go`: versions from the module proxy, sums from the checksum database, one compilation.

Go itself is replaced by a script that answers from a table and records its calls; the real one
compiles in the acceptance tests.
"""

from __future__ import annotations

import sys

import pytest

from kubeparcel.config import catalog
from kubeparcel.errors import ConfigurationError, ToolError, UnknownVersion
from kubeparcel.lock_models import Artifact
from kubeparcel.model import Arch
from kubeparcel.sources.compiled_module import link_variables, write_module
from tests.sources.go_world import GO_MOD, KUBERNETES, SUM, modules, version

# --- Versions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requested", "query"),
    [
        ("stable", "latest"),
        ("latest", "latest"),
        ("1.36", "v1.36"),
        ("1.36.3", "v1.36.3"),
        ("1.37.0-rc.1", "v1.37.0-rc.1"),
    ],
)
def test_version_is_resolved_by_the_module_proxy(world, requested, query):
    world.publishes(KUBERNETES, "1.36.3", query=f"{KUBERNETES}@{query}")
    assert str(modules().resolve_kubernetes(requested)) == "1.36.3"


def test_unpublished_version_is_reported_with_published_ones(world):
    world.lists(KUBERNETES, "1.35.4", "1.36.1", "1.36.3", "1.37.0-rc.1")
    with pytest.raises(UnknownVersion) as caught:
        modules().resolve_kubernetes("1.99")
    assert caught.value.message == "Kubernetes 1.99 is not published as a Go module."
    assert "1.37.0-rc.1, 1.36.3, 1.35.4." in caught.value.hint


def test_proxy_without_a_version_list_is_no_other_error(world):
    """Some proxies answer for exact versions only."""
    with pytest.raises(UnknownVersion, match=r"Kubernetes 1\.99 is not published"):
        modules().resolve_kubernetes("1.99")


def test_versions_are_the_newest_of_each_minor_newest_first(world):
    world.lists(KUBERNETES, "1.9.11", "1.36.10", "1.36.9", "1.37.0", "1.37.0-rc.1", "1.35.0")
    assert [str(v) for v in modules().list_versions()] == ["1.37.0", "1.36.10", "1.35.0", "1.9.11"]


@pytest.mark.parametrize(("requested", "out"), [("1.36.0", True), ("1.36.1", False)])
def test_component_is_published_if_the_proxy_has_the_version(world, requested, out):
    world.publishes("sigs.k8s.io/cri-tools", "1.36.0")
    assert modules().is_published("cri-tools", version(requested)) is out


def test_probe_fails_without_go(world, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sysconfig.get_path", lambda _: "/nowhere")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ToolError):
        modules().probe()


# --- Pins ----------------------------------------------------------------------------------------


def test_pin_has_the_modules_sum_and_time_for_each_architecture(world):
    world.publishes(KUBERNETES, "1.36.3")
    component = modules().pin("kubernetes", version("1.36.3"), [Arch.AMD64, Arch.S390X])
    assert (component.name, str(component.version)) == ("kubernetes", "1.36.3")
    assert component.released == 1_784_743_658
    assert component.artifacts == tuple(
        Artifact("kubernetes", "kubernetes", arch, "k8s.io/kubernetes@v1.36.3", SUM, "sum.golang.org")
        for arch in (Arch.AMD64, Arch.S390X)
    )


def test_unpublished_release_is_reported_by_its_title(world):
    with pytest.raises(UnknownVersion) as caught:
        modules().pin("cni", version("1.9.7"), [Arch.AMD64])
    assert str(caught.value) == (
        "CNI plugins 1.9.7 is not published as a Go module.\n  Choose another version: --cni VERSION.\n"
        "  go list -m -versions github.com/containernetworking/plugins prints those that are published."
    )


@pytest.mark.parametrize(
    ("requested", "toolchain"),
    [
        ("1.25", "go1.26.8"),
        ("1.26.0", "go1.26.8"),
        ("1.26.9", "go1.26.9"),
        ("1.27", "go1.27.0"),
        ("1.30.1", "go1.30.1"),
    ],
)
def test_newer_go_is_used_if_a_module_requires_it(world, requested, toolchain):
    world.publishes(KUBERNETES, "1.36.3", go=requested)
    source = modules()
    source.pin("kubernetes", version("1.36.3"), [Arch.AMD64])
    assert source.toolchain == toolchain


def test_module_for_an_older_go_keeps_the_newer_one(world):
    world.publishes(KUBERNETES, "1.36.3", go="1.27.2")
    world.publishes("sigs.k8s.io/cri-tools", "1.36.0", ("cmd/crictl",), go="1.24", mod="module {module}\n\ngo {go}\n")
    source = modules()
    source.pin("kubernetes", version("1.36.3"), [Arch.AMD64])
    source.pin("cri-tools", version("1.36.0"), [Arch.AMD64])
    assert source.toolchain == "go1.27.2"


# --- The module that is compiled -----------------------------------------------------------------


def test_staging_folders_are_replaced_by_published_modules(tmp_path):
    (tmp_path / "go.mod").write_text(GO_MOD.format(module=KUBERNETES, go="1.26.0"))
    (tmp_path / "go.sum").write_text("sums\n")
    (tmp_path / "out").mkdir()
    spec = catalog.load().components["kubernetes"]
    write_module(tmp_path / "out", spec, version("1.37.0-rc.1"), tmp_path)
    assert (tmp_path / "out/go.mod").read_text() == (
        "module kubeparcel.invalid/build\n\ngo 1.26.0\n\ngodebug default=go1.26\n\n"
        "require (\n\tk8s.io/api v0.0.0\n)\n\n"
        "replace (\n"
        "\tk8s.io/api => k8s.io/api v0.37.0-rc.1\n"
        "\tk8s.io/client-go => k8s.io/client-go v0.37.0-rc.1\n"
        ")\n\nrequire k8s.io/kubernetes v1.37.0-rc.1\n"
    )
    assert (tmp_path / "out/go.sum").read_text() == "sums\n"


def test_folders_beside_a_module_are_replaced_by_the_modules_of_the_same_release(tmp_path):
    """As etcd's server does, whose repository has several modules."""
    (tmp_path / "go.mod").write_text(
        "module go.etcd.io/etcd/server/v3\n\nreplace (\n\tgo.etcd.io/etcd/api/v3 => ../api\n"
        ")\n\nreplace go.etcd.io/etcd => ./FORBIDDEN_DEPENDENCY\n"
    )
    (tmp_path / "go.sum").write_text("sums\n")
    (tmp_path / "out").mkdir()
    write_module(tmp_path / "out", catalog.load().components["etcd"], version("3.6.8"), tmp_path)
    assert (tmp_path / "out/go.mod").read_text() == (
        "module kubeparcel.invalid/build\n\nreplace (\n\tgo.etcd.io/etcd/api/v3 => go.etcd.io/etcd/api/v3 v3.6.8\n"
        ")\n\n\nrequire go.etcd.io/etcd/server/v3 v3.6.8\n"
    )


def test_other_replaced_folders_are_rejected(tmp_path):
    (tmp_path / "go.mod").write_text("module x\n\nreplace y => ../y\n")
    spec = catalog.load().components["cri-tools"]
    with pytest.raises(ConfigurationError, match=r"replaces modules by folders, .* \.\./y"):
        write_module(tmp_path, spec, version("1.36.0"), tmp_path)


def test_release_older_than_go_modules_is_reported(tmp_path):
    """Kubernetes had no go.mod before 1.15."""
    spec = catalog.load().components["kubernetes"]
    with pytest.raises(UnknownVersion, match=r"1\.11\.10"):
        write_module(tmp_path, spec, version("1.11.10"), tmp_path)


DATE = "2026-07-22T18:07:38Z"


@pytest.mark.parametrize(
    ("component", "released", "binaries"),
    [
        (
            *("kubernetes", "1.36.3"),
            {
                "k8s.io/component-base/version.gitVersion": "v1.36.3",
                "k8s.io/component-base/version.gitMajor": "1",
                "k8s.io/component-base/version.gitMinor": "36",
                "k8s.io/component-base/version.gitTreeState": "clean",
                "k8s.io/component-base/version.buildDate": DATE,
                "k8s.io/client-go/pkg/version.gitVersion": "v1.36.3",
                "k8s.io/client-go/pkg/version.gitMajor": "1",
                "k8s.io/client-go/pkg/version.gitMinor": "36",
                "k8s.io/client-go/pkg/version.gitTreeState": "clean",
                "k8s.io/client-go/pkg/version.buildDate": DATE,
            },
        ),
        ("cri-tools", "1.36.0", {"sigs.k8s.io/cri-tools/pkg/version.Version": "1.36.0"}),
        (*("cni", "1.9.1"), {"github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion": ("v1.9.1")}),
    ],
)
def test_link_variables_have_the_version_and_the_modules_date(component, released, binaries):
    spec = catalog.load().components[component]
    assert link_variables(spec, version(released), DATE) == binaries
