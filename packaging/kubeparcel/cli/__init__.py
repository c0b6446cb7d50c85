"""The command line: all tasks of the product, in files by what they are about."""

from __future__ import annotations

from invoke.collection import Collection

from kubeparcel import __version__
from kubeparcel.cli import build, image, program, repository, verify

TASKS = (
    *(build.build, build.resolve, build.fetch, verify.verify, build.mirror, build.versions),
    *(build.config, build.clean, verify.hosts, image.image, repository.publish, repository.key),
    *(repository.remove, repository.retain, repository.rollback, repository.copy),
    repository.doctor,
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
