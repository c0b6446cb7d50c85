"""Check the packages listed in an index of an apt suite, and find out where their files are."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from kubeparcel.doctor.apt_suite import SuiteContext
from kubeparcel.doctor.findings import CheckKind
from kubeparcel.errors import ConfigurationError
from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.repository.apt.packages import parse_entry, stanzas
from kubeparcel.repository.package import Package

_DIGEST_FIELDS = {"sha256": "sha256", "sha512": "sha512", "sha1": "sha1", "md5": "md5sum"}
_MAX_LABEL = 200
_ENTRY_FIELDS = "Package, Version, Architecture, Filename, Size and SHA256"
_ENTRY_HINT = "apt cannot install the package. Generate the index again, with SHA256."


class Entries(NamedTuple):
    """The packages of an index with their listed digests, and what is wrong with the entries that are invalid."""

    packages: list[tuple[Package, Mapping[str, str]]]
    problems: list[str]


def read_entries(name: str, blocks: Iterable[bytes]) -> Entries:
    """Parse the plain bytes of an index. Raises LimitExceeded."""
    entries = Entries([], [])
    kept = 0
    for fields in filter(None, stanzas(name, blocks)):
        try:
            package = parse_entry(fields)
        except (MalformedData, ConfigurationError, KeyError) as error:
            label = f"{fields.get('package', '?')} {fields.get('version', '?')}"
            problem = f"field {error} is missing" if isinstance(error, KeyError) else str(error).split("\n")[0]
            entries.problems.append(f"{label[:_MAX_LABEL]}: {problem[:_MAX_LABEL]}")
        else:
            digests = {name: fields[field] for name, field in _DIGEST_FIELDS.items() if fields.get(field)}
            entries.packages.append((package, digests))
            kept += sum(map(len, digests.values())) + len(package.dependencies) + len(package.path)
            limits.INDEX_TEXT.check(kept, name)
    return entries


def check_entries(context: SuiteContext, index: str, entries: Entries) -> Iterator[Package]:
    """Check the entries of an index; yield the packages that are examined."""
    context.subject.mark_run(CheckKind.ENTRIES)
    path = context.path(index)
    for problem in entries.problems:
        context.subject.add_finding(CheckKind.ENTRIES, _ENTRY_FIELDS, problem, path, _ENTRY_HINT)
        context.subject.complete = False
    arch = index.rpartition("/")[0].rpartition("binary-")[2]
    digests: dict[tuple[str, ...], str] = {}
    for package, listed in entries.packages:
        if not context.selection.has_arch(package.arch):
            continue
        context.subject.digests[package] = listed
        if arch and package.arch not in (arch, "all"):
            hint = f"Clients of {arch} cannot install it. Generate the index again."
            expected = f"packages for {arch}"
            context.subject.add_finding(CheckKind.ENTRIES, expected, package.label, path, hint)
        if digests.setdefault(package.identity, package.sha256) != package.sha256:
            found = f"{package.label} with two digests"
            hint = "Clients install either. Remove one, or publish it with a higher revision."
            context.subject.add_finding(CheckKind.ENTRIES, "one file for each version", found, path, hint)
        yield package


def locate_files(context: SuiteContext, packages: Iterable[Package]) -> dict[Package, str]:
    """Return where the packages' files are.

    Those of a flat repository are relative to the first part of `deb URL FOLDER/`, which may be a
    folder above its Release (apt, debReleaseIndex::ArchiveURI).
    """
    base, prefix = context.suite.base, ""
    first = min(packages, default=None)
    if first and not context.suite.name:
        whole = f"{context.reader.location.rstrip('/')}/{base}".strip("/").split("/")
        folders = base.split("/") if base else []
        choices = [("/".join(folders[:count]), "") for count in range(len(folders), -1, -1)]
        choices += [(base, "/".join([*whole[n:], ""])) for n in range(len(whole))]
        usable = (c for c in choices if first.path.startswith(c[1]) and context.reader.read(_join(*c, first.path), 1))
        base, prefix = next(usable, (base, ""))
        if (base, prefix) != (context.suite.base, ""):
            folder = prefix or posixpath.relpath(f"/{context.suite.base}", f"/{base}") + "/"
            context.subject.add_remark(f"paths are relative to a folder above: clients need deb URL {folder}")
    return {package: _join(base, prefix, package.path) for package in packages}


def _join(base: str, prefix: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(base, path.removeprefix(prefix)))
