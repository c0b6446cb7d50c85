"""The yum index entry of an rpm, from its headers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeparcel.packages import limits
from kubeparcel.packages.architectures import RPM_ARCHITECTURES
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.member_names import NameBudget
from kubeparcel.packages.relations import PACKAGE_NAME, Relation
from kubeparcel.packages.rpm import tags
from kubeparcel.packages.rpm.header import Header, rows

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~^_]*")


def identity(main: Header) -> tuple[str, str, str]:
    """Return name, version with release and epoch, and architecture; raise MalformedData."""
    name, arch = main.text(tags.NAME), main.text(tags.ARCH)
    version, release = main.text(tags.VERSION), main.text(tags.RELEASE)
    if not main.text(tags.SOURCERPM):
        raise MalformedData("it is a source package")
    if not PACKAGE_NAME.fullmatch(name):
        raise MalformedData(f"its name {name!r} is invalid")
    if not (_VERSION.fullmatch(version) and _VERSION.fullmatch(release)):
        raise MalformedData(f"its version {version!r}-{release!r} is invalid")
    if arch not in RPM_ARCHITECTURES:
        raise MalformedData(f"its architecture {arch!r} is unknown to rpm")
    epoch = main.number(tags.EPOCH)
    return name, f"{epoch}:{version}-{release}" if epoch else f"{version}-{release}", arch


def file_paths(main: Header) -> tuple[str, ...]:
    """Return the paths of its files, in the order of their other tags; raise MalformedData."""
    directories = main.texts(tags.DIRNAMES)
    indexes = main.numbers(tags.DIRINDEXES)
    if indexes and max(indexes) >= len(directories):
        raise MalformedData(f"its header has {len(directories)} directories, but files in number {max(indexes)}")
    names = rows(tags.BASENAMES, indexes, main.texts(tags.BASENAMES))
    limits.PATH.check(max(map(len, directories), default=0), "a directory in its header")
    paths = (directories[index] + name for index, name in names) if indexes else iter(main.texts(tags.OLDFILENAMES))
    return tuple(_bounded(paths))


def _bounded(paths: Iterator[str]) -> Iterator[str]:
    """Yield the paths; raise MalformedData above a limit: many files may have the same huge directory."""
    budget = NameBudget("its header")
    for path in paths:
        budget.spend(path)
        yield path


def dependencies(main: Header) -> str:
    """Return the packages it requires, in deb's notation; files and rpm's own are left out."""
    return ", ".join(str(r) for r in relations(main, "depends") if "(" not in r.name and not r.name.startswith("/"))


def relations(main: Header, kind: str) -> Iterator[Relation]:
    """Yield the relations of a kind, such as `depends`, with rpm's operators. Raises MalformedData."""
    names, flags, versions = tags.RELATIONS[kind]
    for name, flag, version in rows(names, main.texts(names), main.numbers(flags), main.texts(versions)):
        operator = tags.OPERATORS.get(flag & tags.SENSE_MASK)
        yield Relation(name, operator, version) if operator and version else Relation(name)


def file_name(name: str, version: str, arch: str) -> str:
    """Return the usual file name, which has no epoch."""
    return f"{name}-{version.rpartition(':')[2]}.{arch}.rpm"
