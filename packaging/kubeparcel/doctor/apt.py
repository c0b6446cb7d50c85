"""Checks of an apt suite's indexes: their digests and their forms."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kubeparcel.doctor.apt_entries import Entries, check_entries, locate_files, read_entries
from kubeparcel.doctor.apt_release import SUFFIXES, SuiteContext, announces_by_hash, check_release, release_entries
from kubeparcel.doctor.discovery import Suite
from kubeparcel.doctor.findings import (
    UNREADABLE_INDEX,
    CheckKind,
    Fault,
    FileDigest,
    Hasher,
    Subject,
    differences,
    hash_blocks,
)
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.doctor.selection import Selection
from kubeparcel.errors import ConfigurationError
from kubeparcel.packages import limits
from kubeparcel.packages.errors import LimitExceeded, MalformedData
from kubeparcel.packages.index_stream import plain_blocks
from kubeparcel.repository.model import Package
from kubeparcel.repository.storage.base import check_path

_NEEDS_RELEASE = (CheckKind.DATES, CheckKind.FIELDS, CheckKind.INDEXES, CheckKind.ENTRIES)
_UNSUPPORTED_SUFFIXES = SUFFIXES[5:]
MAX_LISTED = 32 << 20
"""How many bytes of compressed indexes are read to list a suite."""

_BY_HASH_ALGORITHMS = ("sha256", "sha512")
_MISMATCH_HINT = "apt rejects it (Hash Sum mismatch). Publish again."
_INCOMPLETE_HINT = "apt update fails. Publish again."
_MISSING_HINT = (
    "apt update fails for its architecture. Publish again; of a copy of some architectures or components, "
    "examine those: --arch, --component."
)
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
        if index.rpartition("/")[2] == "Packages" and "/debian-installer/" not in index
    }
    if sum(min(listed.size for listed in forms.values()) for forms in indexes.values()) > MAX_LISTED:
        return None
    packages: set[Package] = set()
    for index, forms in indexes.items():
        supported = sorted(forms.keys() - set(_UNSUPPORTED_SUFFIXES), key=lambda suffix: forms[suffix].size)
        paths = ((suffix, _listed_path(context, index + suffix)) for suffix in supported)
        form = next((suffix for suffix, path in paths if path and context.reader.read(path, 1)), None)
        entries = _check_packages_index(context, index, forms if form is None else {form: forms[form]})
        packages |= set(check_entries(context, index, entries)) if entries is not None else set()
    return frozenset(packages)


def _check_indexes(context: SuiteContext, fields: Mapping[str, str]) -> Iterator[tuple[str, Entries]]:
    """Check the files that a Release lists; yield name and entries of each Packages."""
    context.subject.mark_run(CheckKind.INDEXES)
    listed_indexes = _forms_by_index(fields, context.selection)
    for index, forms in listed_indexes.items():
        if index.rpartition("/")[2] == "Packages":
            entries = _check_packages_index(context, index, forms)
            if entries is not None:
                yield index, entries
        else:
            _check_other_index(context, index, forms)
    indexes = {index for index in listed_indexes if index.rpartition("/")[2] == "Packages"}
    if context.selection and not indexes:
        expected, hint = f"an index of packages for {context.selection}", "Check --arch and --component."
        context.subject.add_finding(CheckKind.FIELDS, expected, "none is listed", context.path("Release"), hint)
    if announces_by_hash(fields):
        listed_forms = {index + suffix: form for index in indexes for suffix, form in listed_indexes[index].items()}
        _check_by_hash(context, listed_forms)


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
        path = _listed_path(context, index + suffix)
        actual = _digest(context, path, listed) if path else None
        if actual:
            exists = True
            context.subject.add_faults(_mismatches(path, listed, actual))
    if not exists:
        context.subject.add_remark(f"{index} is listed in the Release but does not exist")


def _digest(context: SuiteContext, path: str, listed: FileDigest) -> FileDigest | None:
    return context.reader.stream(path, lambda blocks: hash_blocks(blocks, listed))


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


class _Form(NamedTuple):
    """One form of an index as it was read: its digest, that of its text, its entries, and why it cannot be read.

    `text_digest` is empty if it cannot be decompressed, `entries` is None also if they were not wanted.
    """

    actual: FileDigest
    text_digest: str
    entries: Entries | None
    problem: str


def _check_packages_index(context: SuiteContext, index: str, forms: Mapping[str, FileDigest]) -> Entries | None:
    """Check each form of an index of packages; return the entries of one, if possible a valid one."""
    texts: set[str] = set()
    valid: Entries | None = None
    doubtful: Entries | None = None
    missing: list[str] = []
    for suffix in sorted(forms, key=SUFFIXES.index):
        path = _listed_path(context, index + suffix)
        form = _read_form(context, path, forms[suffix], parse=valid is None) if path else None
        if form is None:
            missing += [path] if path else []
            continue
        faults = list(_mismatches(path, forms[suffix], form.actual))
        if form.problem and not faults:
            faults.append(Fault(CheckKind.INDEXES, "a complete file", form.problem, path, _INCOMPLETE_HINT))
        context.subject.add_faults(faults)
        if faults:
            doubtful = doubtful or form.entries
        elif form.text_digest:
            valid = valid or form.entries
            texts.add(form.text_digest)
    _report_missing(context, missing, fallback=valid is not None)
    _check_forms_agree(context, index, forms, texts)
    best = valid or doubtful
    context.subject.complete = context.subject.complete and best is not None
    return best


def _read_form(context: SuiteContext, path: str, listed: FileDigest, *, parse: bool) -> _Form | None:
    """Read one form of an index in one pass; None if it does not exist."""
    supported = posixpath.splitext(path)[1] not in _UNSUPPORTED_SUFFIXES

    def use(blocks: Iterator[bytes]) -> _Form:
        packed, text = Hasher(listed.digests), Hasher(["sha256"])
        passed = packed.pass_on(blocks, min(listed.size, limits.INDEX.maximum))
        entries, problem = None, ""
        try:
            plain = text.pass_on(plain_blocks(path, passed if supported else ()), limits.INDEX.maximum)
            if parse:
                entries = read_entries(path, plain)
            for _ in plain:
                pass
        except MalformedData as error:
            problem = str(error)
        for _ in passed:
            pass
        usable = supported and not problem
        return _Form(
            packed.result, text.result.digests["sha256"] if usable else "", entries if usable else None, problem
        )

    return context.reader.stream(path, use)


def _report_missing(context: SuiteContext, missing: list[str], *, fallback: bool) -> None:
    """Report missing forms of an index: with another valid one, as a remark, since apt falls back to it.

    Debian lists the uncompressed index without having it.
    """
    if fallback:
        names = [path.rpartition("/")[2] for path in missing]
        if compressed := ", ".join(name for name in names if name != "Packages"):
            context.subject.add_remark(f"no {compressed}: apt reads another form of the index")
        return
    for path in missing:
        expected = path.removeprefix(context.path(""))
        context.subject.add_finding(CheckKind.INDEXES, expected, "file not found", path, _MISSING_HINT)


def _check_forms_agree(context: SuiteContext, index: str, forms: Mapping[str, FileDigest], texts: set[str]) -> None:
    """Check that clients read the same text whichever form they choose."""
    digests = set(texts)
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
        actual = _digest(context, path, wanted)
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
