"""The files of a bundle by their paths: signed repositories, keys, the install script, checksums."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kubeparcel.bundle import model
from kubeparcel.bundle.model import Manifest, parse_manifest
from kubeparcel.config import catalog
from kubeparcel.console import Log
from kubeparcel.errors import CheckFailed
from kubeparcel.files import sha256_of, translate_os_errors
from kubeparcel.packages.errors import MalformedData
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.signing.signer import Signer
from kubeparcel.templates import render

_OPTIONS: dict[str, str | int | bool] = {"valid_days": 0, "base_url": "file:///"}
"""Nobody can renew the signatures of a bundle."""


@dataclass(frozen=True)
class Contents:
    """The files of a bundle by path; `folder` is for those that are written for it.

    All is signed by `signer` at its moment, which makes the bytes those of the inputs.
    """

    folder: Path
    key: str
    signer: Signer
    log: Log
    files: dict[str, Path] = field(default_factory=dict)

    def add_repository(self, name: str, packages: Path, suite: str, *, foreign: bool = False) -> None:
        """Publish a folder as a repository; `foreign` packages are neither checked nor signed, only their indexes."""
        root = self.folder / name
        options = {**_OPTIONS, "sign_rpms": not foreign}
        target = Target(str(root), self.key, options=options, moment=self.signer.moment)
        publisher.publish(packages, target, self.log, suite=suite, skip_layout_check=foreign)
        for index in model.INDEX_FOLDERS.values():
            files = [path for path in (root / index).rglob("*") if path.is_file() and path.suffix != ".html"]
            self.files.update({f"{name}/{path.relative_to(root).as_posix()}": path for path in files})

    def add_dependencies(self, host: str, packages: Sequence[Path]) -> None:
        """Publish the distribution's packages for a host, in its own repository: others may have other versions."""
        if not packages:
            return
        folder = self.folder / "packages" / host
        folder.mkdir(parents=True)
        for file in packages:
            os.link(file, folder / file.name)
        self.add_repository(f"{model.DEPENDENCIES}/{host}", folder, host, foreign=True)

    def add_description(self, manifest: Manifest, images: Sequence[str], missing: Sequence[str]) -> Manifest:
        """Add the keys, the manifest, the install script, and the checksums of all with their signature.

        Raises CheckFailed if names or versions could not be written into a script.
        """
        final = replace(manifest, created=self.signer.moment, images=tuple(images), missing_images=tuple(missing))
        try:
            parse_manifest(final.dump())
        except MalformedData as error:
            raise CheckFailed(f"The bundle cannot be described: {error}.", "Check the packages.") from None
        self._write(model.KEY, self.signer.export_public_keys(armored=True))
        self._write(model.KEYRING, self.signer.export_public_keys(armored=False))
        self._write(model.MANIFEST, final.dump())
        self._write(model.INSTALLER, render_installer(final, self.signer.keys[0].fingerprint).encode())
        sums = "".join(f"{sha256_of(path)}  {name}\n" for name, path in sorted(self.files.items())).encode()
        self._write(model.SUMS, sums)
        self._write(model.SIGNATURE, self.signer.sign_detached(sums))
        return final

    def _write(self, name: str, data: bytes) -> None:
        path = self.folder / name
        with translate_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self.files[name] = path


def render_installer(manifest: Manifest, fingerprint: str) -> str:
    """Return install.sh: a row for each host, and what is installed by default."""
    names = sorted({name for packages in manifest.packages.values() for name in packages})
    specs = catalog.load().packages
    usual = [name for name in names if not (name in specs and specs[name].optional)]
    context = {
        "version": manifest.version,
        "machine": manifest.arch.rpm,
        "fingerprint": fingerprint,
        "packages": usual or names,
        "hosts": manifest.hosts,
        "suite": model.SUITE,
        "lacks_addons": bool(manifest.images and manifest.missing_images),
        "pause": next((name for name in manifest.images if "/pause:" in name), ""),
    }
    return render("bundle/install.sh.j2", context)
