"""Repositories with one fault each: who made them, what was spoilt, which checks have to say so."""

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
"""The key is good for another half a year then."""


@dataclass(frozen=True)
class TargetRepository:
    """A repository to spoil, and what that takes."""

    root: Path
    signer: GpgSigner
    other_signer: GpgSigner
    weak_signer: GpgSigner
    signed_rpms: Path

    @property
    def suite_folder(self) -> Path:
        return (
            self.root / "apt/dists" / SUITE if self.by_kubeparcel else self.root / "dists" / SUITE
        )

    @property
    def by_kubeparcel(self) -> bool:
        return (self.root / "apt").is_dir()

    @property
    def yum_folder(self) -> Path:
        return self.root / "yum" / SUITE if self.by_kubeparcel else self.root

    def find(self, pattern: str) -> Path:
        (found,) = self.root.rglob(pattern)
        return found

    def edit_release(self, old: str, new: str, *words: str) -> None:
        """Change the Release, and sign it again."""
        self.edit(self.suite_folder / "Release", old, new)
        self.signer.sign_release(self.suite_folder, *words)

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
    """A fault: `checks` are exactly those that fail. `key` is whose key is trusted.

    `sqv` is whether sqv refuses it too.
    """

    name: str
    maker: str
    damage: Damage
    checks: frozenset[str]
    options: dict[str, Any] = field(default_factory=dict)
    trusted_key: str = "who"
    sqv_rejects: bool = False


FAULTS: list[PlantedFault] = []


def planted(name: str, maker: str, *checks: str, **more: Any) -> Callable[[Damage], Damage]:
    """A row of the table; one way of spoiling may stand for repositories of several makers."""

    def note(spoil: Damage) -> Damage:
        rows = (PlantedFault(name, m, spoil, frozenset(checks), **more) for m in maker.split())
        FAULTS.extend(rows)
        return spoil

    return note


def nothing(_: TargetRepository) -> None:
    """The repository is fine: what is wrong lies elsewhere."""


# --- Signatures and keys -------------------------------------------------------------------------

planted("trusted is another key", "aptly reprepro", "inrelease", "release-gpg", key="other")(
    nothing
)
planted("trusted is another key", "createrepo", "repomd-signature", "rpm-signature", key="other")(
    nothing
)
planted("there is no key to be had", "aptly createrepo", "key", key="")(nothing)
planted("the key ends too soon", "reprepro createrepo", "key", options={"later": LATER})(nothing)
planted("the key is not good for ten years", "aptly", "key", options={"horizon_days": 3650})(
    nothing
)


@planted("InRelease was changed after it was signed", "ours aptly", "inrelease", "release-gpg")
def inrelease_changed(p: TargetRepository) -> None:
    p.edit(p.suite_folder / "InRelease", "Codename: stable", "Codename: Stable")


@planted("a line was put before InRelease", "ours", "inrelease")
def inrelease_with_text_outside(p: TargetRepository) -> None:
    path = p.suite_folder / "InRelease"
    path.write_text("Origin: nobody\n" + path.read_text())


@planted("there is no InRelease", "aptly", "inrelease")
def no_inrelease(p: TargetRepository) -> None:
    (p.suite_folder / "InRelease").unlink()


@planted("InRelease is cut short", "reprepro", "inrelease")
def half_an_inrelease(p: TargetRepository) -> None:
    p.truncate(p.suite_folder / "InRelease")


@planted("there is no Release.gpg", "reprepro", "release-gpg")
def no_release_gpg(p: TargetRepository) -> None:
    (p.suite_folder / "Release.gpg").unlink()


@planted("Release.gpg is by another key", "ours", "release-gpg")
def release_gpg_of_another(p: TargetRepository) -> None:
    p.other_signer.gpg(
        *(
            "--armor",
            "-o",
            p.suite_folder / "Release.gpg",
            "--detach-sign",
            p.suite_folder / "Release",
        )
    )


@planted("Release is of another moment than InRelease", "aptly", "release-gpg")
def two_moments(p: TargetRepository) -> None:
    path = p.suite_folder / "Release"
    p.edit(path, "Date: .*", "Date: Mon, 05 Jan 2026 10:00:00 UTC")
    p.signer.gpg("--armor", "-o", p.suite_folder / "Release.gpg", "--detach-sign", path)


