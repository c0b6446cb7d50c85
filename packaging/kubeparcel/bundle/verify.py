"""Verify a bundle completely, in a scratch folder: whoever wrote it, nothing of it is run."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.bundle import model
from kubeparcel.bundle.closure import unmet_requirements
from kubeparcel.bundle.contents import render_installer
from kubeparcel.bundle.model import Manifest, parse_manifest
from kubeparcel.bundle.unpack import unpack
from kubeparcel.console import Log
from kubeparcel.doctor.discovery import Discovery
from kubeparcel.doctor.examination import ExaminationRequest, examine
from kubeparcel.doctor.keys import load_trusted_keys, read_key
from kubeparcel.doctor.package_sets import PackageQuery, open_packages
from kubeparcel.doctor.reader import FolderReader
from kubeparcel.errors import ArchiveError, CheckFailed, ConfigurationError, DigestError, KubeparcelError, UsageError
from kubeparcel.images.archive import read_archive
from kubeparcel.model import PACKAGE_SUFFIXES, Format
from kubeparcel.packages import limits, tar
from kubeparcel.packages.errors import LimitExceeded, MalformedData
from kubeparcel.reports.results import Check, CheckList, Finding, Report
from kubeparcel.repository.signing import openpgp
from kubeparcel.sanitize import printable
from kubeparcel.user_cache import open_store

_HINT = "Do not install from it. Copy or make the bundle again."
_BAD_DATA = (MalformedData, CheckFailed, UsageError, ConfigurationError, ArchiveError, DigestError)
"""What readers raise for data that others wrote."""

_SUM = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


class BundleCheck(CheckList):
    """The checks of a bundle: name, and what is true if they pass."""

    ARCHIVE = ("archive", "the archive is complete, and has regular files below one folder only")
    CHECKSUMS = ("checksums", "SHA256SUMS lists every file with its digest")
    SIGNATURE = ("signature", "a trusted key signed SHA256SUMS")
    MEMBERS = ("members", "the files are those that bundle.json describes")
    PACKAGES = ("packages", "signed indexes list every package file, with its digest")
    COMPLETE = ("complete", "every requirement of the packages is met in the bundle, or by the host as recorded")
    IMAGES = ("images", "the images are intact, and those that bundle.json names")


@dataclass(frozen=True)
class _Unpacked:
    """An unpacked bundle: its folder, the digests of its files by path, and the key that verifies it."""

    folder: Path
    digests: Mapping[str, str]
    key: str
    log: Log

    def read(self, path: str) -> bytes:
        """Return a document. Raises MalformedData if it is missing or too large."""
        if path not in self.digests:
            raise MalformedData(f"{path} is missing")
        file = self.folder / path
        limits.DOCUMENT.check(file.stat().st_size, path)
        return file.read_bytes()

    def files(self, *prefixes: str) -> list[str]:
        """Return the package files below folders."""
        return [p for p in self.digests if p.startswith(prefixes) and p.endswith(PACKAGE_SUFFIXES)]


def verify_bundle(archive: Path, key: str, log: Log) -> Report:
    """Check a bundle. `key` is what to trust, a file or a name; without it, the key in the bundle.

    Raises UsageError if there is no such file, ConfigurationError for an unknown key.
    """
    started = time.monotonic()
    if key:
        read_key(key)
    with open_store(log).scratch(elsewhere=True) as folder:
        checks = tuple(_checks(archive, key, folder, log))
    return Report("bundle", checks, time.monotonic() - started)


def _checks(archive: Path, key: str, folder: Path, log: Log) -> Iterator[Check]:
    try:
        with log.task("Unpack", archive.name, None):
            digests = unpack(archive, folder)
    except MalformedData as error:
        yield BundleCheck.ARCHIVE.result(archive.name, [_finding("a bundle", error)])
        return
    yield BundleCheck.ARCHIVE.result(archive.name)
    bundle = _Unpacked(folder, digests, key or str(folder / model.KEY), log)
    yield BundleCheck.CHECKSUMS.result(model.SUMS, _guarded("checksums", _checksum_findings(bundle)))
    yield BundleCheck.SIGNATURE.result(model.SUMS, _guarded("a signature", _signature_findings(bundle, own=not key)))
    try:
        manifest = parse_manifest(bundle.read(model.MANIFEST))
    except MalformedData as error:
        yield BundleCheck.MEMBERS.result(model.MANIFEST, [_finding("a description of the bundle", error)])
        return
    yield BundleCheck.MEMBERS.result(model.MANIFEST, _guarded("members", _member_findings(bundle, manifest)))
    yield from _repository_checks(bundle, manifest)
    for name in manifest.hosts:
        yield BundleCheck.COMPLETE.result(name, _guarded("packages", _missing(bundle, manifest, name)))
    if manifest.images or model.IMAGES in digests:
        yield BundleCheck.IMAGES.result(model.IMAGES, _guarded("images", _image_findings(bundle, manifest)))


def _finding(expected: str, error: Exception, location: str = "") -> Finding:
    message = error.message if isinstance(error, KubeparcelError) else str(error)
    hint = error.hint if isinstance(error, LimitExceeded) else _HINT
    return Finding(expected, printable(message), location, hint)


def _guarded(expected: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield the findings; data that cannot be read are one."""
    try:
        yield from findings
    except _BAD_DATA as error:
        yield _finding(expected, error)


