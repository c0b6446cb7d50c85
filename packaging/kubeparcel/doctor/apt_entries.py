"""Check the packages listed in an index of an apt suite, and find out where their files are."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping

from kubeparcel.doctor.apt_release import SuiteContext
from kubeparcel.doctor.findings import CheckKind
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.numbers import parse_number
from kubeparcel.repository.model import Package
from kubeparcel.repository.storage.base import check_path

_DIGEST_FIELDS = {"sha256": "sha256", "sha512": "sha512", "sha1": "sha1", "md5": "md5sum"}
_ENTRY_FIELDS = "Package, Version, Architecture, Filename, Size and SHA256"
_ENTRY_HINT = "apt cannot install the package. Generate the index again, with SHA256."


def check_entries(context: SuiteContext, index: str, data: bytes) -> Iterator[Package]:
    """Check the stanzas of an index; yield the packages that are examined."""
    context.subject.mark_run(CheckKind.ENTRIES)
    path = context.path(index)
    arch = index.rpartition("/")[0].rpartition("binary-")[2]
    digests: dict[tuple[str, ...], str] = {}
    for stanza in data.decode("utf-8", "replace").split("\n\n"):
        fields = deb_metadata.parse_fields(stanza)
        package = _parse_entry(context, path, fields) if fields else None
        if package is None:
            continue
        if not context.selection.has_arch(package.arch):
            continue
        if arch and package.arch not in (arch, "all"):
            hint = f"Clients of {arch} cannot install it. Generate the index again."
            expected = f"packages for {arch}"
            context.subject.add_finding(CheckKind.ENTRIES, expected, package.label, path, hint)
        if digests.setdefault(package.identity, package.sha256) != package.sha256:
            found = f"{package.label} with two digests"
            hint = "Clients install either. Remove one, or publish it with a higher revision."
            context.subject.add_finding(CheckKind.ENTRIES, "one file for each version", found, path, hint)
        yield package


def _parse_entry(context: SuiteContext, path: str, fields: Mapping[str, str]) -> Package | None:
    try:
        identity = deb_metadata.identity(fields)
        file_path = check_path(fields["filename"].removeprefix("./"))
        size = parse_number(fields["size"], "its Size field")
        digest = fields.get("sha256") or fields["sha512"]
    except (MalformedData, ConfigurationError, KeyError, ValueError) as error:
        name = f"{fields.get('package', '?')} {fields.get('version', '?')}"
        missing = isinstance(error, KeyError)
        problem = f"field {error} is missing" if missing else str(error).split("\n")[0]
        context.subject.add_finding(CheckKind.ENTRIES, _ENTRY_FIELDS, f"{name}: {problem}", path, _ENTRY_HINT)
        context.subject.complete = False
        return None
    dependencies = deb_metadata.dependencies(fields)
    package = Package(Format.DEB, *identity, digest, size, digest, dependencies, file_path)
    context.subject.digests[package] = {
        algorithm: fields[name] for algorithm, name in _DIGEST_FIELDS.items() if fields.get(name)
    }
    return package


def locate_files(context: SuiteContext, packages: Iterable[Package]) -> dict[Package, str]:
    """Return where the packages' files are.

    Those of a flat repository are relative to the first part of `deb URL FOLDER/`, which may be a
    folder above its Release (apt, debReleaseIndex::ArchiveURI).
    """
    base, prefix = context.suite.base, ""
    first = min(packages, default=None)
    if first and not context.suite.name:
        whole = f"{context.reader.location.rstrip('/')}/{base}".strip("/").split("/")
        choices = [(folder, "") for folder in _and_parents(base)]
        choices += [(base, "/".join([*whole[n:], ""])) for n in range(len(whole))]
        usable = (c for c in choices if first.path.startswith(c[1]) and context.reader.read(_join(*c, first.path), 1))
        base, prefix = next(usable, (base, ""))
        if (base, prefix) != (context.suite.base, ""):
            folder = prefix or posixpath.relpath(f"/{context.suite.base}", f"/{base}") + "/"
            context.subject.add_remark(f"paths are relative to a folder above: clients need deb URL {folder}")
    return {package: _join(base, prefix, package.path) for package in packages}


def _and_parents(folder: str) -> list[str]:
    parts = folder.split("/") if folder else []
    return ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]


def _join(base: str, prefix: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(base, path.removeprefix(prefix)))
