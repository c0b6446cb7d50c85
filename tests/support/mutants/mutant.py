"""Packages broken in one respect each, and the check that must notice.

`check` is the check meant for it. `also` are others that see the same fault. A mutant is looked at
twice: as a package just made, where every byte is known, and as anyone's file, judged by the
catalog alone; `exact` ones can only be seen in the first way.
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
STRAY = frozenset({"no-stray-files"})
PRESENT = frozenset({"files-present"})
RENAMED = frozenset({"file-name", "provenance", "go-module-version"})
PROVENANCE = frozenset({"provenance", "binary-digests"})


@dataclass(frozen=True)
class Mutant:
    """One fault: in which package, made how, seen by which check."""

    name: str
    package: str
    mutate: Mutation
    check: str
    formats: Sequence[str] = BOTH
    also_fails: frozenset[str] = frozenset()
    exact: bool = False
    official: bool = False


# What is done to a draft, as values for the tables.


def call(method: str, *args: Any, **values: Any) -> Mutation:
    return lambda draft: getattr(draft, method)(*args, **values)


def set_fields(**values: Any) -> Mutation:
    return lambda draft: draft.config.update(values)


def set_rpm_fields(**values: Any) -> Mutation:
    return lambda draft: draft.config["rpm"].update(values)


def change_env_file(change: Callable[[PackageDraft, str], None]) -> Mutation:
    return lambda draft: change(draft, ENV_FILES[draft.format])


def replace_binary(path: str, **how: Any) -> Mutation:
    name = path.rsplit("/", 1)[-1]
    how = {"go": GO["kubernetes"], **how}
    return call("replace_content", path, elf(name, **how))


def go_build(**values: Any) -> Go:
    return replace(GO["kubernetes"], **values)


def add_relations(*others: str, relation: str = "depends") -> Mutation:
    return lambda draft: draft.config.setdefault(relation, []).extend(others)
