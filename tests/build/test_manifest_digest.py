"""The digest of a manifest changes with everything that changes the bytes of its package."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from kubeparcel.build.assembler import manifest_digest
from kubeparcel.model import Arch, Format
from kubeparcel.packages import nfpm
from kubeparcel.packages.manifest import ManifestFile, PackageManifest
from tests.build.assembled import manifests

PACKAGE = PackageManifest(
    name="small",
    version="1.0.0",
    revision="1",
    format=Format.DEB,
    arch=Arch.AMD64,
    component="cni",
    fields={"summary": "small"},
    files=(ManifestFile("/x", 0o644, sha256="0" * 64),),
    relations=(("depends", "socat"),),
    scripts={"postinstall": "true"},
    note="Packaged.",
    time=1_784_743_658,
    compression="fast",
)
CHANGES: dict[str, Any] = {
    "name": "tiny",
    "version": "1.0.1",
    "revision": "2",
    "format": Format.RPM,
    "arch": None,
    "component": "",
    "fields": {"summary": "tiny"},
    "files": (ManifestFile("/y", 0o644, sha256="0" * 64),),
    "relations": (("recommends", "socat"),),
    "scripts": {"preinstall": "true"},
    "note": "Packed.",
    "time": 1_784_743_659,
    "compression": "small",
    "bundled": ("bundled(golang(stdlib)) (= 1.26.8)",),
}
FILE_CHANGES: dict[str, Any] = {
    "path": "/y",
    "mode": 0o600,
    "kind": "dir",
    "sha256": "1" * 64,
    "link": "/y",
    "config": True,
    "role": "doc",
    "custom": True,
}


def test_equal_manifests_have_equal_digests():
    assert manifest_digest(dataclasses.replace(PACKAGE)) == manifest_digest(PACKAGE)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(PackageManifest)])
def test_manifest_digest_depends_on_every_field_of_the_package(field):
    changed = dataclasses.replace(PACKAGE, **{field: CHANGES[field]})
    assert manifest_digest(changed) != manifest_digest(PACKAGE)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(ManifestFile)])
def test_manifest_digest_depends_on_every_field_of_a_file(field):
    files = (dataclasses.replace(PACKAGE.files[0], **{field: FILE_CHANGES[field]}),)
    changed = dataclasses.replace(PACKAGE, files=files)
    assert manifest_digest(changed) != manifest_digest(PACKAGE)


def test_manifest_digest_depends_on_the_nfpm_version(monkeypatch):
    before = manifest_digest(PACKAGE)
    monkeypatch.setattr(nfpm, "version", lambda: "9.9.9")
    assert manifest_digest(dataclasses.replace(PACKAGE)) != before


@pytest.mark.parametrize(
    ("name", "value", "changed"),
    [
        ("SOURCE_DATE_EPOCH", "1000000000", True),
        ("KUBEPARCEL_REVISION", "2", True),
        ("KUBEPARCEL_MAINTAINER", "A <a@b.example>", True),
        ("KUBEPARCEL_COMPRESSION", "small", True),
        ("KUBEPARCEL_OUT", "elsewhere", False),
        ("TZ", "Asia/Tokyo", False),
        ("LANG", "tr_TR.UTF-8", False),
        ("HOME", "/nowhere", False),
    ],
)
def test_manifest_digests_depend_only_on_relevant_environment_variables(
    workdir, lock, binaries, store, monkeypatch, name, value, changed
):
    before = {manifest_digest(package) for package in manifests(lock, binaries, store)}
    monkeypatch.setenv(name, value)
    after = {manifest_digest(package) for package in manifests(lock, binaries, store)}
    assert after.isdisjoint(before) if changed else after == before
