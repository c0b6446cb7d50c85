"""The interface of a container engine, and the values it takes and returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from kubeparcel.errors import ToolError
from kubeparcel.process import CompletedProcess


class EngineUnavailable(ToolError):
    """Neither podman nor docker can be used on this machine."""


class WaitTimeout(ToolError):
    """A command or a condition took longer than its timeout."""


class ResourceKind(StrEnum):
    """The kinds of resources that an engine creates, in the order in which they can be removed."""

    CONTAINER = "container"
    NETWORK = "network"
    VOLUME = "volume"


@dataclass(frozen=True)
class ContainerSpec:
    """A container to start. Of the machine's files it sees only `mounts`, read-only.

    `network` is `none`, `host` or the name of a network. `volumes` are paths with a file system of
    their own, removed with the container. `capabilities` are added to the engine's defaults.
    `systemd` prepares the container for an init system as `command`: /run and /tmp in memory, a
    cgroup namespace of its own. `flags` are passed to the engine unchanged.
    """

    image: str
    name: str
    command: tuple[str, ...] = ("sleep", "infinity")
    hostname: str = ""
    network: str = "none"
    mounts: Mapping[Path, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    privileged: bool = False
    systemd: bool = False
    memory: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelledResource:
    """A resource that has one of kubeparcel's labels."""

    kind: ResourceKind
    name: str
    labels: Mapping[str, str]


class Engine(Protocol):
    """A container engine. All times are in seconds.

    Every method raises ToolError with the engine's output if it fails, and WaitTimeout with a
    description of what was waited for if it takes too long.
    """

    name: str
    version: str

    def start(self, spec: ContainerSpec) -> None:
        """Start a container in the background."""

    def exec(
        self,
        container: str,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
        description: str = "",
    ) -> CompletedProcess:
        """Run a command in a container, whatever its exit code; without `stdin` it is closed."""

    def close_shells(self, containers: Sequence[str]) -> None:
        """Close the shells that are kept open in these containers."""

    def shell_command(self, container: str) -> str:
        """Return the command with which a user opens a shell in a container."""

    def copy_in(self, container: str, source: Path, target: str) -> None:
        """Copy a file or folder into a container."""

    def copy_out(self, container: str, source: str, target: Path) -> None:
        """Copy a file or folder out of a container."""

    def inspect(self, container: str) -> Mapping[str, Any]:
        """Return the engine's description of a container."""

    def logs(self, container: str) -> str:
        """Return the output of a container's first process."""

    def restart(self, container: str, timeout: float = 60) -> None:
        """Stop a container, by its stop signal first, and start it again; its files are kept."""

    def remove(self, kind: ResourceKind, names: Sequence[str]) -> None:
        """Remove resources, running or not; containers with their anonymous volumes."""

    def list_labelled(self, label: str) -> list[LabelledResource]:
        """Return all resources with a label, `name` or `name=value`."""

    def create_network(self, name: str, labels: Mapping[str, str], *, internal: bool) -> None:
        """Create a network; an internal one has no route to the outside."""

    def has_image(self, image: str) -> bool:
        """Return whether the engine has an image of that name."""

    def list_images(self, prefix: str) -> list[str]:
        """Return the names of the images that start with `prefix`."""

    def pull(self, image: str) -> None:
        """Pull an image from its registry."""

    def import_image(self, tar: Path, image: str, changes: Sequence[str] = ()) -> None:
        """Create an image from a root file system; `changes` are lines such as `ENV A=b`."""

    def load_image(self, archive: Path) -> None:
        """Load the images of an archive."""

    def save_images(self, images: Sequence[str], archive: Path) -> None:
        """Save images to one archive."""

    def commit(self, container: str, image: str) -> None:
        """Create an image from a container's current state."""

    def export_files(self, container: str, tar: Path) -> None:
        """Write all files of a container to a tar, except those of volumes and mounts."""

    def tag(self, image: str, name: str) -> None:
        """Give an image another name."""

    def push(self, image: str) -> None:
        """Push an image to the registry in its name."""

    def remove_image(self, image: str) -> None:
        """Remove an image unless it is in use."""
