"""OpenVEX documents: statements why a vulnerability does not matter for a product (https://openvex.dev, v0.2.0)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeparcel.errors import ConfigurationError
from kubeparcel.model import TIMESTAMP_LIMIT
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.json_document import parse_json
from kubeparcel.paths import display_path
from kubeparcel.trust.audit.model import Exemption, Finding, Use

if TYPE_CHECKING:
    from packageurl import PackageURL

CONTEXT = "https://openvex.dev/ns"
"""How the context of every document starts."""

_STATUSES = ("not_affected", "affected", "fixed", "under_investigation")
_EXEMPTING = ("not_affected", "fixed")
_JUSTIFICATIONS = (
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
)
_HINT = "The format is described at https://openvex.dev; docs/how-to/audit.md has an example."


@dataclass(frozen=True)
class Product:
    """What a statement is about: packages with a package URL, or modules (`subcomponents`) in them."""

    purl: PackageURL
    subcomponents: tuple[PackageURL, ...] = ()

    def matches(self, use: Use, finding: Finding) -> bool:
        """Return whether the product includes a binary with a finding."""
        module = ("golang", finding.module, finding.version)
        if not self.subcomponents and _matches(self.purl, *module):
            return True
        is_program = _matches(self.purl, "golang", use.main_module, use.main_version)
        has_module = not self.subcomponents or any(_matches(purl, *module) for purl in self.subcomponents)
        return (self.is_package(use) or is_program) and has_module

    def is_package(self, use: Use) -> bool:
        """Return whether the package of a binary is meant, not a module in it."""
        qualifiers = self.purl.to_dict()["qualifiers"] or {}
        same_arch = bool(qualifiers.get("arch", use.arch) == use.arch)
        return same_arch and _matches(self.purl, use.format, use.package, use.version)


def _matches(purl: PackageURL, kind: str, name: str, version: str) -> bool:
    """Return whether a package URL means this package; a URL without a version means all versions."""
    if purl.type != kind or not name:
        return False
    full_name = f"{purl.namespace}/{purl.name}" if kind == "golang" and purl.namespace else purl.name
    # Package URLs of Go modules are in lower case.
    same_name = full_name.lower() == name.lower() if kind == "golang" else full_name == name
    return same_name and (not purl.version or purl.version.removeprefix("v") == version.removeprefix("v"))


@dataclass(frozen=True)
class Statement:
    """A statement: the names of a vulnerability, the products, and a status since `time` (Unix time)."""

    vulnerability: frozenset[str]
    products: tuple[Product, ...]
    status: str
    reason: str
    time: float
    source: str

    def exempts(self, use: Use, finding: Finding) -> bool | None:
        """Return whether the finding does not matter for a binary; None if the statement is about others."""
        names = {finding.vulnerability.id, *finding.vulnerability.aliases}
        if not (names & self.vulnerability and any(product.matches(use, finding) for product in self.products)):
            return None
        return self.status in _EXEMPTING


def load_statements(files: Sequence[Path]) -> tuple[Statement, ...]:
    """Return the statements of OpenVEX documents, the oldest first. Raises ConfigurationError for an invalid one."""
    statements = (statement for file in files for statement in _read(file))
    return tuple(sorted(statements, key=lambda statement: statement.time))


def _read(file: Path) -> tuple[Statement, ...]:
    name = display_path(file)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"Cannot read {name}: {error.strerror}.", _HINT) from None
    return parse_statements(data, name)


def parse_statements(data: bytes, name: str) -> tuple[Statement, ...]:
    """Return the statements of the OpenVEX document `name`, at least one. Raises ConfigurationError."""
    return tuple(_statements(data, name))


def _statements(data: bytes, name: str) -> Iterator[Statement]:
    try:
        document = parse_json(data, name)
    except MalformedData as error:
        raise ConfigurationError(f"{error}.", _HINT) from None
    if not isinstance(document, dict) or not str(document.get("@context", "")).startswith(CONTEXT):
        raise ConfigurationError(f"{name} is not an OpenVEX document: its @context is not {CONTEXT}.", _HINT)
    rows = document.get("statements")
    if not isinstance(rows, list) or not rows:
        raise ConfigurationError(f"{name} has no statements.", _HINT)
    for number, row in enumerate(rows, 1):
        try:
            yield _statement(row, document, name)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigurationError(f"{name}, statement {number}: {error}.", _HINT) from None


def _statement(row: Mapping[str, Any], document: Mapping[str, Any], source: str) -> Statement:
    status = row.get("status")
    if status not in _STATUSES:
        raise ValueError(f"invalid status {status!r}: use {', '.join(_STATUSES)}")
    justification, impact = str(row.get("justification", "")), str(row.get("impact_statement", ""))
    if justification and justification not in _JUSTIFICATIONS:
        raise ValueError(f"invalid justification {justification!r}: use {', '.join(_JUSTIFICATIONS)}")
    if status == "not_affected" and not (justification or impact):
        raise ValueError("not_affected needs a justification or an impact_statement")
    reason = impact or justification.replace("_", " ") or str(row.get("status_notes", ""))
    names = frozenset(_vulnerability_names(row.get("vulnerability")))
    if not names:
        raise ValueError("it has no vulnerability")
    products = tuple(map(_product, row.get("products") or ()))
    if not products:
        raise ValueError("it has no products")
    return Statement(names, products, status, reason, _time(row, document), source)


def _vulnerability_names(value: Any) -> Iterator[str]:
    """Yield the name and aliases; before v0.2.0 the value was the name."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (str(value[key]).rpartition("/")[2] for key in ("name", "@id") if value.get(key))
        aliases = value.get("aliases") or []
        if not isinstance(aliases, list):
            raise TypeError("its aliases are not a list")
        yield from map(str, aliases)


