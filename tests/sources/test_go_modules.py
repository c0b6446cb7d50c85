"""Source `go`: versions from the module proxy, sums from the checksum database, one compilation.

Go itself is replaced by a script that answers from a table and records its calls; the real one
compiles in the acceptance tests.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.config import catalog
from kubeparcel.errors import ConfigurationError, DigestError, ExternalError, ToolError, UnknownVersion
from kubeparcel.model import Arch, Artifact, BuildVariant, Version
from kubeparcel.sources import go_toolchain
from kubeparcel.sources.go_modules import GoModules, link_variables, write_module
from kubeparcel.store import Store
from tests.conftest import RecordingLog
from tests.support.elf_files import Go as GoRecord
from tests.support.elf_files import elf

SUM = "h1:qDQdoMiluAE2Eab6Fa52YV+WjiGz9mZFFoagEA6cI+o="
KUBERNETES = "k8s.io/kubernetes"
GO = """\
#!{python}
import json, os, pathlib, sys
folder = pathlib.Path({world!r})
words = sys.argv[1:]
recorded_calls = {{"words": words, "cwd": os.getcwd(), "arch": os.environ.get("GOARCH", "")}}
recorded_calls["toolchain"] = os.environ["GOTOOLCHAIN"]
recorded_calls["variant"] = {{name: os.environ.get(name) for name in ("GOFIPS140", "GOAMD64")}}
recorded_calls["environment"] = {{name: os.environ.get(name) for name in ("GOENV", "GOFLAGS", "GOPROXY")}}
with (folder / "recorded_calls").open("a") as log:
    log.write(json.dumps(recorded_calls) + "\\n")
world = json.loads((folder / "world.json").read_text())
if words[:2] == ["env", "-json"]:
    print(json.dumps({{**world["settings"], "GOVERSION": "go1.26.8"}}))
elif words[:3] == ["list", "-m", "-versions"]:
    if words[3] not in world["lists"]:
        sys.exit(f"go: module {{words[3]}}: reading https://proxy.example/@v/list: 403 Forbidden")
    print(words[3], *world["lists"][words[3]])
elif words[:3] in (["list", "-m", "-json"], ["mod", "download", "-json"]):
    if words[3] not in world["modules"]:
        sys.exit(f"go: {{words[3]}}: reading https://proxy.example/{{words[3]}}: 404 Not Found")
    print(json.dumps(world["modules"][words[3]]))
elif words[:3] == ["list", "-mod=mod", "-deps"]:
    print("\\n".join(["fmt", "os", *words[3:]]))
elif words[0] == "build":
    (out,) = [word[3:] for word in words if word.startswith("-o=")]
    mains = [word for word in words[1:] if not word.startswith("-")]
    pathlib.Path(out).mkdir()
    (folder / "go.mod").write_text(pathlib.Path("go.mod").read_text())
    print("go: downloading golang.org/x/sys v0.1.0", file=sys.stderr)
    for main in mains:
        print(main, file=sys.stderr)
        if main.rpartition("/")[2] not in world["broken"]:
            program = pathlib.Path(out, main.rpartition("/")[2])
            text = f"{{main}} {{recorded_calls['arch']}}"
            program.write_bytes(bytes.fromhex(world.get("program", "")) or text.encode())
else:
    sys.exit(f"unexpected: {{words}}")
"""

GO_MOD = """\
module {module}

go {go}

godebug default=go1.26

