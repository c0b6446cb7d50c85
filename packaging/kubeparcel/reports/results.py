"""Results of checks: a value for each finding, check and level.

Values only: `reports.output` renders and writes them. Imports little, because the build and every level import it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum, StrEnum
from typing import Any

from kubeparcel.console import quantity


@dataclass(frozen=True)
class Finding:
    """One difference between what a check expected and what it found.

    `location` is a path in the package or on the host, with a line number where there is one.
    `hint` is the next step for the user.
    """

    expected: str
    found: str
    location: str = ""
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        return {name: value for name, value in asdict(self).items() if value}


class CheckState(StrEnum):
    """The outcome of a check. One that did not run has not passed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not-run"


@dataclass(frozen=True)
class Check:
    """The result of one check of one subject: a package file, or a scenario on a host.

    It failed if it has findings. `not_run` is the reason why it did not run. Levels that run on hosts set `host`, and
    keep the commands they ran with their output in `evidence`, by title. `seconds` is 0 where it was not measured.
    `packages` is the set that the check concerns, where a scenario has the previous packages too.
    """

    name: str
    subject: str
    meaning: str = ""
    findings: tuple[Finding, ...] = ()
    host: str = ""
    seconds: float = 0.0
    evidence: Mapping[str, str] = field(default_factory=dict)
    not_run: str = ""
    packages: str = ""

    @property
    def state(self) -> CheckState:
        if self.findings:
            return CheckState.FAILED
        return CheckState.NOT_RUN if self.not_run else CheckState.PASSED

    @property
    def passed(self) -> bool:
        return self.state is CheckState.PASSED

    def as_dict(self) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": self.name, "subject": self.subject, "passed": self.passed}
        entry |= {"host": self.host} if self.host else {}
        entry |= {"seconds": round(self.seconds, 2)} if self.seconds else {}
        entry |= {"meaning": self.meaning} if self.meaning and self.findings else {}
        entry |= {"packages": self.packages} if self.packages and self.findings else {}
        entry |= {"not-run": self.not_run} if self.state is CheckState.NOT_RUN else {}
        findings = [finding.as_dict() for finding in self.findings]
        entry |= {"findings": findings} if findings else {}
        entry |= {"evidence": dict(self.evidence)} if self.evidence else {}
        return entry


class CheckList(Enum):
    """The checks of a subject: members whose values are a name, and what is true if the check passes."""

    def result(self, subject: str, findings: Iterable[Finding] = (), not_run: str = "") -> Check:
        """Return the result of the check."""
        name, meaning = self.value
        return Check(name, subject, meaning, tuple(findings), not_run=not_run)


def count_states(checks: Iterable[Check]) -> Counter[CheckState]:
    """Return how many checks passed, failed and did not run."""
    return Counter(check.state for check in checks)


@dataclass(frozen=True)
class CheckedPackage:
    """A package file that was checked, and its identity. `version` includes the revision."""

    file: str
    name: str
    version: str
    arch: str
    format: str


@dataclass(frozen=True)
class Report:
    """All checks of one level.

    `not_run` is the reason why the level was skipped: an earlier level failed, or `--only` does not select any of its
    checks. `environment` describes the hosts and the container engine, `previous` the packages that upgrades start
    from. `packages` are those that could be read.
    """

    level: str
    checks: tuple[Check, ...] = ()
    seconds: float = 0.0
    not_run: str = ""
    environment: str = ""
    previous: str = ""
    packages: tuple[CheckedPackage, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the level ran and no check failed. If no check ran at all, it has not passed."""
        return not self.not_run and not self.failed and self.checks_not_run < max(len(self.checks), 1)

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.findings)

    @property
    def checks_not_run(self) -> int:
        return count_states(self.checks)[CheckState.NOT_RUN]

    @property
    def hosts(self) -> list[str]:
        """The hosts in the order of the checks; those of other levels have one without a name."""
        return list(dict.fromkeys(check.host for check in self.checks))

    def counts(self, host: str) -> Counter[CheckState]:
        """Return how many checks passed, failed and did not run on a host."""
        return count_states(check for check in self.checks if check.host == host)

    @property
    def exit_code(self) -> int:
        return 1 if self.failed else 0

    @property
    def checks_by_subject(self) -> dict[tuple[str, str], tuple[Check, ...]]:
        """Return the checks by host and subject, in the order in which they ran."""
        groups: dict[tuple[str, str], list[Check]] = {}
        for check in self.checks:
            groups.setdefault((check.host, check.subject), []).append(check)
        return {subject: tuple(checks) for subject, checks in groups.items()}

    @property
    def summary(self) -> str:
        """Return the line that a build prints: `10 packages, 214 checks, all passed`."""
        outcome = f"{len(self.failed)} failed" if self.failed else "all passed"
        packages = quantity(len(self.checks_by_subject), "packages")
        return f"{packages}, {quantity(len(self.checks), 'checks')}, {outcome}"

    def as_dict(self) -> dict[str, Any]:
        packages = [asdict(package) for package in self.packages]
        return {
            "level": self.level,
            "passed": self.passed,
            "count": len(self.checks),
            "failed": len(self.failed),
            **({"checks-not-run": self.checks_not_run} if self.checks_not_run else {}),
            "seconds": round(self.seconds, 2),
            **({"not-run": self.not_run} if self.not_run else {}),
            **({"environment": self.environment} if self.environment else {}),
            **({"previous": self.previous} if self.previous else {}),
            **({"packages": packages} if packages else {}),
            "checks": [check.as_dict() for check in self.checks],
        }
