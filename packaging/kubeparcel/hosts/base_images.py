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
from kubeparcel.hosts.engine import ContainerSpec, Engine, ResourceKind
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.hosts.rpm_placeholders import write_placeholders
from kubeparcel.store import Store
from kubeparcel.templates import render

IMAGE_PREFIX = "localhost/kubeparcel/"
HOME = "/var/lib/kubeparcel"
"""Where our own things are inside a host: `pool` has packages it may need."""

PACKAGES_TIMEOUT = 900.0
"""Seconds that a distribution's packages may take to arrive."""

RECIPE = 1
"""Raised when the same definition is to give another image."""


@dataclass(frozen=True)
class ImageSpec:
    """All that decides what an image holds, but for what the archive or registry has that day."""

    host: Host
    purpose: Purpose
    origin: str
    setup_script: str

    @classmethod
    def for_host(cls, host: Host, purpose: Purpose, locations: ImageLocations) -> ImageSpec:
        """The definition of a host's image for a purpose."""
        context = {
            "packages": host.packages(purpose),
            "pool": host.family.pool_packages,
            "home": HOME,
        }
        origin = locations.base_image(host) if host.image else host.suite
        return cls(host, purpose, origin, render(host.family.setup_template, context))

    @property
    def digest(self) -> str:
        """Equal digests, equal images."""
        inputs = {"recipe": RECIPE, **asdict(self)}
        inputs["host"] = {n: inputs["host"][n] for n in ("name", "family", "excluded_packages")}
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """The image's name in the engine."""
        return f"{IMAGE_PREFIX}{self.host.name}-{self.purpose}:{self.digest}"


@dataclass(frozen=True)
class ImageBuildContext:
    """What making an image needs: `flags` are those a container needs to start here."""

    engine: Engine
    store: Store
    log: Log
    locations: ImageLocations
    folder: Path
    labels: tuple[tuple[str, str], ...] = ()
    workaround_flags: Callable[[str], tuple[str, ...]] = lambda _: ()


def ensure_image(context: ImageBuildContext, host: Host, purpose: Purpose = Purpose.INSTALL) -> str:
    """The name of a host's image, made now unless the engine has it.

    Several processes may ask at once: one makes it, the others wait. Raises ToolError with the
    output of what failed.
    """
    spec = ImageSpec.for_host(host, purpose, context.locations)
    if context.engine.has_image(spec.name):
        return spec.name
    with context.store.lock(f"image-{context.engine.name}-{host.name}-{purpose}-{spec.digest}"):
        if not context.engine.has_image(spec.name):
            build_image(context, spec)
    return spec.name


def build_image(context: ImageBuildContext, spec: ImageSpec) -> None:
    """Make an image, by the row's own way; it gets its name when it is whole."""
    with context.log.task("Host", f"image of {spec.host.name} ({spec.purpose})", None):
        home = _home(context, spec)
        way = _build_from_registry if spec.host.image else _build_from_suite
        way(context, spec, home)


def _home(shop: ImageBuildContext, wanted: ImageSpec) -> Path:
    """What the image holds of ours: the setup script, and a pool of stand-ins."""
    home = shop.folder / wanted.digest / "kubeparcel"
    pool = home / "pool"
    pool.mkdir(parents=True, exist_ok=True)
    (home / "setup.sh").write_text(wanted.setup_script, "utf-8")
    write_placeholders(wanted.host.family.rpm_placeholders, pool)
    return home


def _build_from_suite(context: ImageBuildContext, spec: ImageSpec, home: Path) -> None:
    """Make an image without any registry: mmdebstrap fetches a suite's packages."""
    program = process.find_program(
        "mmdebstrap",
        f"It makes the host {spec.host.name}: apt install mmdebstrap (Debian and Ubuntu),\n"
        "or take a host that is pulled from a registry: inv hosts lists them.",
    )
    tar = home.parent / "root.tar"
    include = ",".join(spec.host.packages(spec.purpose))
    frozen = '--aptopt=Acquire::Check-Valid-Until "false"'  # of an archive that no one renews
    hooks = [
        f"--customize-hook=copy-in {home} /var/lib",
        '--customize-hook=chroot "$1" sh /var/lib/kubeparcel/setup.sh',
    ]
    archive = [context.locations.debian_archive] if context.locations.debian_archive else []
    words = ["--variant=minbase", f"--include={include}", frozen, *hooks, spec.origin, str(tar)]
    process.run(
        [*_tied(), program, *words, *archive],
        env={"TMPDIR": str(home.parent)},
        timeout=PACKAGES_TIMEOUT,
    )
    context.engine.import_image(tar, spec.name, ["ENV LC_ALL=C.UTF-8", 'CMD ["/bin/bash"]'])
    shutil.rmtree(home.parent, ignore_errors=True)


def _build_from_registry(context: ImageBuildContext, spec: ImageSpec, home: Path) -> None:
    """Pull a distribution's image and complete it in a container that has the network."""
    engine = context.engine
    engine.pull(spec.origin)
    name = f"kubeparcel-image-{spec.host.name}-{os.getpid()}"
    flags = context.workaround_flags(spec.origin)
    labels = dict(context.labels)
    engine.start(ContainerSpec(spec.origin, name, network="host", flags=flags, labels=labels))
    try:
        engine.copy_in(name, home, "/var/lib")
        what = f"the packages of {spec.host.name}"
        done = engine.exec(
            name, ["sh", "/var/lib/kubeparcel/setup.sh"], timeout=PACKAGES_TIMEOUT, description=what
        )
        if done.exit_code:
            raise _failed(spec, process.failed_process(done))
        engine.commit(name, spec.name)
    finally:
        engine.remove(ResourceKind.CONTAINER, [name])


def _failed(wanted: ImageSpec, error: ToolError) -> ToolError:
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
