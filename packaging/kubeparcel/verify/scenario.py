"""Trials: steps in order on running hosts, each a check with its evidence."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from kubeparcel.errors import KubeparcelError
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.package_managers import PackageManager, error_lines
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.process import CompletedProcess
from kubeparcel.reports.results import Check, Finding
from kubeparcel.templates import render

OUTPUT_LIMIT = 4000
"""Of a command's output so many characters are kept: its end."""

HOST_SEPARATOR = " + "
"""Between the names of hosts that are proved together."""

CURRENT_DIR, PREVIOUS_DIR = "/packages/current", "/packages/earlier"


@dataclass(frozen=True)
class HostContext:
    """A container with packages beside it, and what was run in it since the step began."""

    container: Container
    package_manager: PackageManager
    packages: PackageSet
    previous: PackageSet | None
    evidence: dict[str, str] = field(default_factory=dict)
    state: dict[str, object] = field(default_factory=dict)

    def run(self, *argv: str, timeout: float = 120) -> CompletedProcess:
        """Run a command whatever its exit code, and keep it as evidence."""
        done = self.container.run(*argv, check=False, timeout=timeout)
        said = f"{done.stdout}{done.stderr}".rstrip()
        code = f"\n(exit code {done.exit_code})" if done.exit_code else ""
        shown = shlex.join(argv) if len(argv) < 3 or argv[0] != "sh" else argv[2].strip()
        self.evidence[shown[:OUTPUT_LIMIT]] = f"{said[-OUTPUT_LIMIT:]}{code}"
        return done

    def script(self, text: str, *arguments: str, timeout: float = 120) -> CompletedProcess:
        """Run a shell script, and keep it as evidence."""
        return self.run("sh", "-euc", text, "sh", *arguments, timeout=timeout)

    def run_each(self, commands: Sequence[Sequence[str]]) -> list[CompletedProcess]:
        """Run several commands, each whatever the others do; standard error is in their output.

        One visit to the container: that costs more than most commands.
        """
        mark = "@@kubeparcel@@"
        lines = [
            f"timeout 30 {shlex.join(argv)}; printf '\\n{mark}%s{mark}' $?" for argv in commands
        ]
        done = self.container.run_script(
            "exec 2>&1; set +e\n" + "\n".join(lines), timeout=60 + len(lines)
        )
        parts = done.stdout.split(mark)
        rows = zip(commands, parts[0::2], parts[1::2], strict=False)
        said = [
            CompletedProcess(tuple(argv), int(code), out.strip(), "") for argv, out, code in rows
        ]
        for one in said:
            code = f"\n(exit code {one.exit_code})" if one.exit_code else ""
            self.evidence[shlex.join(one.argv)] = f"{one.stdout[-OUTPUT_LIMIT:]}{code}"
        return said

    def run_manager(
        self, command: str, names: Iterable[str] = (), files: Iterable[str] = ()
    ) -> Iterator[Finding]:
        """One of the manager's commands; findings when it fails, or goes on but complains."""
        argv = PackageManager.argv(command, names, files)
        done = self.run(*argv, timeout=180)
        said = f"{done.stdout}\n{done.stderr}"
        if done.exit_code:
            last = "\n".join(said.strip().splitlines()[-8:])
            yield Finding("exit code 0", f"exit code {done.exit_code}\n{last}", shlex.join(argv))
        for line in error_lines(said):
            yield Finding("no complaint", line, shlex.join(argv))

    def use_repositories(self, *folders: str) -> None:
        """Make sets of packages, with the host's own pool, the only repository there is."""
        text = render(self.package_manager.repository_script, {})
        self.container.run_script(text, *folders, timeout=120)

    def installed_versions(self, names: Sequence[str]) -> dict[str, str]:
        """The versions of what is installed and configured."""
        argv = PackageManager.argv(self.package_manager.list_installed, names)
        rows = (line.split("\t") for line in self.run(*argv).stdout.splitlines())
        return {row[0]: row[1] for row in rows if len(row) == 2 or row[2:3] == ["ii "]}

    def assert_versions(self, wanted: PackageSet) -> Iterator[Finding]:
        """Findings where a set is not installed at exactly its versions."""
        found = self.installed_versions(wanted.names)
        for name, version in wanted.versions.items():
            if found.get(name) != version:
                yield Finding(f"{name} {version}", f"{name} {found.get(name, 'not installed')}")


StepFunction: TypeAlias = Callable[[HostContext], Iterable[Finding]]
Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Step(Generic[Subject]):
    """One check of a scenario. After a `vital` one that failed the rest is not tried."""

    name: str
    meaning: str
    run: Callable[[Subject], Iterable[Finding]]
    number: int = 0
    vital: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Scenario(Generic[Subject]):
    """Steps that follow each other on one subject. `applies` says for which packages."""

    name: str
    steps: tuple[Step[Subject], ...]
    applies: Callable[[Host, PackageSet, PackageSet | None], bool] = lambda *_: True


@dataclass(frozen=True)
class ScenarioRun(Generic[Subject]):
    """What a scenario is played on, and how its checks name that.

    `explain` adds to the evidence of a step that failed, such as the end of a journal. `told` hears
    of each check that is done.
    """

    level: str
    host: str
    subject: Subject
    contexts: tuple[HostContext, ...]
    collect_evidence: Callable[[Subject], None] = lambda _: None
    on_check: Callable[[Check], None] = lambda _: None

    def run(self, scenario: Scenario[Subject]) -> Iterator[Check]:
        """The checks of a scenario, one after the other, up to a vital one that fails."""
        for step in scenario.steps:
            check = self._take(scenario, step)
            self.on_check(check)
            yield check
            if step.vital and not check.passed:
                return

    def _take(self, scenario: Scenario[Subject], step: Step[Subject]) -> Check:
        started = time.monotonic()
        for trial in self.contexts:
            trial.evidence.clear()
        try:
            findings = tuple(step.run(self.subject))
        except KubeparcelError as error:
            findings = (Finding("an answer", str(error)),)
        if findings:
            with suppress(KubeparcelError):
                self.collect_evidence(self.subject)
        hosts = self.host.replace(HOST_SEPARATOR, ",")
        look = step.hint or f"inv verify --level {self.level} --on {hosts} --keep"
        return Check(
            name=step.name,
            subject=scenario.name,
            number=step.number,
            meaning=step.meaning,
            findings=tuple(
                Finding(f.expected, f.found, f.location, f.hint or look) for f in findings
            ),
            host=self.host,
            seconds=time.monotonic() - started,
            evidence=self._evidence(),
        )

    def _evidence(self) -> dict[str, str]:
        if len(self.contexts) == 1:
            return dict(self.contexts[0].evidence)
        return {
            f"{trial.container.host.name}: {title}": said
            for trial in self.contexts
            for title, said in trial.evidence.items()
        }
