"""What passed once is remembered in the store: the same package by the same checks passes again."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Sequence

from kubeparcel.build.assembler import BuiltPackage, manifest_digest
from kubeparcel.paths import PACKAGE
from kubeparcel.reports.results import Check
from kubeparcel.store import Store

KIND = "checked"


@functools.cache
def checks_digest() -> str:
    """A digest of the checks, the readers and the catalog: when they change, all is read again."""
    digest = hashlib.sha256()
    for pattern in ("verify/**/*.py", "reports/*.py", "packages/**/*.py", "config/catalog.yaml"):
        for path in sorted(PACKAGE.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def cache_key(one: BuiltPackage, neighbours: Iterable[str]) -> str:
    """All that a package's checks depend on; `neighbours` are what the set adds to it."""
    return "\n".join(
        [checks_digest(), one.sha256, manifest_digest(one.manifest), *sorted(neighbours)]
    )


def load_checks(store: Store, key: str, subject: str) -> tuple[Check, ...]:
    """The checks that passed, or nothing."""
    try:
        rows = store.get_record(KIND, key) or []
        return tuple(Check(name, subject, meaning) for name, meaning in rows)
    except (TypeError, ValueError):
        return ()


def save_checks(store: Store, key: str, checks: Sequence[Check]) -> None:
    """Remember checks, if all passed."""
    if checks and all(check.passed for check in checks):
        store.put_record(KIND, key, [[c.name, c.meaning] for c in checks])
