"""Faults planted in repositories: what is damaged, in whose repository, which checks must fail."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance import doctor_peers as peers
from tests.acceptance.doctor_peers import SUITE, GpgSigner
from tests.acceptance.old_signature import sign_version_3
from tests.support.package_builders import deb, five, rpm

KUBELET = "kubelet_1.36.3-1_amd64.deb"
LATER = 2.5 * 365 * 86_400
"""At that time, in seconds from now, the key is valid for another half a year."""


@dataclass(frozen=True)
class TargetRepository:
    """A repository to damage, and the keys for that."""

    root: Path
    signer: GpgSigner
    other_signer: GpgSigner
    weak_signer: GpgSigner
    signed_rpms: Path

    @property
    def suite_folder(self) -> Path:
        return self.root / "apt/dists" / SUITE if self.by_kubeparcel else self.root / "dists" / SUITE

    @property
    def by_kubeparcel(self) -> bool:
        return (self.root / "apt").is_dir()

    @property
    def yum_folder(self) -> Path:
        return self.root / "yum" / SUITE if self.by_kubeparcel else self.root

    def find(self, pattern: str) -> Path:
        (found,) = self.root.rglob(pattern)
        return found

    def edit_release(self, old: str, new: str, *options: str) -> None:
        """Edit the Release and sign it again."""
        self.edit(self.suite_folder / "Release", old, new)
        self.signer.sign_release(self.suite_folder, *options)

    @staticmethod
    def edit(path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert re.search(old, text), f"{path} has no {old}"
        path.write_text(re.sub(old, new, text, count=1))

    @staticmethod
    def flip_bit(path: Path, at: float = 0.5) -> None:
        data = bytearray(path.read_bytes())
        data[int(at * len(data))] ^= 1
        path.write_bytes(data)

    @staticmethod
    def truncate(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])


Damage = Callable[[TargetRepository], object]


@dataclass(frozen=True)
class PlantedFault:
    """A fault: exactly `checks` fail, and `sqv` too if `sqv_rejects` is set.

    `trusted_key` names the key that the doctor trusts; empty for the repository's own.
    """

    name: str
    maker: str
    damage: Damage
    checks: frozenset[str]
    options: dict[str, Any] = field(default_factory=dict)
    trusted_key: str = "signer"
    sqv_rejects: bool = False


FAULTS: list[PlantedFault] = []


def plant_in(name: str, maker: str, *checks: str, **more: Any) -> Callable[[Damage], Damage]:
    """Add a fault to the table, for the repositories of one maker or several."""

    def add(damage: Damage) -> Damage:
        FAULTS.extend(PlantedFault(name, m, damage, frozenset(checks), **more) for m in maker.split())
        return damage

    return add


def no_damage(_: TargetRepository) -> None:
    """Damage nothing: the fault is in the options or the trusted key."""


# --- Signatures and keys -------------------------------------------------------------------------

plant_in("the trusted key is another one", "aptly reprepro", "inrelease", "release-gpg", trusted_key="other")(no_damage)
plant_in("the trusted key is another one", "createrepo", "repomd-signature", "rpm-signature", trusted_key="other")(
    no_damage
)
plant_in("no key is available", "aptly createrepo", "key", trusted_key="")(no_damage)
plant_in("the key expires too soon", "reprepro createrepo", "key", options={"later": LATER})(no_damage)
plant_in("the key expires within ten years", "aptly", "key", options={"horizon_days": 3650})(no_damage)


@plant_in("InRelease was changed after signing", "ours aptly", "inrelease", "release-gpg")
def inrelease_changed(target: TargetRepository) -> None:
    target.edit(target.suite_folder / "InRelease", "Codename: stable", "Codename: Stable")


@plant_in("InRelease has text before the signed message", "ours", "inrelease")
def inrelease_with_text_outside(target: TargetRepository) -> None:
    path = target.suite_folder / "InRelease"
    path.write_text("Origin: nobody\n" + path.read_text())


@plant_in("InRelease is missing", "aptly", "inrelease")
def no_inrelease(target: TargetRepository) -> None:
    (target.suite_folder / "InRelease").unlink()


@plant_in("InRelease is truncated", "reprepro", "inrelease")
def truncated_inrelease(target: TargetRepository) -> None:
    target.truncate(target.suite_folder / "InRelease")


@plant_in("Release.gpg is missing", "reprepro", "release-gpg")
def no_release_gpg(target: TargetRepository) -> None:
    (target.suite_folder / "Release.gpg").unlink()


@plant_in("Release.gpg is signed by another key", "ours", "release-gpg")
def release_gpg_of_another(target: TargetRepository) -> None:
    target.other_signer.gpg(
        *("--armor", "-o", target.suite_folder / "Release.gpg", "--detach-sign", target.suite_folder / "Release")
    )


@plant_in("Release and InRelease differ", "aptly", "release-gpg")
def different_releases(target: TargetRepository) -> None:
    path = target.suite_folder / "Release"
    target.edit(path, "Date: .*", "Date: Mon, 05 Jan 2026 10:00:00 UTC")
    target.signer.gpg("--armor", "-o", target.suite_folder / "Release.gpg", "--detach-sign", path)


@plant_in("signatures use SHA-1", "ours reprepro", "signature-packet", sqv_rejects=True)
def sha1(target: TargetRepository) -> None:
    target.signer.sign_release(target.suite_folder, "--digest-algo", "SHA1")


@plant_in("Release.gpg is a version 3 signature", "aptly", "signature-packet", sqv_rejects=True)
def version_three_of_release(target: TargetRepository) -> None:
    path = target.suite_folder / "Release"
    (target.suite_folder / "Release.gpg").write_bytes(sign_version_3(target.signer, path.read_bytes()))


@plant_in("repomd.xml.asc is a version 3 signature", "createrepo", "signature-packet", sqv_rejects=True)
def version_three_of_repomd(target: TargetRepository) -> None:
    path = target.yum_folder / "repodata/repomd.xml"
    path.with_name("repomd.xml.asc").write_bytes(sign_version_3(target.signer, path.read_bytes()))


@plant_in("the key has 1024 bits", "reprepro", "key", trusted_key="weak", sqv_rejects=True)
@plant_in("the key's self-signature uses SHA-1", "aptly", "key-self-signature", trusted_key="old", sqv_rejects=True)
def signed_by_a_weak_key(target: TargetRepository) -> None:
    target.weak_signer.sign_release(target.suite_folder)


# --- Release -------------------------------------------------------------------------


@plant_in("the Release has expired", "ours", "dates")
def expired(target: TargetRepository) -> None:
    target.edit_release("Valid-Until: .*", "Valid-Until: Mon, 05 Jan 2026 10:00:00 UTC")


@plant_in("the Release is from the future", "aptly", "dates")
def from_the_future(target: TargetRepository) -> None:
    target.edit_release("Date: .*", "Date: Mon, 05 Jan 2099 10:00:00 UTC")


@plant_in("Valid-Until is not a date", "ours", "dates")
def invalid_date(target: TargetRepository) -> None:
    target.edit_release("Valid-Until: .*", "Valid-Until: soon")


@plant_in("an architecture has no index", "reprepro", "release-fields")
def architecture_without_index(target: TargetRepository) -> None:
    target.edit_release("Architectures: amd64", "Architectures: amd64 arm64")


@plant_in("a suite was copied under another name", "aptly", "release-fields")
def copied_suite(target: TargetRepository) -> None:
    target.suite_folder.rename(target.suite_folder.with_name("production"))


@plant_in("the Release has no SHA256 field", "reprepro", "release-fields")
def without_sha256(target: TargetRepository) -> None:
    target.edit_release(r"SHA256:\n( .*\n)+", "")


# --- Indexes -------------------------------------------------------------------------------------


@plant_in("Packages is newer than its Release", "aptly reprepro", "indexes")
def newer_packages(target: TargetRepository) -> None:
    path = target.suite_folder / "main/binary-amd64/Packages"
    path.write_text(path.read_text().replace("1.36.3", "1.36.4"))


@plant_in("Packages.gz is truncated", "ours aptly reprepro", "indexes")
def truncated_index(target: TargetRepository) -> None:
    target.truncate(target.suite_folder / "main/binary-amd64/Packages.gz")


@plant_in("all forms of an index are missing", "ours", "indexes")
def no_index(target: TargetRepository) -> None:
    for path in (target.suite_folder / "main/binary-amd64").glob("Packages*"):
        path.unlink()


@plant_in("an index is missing under its digest", "ours aptly", "by-hash")
def missing_by_hash(target: TargetRepository) -> None:
    folder = target.suite_folder / "main/binary-amd64"
    digest = hashlib.sha256((folder / "Packages.gz").read_bytes()).hexdigest()
    (folder / "by-hash/SHA256" / digest).unlink()


@plant_in("a by-hash file has other bytes", "ours", "by-hash")
def other_by_hash(target: TargetRepository) -> None:
    folder = target.suite_folder / "main/binary-amd64/by-hash/SHA256"
    target.flip_bit(next(path for path in sorted(folder.iterdir()) if len(path.name) == 64))


@plant_in("Packages and Packages.gz differ, both as listed", "flat", "indexes")
def forms_that_differ(target: TargetRepository) -> None:
    text = (target.root / "Packages").read_text().replace("kubectl", "kubectx")
    (target.root / "Packages.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    for name in ("Release", "InRelease", "Release.gpg"):
        (target.root / name).unlink()
    made = peers.run("apt-ftparchive", "release", ".", cwd=target.root, env=target.signer.env)
    (target.root / "Release").write_text(made)
    target.signer.sign_release(target.root)


@plant_in("entries have no strong digest", "flat", "entries")
def weak_entries(target: TargetRepository) -> None:
    peers.index(target.root, target.signer, "Packages::SHA256=false", "Packages::SHA512=false")


@plant_in("an entry's path leaves the repository", "flat", "entries")
def out_of_the_repository(target: TargetRepository) -> None:
    peers.index(target.root, target.signer, edit=("./kubectl_", "../../kubectl_"))


@plant_in("a version has two files", "flat", "entries")
def duplicate_version(target: TargetRepository) -> None:
    (target.root / "again").mkdir()
    deb(target.root / "again", "kubectl", "1.36.3-1", body=b"other")
    peers.index(target.root, target.signer)


# --- Package files -------------------------------------------------------------------------------


@plant_in("a byte of a deb differs", "ours aptly reprepro flat", "files")
def changed_deb(target: TargetRepository) -> None:
    path = target.find(KUBELET)
    data = path.read_bytes()
    path.unlink()  # it may be hard-linked elsewhere
    path.write_bytes(data)
    target.flip_bit(path)


@plant_in("a deb is missing", "ours aptly reprepro flat", "files")
def missing_deb(target: TargetRepository) -> None:
    target.find(KUBELET).unlink()


@plant_in("an rpm is truncated", "ours createrepo", "files")
def truncated_rpm(target: TargetRepository) -> None:
    path = target.find("kubelet-1.36.3-1.x86_64.rpm")
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    target.truncate(path)


@plant_in("an rpm is missing", "createrepo", "files")
def missing_rpm(target: TargetRepository) -> None:
    target.find("kubectl-1.36.3-1.x86_64.rpm").unlink()


@plant_in("index and deb have different dependencies", "flat", "inside")
def other_dependencies(target: TargetRepository) -> None:
    peers.index(target.root, target.signer, edit=("cni (>= 1.2.0)", "cni (>= 1.0.0)"))


@plant_in("index and deb have different versions", "flat", "inside")
def other_version(target: TargetRepository) -> None:
    peers.index(target.root, target.signer, edit=("Version: 1.9.1-1", "Version: 1.9.2-1"))


@plant_in("an rpm's payload was changed after signing", "createrepo", "inside")
def other_payload(target: TargetRepository) -> None:
    target.flip_bit(target.find("kubectl-1.36.3-1.x86_64.rpm"), 0.995)
    peers.metadata(target.yum_folder, target.signer)


@plant_in("one rpm is unsigned", "createrepo", "rpm-signature")
def unsigned_rpm(target: TargetRepository) -> None:
    rpm(target.yum_folder, "kubectl", "1.36.3-1")
    peers.metadata(target.yum_folder, target.signer)


@plant_in("all rpms are unsigned", "createrepo", "rpm-signature")
def unsigned_rpms(target: TargetRepository) -> None:
    for path in five(target.root.parent / "unsigned").glob("*.rpm"):
        shutil.copy(path, target.yum_folder)
    peers.metadata(target.yum_folder, target.signer)


@plant_in("a deb is not listed", "ours aptly reprepro", "orphans")
def stray_deb(target: TargetRepository) -> None:
    folder = target.find(KUBELET).parent
    deb(folder, "kubelet", "1.36.2-1")


@plant_in("an rpm is not listed", "ours createrepo", "orphans")
def stray_rpm(target: TargetRepository) -> None:
    rpm(target.find("kubelet-1.36.3-1.x86_64.rpm").parent, "kubelet", "1.36.2-1")


# --- Metadata of yum -----------------------------------------------------------------------------


@plant_in("repomd.xml is unsigned", "ours createrepo", "repomd-signature")
def unsigned_repomd(target: TargetRepository) -> None:
    (target.yum_folder / "repodata/repomd.xml.asc").unlink()


@plant_in("repomd.xml was changed after signing", "ours createrepo", "repomd-signature")
def changed_repomd(target: TargetRepository) -> None:
    target.edit(target.yum_folder / "repodata/repomd.xml", "<revision>", "<revision>1")


@plant_in("primary is damaged", "ours createrepo", "indexes")
def damaged_primary(target: TargetRepository) -> None:
    target.flip_bit(target.find("*-primary.xml.*"))


@plant_in("filelists are missing", "createrepo", "indexes")
def missing_filelists(target: TargetRepository) -> None:
    target.find("*-filelists.xml.gz").unlink()


@plant_in("repomd.xml is not XML", "ours", "indexes", "repomd-signature")
def invalid_repomd(target: TargetRepository) -> None:
    target.truncate(target.yum_folder / "repodata/repomd.xml")


@plant_in("metadata uses SHA-1", "createrepo", "indexes", "entries")
def sha1_metadata(target: TargetRepository) -> None:
    peers.metadata(target.yum_folder, target.signer, "--checksum", "sha")


@plant_in("other and primary have different packages", "createrepo", "entries")
def other_metadata(target: TargetRepository) -> None:
    other = Path(shutil.copytree(target.yum_folder, target.yum_folder.with_name(f"{target.yum_folder.name}-2")))
    (other / "kubectl-1.36.3-1.x86_64.rpm").unlink()
    peers.metadata(other, target.signer)
    repomd = target.yum_folder / "repodata/repomd.xml"
    block = r'(?s)<data type="other">.*?</data>'
    theirs = re.search(block, (other / "repodata/repomd.xml").read_text())
    assert theirs
    target.edit(repomd, block, theirs[0])
    for path in (other / "repodata").glob("*-other.xml.gz"):
        shutil.copy(path, target.yum_folder / "repodata")
    shutil.rmtree(other)
    target.signer.sign_metadata(target.yum_folder)


# --- Dependencies and companions ------------------------------------------------------------


@plant_in("kubernetes-cni is missing", "flat", "closure", "companions")
def no_cni(target: TargetRepository) -> None:
    target.find("kubernetes-cni_*.deb").unlink()
    peers.index(target.root, target.signer)


@plant_in("kubernetes-cni is missing", "createrepo", "closure", "companions")
def no_cni_rpm(target: TargetRepository) -> None:
    target.find("kubernetes-cni-*.rpm").unlink()
    peers.metadata(target.yum_folder, target.signer)


@plant_in("cri-tools is missing", "flat", "companions")
def no_cri_tools(target: TargetRepository) -> None:
    target.find("cri-tools_*.deb").unlink()
    peers.index(target.root, target.signer)


@plant_in("a new minor has no cri-tools", "flat", "companions")
def new_minor(target: TargetRepository) -> None:
    deb(target.root, "kubelet", "1.37.0-1", depends="kubernetes-cni (>= 1.2.0)")
    peers.index(target.root, target.signer)


@plant_in("an architecture has no kubernetes-cni", "flat", "closure", "companions")
def other_architecture(target: TargetRepository) -> None:
    deb(target.root, "kubelet", "1.36.3-1", "arm64", "kubernetes-cni (>= 1.2.0)")
    deb(target.root, "cri-tools", "1.36.0-1", "arm64")
    peers.index(target.root, target.signer)


@plant_in("debs and rpms have different patch versions", "ours", "formats", "orphans")
def other_patch(target: TargetRepository) -> None:
    shutil.rmtree(target.yum_folder / "repodata")
    target.find("kubectl-1.36.3-1.x86_64.rpm").unlink()
    new = rpm(target.yum_folder, "kubectl", "1.36.4-1")
    target.signer.sign_rpm(new)
    stray = rpm(target.yum_folder, "kubeadm", "1.36.2-1")
    peers.metadata(target.yum_folder, target.signer, "--excludes", stray.name)


def faults_with_names() -> Iterator[tuple[str, PlantedFault]]:
    """Yield all faults with their names."""
    for fault in FAULTS:
        yield f"{fault.maker}: {fault.name}", fault
