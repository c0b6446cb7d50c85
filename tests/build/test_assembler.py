"""Package files are built once, and again only if something in them changes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from kubeparcel import paths, templates
from kubeparcel.build.assembler import assemble_package, discard_packages, manifest_digest
from kubeparcel.errors import DigestError
from kubeparcel.lock_models import Binaries
from kubeparcel.model import Arch
from kubeparcel.packages import nfpm
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.store import Store
from tests.build.assembled import assembled, manifests
from tests.support.elf_files import elf


def test_second_run_builds_nothing(workdir, lock, binaries, store, monkeypatch):
    packages = manifests(lock, binaries, store)
    first = assembled(packages, store)
    assert [package.seconds > 0 for package in first] == [True] * 10
    monkeypatch.setattr(nfpm, "write_package", None)
    second = assembled(manifests(lock, binaries, store), store)
    assert [package.seconds for package in second] == [0] * 10
    assert [package.sha256 for package in second] == [package.sha256 for package in first]
    assert [package.size for package in second] == [store.path(package.sha256).stat().st_size for package in second]


def test_assemble_keeps_the_order_of_the_packages(workdir, lock, binaries, store):
    packages = manifests(lock, binaries, store, compression="fast")
    assembled(packages[3:5], store)
    assert [package.manifest for package in assembled(packages, store)] == packages


def rebuilt(before: Sequence[PackageManifest], after: Sequence[PackageManifest]) -> set[str]:
    """Return the packages that would be built again, as `NAME FORMAT`."""
    cached = {manifest_digest(package) for package in before}
    return {f"{p.name} {p.format}" for p in after if manifest_digest(p) not in cached}


BOTH = ("deb", "rpm")


@pytest.mark.parametrize(
    ("changed", "packages"),
    [
        ("10-kubeadm.conf", {f"kubeadm {f}" for f in BOTH}),
        ("kubelet.service", {f"kubelet {f}" for f in BOTH}),
        ("kubelet.env", {f"kubelet {f}" for f in BOTH}),
        ("deb/service.postinst", {"kubelet deb"}),
        ("rpm/kubeadm.post", {"kubeadm rpm"}),
        ("completion.fish", {f"{p} {f}" for p in ("kubectl", "cri-tools") for f in BOTH}),
        ("LICENSE", {f"{p} rpm" for p in ("kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")}),
        ("copyright", {f"{p} deb" for p in ("kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")}),
    ],
)
def test_changed_template_rebuilds_only_packages_that_use_it(
    workdir, lock, binaries, store, tmp_path, monkeypatch, changed, packages
):
    before = manifests(lock, binaries, store)
    copy = tmp_path / "templates"
    shutil.copytree(paths.template_dir(), copy)
    with (copy / "packages" / changed).open("a") as file:
        file.write("\n# changed\n")
    monkeypatch.setattr(paths, "template_dir", lambda: copy)
    monkeypatch.setattr(templates, "_environment", templates._environment.__wrapped__)
    assert rebuilt(before, manifests(lock, binaries, store)) == packages


def test_changed_binary_rebuilds_only_its_packages(workdir, lock, binaries, store):
    before = manifests(lock, binaries, store)
    names = dict(binaries["kubernetes", Arch.AMD64])
    names["kubectl"] = store.add_bytes(elf("another"))
    after = manifests(lock, {**binaries, ("kubernetes", Arch.AMD64): names}, store)
    assert rebuilt(before, after) == {"kubectl deb", "kubectl rpm"}


def test_package_missing_in_the_store_is_rebuilt(workdir, lock, binaries, store):
    packages = manifests(lock, binaries, store, format="deb")[:2]
    first, _second = assembled(packages, store)
    store.path(first.sha256).unlink()
    rebuilt_package, cached = assembled(packages, store)
    assert (rebuilt_package.sha256, cached.seconds) == (first.sha256, 0)
    assert rebuilt_package.seconds > 0
    assert store.has(first.sha256)


def test_packages_can_be_built_in_another_process(workdir, lock, binaries, store):
    packages = manifests(lock, binaries, store, format="rpm")[:2]
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        packages_built = list(pool.map(assemble_package, packages, [store] * 2))
    assert [package.manifest for package in packages_built] == packages
    assert [store.has(package.sha256) for package in packages_built] == [True, True]


def damage_kubelet(binaries: Binaries, store: Store) -> Path:
    """Change the bytes of the kubelet in the store; return its path."""
    path = store.path(binaries["kubernetes", Arch.AMD64]["kubelet"])
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    return path


def test_damaged_binary_is_quarantined_and_nothing_is_built(workdir, lock, binaries, store):
    packages = manifests(lock, binaries, store, format="deb")
    path = damage_kubelet(binaries, store)
    with pytest.raises(DigestError, match="/usr/bin/kubelet") as error:
        assembled(packages, store)
    assert not path.exists()
    (quarantined,) = (store.root / "quarantine").iterdir()
    assert quarantined.read_bytes() == b"damaged"
    assert str(quarantined) in error.value.hint
    assert store.get_record("package", manifest_digest(packages[0])) is None
    assert not list((store.root / "scratch").iterdir())


def test_discard_packages_reports_a_damaged_input_and_forgets_the_package(lock, binaries, store):
    packages = manifests(lock, binaries, store, format="deb")
    path = damage_kubelet(binaries, store)
    packages_built = [assemble_package(package, store) for package in packages]
    failed = [package for package in packages_built if package.manifest.name == "kubelet"]
    with pytest.raises(DigestError, match="/usr/bin/kubelet"):
        discard_packages(failed, packages_built, store)
    assert store.get_record("package", manifest_digest(failed[0].manifest)) is None
    others = [package for package in packages_built if package not in failed]
    path.write_bytes(b"damaged")
    kubectl = store.path(binaries["kubernetes", Arch.AMD64]["kubectl"])
    kubectl.write_bytes(b"damaged")
    with pytest.raises(DigestError, match=r"/usr/bin/kube(?s:.*)/usr/bin/kube"):
        discard_packages(others[:1], packages_built, store)
