"""The command line: all tasks of the product, in files by what they are about."""

from __future__ import annotations

# isort: off
from . import invoked  # noqa: F401 - before anything else imports Invoke

# isort: on
from invoke.collection import Collection

from .. import __version__, program
from . import image, make, prove, publish

TASKS = (
    *(make.build, make.resolve, make.fetch, prove.verify, make.mirror, make.versions),
    *(make.config, make.clean, prove.hosts, image.image, publish.publish, publish.key),
    *(publish.remove, publish.retain, publish.rollback, publish.copy),
    publish.doctor,
)


def namespace() -> Collection:
    """All tasks of the product; a checkout adds its own."""
    collection = Collection()
    for one in TASKS:
        collection.add_task(one)
    return collection


def main(argv: list[str] | None = None, tasks: Collection | None = None) -> None:
    """Run the program and exit."""
    collection = tasks or namespace()
    program.Kubeparcel(name="kubeparcel", version=__version__, namespace=collection).run(argv)
