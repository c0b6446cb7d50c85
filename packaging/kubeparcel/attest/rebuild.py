"""Builds a package again from the materials that its statement names, and compares the bytes."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kubeparcel import __version__
from kubeparcel.attest.materials import digest_text, recorded_lock, require_stored_patches, require_upstream_origins
from kubeparcel.build.assembler import assemble_package
from kubeparcel.build.lock import lockfile
from kubeparcel.build.manifests import finalize
from kubeparcel.build.package_plan import PackagePlan
from kubeparcel.build.planner import plan_packages
from kubeparcel.build.release_build import fetch
from kubeparcel.build.statements import NOT_INPUTS, StatementWriter
from kubeparcel.config import catalog as catalogs
from kubeparcel.config.settings import Settings, load_settings
from kubeparcel.console import Log
from kubeparcel.errors import ConfigurationError
from kubeparcel.files import sha256_of, translate_os_errors
from kubeparcel.lock_models import Lock
from kubeparcel.model import TIMESTAMP_LIMIT
from kubeparcel.packages import nfpm, reader
from kubeparcel.packages.differences import compare_packages
from kubeparcel.packages.rpm import header
from kubeparcel.reports.results import Finding
from kubeparcel.trust.package_statement import NFPM, built_digest, import_origin
from kubeparcel.trust.statement import Resource, Statement
from kubeparcel.user_cache import open_store

_CONCEALED_HINT = "Its lock and its materials contradict each other: do not trust the package."
_VERSION_HINT = "Verify it with the version of kubeparcel that built it."
_BLOCK = 1 << 20


def rebuild(
    package: Path, statement: Statement, base: Path, mirror: str, log: Log, *, trusted: bool = False
) -> list[Finding]:
    """Build a package again and return how it differs, and which materials its statement conceals.

    Files of the user are read below `base`, commits from the git trees that kubeparcel.yaml there names, and upstream's
    files from `mirror` if given; nothing is fetched from other places than the catalog and the lock in `base` name,
    except patches and components of a `trusted` statement. Raises ConfigurationError for a statement whose settings or
    lock are invalid, and the errors of fetching materials.
    """
    name = statement.subjects[0].name
    if origin := import_origin(statement):
        raise ConfigurationError(f"{name} was imported from {origin}.", "Only its publisher can build it again.")
    settings, lock = _settings(statement, base, mirror), recorded_lock(statement)
    plan = _plan(statement, settings, lock)
    _require_local_files(statement, base)
    store = open_store(log)
    artifacts = [a for a in lock.artifacts if a.component == plan.component and a.arch == plan.arch]
    require_upstream_origins(artifacts, lock, name, lockfile.read_all(base / lockfile.NAME), trusted=trusted)
    if any(artifact.commit for artifact in artifacts):
        folders = load_settings({}, base).tree_folders().items()
        settings = settings.model_copy(update={"trees": {component: str(folder) for component, folder in folders}})
    if not trusted:
        require_stored_patches(lock, store, name)
    binaries = fetch(lock, settings, store, log, artifacts) if artifacts else {}
    log.info("Rebuild", name)
    built = assemble_package(finalize(plan, lock, binaries, store), store)
    used = StatementWriter(settings, lock, binaries)(built.manifest, built.sha256)
    with store.scratch() as folder:
        copy = folder / name
        shutil.copyfile(store.path(built.sha256), copy)
        return [*_concealed(statement, used), *_differences(package, statement, copy, built.sha256)]


def _concealed(statement: Statement, used: Statement) -> Iterator[Finding]:
    """Yield the materials that the statement lists or its lock leads to, but not both; nfpm may be another version."""
    listed, own = ({_identity(m): m for m in s.materials if m.name != NFPM} for s in (statement, used))
    for key in sorted(listed.keys() ^ own.keys()):
        material, found = (own[key], "used, but not listed") if key in own else (listed[key], "listed, but not used")
        found = f"{found}: {key[0]} ({digest_text(material)})"
        yield Finding("the materials that the statement lists", found, hint=_CONCEALED_HINT)


def _identity(material: Resource) -> tuple[str, tuple[tuple[str, str], ...]]:
    return material.uri or material.name, tuple(sorted(material.digest.items()))


def _settings(statement: Statement, base: Path, mirror: str) -> Settings:
    """Return the settings of the build; the environment and kubeparcel.yaml do not matter."""
    name, settings = statement.subjects[0].name, statement.external.get("settings")
    if not isinstance(settings, dict):
        raise ConfigurationError(f"{name}: its statement has no settings.", _VERSION_HINT)
    recorded: dict[str, Any] = {key: value for key, value in settings.items() if key not in NOT_INPUTS}
    format_, arch = statement.external.get("format"), statement.external.get("architecture")
    recorded |= {"format": [format_], "mirror": mirror}
    if arch not in ("all", "noarch"):
        recorded["arch"] = [arch]
    try:
        validated = Settings.model_validate(recorded)
    except ValidationError as error:
        raise ConfigurationError(
            f"{name}: the settings in its statement are invalid ({error.errors()[0]['msg']}).", _VERSION_HINT
        ) from None
    validated._base = base
    return validated


def _plan(statement: Statement, settings: Settings, lock: Lock) -> PackagePlan:
    name = statement.subjects[0].name
    try:
        plans = plan_packages(settings, lock, catalogs.for_request(lock.request))
    except KeyError as error:
        raise ConfigurationError(f"{name}: the lock in its statement has no {error.args[0]}.", _VERSION_HINT) from None
    for plan in plans:
        if plan.file_name.rpartition("/")[2] == name:
            time = statement.internal.get("time")
            return dataclasses.replace(plan, time=time) if type(time) is int and 0 <= time < TIMESTAMP_LIMIT else plan
    raise ConfigurationError(
        f"The settings in the statement about {name} do not give a package of this name.", _VERSION_HINT
    )


def _require_local_files(statement: Statement, base: Path) -> None:
    """Raise ConfigurationError unless the user's files are those of the build."""
    for material in statement.materials:
        if material.name.startswith("file:"):
            name = material.name.removeprefix("file:")
            path = base / name
            if not path.is_file() or sha256_of(path) != material.digest.get("sha256"):
                state = "is not the file that the package was built with" if path.is_file() else "is missing"
                raise ConfigurationError(
                    f"{name}, which {statement.subjects[0].name} contains, {state}.",
                    "Run this in the folder of the kubeparcel.yaml that it was built with.",
                )


