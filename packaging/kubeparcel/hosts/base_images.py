"""Images of hosts: named by a digest of all that defines them, made once, kept by the engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from kubeparcel.console import Log
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.engine import Engine
from kubeparcel.hosts.image_locations import Places
from kubeparcel.hosts.rpm_placeholders import stand_ins
from kubeparcel.store import Store
from kubeparcel.templates import render

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "localhost/kubeparcel/"
HOME = "/var/lib/kubeparcel"
"""Where our own things are inside a host: `pool` has packages it may need."""

RECIPE = 1
"""Raised when the same definition is to give another image."""


@dataclass(frozen=True)
class Definition:
    """All that decides what an image holds, but for what the archive or registry has that day."""

    host: Host
    purpose: Purpose
    origin: str
    setup: str

    @classmethod
    def of(cls, host: Host, purpose: Purpose, places: Places) -> Definition:
        """The definition of a host's image for a purpose."""
        context = {
            "packages": host.packages(purpose),
            "pool": host.family.pool,
            "home": HOME,
        }
        origin = places.image(host) if host.image else host.suite
        return cls(host, purpose, origin, render(host.family.setup, context))

    @property
    def digest(self) -> str:
        """Equal digests, equal images."""
        inputs = {"recipe": RECIPE, **asdict(self)}
        inputs["host"] = {n: inputs["host"][n] for n in ("name", "family", "without")}
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """The image's name in the engine."""
        return f"{PREFIX}{self.host.name}-{self.purpose}:{self.digest}"


@dataclass(frozen=True)
class Workshop:
    """What making an image needs: `flags` are those a container needs to start here."""

    engine: Engine
    store: Store
    log: Log
    places: Places
    folder: Path
    labels: tuple[tuple[str, str], ...] = ()
    flags: Callable[[str], tuple[str, ...]] = lambda _: ()


def ensure(shop: Workshop, host: Host, purpose: Purpose = Purpose.INSTALL) -> str:
    """The name of a host's image, made now unless the engine has it.

    Several processes may ask at once: one makes it, the others wait. Raises ToolError with the
    output of what failed.
    """
    wanted = Definition.of(host, purpose, shop.places)
    if shop.engine.has_image(wanted.name):
        return wanted.name
    with shop.store.lock(f"image-{shop.engine.name}-{host.name}-{purpose}-{wanted.digest}"):
        if not shop.engine.has_image(wanted.name):
            make(shop, wanted)
    return wanted.name


def make(shop: Workshop, wanted: Definition) -> None:
    """Make an image, by the row's own way; it gets its name when it is whole."""
    from kubeparcel.hosts import image_builders

    with shop.log.task("Host", f"image of {wanted.host.name} ({wanted.purpose})", None):
        home = _home(shop, wanted)
        way = image_builders.from_registry if wanted.host.image else image_builders.from_suite
        way(shop, wanted, home)


def _home(shop: Workshop, wanted: Definition) -> Path:
    """What the image holds of ours: the setup script, and a pool of stand-ins."""
    home = shop.folder / wanted.digest / "kubeparcel"
    pool = home / "pool"
    pool.mkdir(parents=True, exist_ok=True)
    (home / "setup.sh").write_text(wanted.setup, "utf-8")
    stand_ins(wanted.host.family.stand_ins, pool)
    return home
