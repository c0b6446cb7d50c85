"""Make a bundle: packages, what their hosts lack, images, keys and the install script."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from kubeparcel.bundle import archive, model
from kubeparcel.bundle.closure import unmet_requirements
from kubeparcel.bundle.contents import Contents
from kubeparcel.bundle.host_packages import HostPackages, default_runtime, download_host_packages
from kubeparcel.bundle.images import Images, archived_names, collect_images
from kubeparcel.bundle.model import HostEntry, Manifest
from kubeparcel.bundle.result import BundleResult, Part
from kubeparcel.console import Log, quantity
from kubeparcel.doctor.package_sets import PackageQuery, open_packages
from kubeparcel.errors import UsageError
from kubeparcel.files import sha256_of
from kubeparcel.hosts.catalog import Host, load_hosts
from kubeparcel.hosts.engine import EngineUnavailable
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.hosts.selection import describe_hosts, unavailable_reason
from kubeparcel.hosts.session import Session, open_session
from kubeparcel.model import Arch, Format
from kubeparcel.packages.architectures import common_name
from kubeparcel.packages.relations import PACKAGE_NAME
from kubeparcel.repository.candidates.scan import scan_folder, side_files
from kubeparcel.repository.signing.signer import open_signer
from kubeparcel.user_cache import open_store

PackageSets = Mapping[Format, PackageSet]


@dataclass(frozen=True)
class BundleRequest:
    """What to put into which bundle.

    `source` is a folder with packages or a repository (folder, URL or bucket), of which `suites` are used.
    `extras` are packages of the distributions to add; None means a container runtime. `images` are archives of further
    images. `key` signs the bundle.
    """

    source: str
    hosts: tuple[str, ...]
    target: Path
    key: str = ""
    suites: tuple[str, ...] = ()
    extras: tuple[str, ...] | None = None
    images: tuple[Path, ...] = ()
    with_images: bool = True
    engine: str = ""
    dry_run: bool = False


def create(request: BundleRequest, log: Log) -> BundleResult:
    """Make a bundle, or with `dry_run` resolve what it would contain.

    Raises UsageError for an unknown host, a file that exists, or packages that a host cannot install,
    EngineUnavailable for a host that cannot be started here, ToolError if its packages cannot be downloaded.
    """
    started = time.monotonic()
    archive.require_new_file(request.target)
    invalid = [name for name in request.extras or () if not PACKAGE_NAME.fullmatch(name)]
    if invalid:
        raise UsageError(f"--with: invalid package name {invalid[0]!r}.")
    hosts = [load_hosts().get(name) for name in dict.fromkeys(request.hosts)]
    locations = replace(ImageLocations.from_environment(), archive_files=request.images)
    with (
        open_session(open_store(log), log, engine=request.engine, locations=locations) as session,
        session.store.scratch() as scratch,
    ):
        archived = archived_names(request.images, scratch)
        for host in hosts:
            if reason := unavailable_reason(host, session.engine, session.locations):
                raise EngineUnavailable(f"The host {host.name} is unavailable: {reason}.", "Hosts: inv hosts --all")
        log.info("Hosts", describe_hosts(hosts, session.engine))
        sets = _load_packages(request, hosts, scratch / "packages", log)
        resolved = _resolve(session, hosts, sets, request, scratch / "downloads")
        names = tuple(dict.fromkeys([*chain.from_iterable(host.images for host in resolved), *archived]))
        manifest = _manifest(sets, resolved)
        images = Images((), names)
        if names and not request.dry_run:
            images = collect_images(session, manifest.version, names, scratch)
        parts = _parts(sets, resolved, images)
        if request.dry_run:
            return BundleResult(request.target, manifest, parts, time.monotonic() - started, dry_run=True)
        manifest = _write(request, manifest, resolved, images, scratch, log)
    sha256, size = sha256_of(request.target), request.target.stat().st_size
    return BundleResult(request.target, manifest, parts, time.monotonic() - started, False, sha256, size)


def _load_packages(request: BundleRequest, hosts: Sequence[Host], folder: Path, log: Log) -> PackageSets:
    """Return the newest packages for this machine in the formats of the hosts; they are linked into `folder`."""
    formats, native = {host.format for host in hosts}, Arch.native()
    with open_packages(request.source, PackageQuery(suites=request.suites), log) as found:
        by_arch = [package for package in found.packages if common_name(package.arch) in (native.value, "all")]
        missing = formats - {package.format for package in by_arch}
        if missing:
            others = sorted({f"{common_name(p.arch)} ({p.format})" for p in found.packages})
            raise UsageError(
                f"{found.location} has no {' and no '.join(sorted(missing))} packages for {native}, "
                f"only for {', '.join(others)}.",
                "Make the bundle on a machine of the hosts' architecture, and build both formats for it.",
            )
        sets = load_package_sets(found.files([p for p in by_arch if p.format in formats]), folder, formats)
    described: Mapping[str, Mapping[str, str]] = {}
    if "://" not in request.source:
        with suppress(UsageError):  # a repository
            described = side_files(scan_folder(Path(request.source)))
    for contents in chain.from_iterable(packages.contents for packages in sets.values()):
        for suffix, path in described.get(str(contents.file), {}).items():
            link = sets[contents.format].folder / f"{contents.file.name}{suffix}"
            link.symlink_to(Path(path).absolute())
    total = [packages.folder / name for packages in sets.values() for name in packages.files]
    log.info("Packages", f"{len(total)} from {found.location} · {quantity(Part.of('', total).size, 'B')}")
    return sets


def _resolve(
    session: Session, hosts: Sequence[Host], sets: PackageSets, request: BundleRequest, folder: Path
) -> list[HostPackages]:
    folder.mkdir()
    resolved: list[HostPackages] = []
    for host in hosts:
        requested = default_runtime(host) if request.extras is None else request.extras
        listing = request.with_images and not any(other.images for other in resolved)
        own = folder / host.name
        packages = sets[host.format]
        resolved.append(download_host_packages(session, host, packages, requested, own, list_images=listing))
    return resolved


def _manifest(sets: PackageSets, resolved: Sequence[HostPackages]) -> Manifest:
    versions = {str(f): dict(packages.versions) for f, packages in sets.items()}
    contents = [contents for packages in sets.values() for contents in packages.contents]
    released = {c.name: c.upstream_version for c in contents}
    version = next((released[name] for name in ("kubeadm", "kubelet") if name in released), max(released.values()))
    entries = {
        needs.host.name: HostEntry(
            needs.host.format,
            needs.host.family.package_manager,
            needs.os,
            needs.extras,
            tuple(file.name for file in needs.files),
            tuple(sorted(unmet_requirements([*_paths(sets[needs.host.format]), *needs.files]))),
        )
        for needs in resolved
    }
    return Manifest(version, Arch.native(), max(c.build_time for c in contents), versions, entries)


def _paths(packages: PackageSet) -> list[Path]:
    return [packages.folder / name for name in packages.files]


def _parts(sets: PackageSets, resolved: Sequence[HostPackages], images: Images) -> tuple[Part, ...]:
    parts = [Part.of(f"Kubernetes packages ({format_})", _paths(packages)) for format_, packages in sets.items()]
    parts += [Part.of(f"packages that {needs.host.name} lacks", needs.files) for needs in resolved]
    if images.archive:
        parts.append(Part.of(f"control-plane images ({len(images.names)})", [images.archive]))
    return tuple(parts)


def _write(
    request: BundleRequest,
    manifest: Manifest,
    resolved: Sequence[HostPackages],
    images: Images,
    scratch: Path,
    log: Log,
) -> Manifest:
    """Publish, sign and write everything; return the final manifest."""
    with open_signer(request.key, log) as signer:
        contents = Contents(scratch / "contents", request.key, signer.at(manifest.created), log)
        contents.add_repository(model.REPOSITORY, scratch / "packages", model.SUITE)
        for needs in resolved:
            contents.add_dependencies(needs.host.name, needs.files)
        if images.archive:
            contents.files[model.IMAGES] = images.archive
        final = contents.add_description(manifest, images.names, images.missing)
        total = sum(file.stat().st_size for file in contents.files.values())
        with log.task("Bundle", quantity(total, "B"), None):
            archive.write_archive(contents.files, final.created, request.target)
    return final