def _product(value: Any) -> Product:
    subcomponents = value.get("subcomponents") or () if isinstance(value, dict) else ()
    return Product(_purl(value), tuple(map(_purl, subcomponents)))


def _purl(value: Any) -> PackageURL:
    from packageurl import PackageURL

    text = value
    if isinstance(value, dict):
        text = (value.get("identifiers") or {}).get("purl") or value.get("@id", "")
    try:
        return PackageURL.from_string(str(text))
    except ValueError:
        raise ValueError(f"{str(text)[:80]!r} is not a package URL, such as pkg:deb/kubelet@1.36.3-1") from None


def _time(row: Mapping[str, Any], document: Mapping[str, Any]) -> float:
    """Return the time of a statement, or else of its document."""
    keys = ("last_updated", "timestamp")
    text = next((str(d[key]) for d in (row, document) for key in keys if d.get(key)), "")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"its timestamp {text[:40]!r} is not a date") from None
    seconds = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds < TIMESTAMP_LIMIT:
        raise ValueError(f"its timestamp {text!r} is not between 1970 and 2106")
    return seconds


def apply_statements(findings: Sequence[Finding], statements: Sequence[Statement]) -> list[Finding]:
    """Return the findings with exemptions; of several statements about the same, the latest counts."""
    return [replace(finding, exempted=dict(_exemptions(finding, statements))) for finding in findings]


def _exemptions(finding: Finding, statements: Sequence[Statement]) -> Iterator[tuple[Use, Exemption]]:
    for use in finding.uses:
        about = [(s, exempts) for s in statements if (exempts := s.exempts(use, finding)) is not None]
        if about and about[-1][1]:
            statement = about[-1][0]
            yield use, Exemption(statement.status, statement.reason, statement.source)


def unused_statements(findings: Sequence[Finding], statements: Sequence[Statement]) -> list[Statement]:
    """Return the statements that are about none of the findings."""

    def is_used(statement: Statement) -> bool:
        return any(statement.exempts(use, finding) is not None for finding in findings for use in finding.uses)

    return [statement for statement in statements if not is_used(statement)]
