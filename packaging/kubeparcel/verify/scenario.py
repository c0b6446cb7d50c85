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
from kubeparcel.hosts.package_managers import Manager, complaints
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.process import CompletedProcess
from kubeparcel.reports.results import Check, Finding
from kubeparcel.templates import render

SHOWN = 4000
"""Of a command's output so many characters are kept: its end."""

TOGETHER = " + "
"""Between the names of hosts that are proved together."""

CURRENT, EARLIER = "/packages/current", "/packages/earlier"


@dataclass(frozen=True)
class Trial:
    """A container with packages beside it, and what was run in it since the step began."""

    box: Container
    manager: Manager
    packages: PackageSet
    earlier: PackageSet | None
    seen: dict[str, str] = field(default_factory=dict)
    notes: dict[str, object] = field(default_factory=dict)

    def run(self, *argv: str, timeout: float = 120) -> CompletedProcess:
        """Run a command whatever its exit code, and keep it as evidence."""
        done = self.box.run(*argv, check=False, timeout=timeout)
        said = f"{done.stdout}{done.stderr}".rstrip()
        code = f"\n(exit code {done.exit_code})" if done.exit_code else ""
        shown = shlex.join(argv) if len(argv) < 3 or argv[0] != "sh" else argv[2].strip()
        self.seen[shown[:SHOWN]] = f"{said[-SHOWN:]}{code}"
        return done

    def script(self, text: str, *arguments: str, timeout: float = 120) -> CompletedProcess:
        """Run a shell script, and keep it as evidence."""
        return self.run("sh", "-euc", text, "sh", *arguments, timeout=timeout)

    def each(self, commands: Sequence[Sequence[str]]) -> list[CompletedProcess]:
        """Run several commands, each whatever the others do; standard error is in their output.

        One visit to the container: that costs more than most commands.
        """
        mark = "@@kubeparcel@@"
        lines = [
            f"timeout 30 {shlex.join(argv)}; printf '\\n{mark}%s{mark}' $?" for argv in commands
        ]
        done = self.box.script("exec 2>&1; set +e\n" + "\n".join(lines), timeout=60 + len(lines))
        parts = done.stdout.split(mark)
        rows = zip(commands, parts[0::2], parts[1::2], strict=False)
        said = [
            CompletedProcess(tuple(argv), int(code), out.strip(), "") for argv, out, code in rows
        ]
        for one in said:
            code = f"\n(exit code {one.exit_code})" if one.exit_code else ""
            self.seen[shlex.join(one.argv)] = f"{one.stdout[-SHOWN:]}{code}"
        return said

    def ask(
        self, command: str, names: Iterable[str] = (), files: Iterable[str] = ()
    ) -> Iterator[Finding]:
        """One of the manager's commands; findings when it fails, or goes on but complains."""
        argv = Manager.words(command, names, files)
        done = self.run(*argv, timeout=180)
        said = f"{done.stdout}\n{done.stderr}"
        if done.exit_code:
            last = "\n".join(said.strip().splitlines()[-8:])
            yield Finding("exit code 0", f"exit code {done.exit_code}\n{last}", shlex.join(argv))
        for line in complaints(said):
            yield Finding("no complaint", line, shlex.join(argv))

    def repository(self, *folders: str) -> None:
        """Make sets of packages, with the host's own pool, the only repository there is."""
        text = render(self.manager.update, {})
        self.box.script(text, *folders, timeout=120)

    def states(self, names: Sequence[str]) -> dict[str, str]:
        """The versions of what is installed and configured."""
        argv = Manager.words(self.manager.state, names)
        rows = (line.split("\t") for line in self.run(*argv).stdout.splitlines())
        return {row[0]: row[1] for row in rows if len(row) == 2 or row[2:3] == ["ii "]}

    def at(self, wanted: PackageSet) -> Iterator[Finding]:
        """Findings where a set is not installed at exactly its versions."""
        found = self.states(wanted.names)
        for name, version in wanted.versions.items():
            if found.get(name) != version:
                yield Finding(f"{name} {version}", f"{name} {found.get(name, 'not installed')}")


Question: TypeAlias = Callable[[Trial], Iterable[Finding]]
On = TypeVar("On")


@dataclass(frozen=True)
class Step(Generic[On]):
    """One check of a scenario. After a `vital` one that failed the rest is not tried."""

    name: str
    meaning: str
    question: Callable[[On], Iterable[Finding]]
    number: int = 0
    vital: bool = False
    look: str = ""


@dataclass(frozen=True)
class Scenario(Generic[On]):
    """Steps that follow each other on one subject. `applies` says for which packages."""

    name: str
    steps: tuple[Step[On], ...]
    applies: Callable[[Host, PackageSet, PackageSet | None], bool] = lambda *_: True


@dataclass(frozen=True)
class Course(Generic[On]):
    """What a scenario is played on, and how its checks name that.

    `explain` adds to the evidence of a step that failed, such as the end of a journal. `told` hears
    of each check that is done.
    """

    level: str
    host: str
    on: On
    trials: tuple[Trial, ...]
    explain: Callable[[On], None] = lambda _: None
    told: Callable[[Check], None] = lambda _: None

    def play(self, scenario: Scenario[On]) -> Iterator[Check]:
        """The checks of a scenario, one after the other, up to a vital one that fails."""
        for step in scenario.steps:
            check = self._take(scenario, step)
            self.told(check)
            yield check
            if step.vital and not check.passed:
                return

    def _take(self, scenario: Scenario[On], step: Step[On]) -> Check:
        started = time.monotonic()
        for trial in self.trials:
            trial.seen.clear()
        try:
            findings = tuple(step.question(self.on))
        except KubeparcelError as error:
            findings = (Finding("an answer", str(error)),)
        if findings:
            with suppress(KubeparcelError):
                self.explain(self.on)
        hosts = self.host.replace(TOGETHER, ",")
        look = step.look or f"inv verify --level {self.level} --on {hosts} --keep"
        return Check(
            name=step.name,
            subject=scenario.name,
            number=step.number,
            meaning=step.meaning,
            findings=tuple(Finding(f.expected, f.found, f.where, f.look or look) for f in findings),
            host=self.host,
            seconds=time.monotonic() - started,
            evidence=self._evidence(),
        )

    def _evidence(self) -> dict[str, str]:
        if len(self.trials) == 1:
            return dict(self.trials[0].seen)
        return {
            f"{trial.box.host.name}: {title}": said
            for trial in self.trials
            for title, said in trial.seen.items()
        }
