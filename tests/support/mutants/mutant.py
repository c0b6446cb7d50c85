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
from tests.support.sample_packages import GO, Draft, Mutate

BOTH = ("deb", "rpm")
CONF = "/10-kubeadm.conf"
SERVICE = "/kubelet.service"
ENV = {"deb": "/etc/default/kubelet", "rpm": "/etc/sysconfig/kubelet"}
STRAY = frozenset({"no-stray-files"})
PRESENT = frozenset({"files-present"})
RENAMED = frozenset({"file-name", "provenance", "go-module-version"})
PROVENANCE = frozenset({"provenance", "binary-digests"})


@dataclass(frozen=True)
class Mutant:
    """One fault: in which package, made how, seen by which check."""

    name: str
    package: str
    mutate: Mutate
    check: str
    formats: Sequence[str] = BOTH
    also: frozenset[str] = frozenset()
    exact: bool = False
    official: bool = False


# What is done to a draft, as values for the tables.


def on(method: str, *args: Any, **values: Any) -> Mutate:
    return lambda draft: getattr(draft, method)(*args, **values)


def fields(**values: Any) -> Mutate:
    return lambda draft: draft.config.update(values)


def rpm(**values: Any) -> Mutate:
    return lambda draft: draft.config["rpm"].update(values)


def env(change: Callable[[Draft, str], None]) -> Mutate:
    return lambda draft: change(draft, ENV[draft.format])


def binary(path: str, **how: Any) -> Mutate:
    name = path.rsplit("/", 1)[-1]
    how = {"go": GO["kubernetes"], **how}
    return on("put", path, elf(name, **how))


def go(**values: Any) -> Go:
    return replace(GO["kubernetes"], **values)


def depend(*others: str, relation: str = "depends") -> Mutate:
    return lambda draft: draft.config.setdefault(relation, []).extend(others)
