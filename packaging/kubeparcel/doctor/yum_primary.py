"""Check the packages listed in the metadata of a yum repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from xml.etree.ElementTree import Element

from kubeparcel.doctor.findings import CheckKind, Subject
from kubeparcel.errors import ConfigurationError
from kubeparcel.packages.errors import MalformedData
from kubeparcel.repository.model import Package
from kubeparcel.repository.yum.primary import iterate_elements, package_name, parse_package

_EXPECTED = "name, version, size, location and a SHA-256 checksum"
_HINT = "dnf and zypper reject it or show wrong packages. Run createrepo_c again."


def check_entries(subject: Subject, metadata: Mapping[str, bytes], locate: Callable[[str, str], str]) -> list[Package]:
    """Return the packages of primary; report invalid entries and differences to the other files.

    `metadata` is the uncompressed XML of primary, filelists and other, as far as it exists.
    `locate` returns where a file is, from its base and path.
    """
    subject.mark_run(CheckKind.ENTRIES)
    packages = list(_packages(subject, metadata["primary"], locate))
    for package in _duplicates(packages):
        subject.add_finding(CheckKind.ENTRIES, "one file per version", f"{package.label} twice", "primary", _HINT)
    digests = {package.sha256 for package in packages}
    for kind in ("filelists", "other"):
        if kind in metadata:
            others = {element.get("pkgid") for element in _elements(subject, kind, metadata[kind])}
            if others != digests and subject.complete:
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


def _elements(subject: Subject, kind: str, data: bytes) -> Iterator[Element]:
    """Yield the package elements of a metadata file, each valid until the next one."""
    count = -1  # the root element is not a package
    declared = None
    try:
        for element in iterate_elements(data):
            count += 1
            if count:
                yield element
            else:
                declared = element.get("packages")
    except MalformedData as error:
        subject.add_finding(CheckKind.INDEXES, "XML without entities", str(error), kind, _HINT)
        subject.complete = False
        return
    if declared != str(count):
        subject.add_finding(CheckKind.ENTRIES, f'packages="{count}" in {kind}', declared or "none", kind, _HINT)


def _packages(subject: Subject, data: bytes, locate: Callable[[str, str], str]) -> Iterator[Package]:
    for element in _elements(subject, "primary", data):
        try:
            package, checksum_type, base = parse_package(element)
            subject.locations[package] = locate(base, package.path)
        except (AttributeError, KeyError, ValueError, TypeError, ConfigurationError) as error:
            problem = f"missing {error}" if isinstance(error, KeyError) else str(error)
            actual = f"{package_name(element)}: {problem.splitlines()[0]}"
            subject.add_finding(CheckKind.ENTRIES, _EXPECTED, actual, "primary", _HINT)
            subject.complete = False
        else:
            if checksum_type != "sha256":
                subject.digests[package] = {checksum_type: package.sha256}
            yield package
