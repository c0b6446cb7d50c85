"""Checks of an index of an apt suite: each of its forms, plain and compressed, has to exist and to have one text."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kubeparcel.doctor.apt_entries import Entries, read_entries
from kubeparcel.doctor.apt_suite import SUFFIXES, SuiteContext
from kubeparcel.doctor.findings import CheckKind, Fault, FileDigest, Hasher, differences, hash_blocks
from kubeparcel.errors import ConfigurationError
from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.index_stream import plain_blocks
from kubeparcel.repository.storage.base import check_path

UNSUPPORTED_SUFFIXES = SUFFIXES[5:]
_MISMATCH_HINT = "apt rejects it (Hash Sum mismatch). Publish again."
_INCOMPLETE_HINT = "apt update fails. Publish again."
_MISSING_HINT = (
    "apt update fails for its architecture. Publish again; of a copy of some architectures or components, "
    "examine those: --arch, --component."
)


def read_digest(context: SuiteContext, path: str, listed: FileDigest) -> FileDigest | None:
    """Return size and digests of a file; None if it does not exist."""
    return context.reader.stream(path, lambda blocks: hash_blocks(blocks, listed))


def listed_path(context: SuiteContext, name: str) -> str:
    """Return the path of a listed file; empty for one outside the suite, which is a finding."""
    try:
        return context.path(check_path(name))
    except ConfigurationError:
        hint = "apt rejects such paths. Generate the Release again."
        context.add_finding(CheckKind.INDEXES, "a path below the suite", name, "Release", hint)
        return ""


def mismatches(path: str, listed: FileDigest, actual: FileDigest) -> Iterator[Fault]:
    """Yield how a file differs from what the Release lists."""
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


def check_packages_index(context: SuiteContext, index: str, forms: Mapping[str, FileDigest]) -> Entries | None:
    """Check each form of an index of packages; return the entries of one, if possible a valid one."""
    texts: set[str] = set()
    valid: Entries | None = None
    doubtful: Entries | None = None
    missing: list[str] = []
    for suffix in sorted(forms, key=SUFFIXES.index):
        path = listed_path(context, index + suffix)
        form = _read_form(context, path, forms[suffix], parse=valid is None) if path else None
        if form is None:
            missing += [path] if path else []
            continue
        faults = list(mismatches(path, forms[suffix], form.actual))
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
    supported = posixpath.splitext(path)[1] not in UNSUPPORTED_SUFFIXES

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
    """Report missing forms of an index, as a remark if another is valid: apt falls back to that."""
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
        hint = "Clients see different packages. Generate all forms from the same text."
        context.add_finding(CheckKind.INDEXES, f"the same text in {names}", "they differ", index, hint)
