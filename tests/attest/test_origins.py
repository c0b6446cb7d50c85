"""A rebuild fetches only from the places that the catalog names."""

from __future__ import annotations

import dataclasses

import pytest

from kubeparcel.attest.materials import require_stored_patches, require_upstream_origins
from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import Artifact, BuildVariant, Component, Lock, Patch, Request
from kubeparcel.model import Arch, Version

SHA256 = "0" * 64
KUBELET = "https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"
MODULE = "k8s.io/kubernetes@v1.36.3"


def lock(name: str, origin: str, *, source: str = "upstream", component: str = "kubernetes") -> Lock:
    artifact = Artifact(component, name, Arch.AMD64, origin, f"sha256:{SHA256}")
    return Lock(Request(), source, (Component(component, Version.parse("1.36.3"), 0, (artifact,)),))


@pytest.mark.parametrize(
    "accepted", [lock("kubelet", KUBELET), lock("kubernetes", MODULE, source="go")], ids=["upstream", "go"]
)
def test_what_projects_publish_is_accepted(accepted):
    require_upstream_origins(accepted.artifacts, accepted, "kubelet.deb")


@pytest.mark.parametrize(
    "hostile",
    [
        lock("kubelet", "http://169.254.169.254/latest/meta-data"),
        lock("kubelet", KUBELET.replace("1.36.3", "1.36.2")),
        lock("kubelet", MODULE),
        lock("kubernetes", KUBELET, source="go"),
        lock("kubernetes", "example.com/kubernetes@v1.36.3", source="go"),
        lock("kubelet", KUBELET, component="unknown"),
    ],
)
def test_other_places_are_refused(hostile):
    with pytest.raises(ConfigurationError, match=r"kubelet\.deb: its statement names .* project does not publish it"):
        require_upstream_origins(hostile.artifacts, hostile, "kubelet.deb")


def test_patches_are_downloaded_only_for_trusted_publishers(store):
    patch = Patch("kubernetes", "https://example.com/fix.patch", SHA256)
    patched = dataclasses.replace(lock("kubelet", KUBELET), request=Request(variant=BuildVariant(patches=(patch,))))
    with pytest.raises(ConfigurationError, match=r"a patch at https://example\.com/fix\.patch"):
        require_stored_patches(patched, store, "kubelet.deb")
    stored = dataclasses.replace(patch, sha256=store.add_bytes(b"diff"))
    require_stored_patches(
        dataclasses.replace(patched, request=Request(variant=BuildVariant(patches=(stored,)))), store, "kubelet.deb"
    )
