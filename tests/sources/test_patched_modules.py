"""Patched Go modules: a patch of the repository reaches its modules, the build, and the key of the binaries."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from kubeparcel.config import catalog
from kubeparcel.errors import DigestError, ExternalError
from kubeparcel.lock_models import Artifact, BuildVariant, Patch
from kubeparcel.model import Arch
from kubeparcel.sources.go_modules import GoModules
from kubeparcel.sources.patch_files import store_patches
from kubeparcel.sources.patched_modules import Repository
from kubeparcel.sources.patches import PatchError
from kubeparcel.store import Store
from tests.sources.go_world import AMD64, GO_MOD, SUM, World, version

PLUGINS = Artifact("cni", "cni", Arch.AMD64, "github.com/containernetworking/plugins@v1.9.1", SUM)


def change(path: str, old: str = "old", new: str = "new") -> bytes:
    """Return a patch of a file with one line."""
    return (f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{old}\n+{new}\n").encode()


def patched(
    store: Store, *patches: bytes, component: str = "kubernetes", versions: str = "", **variant: bool
) -> GoModules:
    """Return the source with patches of a component, which are in the store."""
    rows = [
        Patch(component, f"fix-{number}.patch", store.add_bytes(data), versions)
        for number, data in enumerate(patches, 1)
    ]
    return GoModules(
        catalog.load().components, "go1.26.8", BuildVariant(suffix="acme.1", patches=tuple(rows), **variant)
    )


@pytest.fixture
def kubernetes(published: World) -> World:
    """Kubernetes with a file of its own, and one of a staging module; both are read-only, as in Go's cache."""
    published.publishes("k8s.io/client-go", "0.36.3", (), mod="module {module}\n\ngo {go}\n")
    for module, path in (("k8s.io/kubernetes@v1.36.3", "cmd/main.go"), ("k8s.io/client-go@v0.36.3", "rest/rest.go")):
        file = published.folder / "mod" / module / path
        file.parent.mkdir(exist_ok=True)
        file.write_text("old\n")
        file.chmod(0o444)
        file.parent.chmod(0o555)
    yield published
    for path in published.folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)


def test_staging_folders_belong_to_their_modules(kubernetes, store, log):
    patch = change("staging/src/k8s.io/client-go/rest/rest.go") + change("cmd/main.go")
    patched(store, patch).fetch([AMD64], store, log)
    text = kubernetes.compiled("go.mod")
    assert "\tk8s.io/client-go => ./patched/k8s.io/client-go\n" in text
    assert "\tk8s.io/api => k8s.io/api v0.36.3\n" in text
    assert text.endswith(
        "require k8s.io/kubernetes v1.36.3\n\nreplace k8s.io/kubernetes => ./patched/k8s.io/kubernetes\n"
    )
    assert kubernetes.compiled("patched/k8s.io/client-go/rest/rest.go") == "new\n"
    assert kubernetes.compiled("patched/k8s.io/kubernetes/cmd/main.go") == "new\n"
    assert (kubernetes.folder / "mod/k8s.io/client-go@v0.36.3/rest/rest.go").read_text() == "old\n"


def test_module_that_no_patch_changes_stays_the_published_one(kubernetes, store, log):
    patched(store, change("staging/src/k8s.io/client-go/rest/rest.go")).fetch([AMD64], store, log)
    assert "k8s.io/kubernetes =>" not in kubernetes.compiled("go.mod")
    assert not list((store.root / "scratch").iterdir())


def test_patched_dependencies_are_compiled(kubernetes, store, log):
    """go.mod and go.sum of the compilation come from the patched module."""
    old = GO_MOD.format(module="k8s.io/kubernetes", go="1.26.0").splitlines()[0]
    go_mod = (
        "diff --git a/go.mod b/go.mod\n--- a/go.mod\n+++ b/go.mod\n@@ -1,2 +1,4 @@\n"
        f" {old}\n \n+require golang.org/x/net v0.99.0\n+\n"
    ).encode()
    patched(store, go_mod).fetch([AMD64], store, log)
    assert "require golang.org/x/net v0.99.0\n" in kubernetes.compiled("go.mod")


