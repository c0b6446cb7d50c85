"""Fixtures: releases that a site's own authority signed, and sources that trust it."""

from __future__ import annotations

from typing import Any

import pytest

from kubeparcel.lock_models import Artifact, InputPolicy, Signature
from kubeparcel.model import Arch
from kubeparcel.sources.upstream import Upstream
from tests.sources.conftest import V1363
from tests.support.recording_log import RecordingLog
from tests.support.sigstore_authority import IDENTITY, ISSUER, LOG_INDEX, SIGNED_AT, authority

SIGNED = Signature(IDENTITY, ISSUER, LOG_INDEX, SIGNED_AT)
LOG = "/rekor.sigstore.dev/api/v1/log/entries/retrieve"


@pytest.fixture
def recording() -> RecordingLog:
    return RecordingLog()


@pytest.fixture
def source(site, from_mirror, tmp_path):
    """Return a function that creates a source with the site's own trust root."""
    root = str(authority().write_trust_root(tmp_path / "root.json"))

    def make(mirror: str = "", **policy: Any) -> Upstream:
        return from_mirror(mirror or site.url, accepted=InputPolicy(**{"trust_root": root, **policy}))

    return make


@pytest.fixture
def kubelet(site, source):
    """Publish 1.36.3 with signatures; return a function that pins it, and gives the kubelet."""
    site.publish_release(source(), "kubernetes", "1.36.3", signed=True)

    def pin(upstream: Upstream | None = None) -> Artifact:
        component = (upstream or source()).pin("kubernetes", V1363, [Arch.AMD64])
        return next(artifact for artifact in component.artifacts if artifact.name == "kubelet")

    return pin


FOLDER = "/dl.k8s.io/release/v1.36.3/bin/linux/amd64"
KUBELET = f"{FOLDER}/kubelet"


@pytest.fixture
def parts(kubelet, site):
    """Replace the kubelet's bundle by `.sig`, `.cert` and a log entry."""
    del site.files[f"{KUBELET}.sigstore.json"]
    site.sign_file(f"https:/{KUBELET}", authority().sign(site.files[KUBELET]), bundle=False)
    return kubelet