require (
\tk8s.io/api v0.0.0
)

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
\tk8s.io/client-go => ./staging/src/k8s.io/client-go
)
"""


class World:
    """The answers of the fake go, and a record of its calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = {"GOPROXY": "https://proxy.golang.org,direct", "GOSUMDB": "sum.golang.org"}
        self.facts: dict[str, Any] = {"lists": {}, "modules": {}, "broken": [], "settings": settings}
        self.save()

    def save(self) -> None:
        (self.folder / "world.json").write_text(json.dumps(self.facts))

    def lists(self, module: str, *versions: str) -> None:
        self.facts["lists"][module] = [f"v{version}" for version in versions]
        self.save()

    def sets(self, **settings: str) -> None:
        self.facts["settings"].update(settings)
        self.save()
        go_toolchain.find_go.cache_clear()

    def breaks(self, name: str) -> None:
        self.facts["broken"].append(name)
        self.save()

    def publishes(
        self,
        module: str,
        version: str,
        mains: tuple[str, ...] = ("cmd/kubeadm", "cmd/kubelet", "cmd/kubectl"),
        query: str = "",
        go: str = "1.26.0",
        mod: str = GO_MOD,
    ) -> None:
        """Publish a module with folders of main packages."""
        source = self.folder / "mod" / f"{module}@v{version}"
        source.mkdir(parents=True)
        (source / "go.mod").write_text(mod.format(module=module, go=go))
        (source / "go.sum").write_text("k8s.io/api v0.0.0 h1:x\n")
        for main in mains:
            (source / main).mkdir(parents=True)
        info = source.with_suffix(".info")
        info.write_text(json.dumps({"Version": f"v{version}", "Time": "2026-07-22T18:07:38Z"}))
        self.facts["modules"][query or f"{module}@v{version}"] = {
            "Path": module,
            "Version": f"v{version}",
            "Info": str(info),
            "GoMod": str(source / "go.mod"),
            "Dir": str(source),
            "Sum": SUM,
        }
        self.save()

    def recorded_calls(self, *start: str) -> list[Mapping[str, Any]]:
        """Return the calls of go whose arguments start with these."""
        lines = (self.folder / "recorded_calls").read_text().splitlines()
        calls = [json.loads(line) for line in lines]
        return [call for call in calls if tuple(call["words"][: len(start)]) == start]


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    folder = tmp_path / "world"
    folder.mkdir()
    go = tmp_path / "bin/go"
    go.parent.mkdir()
    go.write_text(GO.format(python=sys.executable, world=str(folder)))
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(go.parent))
    go_toolchain.find_go.cache_clear()
    yield World(folder)
    go_toolchain.find_go.cache_clear()


def modules(toolchain: str = "") -> GoModules:
    return GoModules(catalog.load().components, toolchain)


def version(text: str) -> Version:
    return Version.parse(text)


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
        "CNI plugins 1.9.7 is not published as a Go module.\n  Choose another version: --cni VERSION."
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
    world.publishes("sigs.k8s.io/cri-tools", "1.36.0", ("cmd/crictl",), go="1.24")
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


def test_other_replaced_folders_are_rejected(tmp_path):
    (tmp_path / "go.mod").write_text("module x\n\nreplace y => ../y\n")
    spec = catalog.load().components["cri-tools"]
    with pytest.raises(ConfigurationError, match="replaces modules by folders of its repository"):
        write_module(tmp_path, spec, version("1.36.0"), tmp_path)


def test_release_older_than_go_modules_is_reported(tmp_path):
    """Kubernetes had no go.mod before 1.15."""
    spec = catalog.load().components["kubernetes"]
    with pytest.raises((ConfigurationError, UnknownVersion), match=r"1\.11\.10"):
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


# --- Compiling -----------------------------------------------------------------------------------

MAINS = ("cmd/kubeadm", "cmd/kubelet", "cmd/kubectl", "cmd/kube-proxy")
PLUGINS = ("main/bridge", "main/windows", "meta/portmap", "ipam/dhcp")
AMD64 = Artifact("kubernetes", "kubernetes", Arch.AMD64, "k8s.io/kubernetes@v1.36.3", SUM)
S390X = dataclasses.replace(AMD64, arch=Arch.S390X)
CNI = Artifact("cni", "cni", Arch.AMD64, "github.com/containernetworking/plugins@v1.9.1", SUM)


@pytest.fixture
def published(world) -> World:
    world.publishes(KUBERNETES, "1.36.3", MAINS)
    plugins = tuple(f"plugins/{name}" for name in PLUGINS)
    mod = "module {module}\n\ngo {go}\n"
    world.publishes("github.com/containernetworking/plugins", "1.9.1", plugins, mod=mod)
    return world


def test_binaries_of_a_component_are_compiled_in_one_call(published, store, log):
    binaries = modules("go1.26.8").fetch([AMD64], store, log)
    names = binaries["kubernetes", Arch.AMD64]
    assert list(names) == ["kubeadm", "kubectl", "kubelet"]
    assert store.path(names["kubelet"]).read_text() == "k8s.io/kubernetes/cmd/kubelet amd64"
    (call,) = published.recorded_calls("build")
    assert call["words"][-3:] == [
        *["k8s.io/kubernetes/cmd/kubeadm", "k8s.io/kubernetes/cmd/kubelet"],
        "k8s.io/kubernetes/cmd/kubectl",
    ]


def test_md5_of_compiled_binaries_is_cached(published, store, log, monkeypatch):
    noted = []
    monkeypatch.setattr(Store, "cache_digests", lambda _, sha256: noted.append(sha256))
    binaries = modules("go1.26.8").fetch([AMD64], store, log)
    assert sorted(noted) == sorted(binaries["kubernetes", Arch.AMD64].values())