@pytest.mark.parametrize(("fips", "suffix"), [(False, "acme.1"), (True, "fips.acme.1")])
def test_suffix_is_in_the_version_and_in_the_binaries(kubernetes, store, log, monkeypatch, fips, suffix):
    monkeypatch.setattr("kubeparcel.sources.compilation.require_variant", lambda *_: None)
    source = patched(store, change("cmd/main.go"), fips=fips)
    component = source.pin("kubernetes", version("1.36.3"), [Arch.AMD64])
    assert str(component.version) == f"1.36.3+{suffix}"
    assert component.artifacts[0].origin == "k8s.io/kubernetes@v1.36.3"
    source.fetch(component.artifacts, store, log)
    (call,) = kubernetes.recorded_calls("build")
    (flags,) = [word for word in call["words"] if word.startswith("-ldflags=")]
    assert f"version.gitVersion=v1.36.3+{suffix} " in flags


def test_components_without_patches_keep_upstreams_version_and_binaries(kubernetes, store):
    source, plain = patched(store, change("cmd/main.go")), GoModules(catalog.load().components, "go1.26.8")
    assert str(source.pin("cni", version("1.9.1"), [Arch.AMD64]).version) == "1.9.1"
    assert source._recipes(PLUGINS) == plain._recipes(PLUGINS)
    assert source._recipes(AMD64) != plain._recipes(AMD64)


def test_binaries_of_other_patches_are_not_used(kubernetes, store, log):
    source = patched(store, change("cmd/main.go"))
    source.fetch([AMD64], store, log)
    assert source.cached(AMD64, store)
    assert patched(store, change("cmd/main.go", new="newer")).cached(AMD64, store) is None
    assert patched(store, change("cmd/main.go"), change("cmd/x.go")).cached(AMD64, store) is None
    other = dataclasses.replace(source.variant, suffix="acme.2")
    assert GoModules(catalog.load().components, "go1.26.8", other).cached(AMD64, store) is None


def test_fuzz_is_applied_once_it_is_allowed_and_makes_other_binaries(kubernetes, store, log, capsys):
    file = kubernetes.folder / "mod/k8s.io/kubernetes@v1.36.3/cmd/main.go"
    file.chmod(0o644)
    file.write_text("other\nold\nb\n")
    text = change("cmd/main.go").replace(b"@@ -1 +1 @@\n", b"@@ -1,3 +1,3 @@\n a\n") + b" b\n"
    strict = patched(store, text)
    with pytest.raises(PatchError, match=r"Kubernetes 1\.36\.3: cmd/main\.go, hunk 1 .*"):
        strict.fetch([AMD64], store, log)
    variant = dataclasses.replace(
        strict.variant, patches=tuple(dataclasses.replace(patch, fuzz=1) for patch in strict.variant.patches)
    )
    source = GoModules(catalog.load().components, "go1.26.8", variant)
    source.fetch([AMD64], store, log)
    assert kubernetes.compiled("patched/k8s.io/kubernetes/cmd/main.go") == "other\nnew\nb\n"
    assert "hunk 1 (line 4 of the patch) applied to Kubernetes 1.36.3 with fuzz 1." in capsys.readouterr().err
    assert strict.cached(AMD64, store) is None


def test_patch_of_other_versions_is_not_applied_and_reported(kubernetes, store, log):
    source = patched(store, change("cmd/main.go"), versions=">=1.36.0 <1.36.3")
    component = source.pin("kubernetes", version("1.36.3"), [Arch.AMD64])
    assert str(component.version) == "1.36.3"
    assert component.remarks == ("patches.kubernetes: not applied to 1.36.3: fix-1.patch (>=1.36.0 <1.36.3).",)
    source.fetch(component.artifacts, store, log)
    assert "patched" not in kubernetes.compiled("go.mod")


