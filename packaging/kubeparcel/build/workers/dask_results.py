"""Verifies what Dask workers report. A package counts once it was read back and has its digest.

What a worker reports but does not provide is made on this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from kubeparcel.build.assembler import BuiltPackage, manifest_digest, record_package
from kubeparcel.build.workers.check_unit import CheckUnit
from kubeparcel.build.workers.dask_worker import Outcome
from kubeparcel.build.workers.units import AssembleUnit, FetchUnit, Resource, Submit, Unit
from kubeparcel.console import Log
from kubeparcel.errors import DigestError
from kubeparcel.store import Store


class WorkerResults:
    """Accepts results of workers, and remembers who made which file. `local` runs units here."""

    def __init__(self, store: Store, local: Submit, log: Log) -> None:
        self._store, self._local, self._log = store, local, log
        self._makers: dict[str, Outcome] = {}

    def maker(self, sha256: str) -> str:
        """Return the address of the worker that made a file; empty if unknown."""
        return self._makers[sha256].address if sha256 in self._makers else ""

    def accept(self, unit: Unit, outcome: Outcome) -> Future[Any]:
        """Return the verified result of a unit, or that of running it here; the future may have the unit's error."""
        future: Future[Any] = Future()
        for warning in outcome.warnings:
            self._log.warn(f"Worker {outcome.worker}: {warning}")
        try:
            if isinstance(unit, FetchUnit) and not outcome.error and not self._has_binaries(unit, outcome):
                return self._local(unit)
            future.set_result(self._verified(unit, outcome))
        except Exception as error:
            future.set_exception(error)
        return future

    def _has_binaries(self, unit: Unit, outcome: Outcome) -> bool:
        """Return whether the remote cache has the binaries; their bytes are verified when they are read."""
        self._makers |= dict.fromkeys(outcome.result.values(), outcome)
        if all(map(self._store.has, outcome.result.values())):
            return True
        self._warn_of(outcome, unit.label)
        return False

    def _verified(self, unit: Unit, outcome: Outcome) -> Any:
        can_be_here = unit.inputs and unit.resource is not Resource.PRIVILEGED
        if isinstance(outcome.error, DigestError) and can_be_here:
            return self._run_here(unit, outcome)
        if outcome.error:
            raise outcome.error
        if isinstance(unit, AssembleUnit):
            return self._read_back(unit, outcome)
        if isinstance(unit, CheckUnit) and all(check.passed for check in outcome.result):
            self._store.share_record("package", manifest_digest(unit.package.manifest))
        return outcome.result

    def _run_here(self, unit: Unit, outcome: Outcome) -> Any:
        """Run a unit whose files a worker could not read; raises DigestError if this machine cannot, either."""
        try:
            self._store.verify(dict.fromkeys(unit.inputs, unit.label))
        except DigestError:
            for maker in self._makers_of_missing(unit.inputs):
                self._warn_of(maker, f"the programs in {unit.label}")
            raise
        self._log.warn(f"Worker {outcome.worker}: {outcome.error} {unit.label} is made on this machine.")
        return unit.run(self._store, self._log)

    def _makers_of_missing(self, digests: Sequence[str]) -> list[Outcome]:
        return [self._makers[sha256] for sha256 in digests if sha256 in self._makers and not self._store.has(sha256)]

    def _read_back(self, unit: Unit, outcome: Outcome) -> BuiltPackage:
        """Return a package that is in the store of this machine; it is assembled here if its bytes are others."""
        built: BuiltPackage = outcome.result
        try:
            self._store.get(built.sha256, unit.label)
        except DigestError:
            self._warn_of(outcome, unit.label)
            return unit.run(self._store, self._log)  # type: ignore[no-any-return]
        record_package(built, self._store)
        self._makers[built.sha256] = outcome
        return built

    def _warn_of(self, outcome: Outcome, label: str) -> None:
        self._log.warn(
            f"Worker {outcome.worker}: the bytes of {label} are not those that it reported. "
            "They are made on this machine."
        )
