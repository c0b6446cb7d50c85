"""Resolves a request to exact versions and digests, or reuses the lock that matches it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubeparcel.build import lock_comparison, lock_document, lockfile
from kubeparcel.build.component_versions import KUBERNETES, resolve_versions
from kubeparcel.build.inputs import describe_inputs
from kubeparcel.build.locked_components import locked_components
from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log, format_table
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import InputPolicy, Lock, Request
from kubeparcel.sources.selection import create_source, select_source, warn_of_unused_settings

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings


def resolve_or_load(settings: Settings, log: Log, *, locked: bool, dry_run: bool = False) -> Lock:
    """Return the existing lock if it matches the settings, otherwise resolve and write a new one.

    With `locked`, a missing or different lock is an error. With `dry_run`, nothing is written.
    """
    path = settings.base / lockfile.NAME
    current = lockfile.read(path)
    request = effective_request(settings, current)
    usable = lock_comparison.restrict(current, request) if current else None
    is_reduced = usable != current
    if usable and lock_comparison.satisfies(usable, request) and not (locked and is_reduced):
        warn_of_unused_settings(usable.source, request, log)
        if is_reduced and not dry_run:
            lockfile.write(usable, path)
        _announce(usable, lockfile.NAME, log)
        return usable
    if locked:
        raise _locked_error(current, request)
    lock = _resolve(request, current, log)
    if not dry_run:
        lockfile.write(lock, path)
    _announce(lock, f"{lockfile.NAME} {'not ' * dry_run}written", log)
    return lock


def _announce(lock: Lock, remark: str, log: Log) -> None:
    log.info("Release", describe_lock(lock, remark))
    log.info("Inputs", describe_inputs(lock))


def _locked_error(current: Lock | None, request: Request) -> ConfigurationError:
    requested = f"requested Kubernetes {request.kubernetes} for {', '.join(request.arches)}"
    problem = f"{lockfile.NAME} is missing ({requested}), and --locked prevents creating it."
    if current:
        problem = (
            f"{lockfile.NAME} does not match this request "
            f"({'; '.join(lock_comparison.mismatches(current, request))}), "
            "and --locked prevents updating it."
        )
    return ConfigurationError(problem, "Run inv resolve with the same options, review the change, and commit it.")


def effective_request(settings: Settings, current: Lock | None) -> Request:
    """Return the request; if no Kubernetes version is set anywhere, that of the current lock."""
    request = settings.request()
    if current and "kubernetes" not in settings.model_fields_set:
        return dataclasses.replace(request, kubernetes=current.request.kubernetes)
    return request


def _resolve(request: Request, current: Lock | None, log: Log) -> Lock:
    lock = lock_comparison.keep_dates(resolve(request, log), current)
    lock = lock_comparison.keep_signatures(lock, current)
    for warning in lock.warnings:
        log.warn(warning)
    return lock


def describe_lock(lock: Lock, remark: str) -> str:
    """Return `Kubernetes 1.36.3 · cri-tools 1.36.0 · CNI plugins 1.9.1   (REMARK, source go)`."""
    specs = locked_components(lock)
    versions = [f"{specs[c.name].title} {c.version}" for c in lock.components]
    return f"{' · '.join(versions)}   ({remark}, source {lock.source})"


def resolve(request: Request, log: Log) -> Lock:
    """Return the exact versions and digests; raise UnknownVersion for an unpublished version."""
    catalog = catalogs.for_request(request)
    others = [name for name in catalog.default_components() if name != KUBERNETES]
    request = dataclasses.replace(request, versions={**dict.fromkeys(others, ""), **request.versions})
    source = select_source(request, catalog.components, log)
    kubernetes = source.resolve_kubernetes(request.kubernetes)
    warnings: list[str] = []
    versions = resolve_versions(request, kubernetes, catalog.components, source, warnings)
    with ThreadPoolExecutor() as pool:
        pins = [pool.submit(source.pin, component, version, request.arches) for component, version in versions.items()]
        components = tuple(pin.result() for pin in pins)
    warnings += (remark for component in components for remark in component.remarks)
    if request.variant.is_set:
        downloaded = [name for name in versions if catalog.components[name].source(source.name) == "upstream"]
        warnings += (f"{name} is downloaded: `go` and `patches` do not apply to it." for name in downloaded)
    portable_request = dataclasses.replace(request, mirror="", policy=InputPolicy())
    return Lock(portable_request, source.name, components, source.toolchain, tuple(dict.fromkeys(warnings)))


@dataclass(frozen=True)
class LockUpdate:
    """A freshly resolved lock, the previous one, and their differences."""

    request: Request
    previous: Lock | None
    lock: Lock
    differences: tuple[str, ...]
    written: bool

    @property
    def exit_code(self) -> int:
        """1 if the previous lock was outdated, else 0."""
        return 1 if self.differences else 0

    def as_json(self) -> str:
        """Return the JSON document of `--json`."""
        document = {
            "source": self.lock.source,
            "requested": lock_document.request_document(self.request),
            "locked": lock_document.summary(self.previous) if self.previous else None,
            "versions": {c.name: str(c.version) for c in self.lock.components},
            "inputs": lock_document.artifact_documents(self.lock),
            "differences": self.differences,
        }
        return json.dumps(document, indent=2)

    def as_text(self) -> str:
        """Return a table of what is requested, locked and available, and the changed digests."""
        requested, available = lock_document.request_document(self.request), lock_document.summary(self.lock)
        locked = lock_document.summary(self.previous) if self.previous else {}
        components = {**(locked_components(self.previous) if self.previous else {}), **locked_components(self.lock)}
        names = [name for name in components if name in {*requested, *locked, *available}]
        titles = {name: components[name].title for name in names}
        rows = [
            [title, *(_cell(values.get(name, "none")) for values in (requested, locked, available))]
            for name, title in {**titles, "arches": "Architectures", "source": "Source"}.items()
        ]
        state = ("written" if self.written else "is outdated") if self.differences else "is up to date"
        digests = [_shorten_digests(line) for line in self.differences if _FILE_DIFFERENCE.search(line)]
        table = format_table(["", "Requested", "Locked", "Available"], rows)
        return "\n".join([f"{lockfile.NAME} {state}:", table, *(f"  {line}" for line in digests)])


_DIGEST = re.compile(r"(sha256:\w{12}|h1:.{10})\S+")


_FILE_DIFFERENCE = re.compile(rf"{_DIGEST.pattern}|: checked against |: signed by ")


def _shorten_digests(text: str) -> str:
    return _DIGEST.sub(r"\1…", text)


def _cell(value: str | Sequence[str]) -> str:
    """Return a table cell; four architectures take two lines' width, so they are counted."""
    if not isinstance(value, str):
        return ", ".join(value) if len(value) < 3 else f"{value[0]} and {len(value) - 1} more"
    return value or "default"


