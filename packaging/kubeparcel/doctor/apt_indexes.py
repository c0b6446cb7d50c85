"""Checks of an index of an apt suite: each of its forms, plain and compressed, has to exist and to have one text."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Iterator, Mapping

from kubeparcel.doctor.apt_entries import Entries, read_entries
from kubeparcel.doctor.apt_suite import SUFFIXES, SuiteContext
from kubeparcel.doctor.findings import CheckKind, Fault, FileDigest, differences, hash_blocks
from kubeparcel.doctor.index_file import IndexFile, read_index
from kubeparcel.errors import ConfigurationError
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
        faults = list(mismatches(path, forms[suffix], form.packed))
        if form.problem and not faults:
            faults.append(Fault(CheckKind.INDEXES, "a complete file", form.problem, path, _INCOMPLETE_HINT))
        context.subject.add_faults(faults)
        if faults:
            doubtful = doubtful or form.entries
        elif form.text:
            valid = valid or form.entries
            texts.add(form.text.digests["sha256"])
    _report_missing(context, missing, fallback=valid is not None)
    _check_forms_agree(context, index, forms, texts)
    best = valid or doubtful
    context.subject.complete = context.subject.complete and best is not None
    return best


def _read_form(
    context: SuiteContext, path: str, listed: FileDigest, *, parse: bool
) -> IndexFile[Entries | None] | None:
    """Read one form of an index; None if it does not exist. Its entries are None unless it is parsed."""

    def use(blocks: Iterator[bytes]) -> IndexFile[Entries | None]:
        is_supported = posixpath.splitext(path)[1] not in UNSUPPORTED_SUFFIXES
        read = functools.partial(read_entries, path) if parse else _skip
        return read_index(path, blocks, listed, ["sha256"], read if is_supported else None)

    return context.reader.stream(path, use)


def _skip(_: Iterator[bytes]) -> None:
    """Parse nothing: another form of the index was parsed."""


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
