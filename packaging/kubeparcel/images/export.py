"""Images of nodes as files: from packages and hosts to archives, and into the engine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log, format_table, quantity
from kubeparcel.errors import UsageError
from kubeparcel.files import atomic_write, sha256_of
from kubeparcel.hosts import selection, session
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.hosts.session import Session
from kubeparcel.images import node_image
from kubeparcel.images.node_image import NodeImage
from kubeparcel.model import Arch, Format
from kubeparcel.packages.find import find_package_files
from kubeparcel.paths import cache_dir, display_path
from kubeparcel.store import Store

RECORDS = "node-images"


@dataclass(frozen=True)
class ImageRequest:
    """Which packages go onto which hosts; without hosts, the first possible of each format.

    `out` is the folder for the archives; with `load` the engine gets the images too.
    """

    paths: tuple[Path, ...]
    hosts: tuple[str, ...]
    engine: str
    out: Path
    load: bool = False


@dataclass(frozen=True)
class ImageArchive:
    """One image's archive. `packages` are versions by name; `size` is in bytes."""

    host: Host
    name: str
    file: Path
    sha256: str
    size: int
    packages: Mapping[str, str]
    is_new: bool


@dataclass(frozen=True)
class ExportResult:
    """All archives that were asked for."""

    archives: tuple[ImageArchive, ...]
    engine: str
    loaded: bool

    def as_json(self) -> str:
        """One document."""
        rows = [
            {
                "host": one.host.name,
                "image": one.name,
                "archive": str(one.file),
                "sha256": one.sha256,
                "size": one.size,
                "packages": dict(one.packages),
                "new": one.is_new,
            }
            for one in self.archives
        ]
        return json.dumps({"engine": self.engine, "loaded": self.loaded, "images": rows}, indent=2)

    def as_text(self) -> str:
        """A row an image, and what to type next."""
        lines = [
            [one.host.name, one.name, quantity(one.size, "B"), display_path(one.file)]
            for one in self.archives
        ]
        text = format_table(["Host", "Image", "Size", "Archive"], lines, right=(2,))
        if not any(one.is_new for one in self.archives):
            text += "\nNothing to do: the archives hold these packages already."
        first = self.archives[0]
        if self.loaded:
            return f"{text}\nNext: start a node of {first.name} as docs/how-to/node-images.md says."
        return f"{text}\nNext: {self.engine} load --input {display_path(first.file)}"


def export_images(request: ImageRequest, log: Log) -> ExportResult:
    """Make the archives; one that is there and whole is not made again.

    Raises UsageError when a host's packages are not all there, ToolError when they do not install.
    """
    files = find_package_files(request.paths)
    formats = {Format(file.suffix.lstrip(".")) for file in files}
    with session.open_session(Store(cache_dir()), log, engine=request.engine) as here:
        hosts = selection.select_hosts(
            request.hosts, "cluster", formats, here.engine, here.locations
        )
        selection.log_hosts(hosts, here.engine, log)
        sets = load_package_sets(files, here.folder / "packages", {host.format for host in hosts})
        for host in hosts:
            require_all_packages(host, sets.get(host.format), request.paths)
        made = [_archive(here, host, sets[host.format], request.out) for host in hosts]
        if request.load:
            for one in made:
                here.image_cache.mark_used(one.name)
                if not here.engine.has_image(one.name):
                    here.engine.load_image(one.file)
        return ExportResult(tuple(made), here.engine.name, request.load)


def require_all_packages(host: Host, packages: PackageSet | None, paths: Sequence[Path]) -> None:
    """Raise UsageError unless all of Kubernetes' packages are there: a node needs them."""
    there = packages.names if packages else ()
    missing = [name for name in catalogs.load().packages if name not in there]
    if missing:
        raise UsageError(
            f"{host.name} takes {host.format} packages for {Arch.native()}, and of these "
            f"{', '.join(missing)} are not in {', '.join(display_path(path) for path in paths)}.",
            "Make them: inv build. Or name the folder that has them.",
        )


def _archive(here: Session, host: Host, packages: PackageSet, out: Path) -> ImageArchive:
    wanted = NodeImage.for_host(here, host, packages)
    target = out / f"{host.name}-kubernetes-{wanted.version}-{Arch.native()}.tar"
    known = here.store.get_record(RECORDS, wanted.name)
    fresh = not (known and target.is_file() and sha256_of(target) == known)
    if fresh:
        with here.store.scratch() as scratch, atomic_write(target) as part:
            node_image.write_node_archive(here, wanted, scratch, part)
            known = sha256_of(part)
        here.store.put_record(RECORDS, wanted.name, known)
    size = target.stat().st_size
    return ImageArchive(host, wanted.name, target, known, size, packages.versions, fresh)
