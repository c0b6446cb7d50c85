"""What a container engine has to do for us: one small Protocol, and the values it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from kubeparcel.errors import ToolError
from kubeparcel.process import CompletedProcess


class EngineUnavailable(ToolError):
    """Neither podman nor docker can be used here."""


class WaitTimeout(ToolError):
    """Something was waited for and did not come in time."""


class ResourceKind(StrEnum):
    """The kinds of things an engine makes for us, in the order they can be removed."""

    CONTAINER = "container"
    NETWORK = "network"
    VOLUME = "volume"


@dataclass(frozen=True)
class ContainerSpec:
    """A container to start. Nothing of the machine is visible inside but `mounts`, read-only.

    `network` is `none`, `host` or a network's name. `volumes` are paths that get a file system of
    their own, gone with the container. `systemd` makes `command` the first process of a machine:
    /run and /tmp in memory, a cgroup namespace. `flags` are the engine's own, such as a probe
    found necessary. `capabilities` are added to the engine's usual ones.
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
    """Something that carries one of our labels."""

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
        """Run a command in it to its end, whatever its exit code; stdin is closed unless given."""

    def close_shells(self, containers: Sequence[str]) -> None:
        """Nothing more is run in them for now: what was open for that is closed."""

    def shell_command(self, container: str) -> str:
        """What a person types to enter it."""

    def copy_in(self, container: str, source: Path, target: str) -> None:
        """Copy a file or folder into it."""

    def copy_out(self, container: str, source: str, target: Path) -> None:
        """Copy a file or folder out of it."""

    def inspect(self, container: str) -> Mapping[str, Any]:
        """All that the engine knows of it."""

    def logs(self, container: str) -> str:
        """What its first process printed."""

    def restart(self, container: str, timeout: float = 60) -> None:
        """Stop it in good order and start it again; its files stay."""

    def remove(self, kind: ResourceKind, names: Sequence[str]) -> None:
        """Remove them, running or not, with the volumes that are theirs alone."""

    def list_labelled(self, label: str) -> list[LabelledResource]:
        """All that carries a label, `name` or `name=value`."""

    def create_network(self, name: str, labels: Mapping[str, str], *, internal: bool) -> None:
        """A network of its own; an internal one does not lead outside."""

    def has_image(self, image: str) -> bool:
        """Whether it has an image of that name."""

    def list_images(self, prefix: str) -> list[str]:
        """The names of the images that begin so."""

    def pull(self, image: str) -> None:
        """Get an image from its registry."""

    def import_image(self, tar: Path, image: str, changes: Sequence[str] = ()) -> None:
        """Make an image of a root file system; `changes` are lines such as `ENV A=b`."""

    def load_image(self, archive: Path) -> None:
        """Take the images of an archive over."""

    def save_images(self, images: Sequence[str], archive: Path) -> None:
        """Write images into one archive."""

    def commit(self, container: str, image: str) -> None:
        """Make an image of a container as it is now."""

    def export_files(self, container: str, tar: Path) -> None:
        """Write all files of a container, but for its volumes and mounts."""

    def tag(self, image: str, name: str) -> None:
        """Give an image another name."""

    def push(self, image: str) -> None:
        """Send an image to the registry in its name."""

    def remove_image(self, image: str) -> None:
        """Forget an image; one that is in use stays."""