def test_compiler_options_make_builds_reproducible(published, store, log):
    modules("go1.26.7").fetch([S390X], store, log)
    (call,) = published.recorded_calls("build")
    assert (call["arch"], call["toolchain"]) == ("s390x", "go1.26.7")
    assert {"-trimpath", "-buildvcs=false", "-mod=mod"} <= set(call["words"])
    (flags,) = [word for word in call["words"] if word.startswith("-ldflags=")]
    assert flags.startswith("-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 ")
    assert "buildDate=2026-07-22T18:07:38Z" in flags
    mod = (published.folder / "go.mod").read_text()
    assert "k8s.io/api => k8s.io/api v0.36.3" in mod


def test_temporary_folder_is_removed_after_compiling(published, store, log):
    modules("go1.26.8").fetch([AMD64], store, log)
    assert not list((store.root / "scratch").iterdir())


def test_all_plugins_except_windows_are_compiled(published, store, log):
    binaries = modules("go1.26.8").fetch([CNI], store, log)
    assert list(binaries["cni", Arch.AMD64]) == ["bridge", "dhcp", "portmap"]


def test_cached_returns_the_binaries_that_were_compiled_before(published, store, log):
    source = modules("go1.26.8")
    assert source.cached(AMD64, store) is None
    binaries = source.fetch([AMD64], store, log)
    assert source.cached(AMD64, store) == binaries["kubernetes", Arch.AMD64]
    assert source.cached(S390X, store) is None


def test_compiled_binaries_are_reused(published, store, log):
    first = modules("go1.26.8").fetch([AMD64, S390X], store, log)
    assert len(published.recorded_calls("build")) == 2
    (published.folder / "recorded_calls").unlink()
    assert modules("go1.26.8").fetch([AMD64, S390X], store, log) == first
    assert not (published.folder / "recorded_calls").exists()


@pytest.mark.parametrize(
    ("toolchain", "artifact"),
    [("go1.26.7", AMD64), ("go1.26.8", S390X)],
    ids=["another compiler", "another architecture"],
)
def test_another_compiler_or_architecture_compiles_again(published, store, log, toolchain, artifact):
    modules("go1.26.8").fetch([AMD64], store, log)
    modules(toolchain).fetch([artifact], store, log)
    assert len(published.recorded_calls("build")) == 2


def test_binary_missing_from_the_store_is_compiled_again(published, store, log):
    binaries = modules("go1.26.8").fetch([AMD64], store, log)
    store.path(binaries["kubernetes", Arch.AMD64]["kubectl"]).unlink()
    assert modules("go1.26.8").fetch([AMD64], store, log) == binaries
    assert store.has(binaries["kubernetes", Arch.AMD64]["kubectl"])


def test_sum_that_differs_from_the_lock_is_an_error(published, store, log):
    other = dataclasses.replace(AMD64, digest="h1:" + "A" * 43 + "=")
    with pytest.raises(DigestError) as caught:
        modules("go1.26.8").fetch([other], store, log)
    assert SUM in caught.value.message
    assert other.digest in caught.value.message
    assert published.recorded_calls("build") == []


def test_missing_output_of_the_compiler_is_an_error(published, store, log):
    published.breaks("kubectl")
    with pytest.raises(ExternalError, match="did not produce kubectl"):
        modules("go1.26.8").fetch([AMD64], store, log)


def test_release_without_a_main_package_is_an_error(world, store, log):
    world.publishes(KUBERNETES, "1.36.3", ("cmd/kubeadm", "cmd/kubelet"))
    with pytest.raises(UnknownVersion, match="kubectl"):
        modules("go1.26.8").fetch([AMD64], store, log)
    with pytest.raises(UnknownVersion, match="kubectl"):
        modules("go1.26.8").pin("kubernetes", Version.parse("1.36.3"), [Arch.AMD64])


def test_progress_counts_packages_and_names_finished_binaries(published, store):
    class Counting(RecordingLog):
        def __init__(self) -> None:
            super().__init__()
            self.notes: list[str] = []
            self.totals: list[int | None] = []

        def task(self, label, name, total, unit=""):
            self.totals.append(total)
            self.tasks.append(f"{label} {name}")
            return _Noting(self.notes)

    log = Counting()
    modules("go1.26.8").fetch([AMD64], store, log)
    assert log.tasks == ["Compile Kubernetes amd64"]
    assert log.totals == [5]
    assert len(log.notes) == 3
    assert log.notes[-1].endswith("3 of 5 packages")


