"""Scenarios: steps that run in order on hosts, each of them a check with its evidence."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from kubeparcel.hosts.container import Container
from kubeparcel.hosts.package_managers import MANAGERS, PackageManager, error_lines
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.process import CompletedProcess
from kubeparcel.reports.results import Finding
from kubeparcel.templates import render
from kubeparcel.verify.selection import Entry

OUTPUT_LIMIT = 4000
"""Characters of a command's output that are kept as evidence: its end."""

ERROR_LINES = 15
"""Lines of a failed command's output that a finding shows."""

CURRENT_DIR, PREVIOUS_DIR = "/packages/current", "/packages/previous"
"""Where a host sees the packages under test, and the packages that it starts with."""


def package_mounts(packages: PackageSet, previous: PackageSet | None) -> dict[Path, str]:
    """Return the mounts that show both package sets to a host."""
    return {packages.folder: CURRENT_DIR, **({previous.folder: PREVIOUS_DIR} if previous else {})}


def describe_output(result: CompletedProcess, default: str = "") -> str:
    """Return the end of what a command has printed, errors first; if that is nothing, `default` or its exit code."""
    return (result.stderr or result.stdout).strip()[-300:] or default or f"no output, exit code {result.exit_code}"


@dataclass(frozen=True)
class HostContext:
    """A running host with its packages, and what the current step has run on it.

    `previous` are the packages that the host starts with, if those differ from the ones under test. `label` names the
    host among several. `evidence` maps commands to their output; `state` is what steps remember for later ones.
    """

    container: Container
    packages: PackageSet
    previous: PackageSet | None = None
    label: str = ""
    evidence: dict[str, str] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def package_manager(self) -> PackageManager:
        return MANAGERS[self.container.host.family.package_manager]

    @property
    def contexts(self) -> tuple[HostContext, ...]:
        """This host, for scenarios that run on a single one."""
        return (self,)

    @property
    def previous_packages(self) -> PackageSet:
        """`previous`, in a scenario that applies only where there are such packages."""
        assert self.previous  # noqa: S101 - scenarios say when they apply
        return self.previous

    def locate(self, place: str) -> str:
        """Return a place on this host, as findings name it."""
        return f"{self.label}: {place}" if self.label else place

    def describe_packages(self, *, previous: bool) -> str:
        """Return which of two package sets is meant, such as `previous, 1.36.3-1~0`; empty if there is one."""
        if self.previous is None:
            return ""
        old, new = self.previous.label, self.packages.label
        return f"previous, {old}" if previous else f"under test, {new} (previous: {old})"

    def run(self, *argv: str, timeout: float = 120) -> CompletedProcess:
        """Run a command, whatever its exit code, and record it as evidence."""
        result = self.container.run(*argv, check=False, timeout=timeout)
        is_script = len(argv) >= 3 and argv[0] == "sh"
        title = argv[2].strip() if is_script else shlex.join(argv)
        self._record(title, f"{result.stdout}{result.stderr}".rstrip(), result.exit_code)
        return result

    def run_successfully(self, *argv: str, timeout: float = 120) -> Iterator[Finding]:
        """Run a command; yield a finding with the end of its output if it fails."""
        yield from self.failure(self.run(*argv, timeout=timeout))

    def failure(self, result: CompletedProcess) -> Iterator[Finding]:
        """Yield a finding with the end of the output if a command has failed."""
        if result.exit_code:
            lines = f"{result.stdout}\n{result.stderr}".strip().splitlines()[-ERROR_LINES:]
            found = "\n".join([f"exit code {result.exit_code}", *lines])
            yield Finding("exit code 0", found, self.locate(shlex.join(result.argv)))

    def script(self, text: str, *arguments: str, timeout: float = 120) -> CompletedProcess:
        """Run a shell script, and record it as evidence."""
        return self.run("sh", "-euc", text, "sh", *arguments, timeout=timeout)

    def run_each(self, commands: Sequence[Sequence[str]]) -> list[CompletedProcess]:
        """Run several commands, whatever their exit codes; standard error goes to their output.

        All of them run in one script, because entering the container costs more than most do.
        """
        mark = "@@kubeparcel@@"
        lines = [f"timeout 30 {shlex.join(argv)}; printf '\\n{mark}%s{mark}' $?" for argv in commands]
        text = "exec 2>&1; set +e\n" + "\n".join(lines)
        parts = self.container.run_script(text, timeout=60 + len(lines)).stdout.split(mark)
        results = [
            CompletedProcess(tuple(argv), int(exit_code), output.strip(), "")
            for argv, output, exit_code in zip(commands, parts[0::2], parts[1::2], strict=False)
        ]
        for result in results:
            self._record(shlex.join(result.argv), result.stdout, result.exit_code)
        return results

    def _record(self, title: str, output: str, exit_code: int) -> None:
        suffix = f"\n(exit code {exit_code})" if exit_code else ""
        self.evidence[title[:OUTPUT_LIMIT]] = f"{output[-OUTPUT_LIMIT:]}{suffix}"

    def run_manager(self, command: str, names: Iterable[str] = (), files: Iterable[str] = ()) -> Iterator[Finding]:
        """Run a package manager's command; yield findings if it fails or prints errors."""
        argv = PackageManager.argv(command, names, files)
        result = self.run(*argv, timeout=180)
        yield from self.failure(result)
        for line in error_lines(f"{result.stdout}\n{result.stderr}"):
            yield Finding("no errors in the output", line, self.locate(shlex.join(argv)))

    def change_versions(self, command: str, versions: Mapping[str, str]) -> Iterator[Finding]:
        """Bring packages to exactly these versions with a package manager's command."""
        yield from self.run_manager(command, self.package_manager.at_versions(versions))
        yield from self.assert_versions(versions)

    def use_repositories(self, *folders: str) -> None:
        """Make folders with packages and the host's pool its only repository.

        A file that several have, such as cri-tools in an upgrade of Kubernetes alone, is that of the first.
        """
        self.container.run_script(render(self.package_manager.repository_script, {}), *reversed(folders), timeout=120)

    def installed_versions(self, names: Sequence[str]) -> dict[str, str]:
        """Return the versions of those packages that are installed and configured."""
        argv = PackageManager.argv(self.package_manager.list_installed, names)
        lines = [line.split("\t") for line in self.run(*argv).stdout.splitlines()]
        entries = [line for line in lines if len(line) > 1]
        return {name: version for name, version, *status in entries if status in ([], ["ii "])}

    def assert_versions(self, versions: Mapping[str, str]) -> Iterator[Finding]:
        """Yield findings unless packages are installed at exactly these versions."""
        installed = self.installed_versions(tuple(versions))
        for name, version in versions.items():
            if installed.get(name) != version:
                found = f"{name} {installed.get(name, 'not installed')}"
                yield Finding(f"{name} {version}", found, self.locate("installed packages"))


