"""The files and relations that a package of the catalog has in one version, format and layout."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from kubeparcel.config.distribution_directories import DISTRIBUTION_DIRECTORIES
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format, Version

if TYPE_CHECKING:
    from kubeparcel.config.catalog import Catalog
    from kubeparcel.config.catalog_models import FileSpec, PackageSpec


CNI_BIN_DIR = "/opt/cni/bin"
"""The folder in which container runtimes search CNI plugins by default."""


@dataclass(frozen=True)
class PackageVariant:
    """A package of the catalog for one version of Kubernetes, format and layout."""

    name: str
    spec: PackageSpec
    kubernetes: Version
    format: Format
    layout: str
    cni_bin_dir: str = CNI_BIN_DIR

    def paths(self, catalog: Catalog) -> dict[str, str]:
        """Return the placeholders of paths, such as `unitdir`, with their values."""
        layout = catalog.layouts[self.layout][self.format]
        return {**layout.model_dump(exclude={"obsolete"}), "cnibindir": self.cni_bin_dir, "package": self.name}

    def files(self, catalog: Catalog) -> Iterator[tuple[str, FileSpec]]:
        """Yield each path with its entry, in order; of two entries for a path, the later one counts.

        An entry with `remove` is yielded only if it takes away one of all binaries. Raises
        ConfigurationError for an unknown placeholder or a relative path.
        """
        entries: dict[tuple[str, bool], FileSpec] = {}
        for file in (*catalog.common, *self.spec.files):
            has_content = self.spec.component or not file.provenance
            if not has_content or not file.applies_to(self.kubernetes, self.format, self.layout):
                continue
            path = self.expand(file.path, catalog)
            if file.remove:
                entries.pop((path, True), None)
                is_removed = entries.pop((path, False), None)
                if not is_removed and (path.rpartition("/")[0], True) in entries:
                    entries[path, False] = file
            for owned in (*(_unowned_parents(path) if file.parents else ()), path) if not file.remove else ():
                entries[owned, file.binaries] = file
        yield from ((path, file) for (path, _), file in entries.items())

    def expand(self, template: str, catalog: Catalog) -> str:
        """Return a path with its placeholders replaced; raise ConfigurationError for an unknown one."""
        key = f"packages.{self.name}.files"
        path = _fill_placeholders(template, key, self.paths(catalog))
        if not path.startswith("/"):
            raise ConfigurationError(f"{key}: {path} is not an absolute path.")
        return path

    def relations(self, conflicts: Iterable[tuple[str, str]] = ()) -> Iterator[tuple[str, str]]:
        """Yield pairs of a relation and a package, after `conflicts`. Raises ConfigurationError for a placeholder."""
        major, minor = self.kubernetes.major, self.kubernetes.minor
        values = {
            "minor": self.kubernetes.series,
            "next-minor": f"{major}.{minor + 1}",
            "after-next-minor": f"{major}.{minor + 2}",
        }
        pairs = list(conflicts)
        for relation in self.spec.relations:
            if relation.applies_to(self.kubernetes, self.format, self.layout):
                if relation.remove:
                    pairs = [
                        pair for pair in pairs if (pair[0], relation_name(pair[1])) != (relation.kind, relation.name)
                    ]
                else:
                    key = f"packages.{self.name}.relations"
                    pairs.append((relation.kind, _fill_placeholders(relation.text, key, values)))
        yield from dict.fromkeys(pairs)

    def scripts(self) -> dict[str, str]:
        """Return the template of each script by the event that it runs at."""
        templates: dict[str, str] = {}
        for script in self.spec.scripts:
            if script.applies_to(self.kubernetes, self.format, self.layout):
                templates[script.at] = script.template
        return {at: template for at, template in templates.items() if template}

    def distribution_conflicts(self, catalog: Catalog, names: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield relations to the distributions' packages that own a path of this one, unless they are in `names`.

        Debs also replace the files: apt then offers the exchange (Debian Policy 7.6.2). rpms do not
        obsolete the packages: dnf would replace them in every upgrade without being asked.
        """
        files = [(path, file) for path, file in self.files(catalog) if not (file.dir or file.remove)]
        paths = {f"{path}/*" if file.binaries else path for path, file in files}
        for other in catalog.distribution_packages:
            is_foreign = self.format in other.formats and relation_name(other.package) not in names
            if is_foreign and any(map(other.owns, paths)):
                yield "conflicts", other.package
                if self.format is Format.DEB:
                    yield "replaces", other.package


def relation_name(text: str) -> str:
    """Return the name of the package in a relation, such as kubelet in `kubelet (>= 1.19.0)`."""
    return text.partition(" (")[0]


def _unowned_parents(path: str) -> list[str]:
    """Return the folders above a path that no distribution owns."""
    parents = [str(parent) for parent in PurePosixPath(path).parents]
    return [parent for parent in reversed(parents) if parent not in DISTRIBUTION_DIRECTORIES]


def _fill_placeholders(text: str, key: str, values: Mapping[str, str]) -> str:
    try:
        return text.format_map(values)
    except (LookupError, ValueError, AttributeError):
        names = ", ".join(f"{{{name}}}" for name in values)
        raise ConfigurationError(f"{key}: unknown placeholder in {text!r}.", f"Use one of: {names}.") from None
