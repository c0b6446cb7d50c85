"""Manifests: binaries with their digests and provenance, and what binaries need."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Arch
from kubeparcel.packages.manifest import PackageManifest
from tests.build.assembled import manifests


def find_manifest(packages: Sequence[PackageManifest], name: str, format_: str) -> PackageManifest:
    (manifest,) = [p for p in packages if (p.name, p.format) == (name, format_)]
    return manifest


def test_manifest_has_the_digest_of_a_binary(workdir, lock, binaries, store):
    package = find_manifest(manifests(lock, binaries, store), "kubelet", "deb")
    (file,) = [file for file in package.files if file.path == "/usr/bin/kubelet"]
    assert file.sha256 == binaries["kubernetes", Arch.AMD64]["kubelet"]


def test_folder_of_binaries_has_all_binaries_of_the_release(workdir, lock, binaries, store):
    package = find_manifest(manifests(lock, binaries, store), "kubernetes-cni", "rpm")
    assert [file.path for file in package.files if file.path.startswith("/opt")] == [
        *["/opt/cni", "/opt/cni/bin"],
        *[f"/opt/cni/bin/{name}" for name in ("bridge", "host-local", "loopback", "portmap")],
    ]


def test_user_plugin_replaces_the_plugin_of_that_name(workdir, lock, binaries, store):
    (workdir / "kubeparcel.yaml").write_text(
        "packages: {kubernetes-cni: {files: [{path: /opt/cni/bin/bridge, text: patched}]}}"
    )
    package = find_manifest(manifests(lock, binaries, store), "kubernetes-cni", "deb")
    files = [file for file in package.files if file.path == "/opt/cni/bin/bridge"]
    assert [file.sha256 for file in files] == [hashlib.sha256(b"patched").hexdigest()]


def test_provenance_lists_origins_and_digests_of_the_binaries(workdir, lock, binaries, store):
    package = find_manifest(manifests(lock, binaries, store), "kubectl", "deb")
    (file,) = [file for file in package.files if file.path.endswith("provenance.json")]
    kubectl = next(a for a in lock.artifacts if a.name == "kubectl")
    record = json.loads(store.path(file.sha256).read_text())
    contents = record.pop("contents")
    assert contents["files"]["/usr/bin/kubectl"] == {"mode": "0755"}
    assert contents["files"][file.path] == {"mode": "0644"}
    assert contents["relations"] == package.format_relations()
    assert record == {
        "package": "kubectl 1.36.3-1",
        "component": "kubernetes",
        "version": "1.36.3",
        "source": "upstream",
        "origins": [{"origin": kubectl.origin, "digest": kubectl.digest}],
        "binaries": {"kubectl": f"sha256:{binaries['kubernetes', Arch.AMD64]['kubectl']}"},
    }


def test_provenance_has_the_go_toolchain_of_compiled_binaries(workdir, lock, binaries, store):
    from_go = dataclasses.replace(lock, source="go", toolchain="go1.26.8")
    package = find_manifest(manifests(from_go, binaries, store), "cri-tools", "deb")
    (file,) = [file for file in package.files if file.path.endswith("provenance.json")]
    record = json.loads(store.path(file.sha256).read_text())
    assert (record["source"], record["toolchain"]) == ("go", "go1.26.8")


def test_only_dynamic_binaries_depend_on_the_c_library(workdir, lock, binaries, store):
    """The dynamic binary is `env` of this machine, linked with glibc like upstream's kubelet."""
    dynamic = store.add_bytes(Path("/usr/bin/env").read_bytes())
    names = {**binaries["kubernetes", Arch.AMD64], "kubelet": dynamic}
    packages = manifests(lock, {**binaries, ("kubernetes", Arch.AMD64): names}, store)

    def dependencies(name: str, format_: str) -> list[str]:
        return [other for _, other in find_manifest(packages, name, format_).relations]

    assert [other for other in dependencies("kubelet", "deb") if other.startswith("libc6 (>= 2.")]
    assert "libc.so.6()(64bit)" in dependencies("kubelet", "rpm")
    assert not [other for other in dependencies("kubectl", "deb") if "libc" in other]


def test_missing_binary_is_an_error(workdir, lock, binaries, store):
    """Such as after a line was removed from kubeparcel.lock by hand."""
    names = {n: d for n, d in binaries["kubernetes", Arch.AMD64].items() if n != "kubectl"}
    with pytest.raises(ConfigurationError, match="kubectl"):
        manifests(lock, {**binaries, ("kubernetes", Arch.AMD64): names}, store)
