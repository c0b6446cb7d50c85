"""Resolves a request to exact versions and digests."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from kubeparcel.build.lock import comparison
from kubeparcel.build.lock.component_versions import KUBERNETES, resolve_versions
from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log
from kubeparcel.lock_models import InputPolicy, Lock, Request
from kubeparcel.sources.selection import select_source

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings


def request_of(settings: Settings) -> Request:
    """Return the request of settings, with the state of their git trees; raise ConfigurationError."""
    folders, components = settings.tree_folders(), settings.catalog().components
    if not folders:
        return settings.request()
    from kubeparcel.sources.git_repository import read_checkout

    trees = {name: read_checkout(folder, components[name].go.folder) for name, folder in folders.items()}
    return dataclasses.replace(settings.request(), trees=trees)


def resolve_again(request: Request, locks: Sequence[Lock], log: Log) -> Lock:
    """Return the lock of a request, with the dates and signatures that earlier locks have of the same files."""
    lock = resolve(request, log)
    for previous in locks:
        lock = comparison.keep_known(lock, previous)
    for warning in lock.warnings:
        log.warn(warning)
    return lock


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
    portable_request = dataclasses.replace(request, mirror="", policy=InputPolicy(), trees={})
    return Lock(portable_request, source.name, components, source.toolchain, tuple(dict.fromkeys(warnings)))
