"""The package that an SBOM describes, and the components that are linked into its binaries."""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from kubeparcel.packages import linked_software
from kubeparcel.packages.model import FileType, GoModule, PackageContents, PackageEntry
from kubeparcel.packages.provenance import read_record, recorded_contents, recorded_origins
from kubeparcel.trust.patched_source import PatchedSource, read_patched_source


@dataclass(frozen=True)
class Subject:
    """A package file, its digest, and the vendor and license of the settings, which debs do not record."""

    contents: PackageContents
    sha256: str
    file_name: str
    vendor: str = ""
    license: str = ""

    @property
    def purl(self) -> str:
        """The package URL. It names no distribution: the package is for all of them."""
        from packageurl import PackageURL

        contents = self.contents
        qualifiers = {"arch": contents.arch, **({"epoch": str(contents.epoch)} if contents.epoch else {})}
        vendor = "-".join(self.vendor.lower().split())
        return PackageURL(str(contents.format), vendor, contents.name, contents.release, qualifiers).to_string()

    @functools.cached_property
    def patched_source(self) -> PatchedSource | None:
        """How the source of the binaries was patched; None if it was not."""
        return read_patched_source(self.contents)

    def linked_components(self, entry: PackageEntry) -> Iterator[Component]:
        """Yield what is linked into a file, and what it needs of the host; nothing for other files than ELF."""
        return linked_components(entry, self.patched_source)

    @property
    def files(self) -> tuple[PackageEntry, ...]:
        """The files with content; directories and symbolic links have none."""
        return tuple(entry for entry in self.contents.entries if entry.kind in (FileType.FILE, FileType.HARDLINK))

    def file_licenses(self) -> Mapping[str, str]:
        """Return the license of each file that kubeparcel wrote, by path: the package's. That of others is unknown."""
        recorded = recorded_contents(read_record(self.contents))
        if recorded is None or not self.license:
            return {}
        own = {path for path, file in recorded.files.items() if not file.custom}
        documents = f"/usr/share/doc/{self.contents.name}/"
        return {
            entry.path: self.license
            for entry in self.files
            if not entry.elf and (entry.path in own or entry.path.startswith(documents))
        }

    def origins(self) -> list[tuple[str, str]]:
        """Return the URL and SHA-256 of each file that the binaries were downloaded as."""
        pairs = recorded_origins(read_record(self.contents), "origin", "digest")
        return [(url, digest.removeprefix("sha256:")) for url, digest in pairs if digest.startswith("sha256:")]

    def commits(self) -> list[str]:
        """Return the git commit that the binaries were compiled from, as a URI; none for other sources."""
        pairs = recorded_origins(read_record(self.contents), "commit", "repository")
        return [commit_uri(commit, repository) for commit, repository in pairs if commit]


def commit_uri(commit: str, repository: str) -> str:
    """Return the URI of a git commit, as SPDX and pip write it; without a repository if its URL is unknown."""
    return f"git+{repository}@{commit}" if repository else f"git:{commit}"


class Link(StrEnum):
    """How a component is linked into a binary."""

    STATIC = "static"
    DYNAMIC = "dynamic"


@dataclass(frozen=True)
class Component:
    """A Go module in a binary, or a library of the host that it needs.

    `version` is empty if it is unknown; `sha256` is the sum of Go's checksum database, in hexadecimal. `base` is the
    published version of a patched module.
    """

    name: str
    version: str
    link: Link
    purl: str = ""
    sha256: str = ""
    replaced: str = ""
    base: str = ""

    @property
    def ancestor(self) -> Component:
        """The published module that a patched one is based on."""
        return Component(self.name, self.base, self.link, _go_purl(self.name, self.base))

    @property
    def ref(self) -> str:
        """A reference that is the same in every document."""
        return self.purl or self.name


def linked_components(entry: PackageEntry, source: PatchedSource | None = None) -> Iterator[Component]:
    """Yield the components of a file whose modules may be patched, as `source` records."""
    if entry.elf is None:
        return
    if go := entry.elf.go:
        if go.module.path:
            yield _module(go.module, source)
        toolchain = linked_software.toolchain_version(go)
        yield Component(
            linked_software.STANDARD_LIBRARY,
            toolchain,
            Link.STATIC,
            _go_purl(linked_software.STANDARD_LIBRARY, toolchain),
        )
        yield from (_module(module, source) for module in go.dependencies)
    yield from (Component(soname, "", Link.DYNAMIC) for soname in entry.elf.libraries)


def is_complete(entry: PackageEntry) -> bool:
    """Return whether all that is linked into a file is known: Go's linker records it, compilers of C do not."""
    go = entry.elf.go if entry.elf else None
    return go is not None and bool(go.module.path) and go.settings.get("CGO_ENABLED") == "0"


def may_have_components(entry: PackageEntry) -> bool:
    """Return whether a file may contain or need other software: a binary or a script."""
    return entry.elf is not None or bool(entry.mode & 0o111) or (entry.data or b"").startswith(b"#!")


def _module(module: GoModule, source: PatchedSource | None) -> Component:
    path = linked_software.module_path(module)
    version = module.version if linked_software.module_version(module) else ""
    replaced = module.replaced if module.replaced != path else ""
    base = source.base_version(module) if source else ""
    version = f"{base}+{source.suffix}" if source and base else version
    return Component(path, version, Link.STATIC, _go_purl(path, version), _sum_as_sha256(module.sum), replaced, base)


@functools.cache
def _go_purl(path: str, version: str) -> str:
    from packageurl import PackageURL

    namespace, _, name = path.rpartition("/")
    return PackageURL("golang", namespace, name, version).to_string()


def _sum_as_sha256(text: str) -> str:
    """Return Go's `h1:BASE64` in hexadecimal, empty for any other text."""
    try:
        digest = base64.b64decode(text.removeprefix("h1:"), validate=True) if text.startswith("h1:") else b""
    except binascii.Error:
        return ""
    return digest.hex() if len(digest) == 32 else ""
