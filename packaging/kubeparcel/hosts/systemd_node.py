"""A host as a machine: systemd runs, a kubelet and a container runtime can.

The way in, for the levels service and cluster::

    with node.started(here, host, "n1") as box:
        box.run("systemctl", "is-active", "containerd")
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kubeparcel.errors import ToolError
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.session import Session
from kubeparcel.templates import render

BOOT_TIMEOUT = 90.0
"""Seconds that systemd may take to come up."""

CGROUP_V1_HINT = (
    "systemd 258 and later do not run where cgroups are of version 1: there is then no\n"
    "/sys/fs/cgroup/cgroup.controllers. Another host: inv hosts"
)
"""What to do where a host's systemd does not run at all."""

MASKED_UNITS = (
    *("systemd-sysctl.service", "systemd-binfmt.service", "systemd-modules-load.service"),
    *("systemd-udevd.service", "systemd-udev-trigger.service", "systemd-hwdb-update.service"),
    *(f"modprobe@{name}.service" for name in ("configfs", "drm", "efi_pstore", "fuse", "loop")),
    *("sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount"),
    *("sys-fs-fuse-connections.mount", "dev-hugepages.mount"),
)
"""What systemd would do to the kernel and the devices of the machine below."""

INIT = ("/sbin/init", *(f"systemd.mask={unit}" for unit in MASKED_UNITS))
"""A machine's first process; in a container systemd reads its words as the kernel's own."""


@contextmanager
def start_node(
    session: Session,
    host: Host,
    name: str,
    *,
    image: str = "",
    network: str = "none",
    mounts: Mapping[Path, str] | None = None,
    memory: str = "",
) -> Iterator[Container]:
    """A machine of that name until the block ends; /var is a disk of its own.

    `image` is another than the host's own, such as one with the packages inside. Raises WaitTimeout
    with what systemd says when it does not come up.
    """
    start = ContainerSpec(
        image=image or session.ensure_image(host, Purpose.NODE),
        name=name,
        command=INIT,
        hostname=name,
        network=network,
        mounts=mounts or {},
        volumes=("/var",),
        privileged=True,
        systemd=True,
        memory=memory,
    )
    with session.start_container(host, start) as box:
        mended = finish_boot(box)
        if mended:
            session.log_once("Host", mended)
        yield box


def finish_boot(container: Container, timeout: float = BOOT_TIMEOUT) -> str:
    """Wait until systemd is up and mend what this machine's cgroups need; also after a restart.

    Gives what was mended, in words, for the log. Kernel settings below are out of reach then.
    """
    container.wait_for(
        lambda: _is_up(container),
        "systemd to be up",
        timeout,
        0.2,
        lambda: _boot_diagnosis(container),
    )
    container.run_script(render("hosts/kernel-settings.sh", {}))
    said = container.run_script(render("hosts/cgroup-v1.sh", {})).stdout
    container.run("mount", "--make-rshared", "/")
    return said.strip()


def _is_up(box: Container) -> bool:
    state = box.run("systemctl", "is-system-running", check=False).stdout.strip()
    if not state:
        _raise_if_exited(box)
    return state in {"running", "degraded"}


def _raise_if_exited(box: Container) -> None:
    """Raise ToolError where there is nothing to wait for: the first process has ended."""
    found = box.engine.inspect(box.name)["State"]
    if not found["Running"]:
        said = box.engine.logs(box.name).strip()[-1000:]
        raise ToolError(
            f"{box.host.name}: its systemd ended with exit code {found['ExitCode']} at its start.",
            f"{said}\n{CGROUP_V1_HINT}".strip(),
        )


def _boot_diagnosis(box: Container) -> str:
    jobs = box.run("systemctl", "list-jobs", "--no-pager", check=False)
    journal = box.run("journalctl", "--no-pager", "--lines=20", check=False)
    return f"{jobs.stdout}{jobs.stderr}\n{journal.stdout}{journal.stderr}"
