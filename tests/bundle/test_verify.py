"""Verifying bundles: each fault fails the check that is about it."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kubeparcel.bundle import model
from kubeparcel.bundle.verify import verify_bundle
from kubeparcel.console import QuietLog
from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.signing import keys
from kubeparcel.repository.signing.signer import open_signer
from tests.bundle.conftest import Members, read_members, write_members
from tests.support.archive_builders import member, tar

LIBRARY = "dependencies/trixie/apt/pool/main/libs/libsmall/libsmall_1.0-1_amd64.deb"
SELF_LINK = member("index.json", kind=b"2", linkname="index.json")
KUBELET = "repository/apt/pool/main/k/kubelet/kubelet_1.36.3-1_amd64.deb"


def failed(archive: Path, key: str = "") -> dict[str, str]:
    """Return what the failed checks found, by their names."""
    report = verify_bundle(archive, key, QuietLog())
    return {
        check.name: "; ".join(f"{f.location} {f.expected}: {f.found}" for f in check.findings)
        for check in report.checks
        if check.findings
    }


def sign_again(members: Members) -> None:
    """Write the checksums of the members, with a valid signature: somebody with the key made this bundle."""
    own = (model.SUMS, model.SIGNATURE)
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in members.items() if name not in own]
    members[model.SUMS] = "".join(lines).encode()
    with open_signer("", QuietLog()) as signer:
        members[model.SIGNATURE] = signer.sign_detached(members[model.SUMS])


@pytest.fixture
def changed(bundle: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that changes the members of the bundle, and signs them again if asked to."""

    def write_changed(change: Callable[[Members], object], *, signed: bool = False) -> Path:
        members = read_members(bundle)
        change(members)
        if signed:
            sign_again(members)
        return write_members(tmp_path / "changed.tar", members)

    return write_changed


def edit_manifest(members: Members, change: Callable[[dict], None]) -> None:
    document = json.loads(members[model.MANIFEST])
    change(document)
    members[model.MANIFEST] = json.dumps(document).encode()


@pytest.mark.parametrize(("name", "key"), [("k.tar", ""), ("k.tar.zst", "default")])
def test_a_whole_bundle_passes(make, name, key):
    report = verify_bundle(make(name).target, key, QuietLog())
    assert report.passed, report
    names = {check.name for check in report.checks if check.passed}
    assert names >= {
        *("archive", "checksums", "signature", "members", "packages", "complete", "files", "repomd-signature")
    }


def test_another_key_is_not_trusted(bundle):
    keys.create("other")
    findings = failed(bundle, "other")
    assert "not a trusted key" in findings["signature"]
    assert "not a trusted key" in findings["inrelease"]
    with pytest.raises(ConfigurationError, match=r"none\.asc"):
        verify_bundle(bundle, "none.asc", QuietLog())


def test_a_truncated_bundle_fails(bundle):
    with bundle.open("r+b") as file:
        file.truncate(bundle.stat().st_size - 3000)
    assert [*failed(bundle)] == ["archive"]


@pytest.mark.parametrize(
    ("change", "check", "found"),
    [
        (lambda m: m.update({KUBELET: m[KUBELET] + b"\0"}), "checksums", KUBELET),
        (lambda m: m.pop(LIBRARY), "checksums", "no such file"),
        (lambda m: m.update({"extra.sh": b"rm"}), "checksums", "extra.sh no such file: an unexpected file"),
        (lambda m: m.update({model.SUMS: m[model.SUMS] + b"\n"}), "checksums", "not a digest and a path"),
        (lambda m: m.update({model.SUMS: b"".join(m[model.SUMS].splitlines(True)[1:])}), "signature", "changed after"),
        (lambda m: m.pop(model.SIGNATURE), "signature", "SHA256SUMS.asc is missing"),
        (lambda m: m.update({model.SIGNATURE: b"x"}), "signature", ""),
        (lambda m: m.update({model.KEY: b"x"}), "signature", ""),
        (lambda m: m.pop(model.KEY), "signature", "keys/kubernetes.asc is missing"),
        (lambda m: m.update({model.MANIFEST: b"[" * 100_000}), "members", "levels"),
        (lambda m: m.update({model.MANIFEST: b"{}"}), "members", "bundle.json is not valid"),
        (lambda m: m.pop(model.MANIFEST), "members", "bundle.json is missing"),
        (lambda m: edit_manifest(m, lambda d: d.update(bundle=2)), "members", "format 2, expected 1"),
        (lambda m: edit_manifest(m, lambda d: d["hosts"].update({"../x": d["hosts"]["trixie"]})), "members", "../x"),
    ],
)
def test_changed_bundles_fail(changed, change, check, found):
    assert found in failed(changed(change))[check]


@pytest.mark.parametrize(
    ("change", "check", "found"),
    [
        (lambda m: m.pop(LIBRARY), "complete", "libsmall: neither in the bundle nor expected of the host"),
        (lambda m: m.pop(LIBRARY), "packages", "no such file"),
        (lambda m: m.update({LIBRARY: m[LIBRARY] + b"\0"}), "packages", "another file"),
        (lambda m: m.update({f"{LIBRARY}.deb": m[LIBRARY]}), "packages", "an unlisted file"),
        (lambda m: m.update({KUBELET: m[KUBELET] + b"\0"}), "files", KUBELET.removeprefix("repository/")),
        (lambda m: m.update({"extra.sh": b"rm"}), "members", "extra.sh no such member"),
        (lambda m: m.update({"dependencies/x/apt/a": b"rm"}), "members", "dependencies/x/apt/a"),
        (lambda m: m.pop(model.INSTALLER), "members", "install.sh"),
        (lambda m: edit_manifest(m, lambda d: d["hosts"]["trixie"].update(expects=[])), "complete", "libc6"),
        (lambda m: edit_manifest(m, lambda d: d["packages"].pop("deb")), "members", "deb packages for trixie"),
        (lambda m: edit_manifest(m, lambda d: d.update(images=["a/b:1"])), "images", "control-plane.tar is missing"),
        (lambda m: m.update({model.IMAGES: b"no images"}), "images", "truncated"),
        (lambda m: m.update({model.IMAGES: gzip.compress(bytes(1 << 20))}), "images", "damaged at byte 0"),
        (lambda m: m.update({model.IMAGES: tar()}), "images", "not an archive of images"),
        (lambda m: m.update({model.IMAGES: tar(*[member("", kind=b"L")] * 3000)}), "images", "nested too deeply"),
        (lambda m: m.update({model.IMAGES: tar(SELF_LINK)}), "images", "nested"),
        (lambda m: [m.pop(name) for name in [*m] if name.startswith("repository/")], "packages", "No repository"),
        (lambda m: [m.pop(n) for n in [*m] if n.startswith("dependencies/trixie")], "packages", "does not exist"),
    ],
)
def test_incomplete_bundles_fail_even_if_they_are_signed(changed, change, check, found):
    findings = failed(changed(change, signed=True))
    assert found in findings[check]
    assert "signature" not in findings


def test_a_changed_script_is_named(changed, log):
    def edit(members: Members) -> None:
        members[model.INSTALLER] = members[model.INSTALLER].replace(b"set -eu", b"set -u")

    assert verify_bundle(changed(edit, signed=True), "", log).passed
    assert "install.sh is another script" in log.warnings[0]


def test_signatures_are_not_older_than_the_extended_key(make, bundle):
    keys.extend("default", 2000)
    extended = make("extended.tar").target
    assert verify_bundle(extended, "default", QuietLog()).passed
    created = [json.loads(read_members(file)[model.MANIFEST])["created"] for file in (bundle, extended)]
    assert created[0] < created[1]
