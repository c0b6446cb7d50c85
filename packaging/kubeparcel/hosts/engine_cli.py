"""An engine driven through its command line: podman and docker alike, by their Dialect."""

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
"""Seconds for pulling, importing and saving an image."""

_SELINUX = Path("/sys/fs/selinux/enforce")
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+)(:\d+)?/")


ENGINE_VARIABLE = "KUBEPARCEL_ENGINE"


@dataclass(frozen=True)
class EngineFlags:
    """The words in which engines differ.

    `systemd` starts a machine with systemd; `at_once` removes without waiting for a stop;
    `plain_http` reaches a registry on this machine that has no certificate.
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


def select_engine(name: str = "") -> Engine:
    """The engine of that name, else KUBEPARCEL_ENGINE's, else the first that answers.

    Raises EngineUnavailable saying what to install, UsageError for a name that is none.
    """
    name = name or os.environ.get(ENGINE_VARIABLE, "")
    if name and name not in ENGINES:
        raise UsageError(f"--engine {name}: there are {', '.join(ENGINES)}.")
    reasons: list[str] = []
    for dialect in [ENGINES[name]] if name else ENGINES.values():
        try:
            return _answering(dialect)
        except EngineUnavailable as error:
            reasons.append(f"{dialect.name}: {error.message}")
    raise EngineUnavailable(
        "No container engine can be used: the levels install, service and cluster need one.\n  "
        + "\n  ".join(reasons),
        f"On Debian and Ubuntu: apt install {ENGINES[name or 'podman'].debian_packages}\n"
        "On Fedora, Rocky and openSUSE: dnf or zypper install podman.\n"
        "Without one, --level layout checks what is in the packages.",
    )


def _answering(dialect: EngineFlags) -> Engine:
    """The engine behind a row; raises EngineUnavailable with the reason it cannot be used."""
    if not shutil.which(dialect.name):
        raise EngineUnavailable("is not installed.")
    try:
        done = process.run(
            [dialect.name, "version", "--format", dialect.version_format], check=False, timeout=30
        )
    except KubeparcelError as error:
        raise EngineUnavailable(error.message) from None
    version = done.stdout.strip()
    if done.exit_code or not version:
        said = done.stderr.strip().splitlines() or ["it printed nothing"]
        raise EngineUnavailable(f"is installed, but does not answer: {said[-1]}")
    return CliEngine(dialect, version)


class CliEngine:
    """Fills the Protocol Engine."""

    def __init__(self, flags: EngineFlags, version: str) -> None:
        self.flags, self.name, self.version = flags, flags.name, version
        self._shells: dict[str, ShellSession] = {}
        self._guard = threading.Lock()

    def start(self, spec: ContainerSpec) -> None:
        self._run(["run", "--detach", *self.run_arguments(spec)], 120, f"{spec.name} to start")

    def run_arguments(self, spec: ContainerSpec) -> Iterator[str]:
        """The options and arguments of `run` for a container; pure."""
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
        waited = description or f"`{' '.join(argv)[:200]}` in {container}"
        try:
            done = self._through_shell(container, argv, stdin, env, timeout)
        except CommandTimeout:
            raise self._timeout_error(timeout, waited) from None
        if done:
            return done
        words = ["exec", *(["--interactive"] if stdin is not None else [])]
        for name, value in (env or {}).items():
            words += ["--env", f"{name}={value}"]
        return self._run([*words, container, *argv], timeout, waited, stdin=stdin, check=False)

    def _through_shell(
        self,
        container: str,
        argv: Sequence[str],
        stdin: str | None,
        env: Mapping[str, str] | None,
        timeout: float,
    ) -> CompletedProcess | None:
        """The same through an open shell; None when another thread uses it, or none opens."""
        with self._guard:
            visit = self._shells.get(container)
            if not visit or not visit.is_open:
                visit = ShellSession([self.name, "exec", "--interactive", container, "sh"])
                self._shells[container] = visit
        if not visit.lock.acquire(blocking=False):
            return None
        try:
            started = time.monotonic()
            if not visit.connect(timeout):
                return None
            return visit.run(argv, stdin, env, timeout - (time.monotonic() - started))
        finally:
            visit.release()

    def close_shells(self, containers: Sequence[str]) -> None:
        with self._guard:
            visits = [self._shells.pop(name) for name in containers if name in self._shells]
        for visit in visits:
            visit.close()

    def shell_command(self, container: str) -> str:
        return f"{self.name} exec -it {container} bash"

    def copy_in(self, container: str, source: Path, target: str) -> None:
        self._run(
            ["cp", str(source), f"{container}:{target}"], IMAGE_TIMEOUT, f"{source} to be copied"
        )

    def copy_out(self, container: str, source: str, target: Path) -> None:
        self._run(
            ["cp", f"{container}:{source}", str(target)], IMAGE_TIMEOUT, f"{source} to be copied"
        )

    def inspect(self, container: str) -> Mapping[str, Any]:
        found: list[Mapping[str, Any]] = self._json(["container", "inspect", container])
        return found[0]

    def logs(self, container: str) -> str:
        done = self._run(["logs", container], 30, f"the log of {container}", check=False)
        return done.stdout + done.stderr

    def restart(self, container: str, timeout: float = 60) -> None:
        grace = max(1, int(timeout) - 10)
        self.close_shells([container])
        self._run(["restart", "--time", str(grace), container], timeout, f"{container} to restart")

    def remove(self, kind: ResourceKind, names: Sequence[str]) -> None:
        self.close_shells(names)
        if names:
            words = self.flags.force_remove if kind is ResourceKind.CONTAINER else ()
            verb = ["rm", *words] if kind is ResourceKind.CONTAINER else [kind.value, "rm"]
            self._run([*verb, *names], 120, f"{', '.join(names)} to go")

    def list_labelled(self, label: str) -> list[LabelledResource]:
        return [row for what in ResourceKind for row in self._list_labelled(what, label)]

    def _list_labelled(self, what: ResourceKind, label: str) -> Iterator[LabelledResource]:
        words = ["ps", "--all"] if what is ResourceKind.CONTAINER else [what.value, "ls"]
        listed = self._run([*words, "--quiet", "--filter", f"label={label}"], 60, f"each {what}")
        for name in listed.stdout.split():
            with suppress(ToolError):  # gone since it was listed
                for row in self._json([what.value, "inspect", name]):
                    labels = row.get("Config", row).get("Labels") or row.get("labels") or {}
                    full = row.get("Name") or row.get("name") or name
                    yield LabelledResource(what, full.removeprefix("/"), labels)

    def create_network(self, name: str, labels: Mapping[str, str], *, internal: bool) -> None:
        words = [word for row in labels.items() for word in ("--label", "=".join(row))]
        inside = ["--internal"] if internal else []
        self._run(["network", "create", *inside, *words, name], 60, f"the network {name}")

    def has_image(self, image: str) -> bool:
        return self._run(["image", "inspect", image], 60, image, check=False).exit_code == 0

    def list_images(self, prefix: str) -> list[str]:
        words = ["images", "--format", "{{.Repository}}:{{.Tag}}"]
        listed = self._run(words, 60, "the list of images").stdout.split()
        return [image for image in listed if image.startswith(prefix)]

    def pull(self, image: str) -> None:
        self._run(
            ["pull", *self.flags.quiet, *self._plain_http(image), image], IMAGE_TIMEOUT, f"{image}"
        )

    def import_image(self, tar: Path, image: str, changes: Sequence[str] = ()) -> None:
        words = [word for change in changes for word in ("--change", change)]
        self._run(["import", *self.flags.quiet, *words, str(tar), image], IMAGE_TIMEOUT, f"{image}")

    def load_image(self, archive: Path) -> None:
        self._run(["load", "--input", str(archive)], IMAGE_TIMEOUT, f"{archive} to be loaded")

    def save_images(self, images: Sequence[str], archive: Path) -> None:
        words = ["save", *self.flags.save, "--output", str(archive), *images]
        self._run(words, IMAGE_TIMEOUT, f"{archive} to be written")

    def commit(self, container: str, image: str) -> None:
        self._run(["commit", *self.flags.quiet, container, image], IMAGE_TIMEOUT, f"{image}")

    def export_files(self, container: str, tar: Path) -> None:
        words = ["export", "--output", str(tar), container]
        self._run(words, IMAGE_TIMEOUT, f"{container} to be written")

    def tag(self, image: str, name: str) -> None:
        self._run(["tag", image, name], 60, f"{name}")

    def push(self, image: str) -> None:
        self._run(
            ["push", *self.flags.quiet, *self._plain_http(image), image], IMAGE_TIMEOUT, f"{image}"
        )

    def remove_image(self, image: str) -> None:
        self._run(["rmi", image], 120, f"{image} to go", check=False)

    def _timeout_error(self, timeout: float, what: str) -> WaitTimeout:
        return WaitTimeout(f"Waited {timeout:g} s for {what}; {self.name} did not come back.")

    def _plain_http(self, image: str) -> tuple[str, ...]:
        return self.flags.plain_http if _LOOPBACK.match(image) else ()

    def _json(self, words: Sequence[str]) -> Any:
        return json.loads(self._run(words, 60, " ".join(words)).stdout)

    def _run(
        self,
        words: Sequence[str],
        timeout: float,
        what: str,
        *,
        stdin: str | None = None,
        check: bool = True,
    ) -> CompletedProcess:
        try:
            done = process.run([self.name, *words], stdin=stdin, check=False, timeout=timeout)
        except ToolError as error:
            if "took longer than" not in error.message:
                raise
            raise self._timeout_error(timeout, what) from None
        if check and done.exit_code:
            raise process.failed_process(done)
        return done
