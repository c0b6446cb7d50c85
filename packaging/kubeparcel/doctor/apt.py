"""Checks of an apt suite's indexes: their digests, their forms, and their entries."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping

from kubeparcel.doctor.apt_release import SUFFIXES, SuiteContext, check_release, release_entries
from kubeparcel.doctor.discovery import Suite
from kubeparcel.doctor.findings import UNREADABLE_INDEX, CheckKind, Fault, FileDigest, Subject, differences, hash_blocks
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format
from kubeparcel.packages.compression import decompress_index
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.errors import MalformedData
from kubeparcel.repository.model import Package
from kubeparcel.repository.storage.base import check_path

_NEEDS_RELEASE = (CheckKind.DATES, CheckKind.FIELDS, CheckKind.INDEXES, CheckKind.ENTRIES)
_UNSUPPORTED_SUFFIXES = SUFFIXES[5:]
_BY_HASH_ALGORITHMS = ("sha256", "sha512")
_DIGEST_FIELDS = {"sha256": "sha256", "sha512": "sha512", "sha1": "sha1", "md5": "md5sum"}
_ENTRY_FIELDS = "Package, Version, Architecture, Filename, Size and SHA256"
_MISMATCH_HINT = "apt rejects it (Hash Sum mismatch). Publish again."
_MISSING_HINT = "apt update fails. Publish again."
_BY_HASH_HINT = "apt update fails, since the Release announces Acquire-By-Hash. Publish again."
_ENTRY_HINT = "apt cannot install the package. Generate the index again, with SHA256."


def check_suite(reader: RepositoryReader, suite: Suite, name: str, keys: TrustedKeys) -> Subject:
    """Check a suite's Release and indexes; package files are checked separately."""
    context = SuiteContext(reader, suite, Subject(name))
    subject = context.subject
    fields = check_release(context, keys)
    if fields is None:
        subject.mark_not_run("the Release could not be read", *_NEEDS_RELEASE)
        subject.complete = False
        return subject
    packages: set[Package] = set()
    for index, data in _check_indexes(context, fields):
        packages |= set(_check_entries(context, index, data))
    if not subject.complete:
        subject.mark_not_run(UNREADABLE_INDEX, CheckKind.ENTRIES)
    subject.packages = frozenset(packages)
    subject.file_paths = {_file_path(suite, package) for package in packages}
    return subject


def _file_path(suite: Suite, package: Package) -> str:
    return posixpath.normpath(f"{suite.base}/{package.path}").lstrip("/")