class RunningHosts(Protocol):
    """What a scenario runs on: one host, or a cluster of several."""

    @property
    def contexts(self) -> tuple[HostContext, ...]:
        """The hosts."""


StepFunction: TypeAlias = Callable[[HostContext], Iterable[Finding]]
Subject = TypeVar("Subject", bound=RunningHosts)


@dataclass(frozen=True)
class Step(Generic[Subject]):
    """One check of a scenario. If a `vital` step fails, the remaining steps are skipped.

    `previous` steps concern the packages that the scenario starts with, others those under test.
    """

    name: str
    meaning: str
    run: Callable[[Subject], Iterable[Finding]]
    vital: bool = False
    previous: bool = False


def vital(name: str, meaning: str, run: Callable[[Subject], Iterable[Finding]]) -> Step[Subject]:
    """Return a vital step."""
    return Step(name, meaning, run, vital=True)


@dataclass(frozen=True)
class Scenario(Generic[Subject]):
    """Steps that run in order on the same hosts. `meaning` is what they are about, and where they apply."""

    name: str
    steps: tuple[Step[Subject], ...]
    meaning: str = ""

    @property
    def entry(self) -> Entry:
        return Entry(self.name, self.meaning, tuple((step.name, step.meaning) for step in self.steps))


def scenario(name: str, meaning: str, *steps: Step[Subject]) -> Scenario[Subject]:
    """Return a scenario, written as a table of its steps."""
    return Scenario(name, steps, meaning)
