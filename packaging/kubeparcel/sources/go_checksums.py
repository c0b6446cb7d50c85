"""Which modules the go command checks against a checksum database, by its settings.

See https://go.dev/ref/mod#checksum-database. Whether a module was checked also takes a go command
that succeeded: a sum that differs from the database's is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import UNCHECKED, Artifact

_GOLANG_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
"""The key of Go's own database, which is part of the go command."""


GOLANG_DATABASE = "sum.golang.org"


@dataclass(frozen=True)
class ModuleCheck:
    """The database that modules are checked against, or `none` and the setting that prevents it."""

    database: str
    reason: str = ""


def module_check(settings: Mapping[str, str], modules: Iterable[str]) -> ModuleCheck:
    """Return the check that applies to all of the modules, by the settings that `go env` prints."""
    database = next(iter(settings.get("GOSUMDB", "").split()), "")
    if database in ("", "off"):
        return ModuleCheck(UNCHECKED, "GOSUMDB=off")
    private, patterns = settings.get("GOPRIVATE", ""), settings.get("GONOSUMDB") or settings.get("GOPRIVATE", "")
    name = "GOPRIVATE" if patterns == private else "GONOSUMDB"  # `go env` prints it as the default of the other
    if any(_matches(pattern, module) for pattern in patterns.split(",") for module in modules):
        return ModuleCheck(UNCHECKED, f"{name}={patterns}")
    return ModuleCheck(database.partition("+")[0] if database == _GOLANG_KEY else database)


def require_check(artifact: Artifact, check: ModuleCheck) -> None:
    """Raise ConfigurationError if modules would not be checked as they were when the lock was written."""
    if artifact.checksum in ("", UNCHECKED, check.database):
        return
    problem = f"Go would not check its modules ({check.reason})" if check.reason else f"Go uses {check.database}"
    raise ConfigurationError(
        f"{artifact.origin}: kubeparcel.lock was checked against {artifact.checksum}, and {problem}.",
        "Change the setting (go env), or resolve again, so that kubeparcel.lock records what is checked: inv resolve",
    )


def _matches(pattern: str, module: str) -> bool:
    """Return whether a pattern of path.Match matches a prefix of a module's path, element by element."""
    wanted, elements = pattern.rstrip("/").split("/"), module.split("/")
    if not pattern or len(wanted) > len(elements):
        return False
    if "\\" in pattern:  # an escape, which no published pattern needs: assume that it matches
        return True
    return all(
        fnmatchcase(*pair) for pair in zip(elements, (part.replace("[^", "[!") for part in wanted), strict=False)
    )
