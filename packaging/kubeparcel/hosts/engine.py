"""A container engine, podman or docker, and the values that it takes and returns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from kubeparcel import process
from kubeparcel.errors import ToolError
from kubeparcel.hosts.shell_session import CommandTimeout, OpenShells
from kubeparcel.process import CompletedProcess

IMAGE_TIMEOUT = 600.0
"""Seconds for pulling, importing or saving an image."""

_SELINUX = Path("/sys/fs/selinux/enforce")
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+)(:\d+)?/")


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


@dataclass(frozen=True)
class EngineFlags:
    """The arguments in which the engines differ.

    `version_format` prints the version, `systemd` starts an init system, `force_remove` removes
    without waiting for a stop, `plain_http` reaches a registry on loopback without a certificate.
    `debian_packages` install the engine on Debian.
    """

    name: str
    version_format: str
    quiet: tuple[str, ...]
    systemd: tuple[str, ...]
    force_remove: tuple[str, ...]
    plain_http: tuple[str, ...]
    save: tuple[str, ...]
    debian_packages: str


class Engine:
    """podman or docker, by its commands. All times are in seconds.

    Every method raises ToolError with the engine's output if it fails, and WaitTimeout with a
    description of what was waited for if it takes too long.
    """

    def __init__(self, flags: EngineFlags, version: str) -> None:
        self.flags, self.name, self.version = flags, flags.name, version
        self._shells = OpenShells(flags.name)

    def start(self, spec: ContainerSpec) -> None:
        """Start a container in the background."""
        argv = ["run", "--detach", *self.run_arguments(spec)]
        self._run(argv, 120, f"{spec.name} to start")

    def run_arguments(self, spec: ContainerSpec) -> Iterator[str]:
        """Yield the options and arguments of `run` that start a container."""
        yield from ("--name", spec.name, "--network", spec.network)
        if spec.hostname:
            yield from ("--hostname", spec.hostname)
        for name, value in spec.labels.items():
            yield from ("--label", f"{name}={value}")
        for source, target in spec.mounts.items():
            yield from ("--volume", f"{source}:{target}:ro")
        if spec.mounts and _SELINUX.exists():
            yield "--security-opt=label=disable"
        for path in spec.volumes:
            yield from ("--volume", path)
        for capability in spec.capabilities:
            yield from ("--cap-add", capability)
        if spec.memory:
            yield from ("--memory", spec.memory)
        if spec.privileged:
            yield "--privileged"
        if spec.systemd:
            yield from self.flags.systemd
        yield from (*spec.flags, spec.image, *spec.command)

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
        description = description or f"`{' '.join(argv)[:200]}` in {container}"
        try:
            completed = self._shells.run(container, argv, stdin, env, timeout)
        except CommandTimeout:
            raise self._timeout_error(timeout, description) from None
        if completed:
            return completed
        command = ["exec", *(["--interactive"] if stdin is not None else [])]
        for name, value in (env or {}).items():
            command += ["--env", f"{name}={value}"]
        command += [container, *argv]
        return self._run(command, timeout, description, stdin=stdin, check=False)

    def close_shells(self, containers: Sequence[str]) -> None:
        """Close the shells that are kept open in these containers."""
        self._shells.close(containers)

    def shell_command(self, container: str) -> str:
        """Return the command with which a user opens a shell in a container."""
        return f"{self.name} exec -it {container} bash"

    def copy_in(self, container: str, source: Path, target: str) -> None:
        """Copy a file or folder into a container."""
        argv = ["cp", str(source), f"{container}:{target}"]
        self._run(argv, IMAGE_TIMEOUT, f"copying {source} into {container}")

    def copy_out(self, container: str, source: str, target: Path) -> None:
        """Copy a file or folder out of a container."""
        argv = ["cp", f"{container}:{source}", str(target)]
        self._run(argv, IMAGE_TIMEOUT, f"copying {source} out of {container}")

    def inspect(self, container: str) -> Mapping[str, Any]:
        """Return the engine's description of a container."""
        documents: list[Mapping[str, Any]] = self._json(["container", "inspect", container])
        return documents[0]

    def logs(self, container: str) -> str:
        """Return the output of a container's first process."""
        completed = self._run(["logs", container], 30, f"the log of {container}", check=False)
        return completed.stdout + completed.stderr

    def restart(self, container: str, timeout: float = 60) -> None:
        """Stop a container, by its stop signal first, and start it again; its files are kept."""
        grace = max(1, int(timeout) - 10)
        self.close_shells([container])
        self._run(["restart", "--time", str(grace), container], timeout, f"{container} to restart")

    def remove(self, kind: ResourceKind, names: Sequence[str]) -> None:
        """Remove resources, running or not; containers with their anonymous volumes."""
        self.close_shells(names)
        if not names:
            return
        is_container = kind is ResourceKind.CONTAINER
        verb = ["rm", *self.flags.force_remove] if is_container else [kind.value, "rm"]
        self._run([*verb, *names], 120, f"the removal of {', '.join(names)}")

    def list_labelled(self, label: str) -> list[LabelledResource]:
        """Return all resources with a label, `name` or `name=value`."""
        return [
            resource for kind in ResourceKind for resource in self._labelled_resources(kind, label)
        ]

    def _labelled_resources(self, kind: ResourceKind, label: str) -> Iterator[LabelledResource]:
        argv = ["ps", "--all"] if kind is ResourceKind.CONTAINER else [kind.value, "ls"]
        argv += ["--quiet", "--filter", f"label={label}"]
        for identifier in self._run(argv, 60, f"the list of {kind}s").stdout.split():
            with suppress(ToolError):  # removed since it was listed
                for document in self._json([kind.value, "inspect", identifier]):
                    labels = document.get("Config", document).get("Labels")
                    name = document.get("Name") or document.get("name") or identifier
                    yield LabelledResource(
                        kind, name.removeprefix("/"), labels or document.get("labels") or {}
                    )

    def create_network(self, name: str, labels: Mapping[str, str], *, internal: bool) -> None:
        """Create a network; an internal one has no route to the outside."""
        options = ["--internal"] if internal else []
        for label, value in labels.items():
            options += ["--label", f"{label}={value}"]
        self._run(["network", "create", *options, name], 60, f"the network {name}")

    def has_image(self, image: str) -> bool:
        """Return whether the engine has an image of that name."""
        return self._run(["image", "inspect", image], 60, image, check=False).exit_code == 0

    def list_images(self, prefix: str) -> list[str]:
        """Return the names of the images that start with `prefix`."""
        argv = ["images", "--format", "{{.Repository}}:{{.Tag}}"]
        images = self._run(argv, 60, "the list of images").stdout.split()
        return [image for image in images if image.startswith(prefix)]

    def pull(self, image: str) -> None:
        """Pull an image from its registry."""
        argv = ["pull", *self.flags.quiet, *self._plain_http(image), image]
        self._run(argv, IMAGE_TIMEOUT, f"the pull of {image}")

    def import_image(self, tar: Path, image: str, changes: Sequence[str] = ()) -> None:
        """Create an image from a root file system; `changes` are lines such as `ENV A=b`."""
        options = [argument for change in changes for argument in ("--change", change)]
        argv = ["import", *self.flags.quiet, *options, str(tar), image]
        self._run(argv, IMAGE_TIMEOUT, f"the import of {image}")

    def load_image(self, archive: Path) -> None:
        """Load the images of an archive."""
        self._run(["load", "--input", str(archive)], IMAGE_TIMEOUT, f"loading {archive}")

    def save_images(self, images: Sequence[str], archive: Path) -> None:
        """Save images to one archive."""
        argv = ["save", *self.flags.save, "--output", str(archive), *images]
        self._run(argv, IMAGE_TIMEOUT, f"saving {archive}")

    def commit(self, container: str, image: str) -> None:
        """Create an image from a container's current state."""
        argv = ["commit", *self.flags.quiet, container, image]
        self._run(argv, IMAGE_TIMEOUT, f"the commit of {image}")

    def export_files(self, container: str, tar: Path) -> None:
        """Write all files of a container to a tar, except those of volumes and mounts."""
        argv = ["export", "--output", str(tar), container]
        self._run(argv, IMAGE_TIMEOUT, f"the export of {container}")

    def tag(self, image: str, name: str) -> None:
        """Give an image another name."""
        self._run(["tag", image, name], 60, f"the tag {name}")

    def push(self, image: str) -> None:
        """Push an image to the registry in its name."""
        argv = ["push", *self.flags.quiet, *self._plain_http(image), image]
        self._run(argv, IMAGE_TIMEOUT, f"the push of {image}")

    def remove_image(self, image: str) -> None:
        """Remove an image unless it is in use."""
        self._run(["rmi", image], 120, f"the removal of {image}", check=False)

    def _timeout_error(self, timeout: float, description: str) -> WaitTimeout:
        return WaitTimeout(f"Waited {timeout:g} s for {description}; {self.name} did not return.")

    def _plain_http(self, image: str) -> tuple[str, ...]:
        return self.flags.plain_http if _LOOPBACK.match(image) else ()

    def _json(self, argv: Sequence[str]) -> Any:
        return json.loads(self._run(argv, 60, " ".join(argv)).stdout)

    def _run(
        self,
        argv: Sequence[str],
        timeout: float,
        description: str,
        *,
        stdin: str | None = None,
        check: bool = True,
    ) -> CompletedProcess:
        try:
            completed = process.run([self.name, *argv], stdin=stdin, check=False, timeout=timeout)
        except ToolError as error:
            if "took longer than" not in error.message:
                raise
            raise self._timeout_error(timeout, description) from None
        if check and completed.exit_code:
            raise process.failed_process(completed)
        return completed
