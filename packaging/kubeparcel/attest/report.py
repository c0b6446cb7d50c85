"""What is verified of a package's statement."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from kubeparcel.reports.results import Check, Finding


class AttestCheck(Enum):
    """The checks of a package: name, and what is true if they pass."""

    STATEMENT = ("statement", "a valid statement is about this very file")
    SIGNATURE = ("signature", "a trusted key signed the statement")
    MATERIALS = ("materials", "it was made from what kubeparcel.lock names")
    REBUILD = ("rebuild", "building it again from its materials gives the same bytes")

    def result(self, subject: str, findings: Iterable[Finding] = (), not_run: str = "") -> Check:
        """Return the result of the check."""
        name, meaning = self.value
        return Check(name, subject, meaning, tuple(findings), not_run=not_run)
