"""Check the packages listed in the metadata of a yum repository."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from kubeparcel.doctor.findings import CheckKind, Subject
from kubeparcel.errors import ConfigurationError
from kubeparcel.packages import limits
from kubeparcel.repository.package import Package
from kubeparcel.repository.yum.primary import PACKAGE_TAGS, PrimaryEntry, package_name, parse_package
from kubeparcel.repository.yum.xml_elements import iterate_elements

_MAX_LABEL = 200
_EXPECTED = "name, version, size, location and a SHA-256 checksum"
_HINT = "dnf and zypper reject it or show wrong packages. Run createrepo_c again."


@dataclass
class MetadataEntries:
    """What a metadata file lists: identifiers of packages and, of primary, the packages with the base of their paths.

    `declared` is the number of packages that the file claims, `problems` what is wrong with invalid entries.
    """

    count: int = 0
    declared: str | None = None
    identifiers: set[str | None] = field(default_factory=set)
    packages: list[PrimaryEntry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_entries(kind: str, blocks: Iterable[bytes]) -> MetadataEntries:
    """Parse the XML of primary, filelists or other. Raises MalformedData."""
    entries = MetadataEntries()
    elements = iterate_elements(kind, blocks, PACKAGE_TAGS if kind == "primary" else frozenset())
    entries.declared = next(elements).get("packages")
    kept = 0
    for element in elements:
        entries.count += 1
        if kind != "primary":
            identifier = element.get("pkgid")
            entries.identifiers.add(identifier)
            kept += len(identifier or "")
        else:
            kept += _add_package(entries, element)
        limits.INDEX_TEXT.check(kept, kind)
    return entries


def _add_package(entries: MetadataEntries, element: Element) -> int:
    """Add a package of primary, or what is wrong with it; return how many characters are kept."""
    try:
        entry = parse_package(element)
    except (AttributeError, KeyError, ValueError, TypeError, ConfigurationError) as error:
        entries.problems.append(_problem(package_name(element), error))
        return len(entries.problems[-1])
    entries.packages.append(entry)
    return sum(len(value) for value in entry.package if isinstance(value, str)) + len(entry.base)


def _problem(name: str | None, error: Exception) -> str:
    problem = f"missing {error}" if isinstance(error, KeyError) else str(error)
    return f"{(name or '?')[:_MAX_LABEL]}: {(problem.splitlines() or ['invalid'])[0][:_MAX_LABEL]}"


def check_entries(
    subject: Subject, metadata: Mapping[str, MetadataEntries], locate: Callable[[str, str], str]
) -> list[Package]:
    """Return the packages of primary; report invalid entries and differences to the other files.

    `metadata` has the entries of primary, filelists and other, as far as they could be read.
    `locate` returns where a file is, from its base and path.
    """
    subject.mark_run(CheckKind.ENTRIES)
    for kind, entries in metadata.items():
        if entries.declared != str(entries.count):
            expected, found = f'packages="{entries.count}" in {kind}', entries.declared or "none"
            subject.add_finding(CheckKind.ENTRIES, expected, found, kind, _HINT)
    packages = list(_locate_packages(subject, metadata["primary"], locate))
    for package in _duplicates(packages):
        subject.add_finding(CheckKind.ENTRIES, "one file per version", f"{package.label} twice", "primary", _HINT)
    digests = {package.sha256 for package in packages}
    for kind, entries in metadata.items():
        others = entries.identifiers
        if kind != "primary" and others != digests and subject.complete:
            subject.add_finding(
                CheckKind.ENTRIES,
                f"the packages of primary in {kind}",
                f"{len(others - digests)} unknown, {len(digests - others)} missing",
                kind,
                _HINT,
            )
    return packages


def _duplicates(packages: list[Package]) -> Iterator[Package]:
    digests: dict[tuple[str, ...], str] = {}
    for package in packages:
        if digests.setdefault(package.identity, package.sha256) != package.sha256:
            yield package


def _locate_packages(
    subject: Subject, entries: MetadataEntries, locate: Callable[[str, str], str]
) -> Iterator[Package]:
    problems = list(entries.problems)
    for package, checksum_type, base in entries.packages:
        try:
            subject.locations[package] = locate(base, package.path)
        except (ConfigurationError, ValueError) as error:
            problems.append(_problem(package.name, error))
            continue
        if checksum_type != "sha256":
            subject.digests[package] = {checksum_type: package.sha256}
        yield package
    for problem in problems:
        subject.add_finding(CheckKind.ENTRIES, _EXPECTED, problem, "primary", _HINT)
        subject.complete = False
