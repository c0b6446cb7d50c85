"""Repositories as others make them, and as we do: aptly, reprepro, apt-ftparchive, createrepo_c."""

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
from kubeparcel.repository.publisher import Target

SUITE = "stable"
PROGRAMS = ("aptly", "reprepro", "apt-ftparchive", "createrepo_c", "gpg", "gpgv", "rpmsign")
NEWER = "trixie"
"""The first Debian that has sqv."""


@dataclass(frozen=True)
class GpgSigner:
    """A gpg home with one key, and that key in files."""

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

    def gpg(self, *words: str | Path) -> None:
        base = ["gpg", "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""]
        subprocess.run([*base, *words], env=self.env, check=True, capture_output=True)

    def sign_release(self, folder: Path, *words: str) -> None:
        """Sign a Release beside and inside, as its publisher would."""
        release = folder / "Release"
        self.gpg(*words, "-o", folder / "InRelease", "--clear-sign", release)
        self.gpg(*words, "--armor", "-o", folder / "Release.gpg", "--detach-sign", release)

    def sign_metadata(self, folder: Path) -> None:
        """Sign a repomd.xml."""
        target = folder / "repodata/repomd.xml"
        self.gpg("--armor", "-o", f"{target}.asc", "--detach-sign", target)

    def sign_rpm(self, file: Path) -> None:
        """Sign an rpm with rpm's own program."""
        names = (
            "--define",
            "__gpg /usr/bin/gpg",
            "--define",
            "_gpg_name Tests",
            "--define",
            f"_gpg_path {self.home}",
        )
        run("rpmsign", *names, "--addsign", file, cwd=self.home, env=self.env)


def create_signer(home: Path, algorithm: str = "rsa2048", *words: str) -> GpgSigner:
    """Make a key, good for three years."""
    home.mkdir(mode=0o700)
    made = GpgSigner(home)
    made.gpg(*words, "--quick-generate-key", "Tests <tests@example.invalid>", algorithm, "", "3y")
    made.gpg("--armor", "-o", made.public, "--export")
    made.gpg("--armor", "-o", made.secret, "--export-secret-keys")
    return made


def run(*words: str | Path, cwd: Path, env: Mapping[str, str]) -> str:
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install_sqv(area: Path) -> Path:
    """A folder with sqv in it: Debian's own, unpacked with its libraries, run by its own loader."""
    root = area / "root"
    run(
        "mmdebstrap",
        "--quiet",
        "--variant=extract",
        "--include=sqv",
        NEWER,
        root,
        cwd=area,
        env={**os.environ, "TMPDIR": str(area)},
    )
    loader = next((root / "usr/lib").glob("*/ld-linux*.so.*"))
    program = area / "bin/sqv"
    program.parent.mkdir()
    words = f"'{loader}' --library-path '{loader.parent}' '{root}/usr/bin/sqv'"
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o755)
    return program.parent


def ours(root: Path, dist: Path, who: GpgSigner) -> None:
    """Both repositories, as `inv publish` makes them."""
    target = Target(str(root), str(who.secret))
    publisher.publish(dist, target, QuietLog(), suite=SUITE, skip_layout_check=True)


def aptly(root: Path, dist: Path, who: GpgSigner) -> None:
    """An apt repository by aptly, with its default digests and by-hash."""
    area = root.with_name(f"{root.name}-aptly")
    area.mkdir()
    config = area / "aptly.conf"
    text = {"rootDir": str(area), "gpgProvider": "gpg", "downloadSourcePackages": False}
    config.write_text(json.dumps(text))
    base = ("aptly", f"-config={config}")
    how = {"cwd": area, "env": who.env}
    run(*base, "repo", "create", f"-distribution={SUITE}", "-component=main", "k", **how)
    run(*base, "repo", "add", "k", *sorted(dist.glob("*.deb")), **how)
    run(*base, "publish", "repo", "-batch", "-acquire-by-hash", "-skip-bz2", "k", **how)
    shutil.copytree(area / "public", root)  # its by-hash links are absolute
    shutil.rmtree(area)


def reprepro(root: Path, dist: Path, who: GpgSigner) -> None:
    """An apt repository by reprepro, as it comes: no by-hash, no Valid-Until."""
    (root / "conf").mkdir(parents=True)
    (root / "conf/distributions").write_text(
        f"Codename: {SUITE}\nArchitectures: amd64\nComponents: main\nSignWith: yes\n"
    )
    for deb in sorted(dist.glob("*.deb")):
        words = ("reprepro", "-b", root, "-S", "misc", "-P", "optional", "includedeb", SUITE, deb)
        run(*words, cwd=root, env=who.env)


def flat(root: Path, dist: Path, who: GpgSigner, *options: str) -> None:
    """A flat apt repository by apt-ftparchive, without dists and pool."""
    root.mkdir(parents=True, exist_ok=True)
    for deb in sorted(dist.glob("*.deb")):
        shutil.copy(deb, root)
    index(root, who, *options)


def index(root: Path, who: GpgSigner, *options: str, edit: tuple[str, str] = ("", "")) -> None:
    """Make the indexes of a flat repository; `edit` replaces something in its Packages."""
    words = [word for option in options for word in ("-o", f"APT::FTPArchive::{option}")]
    for name in ("Release", "InRelease", "Release.gpg"):
        (root / name).unlink(missing_ok=True)
    text = run("apt-ftparchive", *words, "packages", ".", cwd=root, env=who.env)
    assert edit[0] in text
    text = text.replace(*edit) if edit[0] else text
    (root / "Packages").write_text(text)
    (root / "Packages.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    made = run("apt-ftparchive", *words, "release", ".", cwd=root, env=who.env)
    (root / "Release").write_text(made)
    who.sign_release(root)


def createrepo(root: Path, signed: Path, who: GpgSigner, *options: str) -> None:
    """A yum repository by createrepo_c, of rpms that are signed already."""
    root.mkdir(parents=True, exist_ok=True)
    for rpm in sorted(signed.glob("*.rpm")):
        shutil.copy(rpm, root)
    metadata(root, who, *options)


def metadata(root: Path, who: GpgSigner, *options: str) -> None:
    """Make the metadata of a yum repository anew."""
    shutil.rmtree(root / "repodata", ignore_errors=True)
    run("createrepo_c", "--quiet", *options, ".", cwd=root, env=who.env)
    who.sign_metadata(root)
