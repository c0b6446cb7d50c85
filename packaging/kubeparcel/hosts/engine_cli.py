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
from kubeparcel.hosts.engine import Engine, GaveUp, Labelled, NoEngine, Start, What
from kubeparcel.hosts.shell_session import Late, Visit
from kubeparcel.process import CompletedProcess

LONG = 600.0
"""Seconds for pulling, importing and saving an image."""

_SELINUX = Path("/sys/fs/selinux/enforce")
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+)(:\d+)?/")


VARIABLE = "KUBEPARCEL_ENGINE"


@dataclass(frozen=True)
class Dialect:
    """The words in which engines differ.

    `systemd` starts a machine with systemd; `at_once` removes without waiting for a stop;
    `plain_http` reaches a registry on this machine that has no certificate.
    """

    name: str
    version: str
    quiet: tuple[str, ...]
    systemd: tuple[str, ...]
    at_once: tuple[str, ...]
    plain_http: tuple[str, ...]
    save: tuple[str, ...]
    packages: str


DIALECTS: Mapping[str, Dialect] = {
    "podman": Dialect(
        name="podman",
        version="{{.Client.Version}}",
        quiet=("--quiet",),
        systemd=("--systemd=always", "--cgroupns=private", "--tmpfs=/tmp", "--tmpfs=/run"),
        at_once=("--force", "--volumes", "--time=0"),
        plain_http=("--tls-verify=false",),
        save=("--quiet", "--multi-image-archive"),
        packages="podman runc conmon netavark aardvark-dns iptables nftables catatonit",
    ),
    "docker": Dialect(
        name="docker",
        version="{{.Server.Version}}",
        quiet=(),
        systemd=(
            *("--cgroupns=private", "--env=container=docker", "--stop-signal=SIGRTMIN+3"),
            *("--tmpfs=/tmp", "--tmpfs=/run:exec", "--tmpfs=/run/lock"),
        ),
        at_once=("--force", "--volumes"),
        plain_http=(),
        save=(),
        packages="docker.io",
    ),
}


def choose(name: str = "") -> Engine:
    """The engine of that name, else KUBEPARCEL_ENGINE's, else the first that answers.

    Raises NoEngine saying what to install, UsageError for a name that is none.
    """
    name = name or os.environ.get(VARIABLE, "")
    if name and name not in DIALECTS:
        raise UsageError(f"--engine {name}: there are {', '.join(DIALECTS)}.")
    reasons: list[str] = []
    for dialect in [DIALECTS[name]] if name else DIALECTS.values():
        try:
            return _answering(dialect)
        except NoEngine as error:
            reasons.append(f"{dialect.name}: {error.message}")
    raise NoEngine(
        "No container engine can be used: the levels install, service and cluster need one.\n  "
        + "\n  ".join(reasons),
        f"On Debian and Ubuntu: apt install {DIALECTS[name or 'podman'].packages}\n"
        "On Fedora, Rocky and openSUSE: dnf or zypper install podman.\n"
        "Without one, --level layout checks what is in the packages.",
    )


def _answering(dialect: Dialect) -> Engine:
    """The engine behind a row; raises NoEngine with the reason it cannot be used."""
    if not shutil.which(dialect.name):
        raise NoEngine("is not installed.")
    try:
        done = process.run(
            [dialect.name, "version", "--format", dialect.version], check=False, timeout=30
        )
    except KubeparcelError as error:
        raise NoEngine(error.message) from None
    version = done.stdout.strip()
    if done.exit_code or not version:
        said = done.stderr.strip().splitlines() or ["it printed nothing"]
        raise NoEngine(f"is installed, but does not answer: {said[-1]}")
    return CommandLine(dialect, version)