def _differences(package: Path, statement: Statement, built: Path, sha256: str) -> Iterator[Finding]:
    """Yield the first difference of a package and the one built again; signatures of RPMs do not count."""
    if sha256 == built_digest(statement) == sha256_of(package):
        return
    start = _content_start(package)
    first = _first_difference(package, start, built, _content_start(built))
    if first is None:
        if sha256 != built_digest(statement):
            yield Finding(f"sha256 {built_digest(statement)} before it was signed", f"sha256 {sha256}", package.name)
        return
    old, new = reader.read_packages([package, built])
    yield Finding(
        f"the bytes of {package.name}",
        f"{compare_packages(old, new)}; first at byte {first:,}",
        package.name,
        _hint(statement),
    )


def _hint(statement: Statement) -> str:
    versions, own = dict(statement.versions), {"kubeparcel": __version__, "nfpm": nfpm.version()}
    if versions == own:
        return "Built with the same versions of kubeparcel and nfpm: somebody changed the package or its materials."
    return (
        f"It was built by {', '.join(f'{n} {v}' for n, v in versions.items())}, and now by "
        f"{', '.join(f'{n} {v}' for n, v in own.items())}: try again with those."
    )


def _content_start(package: Path) -> int:
    """Return where the content begins that a signature does not change: an RPM's main header."""
    with translate_os_errors(package), package.open("rb") as file:
        if file.read(len(header.MAGIC)) != header.MAGIC:
            return 0
        file.seek(0)
        return header.read_headers(header.read_head(file), package.stat().st_size).main.start


def _first_difference(old: Path, old_start: int, new: Path, new_start: int) -> int | None:
    """Return the position in the old file of the first byte that differs; None if there is none."""
    with translate_os_errors(old), old.open("rb") as first, new.open("rb") as second:
        first.seek(old_start)
        second.seek(new_start)
        position = old_start
        while True:
            a, b = first.read(_BLOCK), second.read(_BLOCK)
            if a != b:
                common = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
                return position + common
            if not a:
                return None
            position += len(a)
