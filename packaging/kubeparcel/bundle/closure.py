"""What packages require that none of them provides: their host must have it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from kubeparcel.files import translate_os_errors
from kubeparcel.model import Format
from kubeparcel.packages import limits
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.digest import hash_file
from kubeparcel.packages.relations import Relation, parse_relations, satisfies
from kubeparcel.packages.rpm import header, rpm_metadata

Provided = tuple[str, str]
"""A name, a path or a capability, and its version or ''."""


def unmet_requirements(files: Iterable[Path]) -> frozenset[str]:
    """Return the requirements of packages that no package among them meets. Raises MalformedData."""
    requirements: set[tuple[Format, tuple[Relation, ...]]] = set()
    provided: dict[tuple[Format, str], set[str]] = defaultdict(set)
    for file in files:
        format_ = Format(file.suffix[1:])
        needs, offers = (_deb if format_ is Format.DEB else _rpm)(file)
        requirements |= {(format_, group) for group in needs}
        for name, version in offers:
            provided[format_, name].add(version)

    comparisons = sum(len(provided.get((f, r.name), ())) for f, group in requirements for r in group)
    limits.COMPARISONS.check(comparisons, "the packages")

    def is_met(format_: Format, relation: Relation) -> bool:
        versions = provided.get((format_, relation.name), ())
        return any(not relation.operator or (v and satisfies(format_, v, relation)) for v in versions)

    return frozenset(
        " | ".join(map(str, group))
        for format_, group in requirements
        if not any(is_met(format_, relation) for relation in group)
    )


def _deb(file: Path) -> tuple[Sequence[tuple[Relation, ...]], Iterator[Provided]]:
    with translate_os_errors(file):
        content = hash_file(str(file), deb_metadata.head_length)
    fields = deb_metadata.parse_fields(deb_metadata.control_text(content.head, content.size))
    name, version, _ = deb_metadata.identity(fields)
    provides = ((r.name, r.version) for group in parse_relations(fields.get("provides", "")) for r in group)
    return parse_relations(deb_metadata.dependencies(fields)), iter([(name, version), *provides])


def _rpm(file: Path) -> tuple[Sequence[tuple[Relation, ...]], Iterator[Provided]]:
    with translate_os_errors(file):
        content = hash_file(str(file), header.head_length)
    main = header.read_headers(content.head, content.size).main
    needs = [(need,) for need in rpm_metadata.relations(main, "depends") if not need.name.startswith(("rpmlib(", "("))]
    name, version, _ = rpm_metadata.identity(main)
    provides = [(relation.name, relation.version) for relation in rpm_metadata.relations(main, "provides")]
    return needs, iter([(name, version), *provides, *((path, "") for path in rpm_metadata.file_paths(main))])