class CommandLine:
    """Fills the Protocol Engine."""

    def __init__(self, dialect: Dialect, version: str) -> None:
        self.dialect, self.name, self.version = dialect, dialect.name, version
        self._visits: dict[str, Visit] = {}
        self._guard = threading.Lock()

    def start(self, start: Start) -> None:
        self._run(["run", "--detach", *self.words(start)], 120, f"{start.name} to start")

    def words(self, start: Start) -> Iterator[str]:
        """The options and arguments of `run` for a container; pure."""
        yield from ("--name", start.name, "--network", start.network)
        if start.hostname:
            yield from ("--hostname", start.hostname)
        for name, value in start.labels.items():
            yield from ("--label", f"{name}={value}")
        for source, target in start.mounts.items():
            yield from ("--volume", f"{source}:{target}:ro")
        if start.mounts and _SELINUX.exists():
            yield "--security-opt=label=disable"
        for path in start.volumes:
            yield from ("--volume", path)
        for capability in start.capabilities:
            yield from ("--cap-add", capability)
        if start.memory:
            yield from ("--memory", start.memory)
        if start.privileged:
            yield "--privileged"
        if start.systemd:
            yield from self.dialect.systemd
        yield from (*start.flags, start.image, *start.command)

    def exec(
        self,
        container: str,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
        what: str = "",
    ) -> CompletedProcess:
        waited = what or f"`{' '.join(argv)[:200]}` in {container}"
        try:
            done = self._through_shell(container, argv, stdin, env, timeout)
        except Late:
            raise self._gave_up(timeout, waited) from None
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
            visit = self._visits.get(container)
            if not visit or not visit.open:
                visit = Visit([self.name, "exec", "--interactive", container, "sh"])
                self._visits[container] = visit
        if not visit.lock.acquire(blocking=False):
            return None
        try:
            started = time.monotonic()
            if not visit.ready(timeout):
                return None
            return visit.run(argv, stdin, env, timeout - (time.monotonic() - started))
        finally:
            visit.release()

    def leave(self, containers: Sequence[str]) -> None:
        with self._guard:
            visits = [self._visits.pop(name) for name in containers if name in self._visits]
        for visit in visits:
            visit.close()

    def shell(self, container: str) -> str:
        return f"{self.name} exec -it {container} bash"

    def put(self, container: str, source: Path, target: str) -> None:
        self._run(["cp", str(source), f"{container}:{target}"], LONG, f"{source} to be copied")

    def get(self, container: str, source: str, target: Path) -> None:
        self._run(["cp", f"{container}:{source}", str(target)], LONG, f"{source} to be copied")

    def inspect(self, container: str) -> Mapping[str, Any]:
        found: list[Mapping[str, Any]] = self._json(["container", "inspect", container])
        return found[0]

    def logs(self, container: str) -> str:
        done = self._run(["logs", container], 30, f"the log of {container}", check=False)
        return done.stdout + done.stderr

    def restart(self, container: str, timeout: float = 60) -> None:
        grace = max(1, int(timeout) - 10)
        self.leave([container])
        self._run(["restart", "--time", str(grace), container], timeout, f"{container} to restart")

    def remove(self, what: What, names: Sequence[str]) -> None:
        self.leave(names)
        if names:
            words = self.dialect.at_once if what is What.CONTAINER else ()
            verb = ["rm", *words] if what is What.CONTAINER else [what.value, "rm"]
            self._run([*verb, *names], 120, f"{', '.join(names)} to go")

    def labelled(self, label: str) -> list[Labelled]:
        return [row for what in What for row in self._labelled(what, label)]

    def _labelled(self, what: What, label: str) -> Iterator[Labelled]:
        words = ["ps", "--all"] if what is What.CONTAINER else [what.value, "ls"]
        listed = self._run([*words, "--quiet", "--filter", f"label={label}"], 60, f"each {what}")
        for name in listed.stdout.split():
            with suppress(ToolError):  # gone since it was listed
                for row in self._json([what.value, "inspect", name]):
                    labels = row.get("Config", row).get("Labels") or row.get("labels") or {}
                    full = row.get("Name") or row.get("name") or name
                    yield Labelled(what, full.removeprefix("/"), labels)

    def create_network(self, name: str, labels: Mapping[str, str], *, internal: bool) -> None:
        words = [word for row in labels.items() for word in ("--label", "=".join(row))]
        inside = ["--internal"] if internal else []
        self._run(["network", "create", *inside, *words, name], 60, f"the network {name}")

    def has_image(self, image: str) -> bool:
        return self._run(["image", "inspect", image], 60, image, check=False).exit_code == 0

    def images(self, prefix: str) -> list[str]:
        words = ["images", "--format", "{{.Repository}}:{{.Tag}}"]
        listed = self._run(words, 60, "the list of images").stdout.split()
        return [image for image in listed if image.startswith(prefix)]

    def pull(self, image: str) -> None:
        self._run(["pull", *self.dialect.quiet, *self._plain(image), image], LONG, f"{image}")

    def import_image(self, tar: Path, image: str, changes: Sequence[str] = ()) -> None:
        words = [word for change in changes for word in ("--change", change)]
        self._run(["import", *self.dialect.quiet, *words, str(tar), image], LONG, f"{image}")

    def load_image(self, archive: Path) -> None:
        self._run(["load", "--input", str(archive)], LONG, f"{archive} to be loaded")

    def save_images(self, images: Sequence[str], archive: Path) -> None:
        words = ["save", *self.dialect.save, "--output", str(archive), *images]
        self._run(words, LONG, f"{archive} to be written")

    def commit(self, container: str, image: str) -> None:
        self._run(["commit", *self.dialect.quiet, container, image], LONG, f"{image}")

    def export(self, container: str, tar: Path) -> None:
        words = ["export", "--output", str(tar), container]
        self._run(words, LONG, f"{container} to be written")

    def tag(self, image: str, name: str) -> None:
        self._run(["tag", image, name], 60, f"{name}")

    def push(self, image: str) -> None:
        self._run(["push", *self.dialect.quiet, *self._plain(image), image], LONG, f"{image}")

    def remove_image(self, image: str) -> None:
        self._run(["rmi", image], 120, f"{image} to go", check=False)

    def _gave_up(self, timeout: float, what: str) -> GaveUp:
        return GaveUp(f"Waited {timeout:g} s for {what}; {self.name} did not come back.")

    def _plain(self, image: str) -> tuple[str, ...]:
        return self.dialect.plain_http if _LOOPBACK.match(image) else ()

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
            raise self._gave_up(timeout, what) from None
        if check and done.exit_code:
            raise process.failed_process(done)
        return done
