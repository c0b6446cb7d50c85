"""Advisories: OpenVEX documents that say which vulnerabilities a version of a package fixes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kubeparcel.errors import ConfigurationError
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.json_document import parse_json
from kubeparcel.trust.audit.model import Audit, FailOn, Use, Vulnerability
from kubeparcel.trust.audit.openvex import CONTEXT, Product, parse_statements
from kubeparcel.trust.document import TOOL, TOOL_VERSION, content_uuid, serialize, utc

FOLDER = "advisories"
"""The folder of advisories in the output folder."""

SUFFIX = ".openvex.json"
"""What an advisory's name adds to that of the package."""


class PackageKey(NamedTuple):
    """What versions of a package have in common."""

    format: str
    name: str
    arch: str


@dataclass(frozen=True)
class Advisory:
    """The vulnerabilities that the packages `products` fix, and since when (Unix time)."""

    time: float
    vulnerabilities: tuple[Vulnerability, ...]
    products: tuple[Product, ...]

    def is_about(self, key: PackageKey, version: str) -> bool:
        """Return whether the advisory is about this version of a package."""
        use = Use(key.name, version.rpartition(":")[2], key.format, key.arch, "")
        return any(product.purl.version and product.is_package(use) for product in self.products)


def fixed_vulnerabilities(old: Audit, new: Audit, fail_on: FailOn) -> dict[PackageKey, tuple[Vulnerability, ...]]:
    """Return what packages of `old` have at the levels of `fail_on`, and those of `new` do not have at any level.

    Packages with binaries that were not audited are left out: what is in them is unknown.
    """
    remaining = {(_key(use), finding.vulnerability.id) for finding in new.findings for use in finding.uses}
    unknown = {_key(use) for use, _ in new.not_audited}
    fixed: dict[PackageKey, dict[str, Vulnerability]] = {}
    for finding in old.failing(fail_on):
        for key in sorted({_key(use) for use in finding.counted} - unknown):
            if (key, finding.vulnerability.id) not in remaining:
                fixed.setdefault(key, {})[finding.vulnerability.id] = finding.vulnerability
    return {key: tuple(sorted(vulnerabilities.values())) for key, vulnerabilities in sorted(fixed.items())}


def _key(use: Use) -> PackageKey:
    return PackageKey(use.format, use.package, use.arch)


def write_advisory(purl: str, time: int, vulnerabilities: Sequence[Vulnerability]) -> bytes:
    """Return the document about a package with a package URL that was built at `time` (Unix time)."""
    content = {
        "@context": f"{CONTEXT}/v0.2.0",
        "author": TOOL,
        "timestamp": utc(time),
        "version": 1,
        "tooling": f"{TOOL} {TOOL_VERSION}",
        "statements": [
            {"vulnerability": _document(vulnerability), "products": [{"@id": purl}], "status": "fixed"}
            for vulnerability in vulnerabilities
        ],
    }
    return serialize({**content, "@id": content_uuid(content).urn})


def _document(vulnerability: Vulnerability) -> dict[str, Any]:
    return {
        **({"@id": vulnerability.url} if vulnerability.url else {}),
        "name": vulnerability.id,
        **({"description": vulnerability.summary} if vulnerability.summary else {}),
        **({"aliases": vulnerability.aliases} if vulnerability.aliases else {}),
    }


def parse_advisory(data: bytes, path: str) -> Advisory:
    """Return the advisory in a document of which all statements are about fixes. Raises MalformedData."""
    try:
        statements = parse_statements(data, path)
    except ConfigurationError as error:
        raise MalformedData(error.message.rstrip(".")) from None
    if other := next((statement.status for statement in statements if statement.status != "fixed"), ""):
        raise MalformedData(f"{path} is not an advisory: it has a statement with the status {other}")
    vulnerabilities = {row.id: row for row in map(_vulnerability, parse_json(data, path)["statements"])}
    return Advisory(
        max(statement.time for statement in statements),
        tuple(sorted(vulnerabilities.values())),
        tuple(product for product in statements[0].products if all(product in s.products for s in statements)),
    )


def _vulnerability(row: Mapping[str, Any]) -> Vulnerability:
    value = row["vulnerability"]
    if isinstance(value, str):
        return Vulnerability(value, (), "", "")
    url = str(value.get("@id", ""))
    name = str(value.get("name") or url.rpartition("/")[2])
    aliases = tuple(sorted(map(str, value.get("aliases") or ())))
    return Vulnerability(name, aliases, str(value.get("description", "")), url)
