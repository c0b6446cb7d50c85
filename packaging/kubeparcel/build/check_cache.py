"""Cache of passed checks in the store, so that an unchanged package is not checked again."""

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
    """Return a digest of the checks, the package readers and the catalog."""
    return source_digest("verify/**/*.py", "trust/*.py", "reports/*.py", "packages/**/*.py", "config/catalog.yaml")


def source_digest(*patterns: str) -> str:
    """Return a digest of kubeparcel's own files, by patterns of their paths."""
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(PACKAGE.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def cache_key(package: BuiltPackage, set_dependencies: Iterable[str]) -> str:
    """Return a key of everything that a package's checks depend on.

    `set_dependencies` describe the other packages of the build, as far as checks depend on them.
    """
    own = [checks_digest(), package.sha256, manifest_digest(package.manifest)]
    return "\n".join([*own, *sorted(set_dependencies)])


def load_checks(store: Store, key: str, subject: str) -> tuple[Check, ...]:
    """Return the cached checks, empty if there are none or the record is invalid."""
    try:
        entries = store.get_record(KIND, key) or []
        return tuple(Check(name, subject, meaning) for name, meaning in entries)
    except (TypeError, ValueError):
        return ()


def save_checks(store: Store, key: str, checks: Sequence[Check]) -> bool:
    """Save checks if all of them passed; return whether they did."""
    passed = bool(checks) and all(check.passed for check in checks)
    if passed:
        store.put_record(KIND, key, [[check.name, check.meaning] for check in checks])
    return passed
