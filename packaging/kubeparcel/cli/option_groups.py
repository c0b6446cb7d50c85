"""Options that several tasks share, as fields of a dataclass; and the values of options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeparcel.cli.output import confirm
from kubeparcel.errors import UsageError

if TYPE_CHECKING:
    from kubeparcel.repository.open_repository import Target


def split_list(text: str) -> tuple[str, ...]:
    """Return the values in a list separated by commas."""
    return tuple(value.strip() for value in text.split(",") if value.strip())


def absolute_location(location: str) -> str:
    """Return a URL, or the absolute path of a folder or file."""
    return location if "://" in location else str(Path.cwd() / location)


@dataclass(frozen=True)
class ReleaseOptions:
    """Which release is meant, and where its binaries come from."""

    kubernetes: str = ""
    cri_tools: str = ""
    cni: str = ""
    arch: str = ""
    source: str = ""
    mirror: str = ""
    require_signatures: bool = False
    accept_sha1: bool = False
    trust_root: str = ""
    packages: str = ""
    components: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        if self.version and self.kubernetes not in ("", self.version):
            raise UsageError(f"Two versions of Kubernetes: {self.version} and --kubernetes {self.kubernetes}.")
        object.__setattr__(self, "kubernetes", self.kubernetes or self.version)


@dataclass(frozen=True)
class PackageOptions:
    """How packages are made."""

    format: str = ""
    layout: str = ""
    revision: str = ""
    compression: str = ""
    no_sbom: bool = False

    def settings(self) -> dict[str, Any]:
        """Return the options by the names of settings."""
        return {**asdict(self), **({"sbom": "false"} if self.no_sbom else {})}


@dataclass(frozen=True)
class ChangeOptions:
    """Which repository is changed, and how."""

    to: str = ""
    key: str = ""
    wait: int = 30
    dry_run: bool = False
    yes: bool = False
    json_: bool = False

    def target(self, terms: Mapping[str, str | int] | None = None) -> Target:
        """Return the repository to change; `terms` are the options that it remembers."""
        from kubeparcel.repository.open_repository import Target

        if not self.to:
            raise UsageError("Missing option --to: the repository's folder or s3://BUCKET/PREFIX.")
        address = self.to if "://" in self.to else str(Path.cwd() / self.to)
        return Target(address, self.key, self.dry_run, self.wait, terms or {}, partial(confirm, yes=self.yes))
