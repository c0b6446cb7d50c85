"""podman and docker through their command lines, and the selection of one of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeparcel import process
from kubeparcel.errors import KubeparcelError, ToolError, UsageError
from kubeparcel.hosts.engine import (
    ContainerSpec,
    Engine,
    EngineUnavailable,
    LabelledResource,
    ResourceKind,
    WaitTimeout,
)
from kubeparcel.hosts.shell_session import CommandTimeout, ShellSession
from kubeparcel.process import CompletedProcess

IMAGE_TIMEOUT = 600.0
"""Seconds for pulling, importing or saving an image."""

ENGINE_VARIABLE = "KUBEPARCEL_ENGINE"

_SELINUX = Path("/sys/fs/selinux/enforce")
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+)(:\d+)?/")


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


ENGINES: Mapping[str, EngineFlags] = {
    "podman": EngineFlags(
        name="podman",
        version_format="{{.Client.Version}}",
        quiet=("--quiet",),
        systemd=("--systemd=always", "--cgroupns=private", "--tmpfs=/tmp", "--tmpfs=/run"),
        force_remove=("--force", "--volumes", "--time=0"),
        plain_http=("--tls-verify=false",),
        save=("--quiet", "--multi-image-archive"),
        debian_packages="podman runc conmon netavark aardvark-dns iptables nftables catatonit",
    ),
    "docker": EngineFlags(
        name="docker",
        version_format="{{.Server.Version}}",
        quiet=(),
        systemd=(
            *("--cgroupns=private", "--env=container=docker", "--stop-signal=SIGRTMIN+3"),
            *("--tmpfs=/tmp", "--tmpfs=/run:exec", "--tmpfs=/run/lock"),
        ),
        force_remove=("--force", "--volumes"),
        plain_http=(),
        save=(),
        debian_packages="docker.io",
    ),
}
"""In the order in which they are tried."""


def select_engine(name: str = "") -> Engine:
    """Return the engine `name`, else that of KUBEPARCEL_ENGINE, else the first that works.

    Raises UsageError for an unknown name, EngineUnavailable with what to install.
    """
    name = name or os.environ.get(ENGINE_VARIABLE, "")
    if name and name not in ENGINES:
        raise UsageError(f"Unknown engine {name!r}: use {' or '.join(ENGINES)}.")
    reasons: list[str] = []
    for flags in [ENGINES[name]] if name else ENGINES.values():
        try:
            return _connect(flags)
        except EngineUnavailable as error:
            reasons.append(f"{flags.name} {error.message}")
    raise EngineUnavailable(
        "No usable container engine; the levels install, service and cluster need one.\n  "
        + "\n  ".join(reasons),
        f"On Debian and Ubuntu: apt install {ENGINES[name or 'podman'].debian_packages}\n"
        "On Fedora and Rocky Linux: dnf install podman. On openSUSE: zypper install podman.\n"
        "Without an engine, inv verify --level layout checks the contents of the packages.",
    )


def _connect(flags: EngineFlags) -> Engine:
    """Return a working engine; raise EngineUnavailable with the reason."""
    if not shutil.which(flags.name):
        raise EngineUnavailable("is not installed.")
    argv = [flags.name, "version", "--format", flags.version_format]
    try:
        completed = process.run(argv, check=False, timeout=30)
    except KubeparcelError as error:
        raise EngineUnavailable(f"does not work: {error.message}") from None
    version = completed.stdout.strip()
    if completed.exit_code or not version:
        output = completed.stderr.strip().splitlines() or ["it printed nothing"]
        raise EngineUnavailable(f"is installed, but does not work: {output[-1]}")
    return CliEngine(flags, version)


class CliEngine:
    """An Engine that runs podman's or docker's commands."""

    def __init__(self, flags: EngineFlags, version: str) -> None:
        self.flags, self.name, self.version = flags, flags.name, version
        self._shells: dict[str, ShellSession] = {}
        self._mutex = threading.Lock()

    def start(self, spec: ContainerSpec) -> None:
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
        description = description or f"`{' '.join(argv)[:200]}` in {container}"
        try:
            completed = self._run_in_shell(container, argv, stdin, env, timeout)
        except CommandTimeout:
            raise self._timeout_error(timeout, description) from None
        if completed:
            return completed
        command = ["exec", *(["--interactive"] if stdin is not None else [])]
        for name, value in (env or {}).items():
            command += ["--env", f"{name}={value}"]
        command += [container, *argv]
        return self._run(command, timeout, description, stdin=stdin, check=False)

    def _run_in_shell(
        self,
        container: str,
        argv: Sequence[str],
        stdin: str | None,
        env: Mapping[str, str] | None,
        timeout: float,
    ) -> CompletedProcess | None:
        """Run a command in the container's open shell.

        Returns None if another thread uses the shell or none can be opened.
        """
        with self._mutex:
            shell = self._shells.get(container)
            if not shell or not shell.is_open:
                shell = ShellSession([self.name, "exec", "--interactive", container, "sh"])
                self._shells[container] = shell
        if not shell.lock.acquire(blocking=False):
            return None
        try:
            started = time.monotonic()
            if not shell.connect(timeout):
                return None
            return shell.run(argv, stdin, env, timeout - (time.monotonic() - started))
        finally:
            shell.release()

    def close_shells(self, containers: Sequence[str]) -> None:
        with self._mutex:
            shells = [self._shells.pop(name) for name in containers if name in self._shells]
        for shell in shells:
            shell.close()

    def shell_command(self, container: str) -> str:
        return f"{self.name} exec -it {container} bash"

    def copy_in(self, container: str, source: Path, target: str) -> None:
        argv = ["cp", str(source), f"{container}:{target}"]
        self._run(argv, IMAGE_TIMEOUT, f"copying {source} into {container}")

    def copy_out(self, container: str, source: str, target: Path) -> None:
        argv = ["cp", f"{container}:{source}", str(target)]
        self._run(argv, IMAGE_TIMEOUT, f"copying {source} out of {container}")

    def inspect(self, container: str) -> Mapping[str, Any]:
        documents: list[Mapping[str, Any]] = self._json(["container", "inspect", container])
        return documents[0]

    def logs(self, container: str) -> str:
        completed = self._run(["logs", container], 30, f"the log of {container}", check=False)
        return completed.stdout + completed.stderr

    def restart(self, container: str, timeout: float = 60) -> None:
        grace = max(1, int(timeout) - 10)
        self.close_shells([container])
        self._run(["restart", "--time", str(grace), container], timeout, f"{container} to restart")

    def remove(self, kind: ResourceKind, names: Sequence[str]) -> None:
        self.close_shells(names)
        if not names:
            return
        is_container = kind is ResourceKind.CONTAINER
        verb = ["rm", *self.flags.force_remove] if is_container else [kind.value, "rm"]
        self._run([*verb, *names], 120, f"the removal of {', '.join(names)}")

    def list_labelled(self, label: str) -> list[LabelledResource]:
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
        options = ["--internal"] if internal else []
        for label, value in labels.items():
            options += ["--label", f"{label}={value}"]
        self._run(["network", "create", *options, name], 60, f"the network {name}")

    def has_image(self, image: str) -> bool:
        return self._run(["image", "inspect", image], 60, image, check=False).exit_code == 0

    def list_images(self, prefix: str) -> list[str]:
        argv = ["images", "--format", "{{.Repository}}:{{.Tag}}"]
        images = self._run(argv, 60, "the list of images").stdout.split()
        return [image for image in images if image.startswith(prefix)]

    def pull(self, image: str) -> None:
        argv = ["pull", *self.flags.quiet, *self._plain_http(image), image]
        self._run(argv, IMAGE_TIMEOUT, f"the pull of {image}")

    def import_image(self, tar: Path, image: str, changes: Sequence[str] = ()) -> None:
        options = [argument for change in changes for argument in ("--change", change)]
        argv = ["import", *self.flags.quiet, *options, str(tar), image]
        self._run(argv, IMAGE_TIMEOUT, f"the import of {image}")

    def load_image(self, archive: Path) -> None:
        self._run(["load", "--input", str(archive)], IMAGE_TIMEOUT, f"loading {archive}")

    def save_images(self, images: Sequence[str], archive: Path) -> None:
        argv = ["save", *self.flags.save, "--output", str(archive), *images]
        self._run(argv, IMAGE_TIMEOUT, f"saving {archive}")

    def commit(self, container: str, image: str) -> None:
        argv = ["commit", *self.flags.quiet, container, image]
        self._run(argv, IMAGE_TIMEOUT, f"the commit of {image}")

    def export_files(self, container: str, tar: Path) -> None:
        argv = ["export", "--output", str(tar), container]
        self._run(argv, IMAGE_TIMEOUT, f"the export of {container}")

    def tag(self, image: str, name: str) -> None:
        self._run(["tag", image, name], 60, f"the tag {name}")

    def push(self, image: str) -> None:
        argv = ["push", *self.flags.quiet, *self._plain_http(image), image]
        self._run(argv, IMAGE_TIMEOUT, f"the push of {image}")

    def remove_image(self, image: str) -> None:
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
