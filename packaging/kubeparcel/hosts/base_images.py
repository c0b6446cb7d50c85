"""Images of hosts: named by a digest of all that defines them, made once, kept by the engine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from kubeparcel import process
from kubeparcel.console import Log
from kubeparcel.errors import ToolError
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.engine import Engine, Start, What
from kubeparcel.hosts.image_locations import Places
from kubeparcel.hosts.rpm_placeholders import stand_ins
from kubeparcel.store import Store
from kubeparcel.templates import render

PREFIX = "localhost/kubeparcel/"
HOME = "/var/lib/kubeparcel"
"""Where our own things are inside a host: `pool` has packages it may need."""

LONG = 900.0
"""Seconds that a distribution's packages may take to arrive."""

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
    with shop.log.task("Host", f"image of {wanted.host.name} ({wanted.purpose})", None):
        home = _home(shop, wanted)
        way = from_registry if wanted.host.image else from_suite
        way(shop, wanted, home)


def _home(shop: Workshop, wanted: Definition) -> Path:
    """What the image holds of ours: the setup script, and a pool of stand-ins."""
    home = shop.folder / wanted.digest / "kubeparcel"
    pool = home / "pool"
    pool.mkdir(parents=True, exist_ok=True)
    (home / "setup.sh").write_text(wanted.setup, "utf-8")
    stand_ins(wanted.host.family.stand_ins, pool)
    return home


def from_suite(shop: Workshop, wanted: Definition, home: Path) -> None:
    """Make an image without any registry: mmdebstrap fetches a suite's packages."""
    program = process.find_program(
        "mmdebstrap",
        f"It makes the host {wanted.host.name}: apt install mmdebstrap (Debian and Ubuntu),\n"
        "or take a host that is pulled from a registry: inv hosts lists them.",
    )
    tar = home.parent / "root.tar"
    include = ",".join(wanted.host.packages(wanted.purpose))
    frozen = '--aptopt=Acquire::Check-Valid-Until "false"'  # of an archive that no one renews
    hooks = [
        f"--customize-hook=copy-in {home} /var/lib",
        '--customize-hook=chroot "$1" sh /var/lib/kubeparcel/setup.sh',
    ]
    archive = [shop.places.debian] if shop.places.debian else []
    words = ["--variant=minbase", f"--include={include}", frozen, *hooks, wanted.origin, str(tar)]
    process.run(
        [*_tied(), program, *words, *archive],
        env={"TMPDIR": str(home.parent)},
        timeout=LONG,
    )
    shop.engine.import_image(tar, wanted.name, ["ENV LC_ALL=C.UTF-8", 'CMD ["/bin/bash"]'])
    shutil.rmtree(home.parent, ignore_errors=True)


def from_registry(shop: Workshop, wanted: Definition, home: Path) -> None:
    """Pull a distribution's image and complete it in a container that has the network."""
    engine = shop.engine
    engine.pull(wanted.origin)
    name = f"kubeparcel-image-{wanted.host.name}-{os.getpid()}"
    flags = shop.flags(wanted.origin)
    labels = dict(shop.labels)
    engine.start(Start(wanted.origin, name, network="host", flags=flags, labels=labels))
    try:
        engine.put(name, home, "/var/lib")
        what = f"the packages of {wanted.host.name}"
        done = engine.exec(name, ["sh", "/var/lib/kubeparcel/setup.sh"], timeout=LONG, what=what)
        if done.exit_code:
            raise _failed(wanted, process.failed_process(done))
        engine.commit(name, wanted.name)
    finally:
        engine.remove(What.CONTAINER, [name])


def _failed(wanted: Definition, error: ToolError) -> ToolError:
    return ToolError(
        f"The host {wanted.host.name} could not be completed from {wanted.origin}: {error.message}",
        f"{error.hint}\nIt needs the distribution's own repositories once. Other hosts: inv hosts",
    )


def _tied() -> list[str]:
    """Words before a command that tie it to us: when this process dies, all it started dies.

    Its mounts are its own (as root), and gone with it.
    """
    tied = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    if os.geteuid() == 0 and shutil.which("unshare"):
        tied += ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return tied
