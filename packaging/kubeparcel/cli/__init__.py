"""The command line: the tasks of the program, each in the module of its subject."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from kubeparcel.cli import (
    build,
    bundle,
    configure,
    contents,
    examine,
    image,
    import_,
    keys,
    program,
    repository,
    trust,
    verify,
)
from kubeparcel.cli.task import CommandTask

TASKS: tuple[CommandTask, ...] = (
    *(configure.init, configure.config),
    *(build.versions, build.resolve, build.fetch, build.build, build.plan, build.mirror),
    *(image.image, build.cache, build.clean),
    *(verify.verify, trust.attest, contents.show, contents.diff, trust.audit, verify.hosts),
    *(repository.publish, import_.import_, repository.remove, repository.retain, repository.rollback),
    *(repository.copy, examine.ls, examine.doctor, bundle.bundle),
    keys.key,
)
"""All tasks, in the order of help."""


def main(argv: Sequence[str] | None = None, more: Iterable[CommandTask] = ()) -> None:
    """Run the command line `argv` (by default the process's own) and exit. `more` are the tasks of a checkout."""
    words = list(sys.argv if argv is None else argv)[1:]
    sys.exit(program.run(words, {task.name: task for task in (*TASKS, *more)}))
