"""Source `go`: the binaries of a component are compiled in one call, reproducibly, and cached."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from kubeparcel.config import catalog
from kubeparcel.errors import DigestError, ExternalError, UnknownVersion
from kubeparcel.lock_models import Artifact, BuildVariant
from kubeparcel.model import Arch, Version
from kubeparcel.sources.go_modules import GoModules
from kubeparcel.store import Store
from tests.sources.go_world import AMD64, KUBERNETES, S390X, SUM, modules
from tests.support.recording_log import RecordingLog

CNI = Artifact("cni", "cni", Arch.AMD64, "github.com/containernetworking/plugins@v1.9.1", SUM)


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


def test_debug_symbols_are_linked_separately_and_leave_the_binaries_as_they_are(published, store, log, monkeypatch):
    monkeypatch.setattr("kubeparcel.sources.compilation.require_variant", lambda *_: None)
    monkeypatch.setattr(
        "kubeparcel.sources.debug_symbols.write_debug_file", lambda _, unstripped, target: target.write_text("symbols")
    )
    plain = modules("go1.26.8").fetch([AMD64], store, log)["kubernetes", Arch.AMD64]
    source = GoModules(catalog.load().components, "go1.26.8", BuildVariant(debug=True))
    assert source.cached(AMD64, store) is None
    binaries = source.fetch([AMD64], store, log)["kubernetes", Arch.AMD64]
    assert {name: digest for name, digest in binaries.items() if not name.endswith(".debug")} == plain
    assert sorted(name for name in binaries if name not in plain) == ["kubeadm.debug", "kubectl.debug", "kubelet.debug"]
    flags = [word for call in published.recorded_calls("build") for word in call["words"] if "-ldflags" in word]
    assert ["-s -w" in word for word in flags] == [True, True, False]


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
    tasks, notes = [], []
    progress = SimpleNamespace(advance=lambda amount=1, note="": notes.append(note))
    log = RecordingLog()
    log.task = lambda label, name, total, unit="": tasks.append((label, name, total)) or nullcontext(progress)
    modules("go1.26.8").fetch([AMD64], store, log)
    assert tasks == [("Compile", "Kubernetes 1.36.3 amd64", 5)]
    assert len(notes) == 3
    assert notes[-1].endswith("3 of 5 packages")


def test_only_program_of_a_component_has_the_name_in_the_catalog(world, store, log):
    """The main package of etcd is the module itself, `go.etcd.io/etcd/server/v3`."""
    world.publishes("go.etcd.io/etcd/server/v3", "3.6.8", ())
    etcd = Artifact("etcd", "etcd", Arch.AMD64, "go.etcd.io/etcd/server/v3@v3.6.8", SUM)
    binaries = modules("go1.26.8").fetch([etcd], store, log)
    assert list(binaries["etcd", Arch.AMD64]) == ["etcd"]
    (call,) = world.recorded_calls("build")
    assert call["words"][-1] == "go.etcd.io/etcd/server/v3"
