"""The content of a repository as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from kubeparcel.doctor.inventory import Expiry, Inventory, ListedSuite
from kubeparcel.packages.architectures import common_name
from kubeparcel.packages.versions import deb_version_key
from kubeparcel.repository.package import Package
from kubeparcel.sanitize import one_line
from kubeparcel.tables import format_table


class _Version(NamedTuple):
    """A version of a package in a suite, and the packages with it: for several architectures, in one or two formats."""

    name: str
    version: str
    packages: Sequence[Package]


def as_json(inventory: Inventory, *, all_versions: bool) -> str:
    """Return the JSON document; unknown values are left out."""
    known = {
        **inventory.identity,
        "generation": inventory.generation,
        "earlier-generations": inventory.earlier_generations,
        "keys": [
            {"fingerprint": fingerprint, **_expiry_as_dict(expiry)} for fingerprint, expiry in inventory.keys.items()
        ],
    }
    document = {
        "repository": inventory.location,
        **{name: value for name, value in known.items() if value},
        **({} if inventory.package_count is None else {"packages": inventory.package_count}),
        "suites": [_suite_as_dict(suite, all_versions) for suite in inventory.suites],
    }
    return json.dumps(document, indent=2)


def _suite_as_dict(suite: ListedSuite, all_versions: bool) -> dict[str, Any]:
    entry = {"suite": suite.name, "format": suite.format, "architectures": suite.architectures}
    entry |= _expiry_as_dict(suite.valid_until)
    if suite.packages is None:
        return entry
    versions = [
        {"package": v.name, "version": v.version, "architectures": sorted({package.arch for package in v.packages})}
        for v in _versions([suite], all_versions)
    ]
    return {**entry, "packages": len(suite.packages), "versions": versions}


def _expiry_as_dict(expiry: Expiry | None) -> dict[str, Any]:
    return {"valid-until": expiry.date, "days-left": expiry.days_left} if expiry and expiry.time else {}


def as_text(inventory: Inventory, *, all_versions: bool) -> str:
    """Return the text for the terminal, as tables of its width; unknown values are left out."""
    keys = [(fingerprint, *_expiry_cells(expiry, "no expiry")) for fingerprint, expiry in inventory.keys.items()]
    suites = [_suite_row(suite) for suite in inventory.suites]
    versions = list(_version_rows(inventory, all_versions))
    version_header = "VERSION" if all_versions else "NEWEST VERSION"
    tables = (
        _table(("Repository", inventory.location), list(_facts(inventory))),
        _table(("KEY", "VALID UNTIL", "DAYS LEFT"), keys, right=(2,)) if keys else "",
        _table(("SUITE", "FORMAT", "ARCHITECTURES", "PACKAGES", "VALID UNTIL", "DAYS LEFT"), suites, right=(3, 5))
        if suites
        else "  No packages.",
        _table(("SUITE", "PACKAGE", version_header, "FORMATS", "ARCHITECTURES"), versions) if versions else "",
    )
    return "\n\n".join(filter(None, tables))


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return a table whose cells, which others may have written, are printable and have one line."""
    cells = [[one_line(str(cell)) for cell in row] for row in (headers, *rows)]
    return format_table(cells[0], cells[1:], right)


def _facts(inventory: Inventory) -> Iterator[tuple[str, str]]:
    yield from ((name.capitalize(), value) for name, value in inventory.identity.items())
    if inventory.generation:
        earlier = ", ".join(map(str, inventory.earlier_generations))
        yield "Generation", f"{inventory.generation}{f', rollback can restore {earlier}' if earlier else ''}"
    if inventory.package_count is not None:
        yield "Packages", f"{inventory.package_count:,}"


def _expiry_cells(expiry: Expiry | None, unlimited: str) -> tuple[str, str]:
    """Return the date and the days left; empty if unknown."""
    if expiry is None:
        return "", ""
    if not expiry.time:
        return unlimited, ""
    return expiry.date, f"{expiry.days_left:,}" if expiry.time > expiry.now else "expired"


def _suite_row(suite: ListedSuite) -> Sequence[str]:
    count = "" if suite.packages is None else f"{len(suite.packages):,}"
    validity = _expiry_cells(suite.valid_until, "no limit")
    return suite.name, suite.format, ", ".join(suite.architectures), count, *validity


def _version_rows(inventory: Inventory, all_versions: bool) -> Iterator[Sequence[str]]:
    """Yield a row for each version in a suite; debs and rpms of the same version share it."""
    for name in dict.fromkeys(suite.name for suite in inventory.suites):
        same_name = [suite for suite in inventory.suites if suite.name == name]
        for version in _versions(same_name, all_versions):
            formats = sorted({package.format for package in version.packages})
            arches = sorted({common_name(package.arch) for package in version.packages})
            yield name, version.name, version.version, ", ".join(formats), ", ".join(arches)


def _versions(suites: Sequence[ListedSuite], all_versions: bool) -> Iterator[_Version]:
    """Yield the versions of each package, newest first: all, or the newest of each format and architecture."""
    listed = [package for suite in suites for package in suite.packages or ()]
    if not all_versions:
        by_age = sorted(listed, key=lambda p: (p.format, p.version_key))
        listed = list({(p.format, p.name, p.arch): p for p in by_age}.values())
    groups: dict[tuple[str, str], list[Package]] = {}
    for package in listed:
        groups.setdefault((package.name, package.version), []).append(package)
    newest_first = sorted(groups, key=lambda group: deb_version_key(group[1]), reverse=True)
    for name, version in sorted(newest_first, key=lambda group: group[0]):
        yield _Version(name, version, groups[name, version])