class _Noting:
    def __init__(self, notes: list[str]) -> None:
        self.notes = notes

    def __enter__(self) -> _Noting:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.notes.append(note)


# --- The checksum database -----------------------------------------------------------------------

GOLANG_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


@pytest.mark.parametrize(
    ("settings", "database"),
    [
        ({}, "sum.golang.org"),
        ({"GOSUMDB": "sum.golang.org https://sum.example.org"}, "sum.golang.org"),
        ({"GOSUMDB": GOLANG_KEY}, "sum.golang.org"),
        ({"GOSUMDB": "sum.golang.org+00000000+AAAA https://sum.example.org"}, "sum.golang.org+00000000+AAAA"),
        ({"GOPROXY": "https://proxy.example.org"}, "sum.golang.org"),
        ({"GOPRIVATE": "github.com/acme"}, "sum.golang.org"),
        ({"GOPRIVATE": "k8s.io", "GONOSUMDB": "none"}, "sum.golang.org"),
        ({"GONOSUMDB": "k8s.io/kube"}, "sum.golang.org"),
        ({"GONOSUMDB": "k8s.io/kubernetes/more"}, "sum.golang.org"),
    ],
)
def test_pin_names_the_checksum_database(published, settings, database):
    published.sets(**settings)
    component = modules().pin("kubernetes", version("1.36.3"), [Arch.AMD64])
    assert ([artifact.checksum for artifact in component.artifacts], component.remarks) == ([database], ())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"GOSUMDB": "off"}, "GOSUMDB=off"),
        ({"GONOSUMDB": "k8s.io/kubernetes"}, "GONOSUMDB=k8s.io/kubernetes"),
        ({"GONOSUMDB": "*.io"}, "GONOSUMDB=*.io"),
        ({"GONOSUMDB": "example.org,k8s.io/*"}, "GONOSUMDB=example.org,k8s.io/*"),
        ({"GOPRIVATE": "*"}, "GOPRIVATE=*"),
        ({"GOPRIVATE": "k8s.io/"}, "GOPRIVATE=k8s.io/"),
        ({"GOPRIVATE": "k[^x]s.io"}, "GOPRIVATE=k[^x]s.io"),
        ({"GONOSUMDB": "k8s.io/client-go"}, "GONOSUMDB=k8s.io/client-go"),
    ],
)
def test_sum_that_no_database_confirmed_is_said(published, settings, reason):
    """Also for modules that Kubernetes' go.sum does not have."""
    published.sets(**settings)
    component = modules().pin("kubernetes", version("1.36.3"), [Arch.AMD64])
    assert [artifact.checksum for artifact in component.artifacts] == ["none"]
    assert component.remarks == (f"The sums of Go modules are not checked against a checksum database ({reason}).",)


def test_lock_that_was_checked_is_not_compiled_unchecked(published, store, log):
    published.sets(GOSUMDB="off")
    checked = dataclasses.replace(AMD64, checksum="sum.golang.org")
    with pytest.raises(ConfigurationError) as caught:
        modules().fetch([checked], store, log)
    assert caught.value.message == (
        "k8s.io/kubernetes@v1.36.3: kubeparcel.lock was checked against sum.golang.org, and Go would not check its "
        "modules (GOSUMDB=off)."
    )
    assert "inv resolve" in caught.value.hint
    assert not published.recorded_calls("build")


def test_lock_that_was_checked_by_another_database_is_an_error(published, store, log):
    checked = dataclasses.replace(AMD64, checksum="sum.example.org+1+A")
    with pytest.raises(ConfigurationError, match=r"and Go uses sum\.golang\.org"):
        modules().fetch([checked], store, log)


def test_binaries_of_unchecked_modules_are_not_used_for_a_checked_lock(published, store, log):
    checked, unchecked = (dataclasses.replace(AMD64, checksum=name) for name in ("sum.golang.org", "none"))
    published.sets(GOSUMDB="off")
    modules().fetch([unchecked], store, log)
    assert modules().cached(unchecked, store)
    assert modules().cached(checked, store) is None
    assert modules().cached(AMD64, store)  # the lock does not say
    published.sets(GOSUMDB="sum.golang.org")
    modules().fetch([checked], store, log)
    assert len(published.recorded_calls("build")) == 2
    assert modules().cached(checked, store)


def test_checked_binaries_are_used_for_an_unchecked_lock(published, store, log):
    for checksum in ("sum.golang.org", "none", "", "none"):
        modules().fetch([dataclasses.replace(AMD64, checksum=checksum)], store, log)
    assert len(published.recorded_calls("build")) == 1