def update_lock(settings: Settings, log: Log, *, refresh: str = "", check: bool = False) -> LockUpdate:
    """Resolve again and write the lock; with `check`, only compare.

    `refresh` keeps all versions and accepts the source's new checksum of one binary or archive.
    """
    path = settings.base / lockfile.NAME
    current = lockfile.read(path)
    request = effective_request(settings, current)
    if refresh and current:
        warn_of_unused_settings(current.source, request, log)
    lock = _refresh(current, refresh, settings, log) if refresh else _resolve(request, current, log)
    differences = tuple(lock_comparison.differences(current, lock)) if current else ("no previous lock",)
    if current and not differences:
        differences = tuple(lock_comparison.mismatches(current, request))
    if not check and (differences or not current or lock.components != current.components):
        lockfile.write(lock, path)
    _announce(lock, lockfile.NAME, log)
    return LockUpdate(request, current, lock, differences, written=not check)


def _refresh(current: Lock | None, name: str, settings: Settings, log: Log) -> Lock:
    """Return the lock with the source's new digests of one binary or archive."""
    names = sorted({artifact.name for artifact in current.artifacts}) if current else []
    if not current or name not in names:
        raise ConfigurationError(
            f"{lockfile.NAME} has no artifact {name!r}.",
            f"It has: {', '.join(names)}." if names else "Run inv resolve to create it.",
        )
    components_of_lock = locked_components(current)
    source = create_source(
        *(current.source, components_of_lock, settings.mirror, current.toolchain, settings.input_policy(), log),
        current.request.variant,
    )
    components = []
    for component in current.components:
        if name not in {artifact.name for artifact in component.artifacts}:
            components.append(component)
            continue
        arches = list(dict.fromkeys(artifact.arch for artifact in component.artifacts))
        pinned = source.pin(component.name, component.version.release, arches)
        for remark in pinned.remarks:
            log.warn(remark)
        refreshed = {(a.name, a.arch): a for a in pinned.artifacts if a.name == name}
        artifacts = tuple(refreshed.get((a.name, a.arch), a) for a in component.artifacts)
        components.append(dataclasses.replace(component, artifacts=artifacts))
    return dataclasses.replace(current, components=tuple(components))
