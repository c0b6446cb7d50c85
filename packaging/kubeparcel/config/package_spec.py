"""The files and relations that a package of the catalog has in one version, format and layout."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format, Version

if TYPE_CHECKING:
    from kubeparcel.config.catalog import Catalog
    from kubeparcel.config.catalog_models import FileSpec, PackageSpec


@dataclass(frozen=True)
class PackageVariant:
    """A package of the catalog for one version of Kubernetes, format and layout."""

    name: str
    spec: PackageSpec
    kubernetes: Version
    format: Format
    layout: str

    def paths(self, catalog: Catalog) -> dict[str, str]:
        """Return the placeholders of paths, such as `unitdir`, with their values."""
        layout = catalog.layouts[self.layout][self.format]
        return {**layout.model_dump(exclude={"obsolete"}), "package": self.name}

    def files(self, catalog: Catalog) -> Iterator[tuple[str, FileSpec]]:
        """Yield each path with its entry; of two entries for a path, the later one counts.

        Raises ConfigurationError for an unknown placeholder or a relative path.
        """
        values = self.paths(catalog)
        for file in (*catalog.common, *self.spec.files):
            has_content = self.spec.component or not file.provenance
            if has_content and file.applies_to(self.kubernetes, self.format, self.layout):
                yield self._path(file.path, values), file

    def _path(self, template: str, values: Mapping[str, str]) -> str:
        key = f"packages.{self.name}.files"
        path = _fill_placeholders(template, key, values)
        if not path.startswith("/"):
            raise ConfigurationError(f"{key}: {path} is not an absolute path.")
        return path

    def relations(self) -> Iterator[tuple[str, str]]:
        """Yield pairs of a relation and another package, such as `kubelet (>= 1.19.0)`.

        Raises ConfigurationError for an unknown placeholder.
        """
        major, minor = self.kubernetes.major, self.kubernetes.minor
        values = {
            "minor": self.kubernetes.series,
            "next-minor": f"{major}.{minor + 1}",
            "after-next-minor": f"{major}.{minor + 2}",
        }
        for relation in self.spec.relations:
            if relation.applies_to(self.kubernetes, self.format, self.layout):
                key = f"packages.{self.name}.relations"
                yield relation.kind, _fill_placeholders(relation.text, key, values)

    def distribution_conflicts(self, catalog: Catalog, names: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield relations to the distributions' packages that own a path of this one, unless they are in `names`.

        Debs also replace the files: apt then offers the exchange (Debian Policy 7.6.2). rpms do not
        obsolete the packages: dnf would replace them in every upgrade without being asked.
        """
        paths = {f"{path}/*" if file.binaries else path for path, file in self.files(catalog) if not file.dir}
        for other in catalog.distribution_packages:
            is_foreign = self.format in other.formats and other.package.partition(" ")[0] not in names
            if is_foreign and any(map(other.owns, paths)):
                yield "conflicts", other.package
                if self.format is Format.DEB:
                    yield "replaces", other.package


def _fill_placeholders(text: str, key: str, values: Mapping[str, str]) -> str:
    try:
        return text.format_map(values)
    except (LookupError, ValueError, AttributeError):
        names = ", ".join(f"{{{name}}}" for name in values)
        raise ConfigurationError(f"{key}: unknown placeholder in {text!r}.", f"Use one of: {names}.") from None