@planted("signatures have SHA-1", "ours reprepro", "signature-packet", sqv=True)
def sha1(p: TargetRepository) -> None:
    p.signer.sign_release(p.suite_folder, "--digest-algo", "SHA1")


@planted("Release.gpg is a signature of version 3", "aptly", "signature-packet", sqv=True)
def version_three_of_release(p: TargetRepository) -> None:
    path = p.suite_folder / "Release"
    (p.suite_folder / "Release.gpg").write_bytes(sign_version_3(p.signer, path.read_bytes()))


@planted("repomd.xml.asc is a signature of version 3", "createrepo", "signature-packet", sqv=True)
def version_three_of_repomd(p: TargetRepository) -> None:
    path = p.yum_folder / "repodata/repomd.xml"
    path.with_name("repomd.xml.asc").write_bytes(sign_version_3(p.signer, path.read_bytes()))


@planted("the key has 1024 bits", "reprepro", "key", key="weak", sqv=True)
@planted(
    "the key vouches for itself with SHA-1", "aptly", "key-self-signature", key="old", sqv=True
)
def signed_by_a_bad_key(p: TargetRepository) -> None:
    p.weak_signer.sign_release(p.suite_folder)


# --- What a Release says -------------------------------------------------------------------------


@planted("the indexes have expired", "ours", "dates")
def expired(p: TargetRepository) -> None:
    p.edit_release("Valid-Until: .*", "Valid-Until: Mon, 05 Jan 2026 10:00:00 UTC")


@planted("the Release is from the future", "aptly", "dates")
def from_the_future(p: TargetRepository) -> None:
    p.edit_release("Date: .*", "Date: Mon, 05 Jan 2099 10:00:00 UTC")


@planted("Valid-Until is no date", "ours", "dates")
def no_date(p: TargetRepository) -> None:
    p.edit_release("Valid-Until: .*", "Valid-Until: soon")


@planted("an architecture is promised without an index", "reprepro", "release-fields")
def promised_architecture(p: TargetRepository) -> None:
    p.edit_release("Architectures: amd64", "Architectures: amd64 arm64")


@planted("a suite was copied under another name", "aptly", "release-fields")
def copied_suite(p: TargetRepository) -> None:
    p.suite_folder.rename(p.suite_folder.with_name("production"))


@planted("the Release has no SHA-256", "reprepro", "release-fields")
def without_sha256(p: TargetRepository) -> None:
    p.edit_release(r"SHA256:\n( .*\n)+", "")


# --- Indexes -------------------------------------------------------------------------------------


@planted("Packages is newer than its Release", "aptly reprepro", "indexes")
def newer_packages(p: TargetRepository) -> None:
    path = p.suite_folder / "main/binary-amd64/Packages"
    path.write_text(path.read_text().replace("1.36.3", "1.36.4"))


@planted("Packages.gz is cut short", "ours aptly reprepro", "indexes")
def half_an_index(p: TargetRepository) -> None:
    p.truncate(p.suite_folder / "main/binary-amd64/Packages.gz")


@planted("there is no Packages.gz", "reprepro", "indexes")
def no_packed_index(p: TargetRepository) -> None:
    (p.suite_folder / "main/binary-amd64/Packages.gz").unlink()


@planted("no index is there in any form", "ours", "indexes")
def no_index(p: TargetRepository) -> None:
    for path in (p.suite_folder / "main/binary-amd64").glob("Packages*"):
        path.unlink()


@planted("an index is not there by its digest", "ours aptly", "by-hash")
def not_by_hash(p: TargetRepository) -> None:
    folder = p.suite_folder / "main/binary-amd64"
    digest = hashlib.sha256((folder / "Packages.gz").read_bytes()).hexdigest()
    (folder / "by-hash/SHA256" / digest).unlink()


@planted("by its digest an index has other bytes", "ours", "by-hash")
def other_by_hash(p: TargetRepository) -> None:
    folder = p.suite_folder / "main/binary-amd64/by-hash/SHA256"
    p.flip_bit(next(path for path in sorted(folder.iterdir()) if len(path.name) == 64))