def _checksum_findings(bundle: _Unpacked) -> Iterator[Finding]:
    lines = bundle.read(model.SUMS).decode("utf-8", "replace").splitlines()
    matches = [_SUM.fullmatch(line) for line in lines]
    if not all(matches) or len({m[2] for m in matches if m}) != len(lines):
        raise MalformedData(f"{model.SUMS} has lines that are not a digest and a path, or a path twice")
    listed = {match[2]: match[1] for match in matches if match}
    own = {model.SUMS, model.SIGNATURE}
    for path in sorted(listed.keys() | bundle.digests.keys() - own):
        expected, found = listed.get(path, ""), bundle.digests.get(path, "")
        if expected != found:
            yield Finding(
                f"sha256 {expected}" if expected else "no such file",
                f"sha256 {found}" if expected and found else "an unexpected file" if found else "no such file",
                printable(path),
                _HINT,
            )


def _signature_findings(bundle: _Unpacked, *, own: bool) -> Iterator[Finding]:
    sums, signature = bundle.read(model.SUMS), bundle.read(model.SIGNATURE)
    bundle.read(model.KEY)
    with load_trusted_keys(FolderReader(bundle.folder), Discovery((), ()), bundle.key, time.time(), 0) as keys:
        if keys.verifier is None or not keys.keys:
            yield Finding("a public key", "none that gpg can import", model.KEY, _HINT)
            return
        problem = keys.verifier.gpgv_problem(openpgp.dearmor(signature), sums)
        if problem:
            yield Finding("a valid signature by a trusted key", problem, model.SIGNATURE, _HINT)
        elif own:
            names = ", ".join(key.fingerprint for key in keys.keys)
            bundle.log.info("Key", f"the bundle's own, {names}\npass --key FILE to verify with a key that you trust")


def _member_findings(bundle: _Unpacked, manifest: Manifest) -> Iterator[Finding]:
    """Yield unexpected members, hosts without their packages, and another install script than this one."""
    fixed = {model.SUMS, model.SIGNATURE, model.MANIFEST, model.INSTALLER, model.KEY, model.KEYRING}
    fixed |= {model.IMAGES} if manifest.images else set()
    folders = {f"{model.REPOSITORY}/{model.INDEX_FOLDERS[Format(format_)]}/" for format_ in manifest.packages}
    for name, host in manifest.hosts.items():
        if host.format not in manifest.packages:
            yield Finding(f"{host.format} packages for {name}", "none", model.MANIFEST, _HINT)
        folders |= {_dependencies(manifest, name)} if host.dependencies else set()
    for path in sorted(bundle.digests.keys() - fixed):
        if not path.startswith(tuple(folders)):
            yield Finding("no such member", "an unexpected file", printable(path), _HINT)
    for path in sorted(fixed - bundle.digests.keys()):
        yield Finding("a file", "no such file", path, _HINT)
    fingerprint = re.search(rb"(?m)^fingerprint='([0-9A-F]{40,64})'$", bundle.read(model.INSTALLER))
    rendered = render_installer(manifest, fingerprint[1].decode()) if fingerprint else ""
    if rendered.encode() != bundle.read(model.INSTALLER):
        found = "another script: of another version of kubeparcel, or a changed one"
        bundle.log.warn(f"{model.INSTALLER} is {found}. Read it before you run it.")


