"""The tasks that change repositories."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel import console
from kubeparcel.cli.option_groups import ChangeOptions
from kubeparcel.cli.options import COUNT, NO_REQUIREMENTS, REQUIREMENTS, Option
from kubeparcel.cli.output import print_result
from kubeparcel.cli.task import task
from kubeparcel.errors import UsageError
from kubeparcel.sanitize import redact_url

if TYPE_CHECKING:
    from kubeparcel.repository.result import ChangeResult

UNCHANGED = -1
"""The default of a number that stays as the repository has it."""

_MAX_NAME = 80
_URL = re.compile(r"(https?|file)://[A-Za-z0-9._~:/%@+\[\]-]+")


@dataclass(frozen=True)
class IdentityOptions:
    """How a repository names itself."""

    origin: str = ""
    label: str = ""
    description: str = ""

    def validated(self) -> dict[str, str]:
        """Return the names given. Raises UsageError for a name that is not one printable line."""
        names = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in names.items():
            if value and not (value.isprintable() and value.strip() == value and len(value) <= _MAX_NAME):
                raise UsageError(f"Invalid --{name} {value!r}: use one line of up to {_MAX_NAME} printable characters.")
        return {name: value for name, value in names.items() if value}


def remembered_options(
    address: str, metadata: str, valid: int, generations: int, identity: IdentityOptions
) -> Mapping[str, str | int]:
    """Return the options given that the repository remembers for later publishes."""
    if redact_url(address) != address:
        raise UsageError(
            f"--address {redact_url(address)} was given with credentials, which client files would publish.",
            "Give the URL without them. Clients take them from apt's auth.conf and dnf's options username, password.",
        )
    if address and not _URL.fullmatch(address):
        raise UsageError(f"Invalid --address {address!r}: use the URL that clients see, as https://HOST/PATH.")
    values: dict[str, tuple[str | int, str | int]] = {
        "base_url": (address, ""),
        "metadata_compression": (metadata, ""),
        "valid_days": (valid, UNCHANGED),
        "generations": (generations, 0),
    }
    changes = {name: value for name, (value, default) in values.items() if value != default}
    return {**changes, **identity.validated()}


def _required(require: str) -> dict[str, str]:
    """Return the requirements to remember; `nothing` clears them. Raises UsageError for it with others."""
    names = [name for name in (*REQUIREMENTS, NO_REQUIREMENTS) if name in require.split(",")]
    if NO_REQUIREMENTS in names and len(names) > 1:
        raise UsageError(f"Invalid --require {require!r}: 'nothing' cannot be combined with others.")
    return {"required": ",".join(names).replace(NO_REQUIREMENTS, "")} if names else {}


def _print_change(result: ChangeResult, change: ChangeOptions) -> int:
    print_result(result.as_json() if change.json_ else result.as_text())
    return result.exit_code


@task(
    "Repository",
    (
        "publish --to /srv/www/k8s --address https://example.com/k8s",
        "Create the repository, with client files for its URL.",
    ),
    ("publish --to s3://BUCKET/PREFIX --dry-run", "Print what would change in a bucket."),
    ("publish --to DIR --require provenance,sbom", "Refuse packages without a statement or an SBOM, from now on."),
    ("publish --from build --to /srv/www/k8s --suite testing", "Fill the suite testing."),
    ("publish --to DIR --retain 3", "Keep only the newest three patches of each minor, and what they need."),
    to=Option("the repository, created if it does not exist: a folder or s3://BUCKET/PREFIX", "REPOSITORY"),
    from_=Option("folder with the packages", "DIR", "the output folder"),
    suite=Option("suite to publish to", "SUITE", "the minor's suite and stable"),
    origin=Option("Origin of the apt suites, by which hosts pin packages", "NAME", "kubeparcel"),
    label=Option("Label of the apt suites", "NAME", "the origin"),
    description=Option("title of the repository, on its page and for package managers", "TEXT", "Kubernetes packages"),
)
def publish(
    change: ChangeOptions,
    identity: IdentityOptions,
    from_: str = "",
    suite: str = "",
    address: str = "",
    metadata: str = "",
    valid: int = UNCHANGED,
    generations: int = 0,
    strict: bool = False,
    all_revisions: bool = False,
    retain: int = 0,
    require: str = "",
    quiet: bool = False,
) -> int:
    """Add packages to a signed apt and yum repository.

    The repository is created if it does not exist. It remembers --address, --origin, --label,
    --description, --metadata, --valid, --generations and --require. Published packages never change: a new
    build of a published version is left out.
    """
    from kubeparcel.repository import publisher

    folder = Path.cwd() / (from_ or _output_folder())
    terms = {**remembered_options(address, metadata, valid, generations, identity), **_required(require)}
    target = change.target(terms)
    result = publisher.publish(
        folder,
        target,
        console.create_log(quiet),
        suite=suite,
        strict=strict,
        all_revisions=all_revisions,
        retained=retain,
    )
    return _print_change(result, change)


def _output_folder() -> str:
    from kubeparcel.config.settings import load_settings

    return load_settings({}).out


@task(
    "Repository",
    ("remove --to DIR kubelet=1.36.3-1", "Remove one version of the kubelet."),
    ("remove --to DIR --suite testing =1.37.0~rc.1-1", "Remove a version of all packages."),
    path=Option("NAME, NAME=VERSION or =VERSION", "PACKAGE", positional=True),
    suite=Option("suite to remove from", "SUITE", "all suites"),
)
def remove(change: ChangeOptions, path: list[str], suite: str = "") -> int:
    """Remove packages from a repository."""
    from kubeparcel.repository import publisher

    result = publisher.remove(path, change.target(), console.create_log(), suite=suite)
    return _print_change(result, change)


@task(
    "Repository",
    ("retain --to DIR --keep 5", "Keep the newest five versions of each minor."),
    keep=Option("how many versions of each package in each minor to keep", "COUNT", "5", limits=COUNT),
    suite=Option("suite to clean up", "SUITE", "all suites"),
)
def retain(change: ChangeOptions, keep: int = 5, suite: str = "") -> int:
    """Keep only the newest versions of each package in each minor."""
    from kubeparcel.repository import publisher

    result = publisher.retain(keep, change.target(), console.create_log(), suite=suite)
    return _print_change(result, change)


@task(
    "Repository",
    ("rollback --to DIR", "Restore what the repository had before the last change."),
    ("rollback --to DIR --generation 7 --dry-run", "Print how generation 7 differs."),
)
def rollback(change: ChangeOptions, generation: int = 0) -> int:
    """Publish the packages of an earlier generation again."""
    from kubeparcel.repository import publisher

    result = publisher.rollback(change.target(), console.create_log(), generation=generation)
    return _print_change(result, change)


@task(
    "Repository",
    ("copy --to DIR --suite testing --into production", "Promote all packages of testing."),
    ("copy --to DIR --suite testing --into production kubelet=1.36.3-1", "Promote one package."),
    path=Option("NAME, NAME=VERSION or =VERSION", "PACKAGE", "all packages", positional=True),
    suite=Option("suite to copy from", "SUITE"),
)
def copy(change: ChangeOptions, path: list[str], suite: str = "", into: str = "") -> int:
    """Copy packages from one suite to another: all, or those named."""
    from kubeparcel.repository import publisher

    result = publisher.copy(suite, into, change.target(), console.create_log(), selectors=path)
    return _print_change(result, change)