@planted("Packages.gz has another text than Packages, both as promised", "flat", "indexes")
def forms_that_differ(p: TargetRepository) -> None:
    text = (p.root / "Packages").read_text().replace("kubectl", "kubectx")
    (p.root / "Packages.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    for name in ("Release", "InRelease", "Release.gpg"):
        (p.root / name).unlink()
    made = peers.run("apt-ftparchive", "release", ".", cwd=p.root, env=p.signer.env)
    (p.root / "Release").write_text(made)
    p.signer.sign_release(p.root)


@planted("entries have no strong digest", "flat", "entries")
def weak_entries(p: TargetRepository) -> None:
    peers.index(p.root, p.signer, "Packages::SHA256=false", "Packages::SHA512=false")


@planted("an entry leads out of the repository", "flat", "entries")
def out_of_the_repository(p: TargetRepository) -> None:
    peers.index(p.root, p.signer, edit=("./kubectl_", "../../kubectl_"))


@planted("a version has two files", "flat", "entries")
def two_files(p: TargetRepository) -> None:
    (p.root / "again").mkdir()
    deb(p.root / "again", "kubectl", "1.36.3-1", body=b"other")
    peers.index(p.root, p.signer)


# --- Package files -------------------------------------------------------------------------------


@planted("a byte of a deb is another one", "ours aptly reprepro flat", "files")
def changed_deb(p: TargetRepository) -> None:
    path = p.find(KUBELET)
    data = path.read_bytes()
    path.unlink()  # it may be a second name of a file elsewhere
    path.write_bytes(data)
    p.flip_bit(path)


@planted("a deb is missing", "ours aptly reprepro flat", "files")
def missing_deb(p: TargetRepository) -> None:
    p.find(KUBELET).unlink()


@planted("an rpm is cut short", "ours createrepo", "files")
def half_an_rpm(p: TargetRepository) -> None:
    path = p.find("kubelet-1.36.3-1.x86_64.rpm")
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    p.truncate(path)


@planted("an rpm is missing", "createrepo", "files")
def missing_rpm(p: TargetRepository) -> None:
    p.find("kubectl-1.36.3-1.x86_64.rpm").unlink()


@planted("the index says other dependencies than the deb", "flat", "inside")
def other_dependencies(p: TargetRepository) -> None:
    peers.index(p.root, p.signer, edit=("cni (>= 1.2.0)", "cni (>= 1.0.0)"))


@planted("the index says another version than the deb", "flat", "inside")
def other_version(p: TargetRepository) -> None:
    peers.index(p.root, p.signer, edit=("Version: 1.9.1-1", "Version: 1.9.2-1"))


@planted("an rpm was tampered with behind its signed header", "createrepo", "inside")
def other_payload(p: TargetRepository) -> None:
    p.flip_bit(p.find("kubectl-1.36.3-1.x86_64.rpm"), 0.995)
    peers.metadata(p.yum_folder, p.signer)


@planted("one rpm is not signed", "createrepo", "rpm-signature")
def unsigned_rpm(p: TargetRepository) -> None:
    rpm(p.yum_folder, "kubectl", "1.36.3-1")
    peers.metadata(p.yum_folder, p.signer)


@planted("no rpm is signed", "createrepo", "rpm-signature")
def unsigned_rpms(p: TargetRepository) -> None:
    for path in five(p.root.parent / "unsigned").glob("*.rpm"):
        shutil.copy(path, p.yum_folder)
    peers.metadata(p.yum_folder, p.signer)


@planted("a deb lies around", "ours aptly reprepro", "orphans")
def stray_deb(p: TargetRepository) -> None:
    folder = p.find(KUBELET).parent
    deb(folder, "kubelet", "1.36.2-1")


@planted("an rpm lies around", "ours createrepo", "orphans")
def stray_rpm(p: TargetRepository) -> None:
    rpm(p.find("kubelet-1.36.3-1.x86_64.rpm").parent, "kubelet", "1.36.2-1")


# --- Metadata of yum -----------------------------------------------------------------------------


@planted("repomd.xml is not signed", "ours createrepo", "repomd-signature")
def unsigned_repomd(p: TargetRepository) -> None:
    (p.yum_folder / "repodata/repomd.xml.asc").unlink()


@planted("repomd.xml was changed after it was signed", "ours createrepo", "repomd-signature")
def changed_repomd(p: TargetRepository) -> None:
    p.edit(p.yum_folder / "repodata/repomd.xml", "<revision>", "<revision>1")


@planted("primary is damaged", "ours createrepo", "indexes")
def damaged_primary(p: TargetRepository) -> None:
    p.flip_bit(p.find("*-primary.xml.*"))


@planted("filelists are missing", "createrepo", "indexes")
def missing_filelists(p: TargetRepository) -> None:
    p.find("*-filelists.xml.gz").unlink()


@planted("repomd.xml is no XML", "ours", "indexes", "repomd-signature")
def no_xml(p: TargetRepository) -> None:
    p.truncate(p.yum_folder / "repodata/repomd.xml")


@planted("metadata has SHA-1", "createrepo", "indexes", "entries")
def sha1_metadata(p: TargetRepository) -> None:
    peers.metadata(p.yum_folder, p.signer, "--checksum", "sha")


@planted("other does not have what primary has", "createrepo", "entries")
def other_metadata(p: TargetRepository) -> None:
    other = Path(shutil.copytree(p.yum_folder, p.yum_folder.with_name(f"{p.yum_folder.name}-2")))
    (other / "kubectl-1.36.3-1.x86_64.rpm").unlink()
    peers.metadata(other, p.signer)
    repomd = p.yum_folder / "repodata/repomd.xml"
    block = r'(?s)<data type="other">.*?</data>'
    theirs = re.search(block, (other / "repodata/repomd.xml").read_text())
    assert theirs
    p.edit(repomd, block, theirs[0])
    for path in (other / "repodata").glob("*-other.xml.gz"):
        shutil.copy(path, p.yum_folder / "repodata")
    shutil.rmtree(other)
    p.signer.sign_metadata(p.yum_folder)


# --- What packages need of each other ------------------------------------------------------------


@planted("there is no kubernetes-cni", "flat", "closure", "companions")
def no_cni(p: TargetRepository) -> None:
    p.find("kubernetes-cni_*.deb").unlink()
    peers.index(p.root, p.signer)


@planted("there is no kubernetes-cni", "createrepo", "closure", "companions")
def no_cni_rpm(p: TargetRepository) -> None:
    p.find("kubernetes-cni-*.rpm").unlink()
    peers.metadata(p.yum_folder, p.signer)


@planted("there is no cri-tools", "flat", "companions")
def no_cri_tools(p: TargetRepository) -> None:
    p.find("cri-tools_*.deb").unlink()
    peers.index(p.root, p.signer)


@planted("a new minor came without its cri-tools", "flat", "companions")
def new_minor(p: TargetRepository) -> None:
    deb(p.root, "kubelet", "1.37.0-1", depends="kubernetes-cni (>= 1.2.0)")
    peers.index(p.root, p.signer)


@planted("an architecture has no kubernetes-cni", "flat", "closure", "companions")
def other_architecture(p: TargetRepository) -> None:
    deb(p.root, "kubelet", "1.36.3-1", "arm64", "kubernetes-cni (>= 1.2.0)")
    deb(p.root, "cri-tools", "1.36.0-1", "arm64")
    peers.index(p.root, p.signer)


@planted("debs and rpms are of different patches", "ours", "formats", "orphans")
def other_patch(p: TargetRepository) -> None:
    shutil.rmtree(p.yum_folder / "repodata")
    p.find("kubectl-1.36.3-1.x86_64.rpm").unlink()
    new = rpm(p.yum_folder, "kubectl", "1.36.4-1")
    p.signer.sign_rpm(new)
    stray = rpm(p.yum_folder, "kubeadm", "1.36.2-1")
    peers.metadata(p.yum_folder, p.signer, "--excludes", stray.name)


def faults_with_names() -> Iterator[tuple[str, PlantedFault]]:
    """The table, each row with its name."""
    for one in FAULTS:
        yield f"{one.maker}: {one.name}", one
