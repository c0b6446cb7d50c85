"""How inputs were verified is reported and recorded, from a signed mirror to provenance.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubeparcel.build.lock.components import describe_inputs
from kubeparcel.build.manifests import provenance
from kubeparcel.build.planner import plan_packages
from kubeparcel.build.release_build import fetch
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError, SignatureError
from kubeparcel.sources import signature_verifier
from kubeparcel.sources.upstream import Upstream
from tests.support.one_release import fetch_release, resolve_or_load, update_lock
from tests.support.sigstore_authority import IDENTITY, ISSUER, LOG_INDEX, authority
from tests.support.upstream_site import UpstreamSite

VERSIONS = {"kubernetes": "1.36.3", "cri-tools": "1.36.0", "cni": "1.9.1"}


def fill(folder: Path, versions: dict[str, str], *, signed: bool, checksums: str = "") -> Path:
    """Write a mirror with a release."""
    site, upstream = UpstreamSite(""), Upstream(catalog.load().components)
    for component, version in versions.items():
        site.publish_release(upstream, component, version, signed=signed)
    if checksums:
        site.replace_checksums("dl.k8s.io", checksums)
    site.write_to(folder)
    return folder


@pytest.fixture
def options(workdir) -> dict[str, Any]:
    """Return the options of a build from a signed mirror."""
    mirror = fill(workdir / "mirror", VERSIONS, signed=True)
    root = authority().write_trust_root(workdir / "root.json")
    return {"kubernetes": "1.36.3", "mirror": str(mirror), "trust_root": str(root), "format": "deb"}


def locked_document(workdir) -> dict[str, Any]:
    return yaml.safe_load((workdir / "kubeparcel.lock").read_text())


def test_lock_has_the_signers_and_the_log_lists_them(options, workdir, log):
    resolve_or_load(load_settings(options), log, locked=False)
    artifacts = locked_document(workdir)["components"]["kubernetes"]["artifacts"]
    assert [artifact["signature"]["identity"] for artifact in artifacts] == [IDENTITY] * 3
    assert artifacts[0]["signature"]["issuer"] == ISSUER
    assert artifacts[0]["signature"]["log-index"] == LOG_INDEX
    assert ("Inputs", f"Kubernetes: signed by {IDENTITY}\ncri-tools, CNI plugins: SHA-256") in log.messages
    assert log.warnings == []
    assert "policy" not in locked_document(workdir)["request"]


def test_locked_build_verifies_on_another_machine(options, workdir, log, monkeypatch):
    lock = resolve_or_load(load_settings(options), log, locked=False)
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(workdir / "other-cache"))
    fetched = fetch_release(load_settings({**options, "require_signatures": True}), log, locked=True)
    assert fetched.lock == lock
    inputs = fetched.document()["inputs"]
    assert inputs[0]["signature"]["identity"] == IDENTITY


def test_edited_signer_in_the_lock_is_an_error(options, workdir, log, monkeypatch):
    resolve_or_load(load_settings(options), log, locked=False)
    lock = workdir / "kubeparcel.lock"
    lock.write_text(lock.read_text().replace(IDENTITY, "other@example.org"))
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(workdir / "other-cache"))
    with pytest.raises(SignatureError, match=r"kubeparcel\.lock has other@example\.org"):
        fetch_release(load_settings(options), log, locked=True)


def test_machine_without_the_library_keeps_the_locked_signers(options, workdir, log, monkeypatch):
    resolve_or_load(load_settings(options), log, locked=False)
    before = (workdir / "kubeparcel.lock").read_text()
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(workdir / "other-cache"))
    monkeypatch.setattr(signature_verifier.importlib.util, "find_spec", lambda _: None)
    update = update_lock(load_settings(options), log)
    assert (update.exit_code, (workdir / "kubeparcel.lock").read_text()) == (0, before)
    assert "pip install 'kubeparcel[sigstore]'" in log.warnings[0]


def test_signers_are_added_to_a_lock_without_making_it_outdated(options, workdir, log, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(signature_verifier.importlib.util, "find_spec", lambda _: None)
        lock = resolve_or_load(load_settings(options), log, locked=False)
    assert describe_inputs(lock).startswith("Kubernetes: SHA-256, signatures not verified\n")
    assert update_lock(load_settings(options), log, check=True).exit_code == 0
    assert "signature" not in (workdir / "kubeparcel.lock").read_text()
    update_lock(load_settings(options), log)
    assert IDENTITY in (workdir / "kubeparcel.lock").read_text()


def test_refreshed_file_is_verified(options, workdir, log):
    resolve_or_load(load_settings(options), log, locked=False)
    bundle = workdir / "mirror/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet.sigstore.json"
    signed = authority().sign(b"another file")
    bundle.write_text(json.dumps(signed.bundle))
    (bundle.parent / "kubelet").write_bytes(b"another file, too")
    (bundle.parent / "kubelet.sha256").write_text("0" * 64)
    with pytest.raises(SignatureError, match="kubelet amd64: the signature was rejected"):
        update_lock(load_settings(options), log, refresh="kubelet")


def test_release_before_signatures_is_reported(workdir, log):
    versions = {**VERSIONS, "kubernetes": "1.25.16", "cri-tools": "1.25.0", "cni": "1.1.1"}
    options = {"kubernetes": "1.25.16", "mirror": str(fill(workdir / "mirror", versions, signed=False))}
    lock = resolve_or_load(load_settings(options), log, locked=False)
    assert describe_inputs(lock) == (
        "Kubernetes: SHA-256, signed by upstream from 1.26.0 on\ncri-tools, CNI plugins: SHA-256"
    )


def test_sha1_is_in_lock_provenance_and_output(workdir, log, store):
    versions = {"kubernetes": "1.11.10", "cri-tools": "1.11.1", "cni": "0.6.0"}
    mirror = fill(workdir / "mirror", versions, signed=False, checksums="sha1")
    options = {"kubernetes": "1.11.10", "cri_tools": "1.11.1", "mirror": str(mirror), "format": "deb"}
    with pytest.raises(ConfigurationError, match="has only SHA-1 checksums"):
        resolve_or_load(load_settings(options), log, locked=False)
    assert not (workdir / "kubeparcel.lock").exists()

    settings = load_settings({**options, "accept_sha1": True})
    lock = resolve_or_load(settings, log, locked=False)
    assert describe_inputs(lock).startswith("Kubernetes: SHA-1 only, signed by upstream from 1.26.0 on\n")
    assert locked_document(workdir)["components"]["kubernetes"]["artifacts"][0]["checksum"] == "sha1"

    # The lock was accepted once; its SHA-256 holds for other builds.
    settings = load_settings(options)
    plans = plan_packages(settings, lock, catalog.load())
    binaries = fetch(lock, settings, store, log)
    records = {plan.name: provenance(plan, lock, binaries[plan.component, plan.arch]) for plan in plans}
    checksums = {name: record["origins"][0].get("checksum") for name, record in records.items()}
    assert checksums == {
        "kubeadm": "sha1",
        "kubelet": "sha1",
        "kubectl": "sha1",
        "kubernetes-cni": None,
        "cri-tools": None,
    }
