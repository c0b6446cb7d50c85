"""A host that runs systemd, so that a container runtime and a kubelet can run in it: a node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kubeparcel.errors import ToolError
from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.session import Session
from kubeparcel.templates import render

BOOT_TIMEOUT = 90.0
"""Seconds for systemd to start."""

MASKED_UNITS = (
    *("systemd-sysctl.service", "systemd-binfmt.service", "systemd-modules-load.service"),
    *("systemd-udevd.service", "systemd-udev-trigger.service", "systemd-hwdb-update.service"),
    *(f"modprobe@{name}.service" for name in ("configfs", "drm", "efi_pstore", "fuse", "loop")),
    *("sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount"),
    *("sys-fs-fuse-connections.mount", "dev-hugepages.mount"),
)
"""Units that would change the kernel or the devices of the machine that runs the container."""

INIT = ("/sbin/init", *(f"systemd.mask={unit}" for unit in MASKED_UNITS))
"""The container's first process. In a container, systemd reads kernel parameters from its argv."""


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
    """Run a node until the block ends; `name` is its hostname, /var a volume.

    `image` replaces the host's own image, for example by one with packages installed. Raises
    WaitTimeout with systemd's jobs and journal if it does not finish booting.
    """
    spec = ContainerSpec(
        image=image or ensure_image(session, host, Purpose.NODE),
        name=name,
        command=INIT,
        hostname=name,
        network=network,
        mounts=mounts or {},
        volumes=("/var",),
        systemd=True,
        memory=memory,
    )
    with session.start_container(host, spec) as container:
        notice = finish_boot(container)
        if notice:
            session.log_once("Host", notice)
        yield container


def finish_boot(container: Container) -> str:
    """Wait until systemd is up, then adapt cgroups and kernel settings; also after a restart.

    Returns what was adapted, for the log. Afterwards the node can no longer change the machine's kernel settings.
    """
    container.wait_for(
        condition=lambda: _is_up(container),
        description="systemd to be up",
        timeout=BOOT_TIMEOUT,
        interval=0.2,
        diagnose=lambda: _boot_diagnosis(container),
    )
    container.run_script(render("hosts/kernel-settings.sh", {}))
    notice = container.run_script(render("hosts/cgroup-v1.sh", {})).stdout.strip()
    container.run("mount", "--make-rshared", "/")
    return notice


def _is_up(container: Container) -> bool:
    """Return whether systemd is up; raise ToolError with its log if it has exited."""
    system = container.run("systemctl", "is-system-running", check=False).stdout.strip()
    if not system:
        state = container.engine.inspect(container.name)["State"]
        if not state["Running"]:
            log = container.engine.logs(container.name).strip()[-1000:]
            raise ToolError(
                f"{container.host.name}: systemd exited with code {state['ExitCode']} during boot.",
                f"{log}\n"
                "systemd 258 and later need cgroup v2: on a machine with cgroup v1 the file\n"
                "/sys/fs/cgroup/cgroup.controllers is missing. Use another host: inv hosts".strip(),
            )
    return system in {"running", "degraded"}


def _boot_diagnosis(container: Container) -> str:
    jobs = container.run("systemctl", "list-jobs", "--no-pager", check=False)
    journal = container.run("journalctl", "--no-pager", "--lines=20", check=False)
    return f"{jobs.stdout}{jobs.stderr}\n{journal.stdout}{journal.stderr}"
