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
from kubeparcel.hosts.shell_session import OpenShells
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

    `network` is `none`, `host` or the name of a network. `volumes` are paths with a file system of their own, removed
    with the container. `capabilities` are added to the engine's defaults. `systemd` prepares the container for an init
    system as `command`: privileged, /run and /tmp in memory, its own cgroup namespace. The session adds its `labels`,
    and the `flags` that the engine needs on this machine.
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
    systemd: bool = False
    memory: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabeledResource:
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
    debian_packages: str
    systemd: tuple[str, ...]
    force_remove: tuple[str, ...]
    quiet: tuple[str, ...] = ()
    plain_http: tuple[str, ...] = ()
    save: tuple[str, ...] = ()


class Engine:
    """podman or docker, by its commands. All times are in seconds.

    Every method raises ToolError with the engine's output if it fails, and WaitTimeout with a
    description of what was waited for if it takes too long.
    """

    def __init__(self, flags: EngineFlags, version: str) -> None:
        self.flags, self.name, self.version = flags, flags.name, version
        self._shells = OpenShells(flags.name)

    def start(self, spec: ContainerSpec) -> None:
        self._run(["run", "--detach", *self.run_arguments(spec)], 120, f"{spec.name} to start")

    def run_arguments(self, spec: ContainerSpec) -> Iterator[str]:
        """Yield the options and arguments of `run` that start a container."""
        yield from (f"--name={spec.name}", f"--network={spec.network}")
        if spec.hostname:
            yield f"--hostname={spec.hostname}"
        yield from (f"--label={name}={value}" for name, value in spec.labels.items())
        yield from (f"--volume={source}:{target}:ro" for source, target in spec.mounts.items())
        if spec.mounts and _SELINUX.exists():
            yield "--security-opt=label=disable"
        yield from (f"--volume={path}" for path in spec.volumes)
        yield from (f"--cap-add={capability}" for capability in spec.capabilities)
        if spec.memory:
            yield f"--memory={spec.memory}"
        if spec.systemd:
            yield from ("--privileged", *self.flags.systemd)
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
        except TimeoutError:
            raise self._timeout_error(timeout, description) from None
        if completed:
            return completed
        options = ["--interactive"] if stdin is not None else []
        options += [f"--env={name}={value}" for name, value in (env or {}).items()]
        return self._run(["exec", *options, container, *argv], timeout, description, stdin=stdin, check=False)

    def close_shell(self, container: str) -> None:
        self._shells.close(container)

    def copy(self, source: str, target: str) -> None:
        """Copy a file or folder; a path in a container is `CONTAINER:PATH`."""
        self._run(["cp", source, target], IMAGE_TIMEOUT, f"copying {source} to {target}")

    def inspect(self, container: str) -> Mapping[str, Any]:
        """Return the engine's description of a container."""
        return self._inspect(ResourceKind.CONTAINER, container)

    def logs(self, container: str) -> str:
        """Return the output of a container's first process."""
        completed = self._run(["logs", container], 30, f"the log of {container}", check=False)
        return completed.stdout + completed.stderr

    def restart(self, container: str) -> None:
        """Stop a container, by its stop signal first, and start it again; its files are kept."""
        self.close_shell(container)
        self._run(["restart", "--time", "50", container], 60, f"{container} to restart")

    def remove(self, kind: ResourceKind, name: str) -> None:
        """Remove a resource, running or not; a container with its anonymous volumes."""
        self.close_shell(name)
        is_container = kind is ResourceKind.CONTAINER
        command = ["rm", *self.flags.force_remove] if is_container else [kind.value, "rm"]
        self._run([*command, name], 120, f"the removal of {name}")

    def list_labeled(self, label: str) -> list[LabeledResource]:
        """Return all resources with a label, `name` or `name=value`, by kind."""
        resources = []
        for kind in ResourceKind:
            argv = ["ps", "--all"] if kind is ResourceKind.CONTAINER else [kind.value, "ls"]
            argv += ["--quiet", "--filter", f"label={label}"]
            for identifier in self._run(argv, 60, f"the list of {kind}s").stdout.split():
                with suppress(ToolError):  # removed since it was listed
                    document = self._inspect(kind, identifier)
                    labels = document.get("Config", document).get("Labels")
                    labels = labels or document.get("labels") or {}
                    name = document.get("Name") or document.get("name") or identifier
                    resources.append(LabeledResource(kind, name.removeprefix("/"), labels))
        return resources

    def _inspect(self, kind: ResourceKind, identifier: str) -> Mapping[str, Any]:
        argv = [kind.value, "inspect", identifier]
        return dict(json.loads(self._run(argv, 60, " ".join(argv)).stdout)[0])

    def create_network(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a network without a route to the outside."""
        options = [f"--label={label}={value}" for label, value in labels.items()]
        self._run(["network", "create", "--internal", *options, name], 60, f"the network {name}")

    def has_image(self, image: str) -> bool:
        return self._run(["image", "inspect", image], 60, image, check=False).exit_code == 0

    def list_images(self, prefix: str) -> list[str]:
        """Return the names of the images that start with `prefix`."""
        images = self._run(["images", "--format", "{{.Repository}}:{{.Tag}}"], 60, "the list of images").stdout.split()
        return [image for image in images if image.startswith(prefix)]

    def image_size(self, image: str) -> int:
        """Return the size of an image in bytes; layers that images share count for each."""
        return int(self._run(["image", "inspect", "--format", "{{.Size}}", image], 60, image).stdout)

    def pull(self, image: str) -> None:
        plain_http = self.flags.plain_http if _LOOPBACK.match(image) else ()
        self._run(["pull", *self.flags.quiet, *plain_http, image], IMAGE_TIMEOUT, f"the pull of {image}")

    def import_image(self, tar: Path, image: str, changes: Sequence[str] = ()) -> None:
        """Create an image from a root file system; `changes` are lines such as `ENV A=b`."""
        options = [f"--change={change}" for change in changes]
        self._run(["import", *self.flags.quiet, *options, str(tar), image], IMAGE_TIMEOUT, f"the import of {image}")

    def load_image(self, archive: Path) -> None:
        self._run(["load", "--input", str(archive)], IMAGE_TIMEOUT, f"loading {archive}")

    def save_images(self, images: Sequence[str], archive: Path) -> None:
        self._run(["save", *self.flags.save, "--output", str(archive), *images], IMAGE_TIMEOUT, f"saving {archive}")

    def commit(self, container: str, image: str) -> None:
        self._run(["commit", *self.flags.quiet, container, image], IMAGE_TIMEOUT, f"the commit of {image}")

    def export_files(self, container: str, tar: Path) -> None:
        """Write all files of a container to a tar, except those of volumes and mounts."""
        self._run(["export", "--output", str(tar), container], IMAGE_TIMEOUT, f"the export of {container}")

    def remove_image(self, image: str) -> None:
        """Remove an image unless it is in use."""
        self._run(["rmi", image], 120, f"the removal of {image}", check=False)

    def _timeout_error(self, timeout: float, description: str) -> WaitTimeout:
        return WaitTimeout(f"Waited {timeout:g} s for {description}; {self.name} did not return.")

    def _run(
        self, argv: Sequence[str], timeout: float, description: str, *, stdin: str | None = None, check: bool = True
    ) -> CompletedProcess:
        try:
            completed = process.run([self.name, *argv], stdin=stdin, check=False, timeout=timeout)
        except process.ProcessTimeout:
            raise self._timeout_error(timeout, description) from None
        if check and completed.exit_code:
            raise process.failed_process(completed)
        return completed
