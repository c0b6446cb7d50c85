"""The components of a lock: the catalog's with what the lock adds, and where each of them came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kubeparcel.config import catalog as catalogs
from kubeparcel.lock_models import Lock

if TYPE_CHECKING:
    from kubeparcel.config.component_models import ComponentSpec


def locked_components(lock: Lock) -> Mapping[str, ComponentSpec]:
    """Return the components of a lock, with the user's, and the binaries that it has in addition to the catalog's."""
    return catalogs.for_request(lock.request).components


def source_of(lock: Lock, component: str) -> str:
    """Return the source of a component: that of the lock, unless only the other one has it."""
    spec = locked_components(lock).get(component)
    return spec.source(lock.source) if spec else lock.source


def toolchain_of(lock: Lock, component: str) -> str:
    """Return the compiler of a component's binaries; empty if they were downloaded."""
    return "" if source_of(lock, component) == "upstream" else lock.toolchain