def test_patches_are_tried_before_anything_is_compiled(kubernetes, store, log):
    source = patched(store, b"not a patch", component="cni")
    with pytest.raises(PatchError, match=r"fix-1\.patch contains no changes"):
        source.fetch([AMD64, PLUGINS], store, log)
    assert kubernetes.recorded_calls("build") == []


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("cmd/none.go", "fix-1.patch does not apply to Kubernetes 1.36.3: cmd/none.go does not exist."),
        ("vendor/golang.org/x/net/x.go", "fix-1.patch: vendor/golang.org/x/net/x.go is not in the Go modules"),
        ("../x.go", "fix-1.patch, line 3: the path '../x.go' is not one of a file in the repository."),
        ("staging/src/k8s.io/client-go/rest/other.go", "client-go/rest/other.go does not exist."),
    ],
)
def test_patch_that_does_not_apply_compiles_nothing(kubernetes, store, log, path, problem):
    source = patched(store, change(path))
    with pytest.raises(PatchError) as caught:
        source.fetch([AMD64], store, log)
    assert problem in caught.value.message
    assert kubernetes.recorded_calls("build") == []
    assert source.cached(AMD64, store) is None


def test_link_in_a_module_is_not_followed(kubernetes, store, log, tmp_path):
    (tmp_path / "secret").write_text("old\n")
    (kubernetes.folder / "mod/k8s.io/kubernetes@v1.36.3/link").symlink_to(tmp_path / "secret")
    with pytest.raises(PatchError, match="link does not exist"):
        patched(store, change("link")).fetch([AMD64], store, log)
    assert (tmp_path / "secret").read_text() == "old\n"


@pytest.mark.parametrize(
    ("path", "module", "name"),
    [
        ("server/etcdmain/main.go", "go.etcd.io/etcd/server/v3", "etcdmain/main.go"),
        ("api/version/version.go", "go.etcd.io/etcd/api/v3", "version/version.go"),
        ("tests/x.go", None, ""),
        ("Makefile", None, ""),
    ],
)
def test_modules_of_a_repository_are_found_by_their_folders(tmp_path, path, module, name):
    """Etcd's repository has several modules, and none in its root."""
    (tmp_path / "go.mod").write_text(
        "replace (\n\tgo.etcd.io/etcd/api/v3 => ../api\n\tgo.etcd.io/tests/v3 => ../tests\n)\n"
    )
    repository = Repository(catalog.load().components["etcd"].go, lambda _: tmp_path)
    if module:
        assert repository.locate(path, "fix-1.patch") == (module, name)
    else:
        with pytest.raises(PatchError, match=rf"fix-1\.patch: {path} is not in the Go modules that are compiled"):
            repository.locate(path, "fix-1.patch")


# --- The files -----------------------------------------------------------------------------------


def test_changed_file_is_not_used_with_the_old_lock(store, log, tmp_path):
    (tmp_path / "fix.patch").write_bytes(b"changed")
    patch = Patch("kubernetes", "fix.patch", "0" * 64)
    with pytest.raises(DigestError, match=r"fix\.patch: the sha256 is .*, kubeparcel\.lock has 000000000000"):
        store_patches([patch], tmp_path, store, log)


def test_patch_is_downloaded_once_and_verified(site, store, log, tmp_path):
    data = change("x")
    site.files["/fix.patch"] = data
    patch = Patch("kubernetes", f"{site.url}/fix.patch", hashlib.sha256(data).hexdigest())
    store_patches([patch], tmp_path, store, log)
    with pytest.raises(DigestError, match=r"fix\.patch: the sha256 is"):
        store_patches([dataclasses.replace(patch, sha256="0" * 64)], tmp_path, store, log)
    with pytest.raises(ExternalError, match="404"):
        store_patches([Patch("kubernetes", f"{site.url}/none.patch", "1" * 64)], tmp_path, store, log)
    site.files.clear()
    store_patches([patch], Path("/nowhere"), store, log)
    assert store.get(patch.sha256).read_bytes() == data
