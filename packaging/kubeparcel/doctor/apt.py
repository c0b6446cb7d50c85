"""Checks of an apt suite: of its Release and of all indexes that this lists."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from kubeparcel.doctor.apt_entries import Entries, check_entries, locate_files
from kubeparcel.doctor.apt_indexes import (
    UNSUPPORTED_SUFFIXES,
    check_packages_index,
    listed_path,
    mismatches,
    read_digest,
)
from kubeparcel.doctor.apt_release import check_release
from kubeparcel.doctor.apt_suite import SUFFIXES, SuiteContext, announces_by_hash, release_entries
from kubeparcel.doctor.discovery import Suite
from kubeparcel.doctor.findings import UNREADABLE_INDEX, CheckKind, Fault, FileDigest, Subject
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.doctor.selection import Selection
from kubeparcel.packages.errors import LimitExceeded
from kubeparcel.repository.package import Package

_NEEDS_RELEASE = (CheckKind.DATES, CheckKind.FIELDS, CheckKind.INDEXES, CheckKind.ENTRIES)
MAX_LISTED = 32 << 20
"""How many bytes of compressed indexes are read to list a suite."""

_BY_HASH_ALGORITHMS = ("sha256", "sha512")
_BY_HASH_HINT = "apt update fails while it is being published, or shows errors. Publish again."


def check_suite(reader: RepositoryReader, suite: Suite, name: str, keys: TrustedKeys, selection: Selection) -> Subject:
    """Check a suite's Release and indexes; package files are checked separately."""
    context = SuiteContext(reader, suite, Subject(name), selection)
    subject = context.subject
    fields = check_release(context, keys)
    if fields is None:
        subject.mark_not_run("the Release could not be read", *_NEEDS_RELEASE)
        subject.complete = False
        return subject
    packages: set[Package] = set()
    for index, entries in _check_indexes(context, fields):
        packages |= set(check_entries(context, index, entries))
    if not subject.complete:
        subject.mark_not_run(UNREADABLE_INDEX, CheckKind.ENTRIES)
    subject.packages = frozenset(packages)
    subject.locations = locate_files(context, packages)
    return subject


def read_packages(context: SuiteContext, fields: Mapping[str, str]) -> frozenset[Package] | None:
    """Return the packages in a suite's indexes, one form of each; None if these are more, or larger, than limits.

    Indexes that cannot be read and invalid entries are findings; nothing else is checked.
    """
    try:
        listed_indexes = _forms_by_index(fields, context.selection)
    except LimitExceeded:
        return None
    indexes = {
        index: forms
        for index, forms in listed_indexes.items()
        if _lists_packages(index) and "/debian-installer/" not in index
    }
    if sum(min(listed.size for listed in forms.values()) for forms in indexes.values()) > MAX_LISTED:
        return None
    packages: set[Package] = set()
    for index, forms in indexes.items():
        supported = sorted(forms.keys() - set(UNSUPPORTED_SUFFIXES), key=lambda suffix: forms[suffix].size)
        paths = ((suffix, listed_path(context, index + suffix)) for suffix in supported)
        form = next((suffix for suffix, path in paths if path and context.reader.read(path, 1)), None)
        entries = check_packages_index(context, index, forms if form is None else {form: forms[form]})
        packages |= set(check_entries(context, index, entries)) if entries is not None else set()
    return frozenset(packages)


def _check_indexes(context: SuiteContext, fields: Mapping[str, str]) -> Iterator[tuple[str, Entries]]:
    """Check the files that a Release lists; yield name and entries of each Packages."""
    context.subject.mark_run(CheckKind.INDEXES)
    listed_indexes = _forms_by_index(fields, context.selection)
    for index, forms in listed_indexes.items():
        if _lists_packages(index):
            entries = check_packages_index(context, index, forms)
            if entries is not None:
                yield index, entries
        else:
            _check_other_index(context, index, forms)
    indexes = set(filter(_lists_packages, listed_indexes))
    if context.selection and not indexes:
        expected, hint = f"an index of packages for {context.selection}", "Check --arch and --component."
        context.add_finding(CheckKind.FIELDS, expected, "none is listed", "Release", hint)
    if announces_by_hash(fields):
        listed_forms = {index + suffix: form for index in indexes for suffix, form in listed_indexes[index].items()}
        _check_by_hash(context, listed_forms)


def _lists_packages(index: str) -> bool:
    return index.rpartition("/")[2] == "Packages"


def _forms_by_index(fields: Mapping[str, str], selection: Selection) -> dict[str, dict[str, FileDigest]]:
    """Return the selected indexes of a Release by name, each with its forms by suffix: plain and compressed."""
    forms: dict[str, dict[str, FileDigest]] = {}
    for name, listed in release_entries(fields).items():
        if selection.has_index(name):
            base, suffix = posixpath.splitext(name)
            index, suffix = (base, suffix) if suffix in SUFFIXES[1:] else (name, "")
            forms.setdefault(index, {})[suffix] = listed
    return forms


def _check_other_index(context: SuiteContext, index: str, forms: Mapping[str, FileDigest]) -> None:
    """Check an index that is not of packages; Debian lists some that do not exist."""
    exists = False
    for suffix, listed in forms.items():
        path = listed_path(context, index + suffix)
        actual = read_digest(context, path, listed) if path else None
        if actual:
            exists = True
            context.subject.add_faults(mismatches(path, listed, actual))
    if not exists:
        context.subject.add_remark(f"{index} is listed in the Release but does not exist")


def _check_by_hash(context: SuiteContext, forms: Mapping[str, FileDigest]) -> None:
    """Check the indexes under their digests; a copy without any is a remark, since apt falls back to names."""
    findings = []
    existing = 0
    for name, listed in forms.items():
        if not context.reader.read(context.path(name), 1):
            continue
        algorithm = next((known for known in _BY_HASH_ALGORITHMS if known in listed.digests), "")
        digest = listed.digests.get(algorithm, "")
        folder = posixpath.dirname(name)
        path = context.path(f"{folder}/by-hash/{algorithm.upper()}/{digest}".lstrip("/"))
        wanted = FileDigest(listed.size, {algorithm: digest} if algorithm else {})
        actual = read_digest(context, path, wanted)
        existing += actual is not None
        if actual != wanted:
            found = "file not found" if actual is None else "other bytes"
            findings.append(Fault(CheckKind.BY_HASH, f"{name} under its digest", found, path, _BY_HASH_HINT))
    if findings and not existing:
        context.subject.mark_not_run("there is no by-hash folder", CheckKind.BY_HASH)
        context.subject.add_remark("no by-hash, which the Release announces: apt falls back to the names of indexes")
        return
    context.subject.mark_run(CheckKind.BY_HASH)
    context.subject.add_faults(findings)
