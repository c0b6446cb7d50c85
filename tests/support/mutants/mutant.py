"""Mutants, and the mutations that their tables use.

Each mutant is checked twice: as a package that was just built, where every byte is known, and by
the catalog alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.support.elf_files import Go, elf
from tests.support.sample_packages import GO, Mutation, PackageDraft

BOTH = ("deb", "rpm")
DROP_IN_PATH = "/10-kubeadm.conf"
UNIT_PATH = "/kubelet.service"
ENV_FILES = {"deb": "/etc/default/kubelet", "rpm": "/etc/sysconfig/kubelet"}
STRAY_FILE = frozenset({"no-stray-files"})
MISSING_FILE = frozenset({"files-present"})
OTHER_IDENTITY = frozenset({"file-name", "provenance", "go-module-version"})
OTHER_BINARY = frozenset({"provenance", "binary-digests", "bundled-modules"})


@dataclass(frozen=True)
class Mutant:
    """A mutation of a package, and the check that must fail.

    `also_fails` are other checks that may fail. Only the check of a package that was just built
    detects an `exact` mutant. `official` mutants are of packages in that layout.
    """

    name: str
    package: str
    mutate: Mutation
    check: str
    formats: Sequence[str] = BOTH
    also_fails: frozenset[str] = frozenset()
    exact: bool = False
    official: bool = False


def call(method: str, *args: Any, **values: Any) -> Mutation:
    return lambda draft: getattr(draft, method)(*args, **values)


def both(first: Mutation, second: Mutation) -> Mutation:
    return lambda draft: (first(draft), second(draft))


def set_fields(**values: Any) -> Mutation:
    return lambda draft: draft.config.update(values)


def set_rpm_fields(**values: Any) -> Mutation:
    return lambda draft: draft.config["rpm"].update(values)


def change_env_file(change: Callable[[PackageDraft, str], None]) -> Mutation:
    return lambda draft: change(draft, ENV_FILES[draft.format])


def replace_binary(path: str, **options: Any) -> Mutation:
    name = path.rsplit("/", 1)[-1]
    options = {"go": GO["kubernetes"], **options}
    return call("replace_content", path, elf(name, **options))


def go_build(**values: Any) -> Go:
    return replace(GO["kubernetes"], **values)


def add_relations(*others: str, relation: str = "depends") -> Mutation:
    return lambda draft: draft.config.setdefault(relation, []).extend(others)
