"""The install level as a table: what is done to a host, step after step, and what must hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.package_managers import MANAGERS
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.verify.install import actions as do
from kubeparcel.verify.install import assertions as see
from kubeparcel.verify.scenario import HostContext, Scenario, Step

DEPENDENCIES = Step(
    "dependencies",
    "what the packages need is in the host's repository",
    do.dependencies,
    vital=True,
)
INSTALL = Step(
    "install", "all packages install by name, dependencies resolved", do.install, 40, vital=True
)
VERIFY = Step("verify-clean", "the package manager finds every file as packaged", see.verify, 50)
FORGOTTEN = (
    Step("forgotten", "what is left of a removal can be forgotten", do.forget_rest, 82),
    Step("forgotten-keeps-plugins", "plugins of others stay", see.foreign_kept, 54),
)
"""Only where the package manager knows such a thing."""

PROGRAMS = Step("versions", "every program runs and is its package's version", see.programs, 66)


def _upgradable(_: Host, packages: PackageSet, earlier: PackageSet | None) -> bool:
    return earlier is not None and earlier.versions != packages.versions


def _has_neighbour(host: Host, _: PackageSet, __: PackageSet | None) -> bool:
    return see.DEBIAN_PLUGINS in host.family.pool_packages


SCENARIOS: tuple[Scenario[HostContext], ...] = (
    Scenario(
        "life",
        (
            DEPENDENCIES,
            INSTALL,
            VERIFY,
            PROGRAMS,
            Step("completions", "bash loads every program's completions", see.completions, 72),
            Step("read-only-usr", "programs run where /usr is read-only", see.read_only, 56),
            Step("as-installed", "what there is after it", see.remember("installed")),
            Step("reinstall", "the packages install over themselves", do.reinstall, 46),
            Step("reinstalled-same", "that changes nothing", see.as_in("installed"), 19),
            Step("purge", "everything goes away", do.forget, 82, vital=True),
            Step("nothing-left", "nothing of ours stays on the host", see.as_in("before"), 82),
            Step(
                "install-again", "after that they install as the first time", do.install, 83, True
            ),
            Step("installed-same", "with the same outcome", see.as_in("installed"), 83),
            Step("in-use", "settings are edited, a foreign plugin lies beside ours", do.use),
            Step("remove", "the packages go away", do.remove, 81, vital=True),
            Step("remove-keeps-settings", "edited settings are not lost", see.settings_saved, 81),
            Step("remove-keeps-plugins", "plugins of others stay", see.foreign_kept, 54),
            *FORGOTTEN,
            Step("tidied", "the foreign plugin is taken away", do.tidy),
            Step("nothing-left-at-all", "nothing of ours stays", see.as_in("before"), 82),
        ),
    ),
    Scenario(
        "upgrade",
        (
            Step("earlier", "the earlier packages install", do.install_earlier, 40, vital=True),
            Step("earlier-in-use", "settings are edited, a foreign plugin beside", do.use),
            Step(
                "upgrade", "without a question, with nobody to answer", do.upgrade, 49, vital=True
            ),
            Step(
                "upgrade-keeps-settings", "edited settings are as they were", see.settings_kept, 78
            ),
            Step("upgrade-keeps-plugins", "plugins of others stay", see.foreign_kept, 54),
            Step("upgrade-verify", "every file as packaged", see.verify, 50),
            Step("upgrade-versions", "every program is the new one", see.programs, 66),
            Step("downgrade", "back to the earlier packages", do.downgrade, 76, vital=True),
            Step("downgrade-keeps-settings", "edited settings stay", see.settings_kept, 78),
            Step("downgrade-keeps-plugins", "plugins of others stay", see.foreign_kept, 54),
            Step("downgrade-versions", "every program is the old one", see.earlier_programs, 66),
        ),
        _upgradable,
    ),
    Scenario(
        "orders",
        (
            DEPENDENCIES,
            Step("one-by-one", "each by name", do.one_by_one(backwards=False), 44, vital=True),
            Step("outcome", "what there is after it", see.remember("installed")),
            Step("purge", "everything goes away", do.forget, 82, vital=True),
            Step("backwards", "each, the last name first", do.one_by_one(backwards=True), 44, True),
            Step("backwards-same", "with the same outcome", see.as_in("installed"), 44),
            Step("purge-2", "everything goes away", do.forget, 82, vital=True),
            Step("unordered", "all unpacked backwards, then configured", do.unordered, 44, True),
            Step("unordered-same", "with the same outcome", see.as_in("installed"), 44),
        ),
    ),
    Scenario(
        "without-systemd",
        (
            DEPENDENCIES,
            Step("no-systemd", "the host has no systemd", do.without_systemd, 48, vital=True),
            Step("bare", "what there is before", see.remember("before")),
            INSTALL,
            PROGRAMS,
            Step("purge", "everything goes away", do.forget, 82, vital=True),
            Step("nothing-left", "nothing of ours stays on the host", see.as_in("before"), 82),
        ),
    ),
    Scenario(
        "beside-debians-plugins",
        (
            Step("neighbour", "Debian's CNI plugins install", do.neighbour, 53, vital=True),
            INSTALL,
            VERIFY,
            Step("neighbour-intact", "Debian's plugins are untouched", see.neighbour_intact, 53),
            Step("neighbour-leaves", "they go, and ours stay whole", do.neighbour_leaves, 53),
        ),
        _has_neighbour,
    ),
)


def scenarios(
    host: Host, packages: PackageSet, earlier: PackageSet | None
) -> Iterator[Scenario[HostContext]]:
    """All that applies on a host; each package alone is a scenario of its own."""
    left_out = () if MANAGERS[host.family.package_manager].purge else FORGOTTEN
    for row in SCENARIOS:
        if row.applies(host, packages, earlier):
            yield replace(row, steps=tuple(step for step in row.steps if step not in left_out))
    for name in packages.names:
        meaning = "it installs by itself, and what it needs comes with it"
        yield Scenario(f"{name}-alone", (Step(f"{name}-alone", meaning, do.one(name), 45),))