def _dependencies(manifest: Manifest, host: str) -> str:
    return f"{model.DEPENDENCIES}/{host}/{model.INDEX_FOLDERS[manifest.hosts[host].format]}/"


def _repository_checks(bundle: _Unpacked, manifest: Manifest) -> Iterator[Check]:
    """Examine the repository as `doctor` does, and compare the indexes of all with the files."""
    request = ExaminationRequest(str(bundle.folder / model.REPOSITORY), bundle.key, horizon_days=0)
    try:
        for subject in examine(request, bundle.log).subjects:
            yield from subject.checks
    except _BAD_DATA as error:
        yield BundleCheck.PACKAGES.result(model.REPOSITORY, [_finding("a repository", error)])
        return
    places = {model.REPOSITORY: f"{model.REPOSITORY}/"}
    places |= {
        f"{model.DEPENDENCIES}/{name}": f"{model.DEPENDENCIES}/{name}/"
        for name, host in manifest.hosts.items()
        if host.dependencies
    }
    for root, prefix in places.items():
        yield BundleCheck.PACKAGES.result(root, _guarded("packages", _index_findings(bundle, root, prefix)))


def _index_findings(bundle: _Unpacked, root: str, prefix: str) -> Iterator[Finding]:
    query = PackageQuery(bundle.key, all_versions=True)
    try:
        with open_packages(str(bundle.folder / root), query, bundle.log) as found:
            listed = {f"{prefix}{package.path}": package.sha256 for package in found.packages}
    except UsageError as error:
        yield _finding("a repository with packages", error, root)
        return
    for path in sorted(listed.keys() | set(bundle.files(prefix))):
        if listed.get(path) != bundle.digests.get(path):
            found_text = "another file" if path in listed and path in bundle.digests else "no such file"
            expected = f"sha256 {listed[path]}" if path in listed else "a file that an index lists"
            yield Finding(expected, found_text if path in listed else "an unlisted file", printable(path), _HINT)


def _missing(bundle: _Unpacked, manifest: Manifest, name: str) -> Iterator[Finding]:
    host = manifest.hosts[name]
    repository = f"{model.REPOSITORY}/{model.INDEX_FOLDERS[host.format]}/"
    files = bundle.files(repository, _dependencies(manifest, name))
    for requirement in sorted(unmet_requirements(bundle.folder / f for f in files) - set(host.expects)):
        found = "neither in the bundle nor expected of the host"
        yield Finding(requirement, found, hint="The packages cannot be installed. Make the bundle again.")


def _image_findings(bundle: _Unpacked, manifest: Manifest) -> Iterator[Finding]:
    archive = bundle.folder / model.IMAGES
    if model.IMAGES not in bundle.digests:
        raise MalformedData(f"{model.IMAGES} is missing")
    # A plain tar within limits: read_archive() relies on Python's tarfile.
    for _ in tar.archive_members(archive, archive.name, limits.BUNDLE, limits.BUNDLE_TIME, "none"):
        pass
    with open_store(bundle.log).scratch(elsewhere=True) as scratch:
        try:
            found = {name for image in read_archive(archive, manifest.arch, scratch) for name in image.names}
        except RecursionError:
            raise MalformedData(f"{model.IMAGES} is nested too deeply") from None
    for name in sorted(found ^ set(manifest.images)):
        expected, actual = ("the image", "missing") if name in manifest.images else ("no such image", "an image")
        yield Finding(expected, actual, printable(name), _HINT)