def test_binaries_that_another_database_confirmed_are_kept_apart(published, store, log):
    other = dataclasses.replace(AMD64, checksum="sum.example.org+1+A")
    published.sets(GOSUMDB="sum.example.org+1+A")
    modules().fetch([other], store, log)
    assert modules().cached(other, store)
    assert modules().cached(dataclasses.replace(AMD64, checksum="sum.golang.org"), store) is None


def test_settings_that_are_written_by_go_env_apply(published, store, log):
    published.sets(GOPROXY="https://proxy.example.org", GOFLAGS="-tags=evil")
    modules().fetch([AMD64], store, log)
    (call,) = published.recorded_calls("build")
    assert call["environment"] == {"GOENV": "off", "GOFLAGS": " ", "GOPROXY": "https://proxy.example.org"}


# --- Variants ------------------------------------------------------------------------------------

FIPS, LEVEL3 = BuildVariant(fips=True), BuildVariant(amd64="v3")


def built(world: World, **settings: str) -> None:
    """Let go write ELF files that record these settings."""
    world.facts["program"] = elf(go=GoRecord(settings={"-trimpath": "true", **settings})).hex()
    world.save()


def of_variant(variant: BuildVariant, toolchain: str = "go1.26.8") -> GoModules:
    return GoModules(catalog.load().components, toolchain, variant)


def test_fips_is_part_of_the_version_and_of_the_build(published, store, log):
    built(published, GOFIPS140="v1.0.0-c2097c7c", GOAMD64="v1")
    source = of_variant(FIPS)
    component = source.pin("kubernetes", version("1.36.3"), [Arch.AMD64])
    assert (str(component.version), component.version.package_version) == ("1.36.3+fips", "1.36.3+fips")
    assert component.artifacts[0].origin == "k8s.io/kubernetes@v1.36.3"
    source.fetch(component.artifacts, store, log)
    (call,) = published.recorded_calls("build")
    assert call["variant"] == {"GOFIPS140": "v1.0.0", "GOAMD64": "v1"}
    (flags,) = [word for word in call["words"] if word.startswith("-ldflags=")]
    assert "version.gitVersion=v1.36.3+fips " in flags
    assert "require k8s.io/kubernetes v1.36.3\n" in (published.folder / "go.mod").read_text()


def test_level_of_processors_is_part_of_the_build_for_amd64_only(published, store, log):
    built(published, GOAMD64="v3")
    component = of_variant(LEVEL3).pin("kubernetes", version("1.36.3"), [Arch.AMD64])
    assert str(component.version) == "1.36.3"
    of_variant(LEVEL3).fetch([AMD64, S390X], store, log)
    assert [call["variant"]["GOAMD64"] for call in published.recorded_calls("build")] == ["v3", "v1"]


def test_variants_are_cached_apart(published, store, log):
    modules("go1.26.8").fetch([AMD64], store, log)
    for variant in (FIPS, LEVEL3, BuildVariant(fips=True, amd64="v3")):
        assert of_variant(variant).cached(AMD64, store) is None
    assert of_variant(LEVEL3).cached(dataclasses.replace(S390X), store) is None
    assert modules("go1.26.8").cached(AMD64, store)


@pytest.mark.parametrize(
    ("variant", "settings", "problem"),
    [
        (FIPS, {"GOAMD64": "v1"}, "GOFIPS140=not set, expected v1.0.0"),
        (FIPS, {"GOFIPS140": "latest", "GOAMD64": "v1"}, "GOFIPS140=latest, expected v1.0.0"),
        (LEVEL3, {"GOAMD64": "v1"}, "GOAMD64=v1, expected v3"),
        (LEVEL3, {"GOAMD64": "v3", "GOFIPS140": "v1.0.0-c2097c7c"}, "GOFIPS140=v1.0.0-c2097c7c, expected off"),
    ],
)
def test_binary_that_was_compiled_otherwise_is_an_error(published, store, log, variant, settings, problem):
    built(published, **settings)
    with pytest.raises(ExternalError, match="was not compiled as requested") as caught:
        of_variant(variant).fetch([AMD64], store, log)
    assert problem in caught.value.message
    assert of_variant(variant).cached(AMD64, store) is None


def test_fips_needs_a_compiler_that_has_the_module(published):
    with pytest.raises(ConfigurationError, match=r"go1\.23\.4 has no FIPS 140-3 module"):
        of_variant(FIPS, "go1.23.4")._require_fips_module()
