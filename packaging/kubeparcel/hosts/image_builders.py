"""The two ways to a host's image: made from a Debian archive, or pulled and completed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel import process
from kubeparcel.errors import ToolError
from kubeparcel.hosts.engine import Start, What

if TYPE_CHECKING:
    from kubeparcel.hosts.base_images import Definition, Workshop

LONG = 900.0
"""Seconds that a distribution's packages may take to arrive."""


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
