"""Locks compared: with requests, with the locks before them, and what is kept of those."""

import dataclasses

import pytest

from kubeparcel.build.lock import comparison
from kubeparcel.build.lock.comparison import differences, satisfies
from kubeparcel.lock_models import InputPolicy, Request
from kubeparcel.model import Arch
from tests.build.lock.conftest import SIGNATURE, with_kubelet
from tests.support.fake_sources import DEFAULT_VERSIONS, locked


def test_differences_of_equal_locks_are_empty():
    assert list(differences(locked(), locked())) == []


def test_differences_list_a_new_version_once_per_component():
    old, new = locked("1.36.1"), locked("1.36.3", cni="1.9.0")
    assert list(differences(old, new)) == ["kubernetes: 1.36.1 → 1.36.3", "cni: 1.9.1 → 1.9.0"]


def test_differences_list_a_changed_digest():
    old = locked()
    kubernetes, *rest = old.components
    kubeadm, *others = kubernetes.artifacts
    changed = dataclasses.replace(kubeadm, digest="sha256:" + "0" * 64)
    new = dataclasses.replace(old, components=(dataclasses.replace(kubernetes, artifacts=(changed, *others)), *rest))
    assert list(differences(old, new)) == [f"kubeadm amd64: {kubeadm.digest} → {changed.digest}"]


def test_differences_list_each_artifact_of_a_new_architecture():
    lines = list(differences(locked(), locked(arches=[Arch.AMD64, Arch.ARM64])))
    assert [line.partition(" → ")[0] for line in lines] == [
        *["kubeadm arm64: none", "kubelet arm64: none", "kubectl arm64: none"],
        *["cri-tools arm64: none", "cni arm64: none"],
    ]


def test_differences_list_source_and_toolchain():
    old = dataclasses.replace(locked(), source="go", toolchain="go1.26.7")
    new = dataclasses.replace(locked(), toolchain="go1.26.8")
    assert list(differences(old, new)) == ["source: go → upstream", "toolchain: go1.26.7 → go1.26.8"]


@pytest.mark.parametrize(
    ("request_fields", "expected"),
    [
        ({"kubernetes": "1.36"}, True),
        ({"kubernetes": "1.36.3"}, True),
        ({"kubernetes": "1.36.2"}, False),
        ({"kubernetes": "1.35"}, False),
        ({"kubernetes": "stable"}, False),
        ({"versions": {"cri-tools": "1.36.0", "cni": ""}}, True),
        ({"versions": {"cri-tools": "1.35.0", "cni": ""}}, False),
        ({"versions": {"cri-tools": "", "cni": "1.9.1"}}, True),
        ({"versions": {"cri-tools": "", "cni": "1.9.0"}}, False),
        ({"versions": {"cri-tools": "", "cni": "", "etcd": ""}}, False),
        ({"arches": (Arch.AMD64,)}, True),
        ({"arches": (Arch.ARM64, Arch.AMD64)}, True),
        ({"arches": (Arch.AMD64, Arch.S390X)}, False),
        ({"source": "auto"}, True),
        ({"source": "upstream"}, True),
        ({"source": "go"}, False),
        ({"mirror": "/srv/mirror"}, True),
    ],
)
def test_lock_satisfies_equal_requests_exact_versions_and_fewer_architectures(request_fields, expected):
    lock = locked(arches=[Arch.AMD64, Arch.ARM64])
    lock = dataclasses.replace(lock, request=dataclasses.replace(lock.request, kubernetes="1.36"))
    assert (
        satisfies(lock, Request(**{"kubernetes": "1.36", "versions": DEFAULT_VERSIONS, **request_fields})) is expected
    )


def test_lock_of_go_modules_does_not_satisfy_required_signatures():
    lock, required = dataclasses.replace(locked(), source="go"), InputPolicy(require_signatures=True)
    assert satisfies(lock, lock.request)
    request = dataclasses.replace(lock.request, policy=required)
    assert comparison.mismatches(lock, request) == ["locked source go, requested signatures, which modules do not have"]
    assert satisfies(lock, dataclasses.replace(request, source="go"))
    assert satisfies(locked(), request)


def test_lock_of_an_explicit_version_does_not_satisfy_other_versions_or_the_default():
    assert not satisfies(locked(cri_tools="1.35.0"), Request("1.36.3", {"cri-tools": "1.36.0"}))
    lock = locked()
    request = dataclasses.replace(lock.request, versions={"cri-tools": "", "cni": "1.9.1"})
    assert not satisfies(dataclasses.replace(lock, request=request), Request("1.36.3", DEFAULT_VERSIONS))


def test_changed_signer_and_checksum_are_differences():
    other = dataclasses.replace(SIGNATURE, identity="other@example.org")
    old, new = (
        with_kubelet(locked(), signature=signature, checksum=checksum)
        for signature, checksum in ((SIGNATURE, "sha512"), (other, "sha1"))
    )
    assert list(differences(old, new)) == [
        "kubelet amd64: checked against sha512 → sha1",
        f"kubelet amd64: signed by {SIGNATURE} → {other}",
    ]


def test_newly_recorded_signer_and_checksum_are_no_difference():
    assert list(differences(locked(), with_kubelet(locked(), signature=SIGNATURE, checksum="sha512"))) == []


def test_signature_is_kept_for_the_same_file_only():
    old = with_kubelet(locked(), signature=SIGNATURE)
    assert comparison.keep_known(locked(), old) == old
    changed = with_kubelet(locked(), digest="sha256:" + "0" * 64)
    assert comparison.keep_known(changed, old) == changed


def test_dates_are_kept_if_only_a_signature_is_new():
    old = dataclasses.replace(locked().component("kubernetes"), released=1)
    lock = with_kubelet(locked(), signature=SIGNATURE)
    previous = dataclasses.replace(locked(), components=(old, *locked().components[1:]))
    assert comparison.keep_known(lock, previous).component("kubernetes").released == 1
