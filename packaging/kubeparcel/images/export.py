"""Write node images to archives and load them into the engine: the task `image`."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.config import catalog
from kubeparcel.console import Log, quantity
from kubeparcel.errors import UsageError
from kubeparcel.files import atomic_write, sha256_of
from kubeparcel.hosts import selection
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.hosts.session import Session, open_session
from kubeparcel.images.node_image import NodeImage, write_node_archive
from kubeparcel.model import Arch, Format
from kubeparcel.packages.find import find_package_files
from kubeparcel.paths import display_path
from kubeparcel.tables import format_table
from kubeparcel.user_cache import open_store

RECORDS = "node-images"


@dataclass(frozen=True)
class ImageRequest:
    """Which packages to install on which hosts; no hosts means the default of each format.

    `out` is the folder for the archives; with `load`, the engine loads them too. With `hold`,
    upgrades in the images keep the packages.
    """

    paths: tuple[Path, ...]
    hosts: tuple[str, ...]
    engine: str
    out: Path
    load: bool = False
    hold: bool = False


@dataclass(frozen=True)
class ImageArchive:
    """The archive of a node image. `packages` are versions by name, `size` is in bytes."""

    host: Host
    name: str
    file: Path
    sha256: str
    size: int
    packages: Mapping[str, str]
    is_new: bool


@dataclass(frozen=True)
class ExportResult:
    """The archives, the engine, and whether the engine has loaded them."""

    archives: tuple[ImageArchive, ...]
    engine: str
    loaded: bool

    def as_json(self) -> str:
        images = [
            {
                "host": archive.host.name,
                "image": archive.name,
                "archive": str(archive.file),
                "sha256": archive.sha256,
                "size": archive.size,
                "packages": dict(archive.packages),
                "new": archive.is_new,
            }
            for archive in self.archives
        ]
        return json.dumps({"engine": self.engine, "loaded": self.loaded, "images": images}, indent=2)

    def as_text(self) -> str:
        """Return a table of the archives and the next command to run."""
        lines = [
            [archive.host.name, archive.name, quantity(archive.size, "B"), display_path(archive.file)]
            for archive in self.archives
        ]
        text = format_table(["Host", "Image", "Size", "Archive"], lines, right=(2,))
        if not any(archive.is_new for archive in self.archives):
            text += "\nNothing to do: the archives are up to date."
        first = self.archives[0]
        if self.loaded:
            return f"{text}\nNext: start a node of {first.name}, see docs/how-to/node-images.md."
        return f"{text}\nNext: {self.engine} load --input {display_path(first.file)}"


def export_images(request: ImageRequest, log: Log) -> ExportResult:
    """Write the archives; those that exist and are intact are not written again.

    Raises UsageError if packages for a host are missing, ToolError if they cannot be installed.
    """
    files = find_package_files(request.paths)
    formats = {Format(file.suffix.lstrip(".")) for file in files}
    with open_session(open_store(log), log, engine=request.engine) as session:
        engine, locations = session.engine, session.locations
        hosts = selection.select_hosts(request.hosts, "cluster", formats, engine, locations)
        log.info("Hosts", selection.describe_hosts(hosts, engine))
        package_sets = load_package_sets(files, session.folder / "packages", {host.format for host in hosts})
        for host in hosts:
            require_all_packages(host, package_sets.get(host.format), request.paths)
        archives = [_write_archive(session, host, package_sets[host.format], request) for host in hosts]
        if request.load:
            for archive in archives:
                session.image_cache.ensure(archive.name, functools.partial(engine.load_image, archive.file))
        return ExportResult(tuple(archives), engine.name, request.load)


def require_all_packages(host: Host, packages: PackageSet | None, paths: Sequence[Path]) -> None:
    """Raise UsageError unless all packages of Kubernetes are present: a node needs them."""
    names = packages.names if packages else ()
    required = (name for name, spec in catalog.load().packages.items() if not spec.optional)
    missing = [name for name in required if name not in names]
    if missing:
        raise UsageError(
            f"{host.name} needs {host.format} packages for {Arch.native()}; missing in "
            f"{', '.join(display_path(path) for path in paths)}: {', '.join(missing)}.",
            "Build them with inv build, or name the folder that contains them.",
        )


def _write_archive(session: Session, host: Host, packages: PackageSet, request: ImageRequest) -> ImageArchive:
    image = NodeImage.for_host(session, host, packages, hold=request.hold)
    target = request.out / f"{host.name}-kubernetes-{image.version}-{Arch.native()}.tar"
    sha256 = session.store.get_record(RECORDS, image.name)
    is_new = not (sha256 and target.is_file() and sha256_of(target) == sha256)
    if is_new:
        with session.store.scratch() as scratch, atomic_write(target) as part:
            write_node_archive(session, image, scratch, part)
            sha256 = sha256_of(part)
        session.store.put_record(RECORDS, image.name, sha256)
    return ImageArchive(host, image.name, target, sha256, target.stat().st_size, packages.versions, is_new)
