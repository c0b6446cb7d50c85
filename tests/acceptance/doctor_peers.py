"""Repositories by kubeparcel, aptly, reprepro, apt-ftparchive and createrepo_c."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.console import QuietLog
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from tests.acceptance.debian_archives import debian_archive

SUITE = "stable"
PROGRAMS = ("aptly", "reprepro", "apt-ftparchive", "createrepo_c", "gpg", "gpgv", "rpmsign")
NEWER = "trixie"
"""The first Debian that has sqv."""


@dataclass(frozen=True)
class GpgSigner:
    """A GnuPG home with one key, which is also exported to files."""

    home: Path

    @property
    def public(self) -> Path:
        return self.home / "public.asc"

    @property
    def secret(self) -> Path:
        return self.home / "secret.asc"

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "GNUPGHOME": str(self.home), "LC_ALL": "C"}

    def gpg(self, *arguments: str | Path) -> None:
        base = ["gpg", "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""]
        subprocess.run([*base, *arguments], env=self.env, check=True, capture_output=True)

    def sign_release(self, folder: Path, *options: str) -> None:
        """Write InRelease and Release.gpg."""
        release = folder / "Release"
        self.gpg(*options, "-o", folder / "InRelease", "--clear-sign", release)
        self.gpg(*options, "--armor", "-o", folder / "Release.gpg", "--detach-sign", release)

    def sign_metadata(self, folder: Path) -> None:
        """Sign a repomd.xml."""
        target = folder / "repodata/repomd.xml"
        self.gpg("--armor", "-o", f"{target}.asc", "--detach-sign", target)

    def sign_rpm(self, file: Path) -> None:
        """Sign an rpm with rpmsign."""
        names = ("--define", "__gpg /usr/bin/gpg", "--define", "_gpg_name Tests", "--define", f"_gpg_path {self.home}")
        run("rpmsign", *names, "--addsign", file, cwd=self.home, env=self.env)


def create_signer(home: Path, algorithm: str = "rsa2048", *options: str) -> GpgSigner:
    """Create a key that is valid for three years."""
    home.mkdir(mode=0o700)
    signer = GpgSigner(home)
    signer.gpg(*options, "--quick-generate-key", "Tests <tests@example.invalid>", algorithm, "", "3y")
    signer.gpg("--armor", "-o", signer.public, "--export")
    signer.gpg("--armor", "-o", signer.secret, "--export-secret-keys")
    return signer


def run(*arguments: str | Path, cwd: Path, env: Mapping[str, str]) -> str:
    completed = subprocess.run(arguments, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


def install_sqv(cache: Path, area: Path) -> Path:
    """Return a folder with sqv: Debian's, unpacked with its libraries and run by its loader."""
    root = area / "root"
    root.mkdir(parents=True)
    archive = debian_archive(cache, NEWER, "--variant=extract", "--include=sqv")
    subprocess.run(["tar", "--extract", "--file", archive, "--directory", root], check=True)
    loader = next((root / "usr/lib").glob("*/ld-linux*.so.*"))
    program = area / "bin/sqv"
    program.parent.mkdir()
    command = f"'{loader}' --library-path '{loader.parent}' '{root}/usr/bin/sqv'"
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    program.chmod(0o755)
    return program.parent


def ours(root: Path, dist: Path, signer: GpgSigner) -> None:
    """Publish an apt and a yum repository with `inv publish`."""
    target = Target(str(root), str(signer.secret))
    publisher.publish(dist, target, QuietLog(), suite=SUITE, skip_layout_check=True)


def aptly(root: Path, dist: Path, signer: GpgSigner) -> None:
    """Publish an apt repository with aptly, its default digests and by-hash."""
    area = root.with_name(f"{root.name}-aptly")
    area.mkdir()
    config = area / "aptly.conf"
    text = {"rootDir": str(area), "gpgProvider": "gpg", "downloadSourcePackages": False}
    config.write_text(json.dumps(text))
    base = ("aptly", f"-config={config}")
    options = {"cwd": area, "env": signer.env}
    run(*base, "repo", "create", f"-distribution={SUITE}", "-component=main", "k", **options)
    run(*base, "repo", "add", "k", *sorted(dist.glob("*.deb")), **options)
    run(*base, "publish", "repo", "-batch", "-acquire-by-hash", "-skip-bz2", "k", **options)
    shutil.copytree(area / "public", root)  # its by-hash links are absolute
    shutil.rmtree(area)


def reprepro(root: Path, dist: Path, signer: GpgSigner) -> None:
    """Publish an apt repository with reprepro's defaults: no by-hash, no Valid-Until."""
    (root / "conf").mkdir(parents=True)
    (root / "conf/distributions").write_text(
        f"Codename: {SUITE}\nArchitectures: amd64\nComponents: main\nSignWith: yes\n"
    )
    for deb in sorted(dist.glob("*.deb")):
        command = ("reprepro", "-b", root, "-S", "misc", "-P", "optional", "includedeb", SUITE, deb)
        run(*command, cwd=root, env=signer.env)


def flat(root: Path, dist: Path, signer: GpgSigner, *options: str) -> None:
    """Publish a flat apt repository with apt-ftparchive."""
    root.mkdir(parents=True, exist_ok=True)
    for deb in sorted(dist.glob("*.deb")):
        shutil.copy(deb, root)
    index(root, signer, *options)


def index(root: Path, signer: GpgSigner, *options: str, edit: tuple[str, str] = ("", "")) -> None:
    """Generate the indexes of a flat repository; `edit` replaces a text in Packages."""
    arguments = [word for option in options for word in ("-o", f"APT::FTPArchive::{option}")]
    for name in ("Release", "InRelease", "Release.gpg"):
        (root / name).unlink(missing_ok=True)
    text = run("apt-ftparchive", *arguments, "packages", ".", cwd=root, env=signer.env)
    assert edit[0] in text
    text = text.replace(*edit) if edit[0] else text
    (root / "Packages").write_text(text)
    (root / "Packages.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    release = run("apt-ftparchive", *arguments, "release", ".", cwd=root, env=signer.env)
    (root / "Release").write_text(release)
    signer.sign_release(root)


def createrepo(root: Path, signed: Path, signer: GpgSigner, *options: str) -> None:
    """Publish a yum repository of signed rpms with createrepo_c."""
    root.mkdir(parents=True, exist_ok=True)
    for rpm in sorted(signed.glob("*.rpm")):
        shutil.copy(rpm, root)
    metadata(root, signer, *options)


def metadata(root: Path, signer: GpgSigner, *options: str) -> None:
    """Generate the metadata of a yum repository again."""
    shutil.rmtree(root / "repodata", ignore_errors=True)
    run("createrepo_c", "--quiet", *options, ".", cwd=root, env=signer.env)
    signer.sign_metadata(root)
