"""updateinfo.xml: the security updates of a yum repository, for `dnf updateinfo` and `dnf upgrade --security`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from kubeparcel.repository.package import Package
from kubeparcel.repository.yum.package_xml import evr_attributes, xml_attribute, xml_text
from kubeparcel.trust.audit.advisory import Advisory
from kubeparcel.trust.audit.model import Vulnerability

_ADDRESSES = {
    "CVE-": ("cve", "https://www.cve.org/CVERecord?id="),
    "GHSA-": ("other", "https://github.com/advisories/"),
    "GO-": ("other", "https://pkg.go.dev/vuln/"),
}
"""The type of a reference, and the page about a vulnerability, by how its name starts."""

_EVR = ("version", "release")
"""The attributes of a version, which primary.xml calls `ver` and `rel`."""


def updateinfo_text(advisories: Mapping[Package, Advisory], suite: str, origin: str) -> bytes:
    """Return the XML about packages of a suite: an update for each version, with the packages of all architectures."""
    updates: dict[tuple[str, str, tuple[Vulnerability, ...]], list[Package]] = {}
    for package, advisory in sorted(advisories.items(), key=lambda item: item[0]):
        updates.setdefault((package.name, package.version, advisory.vulnerabilities), []).append(package)
    content = "".join(
        _update(packages, vulnerabilities, max(advisories[package].time for package in packages), suite, origin)
        for (*_, vulnerabilities), packages in updates.items()
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<updates>\n{content}</updates>\n'.encode()


def _update(
    packages: Sequence[Package], vulnerabilities: Sequence[Vulnerability], time: float, suite: str, origin: str
) -> str:
    name, version = packages[0].name, packages[0].version
    names = "\n".join(vulnerability.id for vulnerability in vulnerabilities)
    digest = hashlib.sha256(names.encode()).hexdigest()[:8]
    date = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")
    description = "\n".join(
        f"{vulnerability.id}: {vulnerability.summary}" if vulnerability.summary else vulnerability.id
        for vulnerability in vulnerabilities
    )
    references = "".join(dict.fromkeys(line for row in vulnerabilities for line in _references(row)))
    return (
        f'<update from="{xml_attribute(origin)}" status="final" type="security" version="1">\n'
        f"  <id>{xml_text(f'KUBEPARCEL-{name}-{version}-{digest}'.replace(':', '-'))}</id>\n"
        f"  <title>{xml_text(f'{name} {version} fixes known vulnerabilities')}</title>\n"
        f'  <issued date="{date}"/>\n  <updated date="{date}"/>\n'
        f"  <description>{xml_text(description)}</description>\n"
        f"  <references>\n{references}  </references>\n"
        f'  <pkglist>\n    <collection short="{xml_attribute(suite)}">\n      <name>{xml_text(suite)}</name>\n'
        f"{''.join(map(_package, packages))}    </collection>\n  </pkglist>\n</update>\n"
    )


def _references(vulnerability: Vulnerability) -> Iterator[str]:
    for name in (vulnerability.id, *vulnerability.aliases):
        kind, address = next((row for start, row in _ADDRESSES.items() if name.startswith(start)), ("other", ""))
        url = vulnerability.url if name == vulnerability.id and vulnerability.url else f"{address}{name}"
        attributes = {"href": url, "id": name, "type": kind, "title": name}
        text = " ".join(f'{key}="{xml_attribute(value)}"' for key, value in attributes.items())
        yield f"    <reference {text}/>\n"


def _package(package: Package) -> str:
    file_name = xml_text(package.path.rpartition("/")[2])
    return (
        f'      <package name="{xml_attribute(package.name)}" {evr_attributes(package.version, _EVR)} '
        f'arch="{xml_attribute(package.arch)}">\n'
        f'        <filename>{file_name}</filename>\n        <sum type="sha256">{package.sha256}</sum>\n'
        "      </package>\n"
    )
