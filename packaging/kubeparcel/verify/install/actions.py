"""What is done to a host, step by step; each gives findings where it did not go as it should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from kubeparcel.reports.results import Finding
from kubeparcel.templates import render
from kubeparcel.verify.filesystem_snapshot import tree
from kubeparcel.verify.install.assertions import (
    EDIT,
    FOREIGN,
    NEIGHBOUR,
    Silence,
    gone,
    programs_of,
    verify,
)
from kubeparcel.verify.scenario import CURRENT, EARLIER, Question, Trial


def dependencies(trial: Trial) -> Iterator[Finding]:
    """What the host itself has comes from its repository; what there is then is the start."""
    if trial.packages.outside:
        yield from trial.ask(trial.manager.install, trial.packages.outside)
    trial.notes["before"] = tree(trial.box)


def install(trial: Trial) -> Iterator[Finding]:
    """All packages at once, by name."""
    yield from trial.ask(trial.manager.install, trial.packages.names)
    yield from trial.at(trial.packages)


def one(name: str) -> Question:
    """A single package by name: what it needs comes with it, and its programs run."""

    def alone(trial: Trial) -> Iterator[Finding]:
        yield from trial.ask(trial.manager.install, [name])
        for other in trial.packages.needs(name):
            if trial.run(*trial.manager.words(trial.manager.provided, [other])).exit_code:
                yield Finding(f"{other}, which {name} cannot be without", "not installed with it")
        yield from programs_of(trial, trial.packages, only=name)

    return alone


def reinstall(trial: Trial) -> Iterator[Finding]:
    """The same packages once more, over themselves."""
    yield from trial.ask(trial.manager.reinstall, trial.packages.names)
    yield from trial.at(trial.packages)


def forget(trial: Trial) -> Iterator[Finding]:
    """Removed with all settings, as far as the package manager knows such a thing."""
    command = trial.manager.forget or trial.manager.remove
    yield from trial.ask(command, trial.packages.names)
    yield from gone(trial)


def remove(trial: Trial) -> Iterator[Finding]:
    """Removed: no program is left."""
    yield from trial.ask(trial.manager.remove, trial.packages.names)
    yield from gone(trial)


def forget_rest(trial: Trial) -> Iterator[Finding]:
    """After a removal the settings go as well."""
    yield from trial.ask(trial.manager.forget, trial.packages.names)


def use(trial: Trial) -> Silence:
    """As on a host in use: settings are edited, and somebody's plugin lies beside ours."""
    for path in trial.packages.settings:
        trial.script('printf "%s\\n" "$2" >>"$1"', path, EDIT)
    trial.script('mkdir -p "${1%/*}"; echo theirs >"$1"', FOREIGN)
    return ()


def tidy(trial: Trial) -> Silence:
    """Take away what `use` put there, and what rpm saved of it."""
    saved = [f"{path}.rpmsave" for path in trial.packages.settings]
    before = trial.notes["before"]
    assert isinstance(before, dict)  # noqa: S101 - dependencies() put it there
    above = {str(up) for path in (FOREIGN, *saved) for up in PurePosixPath(path).parents}
    trial.run("rm", "--force", FOREIGN, *saved)
    for folder in sorted(above.difference(before), reverse=True):
        trial.run("rmdir", folder)
    return ()


def install_earlier(trial: Trial) -> Iterator[Finding]:
    """The earlier packages, from their own repository."""
    assert trial.earlier  # noqa: S101 - the scenario applies only then
    trial.repository(EARLIER)
    yield from trial.ask(trial.manager.install, trial.earlier.names)
    yield from trial.at(trial.earlier)


def upgrade(trial: Trial) -> Iterator[Finding]:
    """From the earlier packages to these; nobody is there to answer a question."""
    trial.repository(CURRENT)
    yield from trial.ask(trial.manager.upgrade)
    yield from trial.at(trial.packages)


def downgrade(trial: Trial) -> Iterator[Finding]:
    """Back to the earlier packages."""
    assert trial.earlier  # noqa: S101 - the scenario applies only then
    trial.repository(EARLIER)
    now = trial.packages.versions
    older = {n: v for n, v in trial.earlier.versions.items() if now.get(n) != v}
    yield from trial.ask(trial.manager.downgrade, trial.manager.exactly(older))
    yield from trial.at(trial.earlier)


def one_by_one(*, backwards: bool) -> Question:
    """One package after the other, in the order of their names or backwards."""

    def ordered(trial: Trial) -> Iterator[Finding]:
        for name in sorted(trial.packages.names, reverse=backwards):
            yield from trial.ask(trial.manager.install, [name])
        yield from trial.at(trial.packages)

    return ordered


def unordered(trial: Trial) -> Iterator[Finding]:
    """All unpacked backwards, dependents first, and only then configured."""
    files = [f"{CURRENT}/{name}" for name in reversed(trial.packages.files)]
    for command in trial.manager.unordered:
        yield from trial.ask(command, files=files)
    yield from trial.at(trial.packages)


def without_systemd(trial: Trial) -> Iterator[Finding]:
    """The host has no systemd."""
    if trial.script(render("hosts/without-systemd.sh", {})).exit_code:
        yield Finding("a host without systemd", "it could not be taken away")


def neighbour(trial: Trial) -> Iterator[Finding]:
    """Debian's own CNI plugins, installed before ours."""
    yield from trial.ask(trial.manager.install, [NEIGHBOUR])


def neighbour_leaves(trial: Trial) -> Iterator[Finding]:
    """Debian's own CNI plugins are purged; ours stay whole."""
    yield from trial.ask(trial.manager.forget or trial.manager.remove, [NEIGHBOUR])
    yield from verify(trial)