def _check_indexes(context: SuiteContext, fields: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Check the files that a Release lists; yield name and text of each Packages."""
    context.subject.mark_run(CheckKind.INDEXES)
    forms_by_index: dict[str, dict[str, FileDigest]] = {}
    for name, listed in release_entries(fields).items():
        base, suffix = posixpath.splitext(name)
        index, suffix = (base, suffix) if suffix in SUFFIXES[1:] else (name, "")
        forms_by_index.setdefault(index, {})[suffix] = listed
    by_hash = fields.get("acquire-by-hash") == "yes"
    for index, forms in forms_by_index.items():
        if index.rpartition("/")[2] == "Packages":
            data = _check_packages_index(context, index, forms, by_hash)
            if data is not None:
                yield index, data
        else:
            _check_other_index(context, index, forms)


def _check_other_index(context: SuiteContext, index: str, forms: Mapping[str, FileDigest]) -> None:
    """Check an index that is not of packages; Debian lists some that do not exist."""
    exists = False
    for suffix, listed in forms.items():
        path = _listed_path(context, index + suffix)
        actual = _digest(context, path, listed) if path else None
        if actual:
            exists = True
            context.subject.add_faults(_mismatches(path, listed, actual))
    if not exists:
        context.subject.add_remark(f"{index} is listed in the Release but does not exist")


def _digest(context: SuiteContext, path: str, listed: FileDigest) -> FileDigest | None:
    return context.reader.stream(path, lambda blocks: hash_blocks(blocks, listed.digests))


def _listed_path(context: SuiteContext, name: str) -> str:
    """Return the path of a listed file; empty for one outside the suite, which is a finding."""
    try:
        return context.path(check_path(name))
    except ConfigurationError:
        context.subject.add_finding(
            CheckKind.INDEXES,
            "a path below the suite",
            name,
            context.path("Release"),
            "apt rejects such paths. Generate the Release again.",
        )
        return ""


def _mismatches(path: str, listed: FileDigest, actual: FileDigest) -> Iterator[Fault]:
    for expected, found in differences(listed, actual):
        yield Fault(CheckKind.INDEXES, expected, found, path, _MISMATCH_HINT)


def _check_packages_index(
    context: SuiteContext, index: str, forms: Mapping[str, FileDigest], by_hash: bool
) -> bytes | None:
    """Check each form of an index of packages; return the text of one, if possible a valid one."""
    valid: list[bytes] = []
    doubtful: list[bytes] = []
    for suffix in sorted(forms, key=SUFFIXES.index):
        path = _listed_path(context, index + suffix)
        data = context.reader.read(path) if path else None
        if data is None:
            # Debian lists the uncompressed index without having it, which apt expects.
            if path and (suffix or len(forms) == 1):
                context.subject.add_finding(CheckKind.INDEXES, index + suffix, "file not found", path, _MISSING_HINT)
            continue
        actual = hash_blocks([data], forms[suffix].digests)
        faults = list(_mismatches(path, forms[suffix], actual))
        context.subject.add_faults(faults)
        if by_hash:
            _check_by_hash(context, index + suffix, forms[suffix])
        text = _unpack(context, path, data, reported=bool(faults))
        if text is not None:
            (doubtful if faults else valid).append(text)
    _check_forms_agree(context, index, forms, valid)
    best = next(iter((*valid, *doubtful)), None)
    context.subject.complete = context.subject.complete and best is not None
    return best


def _unpack(context: SuiteContext, path: str, data: bytes, *, reported: bool) -> bytes | None:
    if posixpath.splitext(path)[1] in _UNSUPPORTED_SUFFIXES:
        return None
    try:
        return decompress_index(path, data)
    except MalformedData as error:
        if not reported:
            context.subject.add_finding(CheckKind.INDEXES, "a complete file", str(error), path, _MISSING_HINT)
        return None


def _check_forms_agree(context: SuiteContext, index: str, forms: Mapping[str, FileDigest], texts: list[bytes]) -> None:
    """Check that clients read the same text whichever form they choose."""
    digests = {hashlib.sha256(text).hexdigest() for text in texts}
    if "" in forms:
        digests |= {forms[""].digests.get("sha256", "")} - {""}
    if len(digests) > 1:
        names = ", ".join(index + suffix for suffix in sorted(forms, key=SUFFIXES.index))
        context.subject.add_finding(
            CheckKind.INDEXES,
            f"the same text in {names}",
            "they differ",
            context.path(index),
            "Clients see different packages. Generate all forms from the same text.",
        )


def _check_by_hash(context: SuiteContext, name: str, listed: FileDigest) -> None:
    context.subject.mark_run(CheckKind.BY_HASH)
    folder = posixpath.dirname(name)
    algorithm = next((known for known in _BY_HASH_ALGORITHMS if known in listed.digests), "")
    digest = listed.digests.get(algorithm, "")
    path = context.path(f"{folder}/by-hash/{algorithm.upper()}/{digest}".lstrip("/"))
    data = context.reader.read(path)
    expected = f"{name} under its digest"
    if data is None:
        found = "file not found"
    elif hashlib.new(algorithm, data).hexdigest() != digest:
        found = "other bytes"
    else:
        return
    context.subject.add_finding(CheckKind.BY_HASH, expected, found, path, _BY_HASH_HINT)


def _check_entries(context: SuiteContext, index: str, data: bytes) -> Iterator[Package]:
    context.subject.mark_run(CheckKind.ENTRIES)
    path = context.path(index)
    arch = index.rpartition("/")[0].rpartition("binary-")[2]
    digests: dict[tuple[str, ...], str] = {}
    for stanza in data.decode("utf-8", "replace").split("\n\n"):
        fields = deb_metadata.parse_fields(stanza)
        package = _parse_entry(context, path, fields) if fields else None
        if package is None:
            continue
        if arch and package.arch not in (arch, "all"):
            hint = f"Clients of {arch} cannot install it. Generate the index again."
            expected = f"packages for {arch}"
            context.subject.add_finding(CheckKind.ENTRIES, expected, package.label, path, hint)
        if digests.setdefault(package.identity, package.sha256) != package.sha256:
            found = f"{package.label} with two digests"
            hint = "Clients install either. Remove one, or publish it with a higher revision."
            context.subject.add_finding(CheckKind.ENTRIES, "one file for each version", found, path, hint)
        yield package


def _parse_entry(context: SuiteContext, path: str, fields: Mapping[str, str]) -> Package | None:
    try:
        identity = deb_metadata.identity(fields)
        file_path = check_path(fields["filename"].removeprefix("./"))
        size = int(fields["size"])
        digest = fields.get("sha256") or fields["sha512"]
    except (MalformedData, ConfigurationError, KeyError, ValueError) as error:
        name = f"{fields.get('package', '?')} {fields.get('version', '?')}"
        missing = isinstance(error, KeyError)
        problem = f"field {error} is missing" if missing else str(error).split("\n")[0]
        context.subject.add_finding(CheckKind.ENTRIES, _ENTRY_FIELDS, f"{name}: {problem}", path, _ENTRY_HINT)
        context.subject.complete = False
        return None
    dependencies = deb_metadata.dependencies(fields)
    package = Package(Format.DEB, *identity, digest, size, digest, dependencies, file_path)
    context.subject.digests[package] = {
        algorithm: fields[name] for algorithm, name in _DIGEST_FIELDS.items() if fields.get(name)
    }
    return package
