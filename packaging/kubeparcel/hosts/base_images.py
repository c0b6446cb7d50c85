"""Base images of hosts: named by a digest of their definition, built once, kept by the engine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from kubeparcel import process
from kubeparcel.errors import ToolError
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.image_cache import IMAGE_PREFIX
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.hosts.session import Session
from kubeparcel.packages import nfpm
from kubeparcel.templates import render

HOME = "/var/lib/kubeparcel"
"""kubeparcel's folder inside a host; its subfolder `pool` has packages to install offline."""

PACKAGES_TIMEOUT = 900.0
"""Seconds for downloading and installing a distribution's packages."""

RECIPE = 1
"""Increase it when the same definition must result in another image."""


@dataclass(frozen=True)
class ImageSpec:
    """The inputs of a base image, except the contents of the archive or registry on that day."""

    host: Host
    purpose: Purpose
    origin: str
    setup_script: str

    @classmethod
    def for_host(cls, host: Host, purpose: Purpose, locations: ImageLocations) -> ImageSpec:
        context = {"packages": host.packages(purpose), "pool": host.family.pool_packages, "home": HOME}
        origin = locations.base_image(host) if host.image else host.suite
        return cls(host, purpose, origin, render(host.family.setup_template, context))

    @property
    def digest(self) -> str:
        inputs = {"recipe": RECIPE, **asdict(self)}
        inputs["host"] = {name: inputs["host"][name] for name in ("name", "family", "excluded_packages")}
        del inputs["host"]["family"]["preflight_packages"]
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        return f"{IMAGE_PREFIX}{self.host.name}-{self.purpose}:{self.digest}"


def ensure_image(session: Session, host: Host, purpose: Purpose = Purpose.INSTALL) -> str:
    """Return the name of a host's image; build it unless the engine has it.

    Raises ToolError with the output of the program that failed.
    """
    spec = ImageSpec.for_host(host, purpose, session.locations)
    session.image_cache.ensure(spec.name, lambda: build_image(session, spec))
    return spec.name


def build_image(session: Session, spec: ImageSpec) -> None:
    """Build an image from its registry or suite; it gets its name once it is complete."""
    with session.log.task("Host", f"image of {spec.host.name} ({spec.purpose})", None):
        home = _write_home(session.folder / spec.digest / "kubeparcel", spec)
        build = _build_from_registry if spec.host.image else _build_from_suite
        build(session, spec, home)


def _write_home(home: Path, spec: ImageSpec) -> Path:
    """Write the folder that becomes HOME: the setup script and a pool with placeholder rpms."""
    pool = home / "pool"
    pool.mkdir(parents=True, exist_ok=True)
    (home / "setup.sh").write_text(spec.setup_script, "utf-8")
    _write_placeholders(spec.host.family.rpm_placeholders, pool)
    return home


def _write_placeholders(placeholders: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Write an empty rpm for each name: the rpm database then has what is installed as Debian packages.

    A provide `NAME = VERSION` of the package itself sets its version. Raises ToolError if nfpm fails.
    """
    for name, provides in placeholders.items():
        own_provide = f"{name} = "
        versions = [p.removeprefix(own_provide) for p in provides if p.startswith(own_provide)]
        version = next(iter(versions), "1")
        config = {
            "name": name,
            "arch": "noarch",
            "platform": "linux",
            "version": version,
            "version_schema": "none",
            "release": "1",
            "maintainer": "kubeparcel <noreply@kubeparcel.invalid>",
            "description": f"Placeholder for {name}, which is installed as a Debian package",
            "license": "Apache-2.0",
            "provides": [provide for provide in provides if not provide.startswith(own_provide)],
        }
        config_file = folder / f"{name}.yaml"
        config_file.write_text(yaml.safe_dump(config), "utf-8")
        target = folder / f"{name}-{version}-1.noarch.rpm"
        options = ["--config", str(config_file), "--packager", "rpm", "--target", str(target)]
        process.run([nfpm.program(), "package", *options], env={"SOURCE_DATE_EPOCH": "0"}, timeout=60)
        config_file.unlink()


def _build_from_suite(session: Session, spec: ImageSpec, home: Path) -> None:
    """Bootstrap a Debian suite with mmdebstrap; no registry is needed."""
    program = process.find_program(
        "mmdebstrap",
        f"The host {spec.host.name} needs it. On Debian and Ubuntu: apt install mmdebstrap.\n"
        "Or use a host that is pulled from a registry; inv hosts lists them.",
    )
    tar = home.parent / "root.tar"
    options = [
        "--variant=minbase",
        f"--include={','.join(spec.host.packages(spec.purpose))}",
        '--aptopt=Acquire::Check-Valid-Until "false"',  # a snapshot's Release file may have expired
        f"--customize-hook=copy-in {home} /var/lib",
        f'--customize-hook=chroot "$1" sh {HOME}/setup.sh',
    ]
    archive = [session.locations.debian_archive] if session.locations.debian_archive else []
    process.run(
        [*_die_with_parent(), program, *options, spec.origin, tar, *archive],
        env={"TMPDIR": str(home.parent)},
        timeout=PACKAGES_TIMEOUT,
    )
    session.engine.import_image(tar, spec.name, ["ENV LC_ALL=C.UTF-8", 'CMD ["/bin/bash"]'])
    shutil.rmtree(home.parent, ignore_errors=True)


def _build_from_registry(session: Session, spec: ImageSpec, home: Path) -> None:
    """Pull a distribution's image and run the setup script in a container with network access."""
    session.engine.pull(spec.origin)
    with session.start_container(spec.host, ContainerSpec(spec.origin, "image", network="host")) as container:
        container.copy_in(home, str(Path(HOME).parent))
        completed = container.run(
            *("sh", f"{HOME}/setup.sh"),
            check=False,
            timeout=PACKAGES_TIMEOUT,
            description="the distribution's packages",
        )
        if completed.exit_code:
            error = process.failed_process(completed)
            raise ToolError(
                f"The setup of the host {spec.host.name} in {spec.origin} failed: {error.message}",
                f"{error.hint}\nIt needs the distribution's repositories. Other hosts: inv hosts",
            )
        session.engine.commit(container.name, spec.name)


def _die_with_parent() -> list[str]:
    """Return a command prefix that kills a program, and all it starts, when this process dies.

    As root, the program also gets its own mount namespace, so that no mounts are left.
    """
    prefix = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    if os.geteuid() == 0 and shutil.which("unshare"):
        prefix += ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return prefix
