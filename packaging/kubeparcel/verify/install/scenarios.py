"""The scenarios of the install level: what is done to a host, and what is checked after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.package_managers import MANAGERS
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.verify.install import actions, assertions
from kubeparcel.verify.package_steps import files_as_packaged, manage, versions_installed
from kubeparcel.verify.scenario import HostContext, Scenario, Step

DEPENDENCIES = Step(
    "dependencies", "the host's own repository has the packages' dependencies", actions.install_dependencies, vital=True
)
INSTALL = Step(
    "install",
    "all packages install by name, dependencies resolved",
    manage("install", then=versions_installed),
    vital=True,
)
PURGE = Step("purge", "all packages are purged", manage("purge", then=assertions.packages_removed), vital=True)
VERIFY = Step("verify-clean", "the package manager finds every file as packaged", files_as_packaged())
PROGRAMS = Step("versions", "every program runs and reports its package's version", assertions.programs_report_versions)
NOTHING_LEFT = Step(
    "nothing-left", "no file of the packages remains on the host", assertions.files_unchanged_since("before")
)
PURGE_AFTER_REMOVAL = (
    Step("purge-removed", "packages that were removed can be purged", manage("purge")),
    Step("purge-keeps-plugins", "other vendors' plugins remain", assertions.foreign_plugin_kept),
)
"""Only where the package manager distinguishes purge from remove."""

LIFECYCLE: Scenario[HostContext] = Scenario(
    "lifecycle",
    (
        DEPENDENCIES,
        INSTALL,
        VERIFY,
        PROGRAMS,
        Step("completions", "bash loads the completions of every program", assertions.completions_load),
        Step("read-only-usr", "programs run where /usr is read-only", assertions.programs_run_on_read_only_usr),
        Step(
            "record-installed", "record the host's files after the installation", assertions.record_files("installed")
        ),
        Step("reinstall", "the packages reinstall", manage("reinstall", then=versions_installed)),
        Step("reinstalled-same", "reinstalling changes no file", assertions.files_unchanged_since("installed")),
        PURGE,
        NOTHING_LEFT,
        replace(INSTALL, name="install-again", meaning="the packages install again after a purge"),
        Step(
            "installed-same",
            "the second installation leaves the same files as the first",
            assertions.files_unchanged_since("installed"),
        ),
        Step("in-use", "edit the settings and add another vendor's plugin", actions.edit_settings_and_add_plugin),
        Step("remove", "all packages are removed", manage("remove", then=assertions.packages_removed), vital=True),
        Step("remove-keeps-settings", "a removal keeps edited settings", assertions.settings_kept_on_removal),
        Step("remove-keeps-plugins", "other vendors' plugins remain", assertions.foreign_plugin_kept),
        *PURGE_AFTER_REMOVAL,
        Step("plugin-removed", "remove the other vendor's plugin", actions.remove_edits_and_plugin),
        replace(NOTHING_LEFT, name="nothing-left-at-all"),
    ),
    "installation, reinstallation, removal and purge",
)
UPGRADE: Scenario[HostContext] = Scenario(
    "upgrade",
    (
        Step("previous", "the previous packages install", actions.install_previous, vital=True, previous=True),
        Step(
            "previous-in-use",
            "edit the settings and add another vendor's plugin",
            actions.edit_settings_and_add_plugin,
            previous=True,
        ),
        Step("upgrade", "the upgrade runs without a prompt", actions.upgrade, vital=True),
        Step("upgrade-keeps-settings", "an upgrade keeps edited settings", assertions.settings_kept),
        Step("upgrade-keeps-plugins", "other vendors' plugins remain", assertions.foreign_plugin_kept),
        replace(VERIFY, name="upgrade-verify"),
        Step("upgrade-versions", "every program reports the new version", assertions.programs_report_versions),
        Step("downgrade", "the previous packages install again", actions.downgrade, vital=True, previous=True),
        Step("downgrade-keeps-settings", "a downgrade keeps edited settings", assertions.settings_kept, previous=True),
        Step("downgrade-keeps-plugins", "other vendors' plugins remain", assertions.foreign_plugin_kept, previous=True),
        Step(
            "downgrade-versions",
            "every program reports the previous version",
            assertions.programs_report_previous_versions,
            previous=True,
        ),
    ),
    "an upgrade from the previous packages and back; needs such packages",
)
ORDERS: Scenario[HostContext] = Scenario(
    "orders",
    (
        DEPENDENCIES,
        Step("one-by-one", "the packages install one by one", actions.install_one_by_one(backwards=False), vital=True),
        Step(
            "record-installed", "record the host's files after the installation", assertions.record_files("installed")
        ),
        PURGE,
        Step(
            "backwards",
            "the packages install one by one in reverse order",
            actions.install_one_by_one(backwards=True),
            vital=True,
        ),
        Step(
            "backwards-same", "the reverse order leaves the same files", assertions.files_unchanged_since("installed")
        ),
        replace(PURGE, name="purge-2"),
        Step(
            "unordered",
            "the packages install when all are unpacked first, dependents before dependencies",
            actions.install_unordered,
            vital=True,
        ),
        Step("unordered-same", "that order leaves the same files", assertions.files_unchanged_since("installed")),
    ),
    "any order of installation gives the same files",
)
WITHOUT_SYSTEMD: Scenario[HostContext] = Scenario(
    "without-systemd",
    (
        DEPENDENCIES,
        Step("no-systemd", "the host has no systemd", actions.remove_systemd, vital=True),
        Step("record-bare", "record the host's files before the installation", assertions.record_files("before")),
        INSTALL,
        PROGRAMS,
        PURGE,
        NOTHING_LEFT,
    ),
    "a host without systemd",
)
WITH_DEBIAN_PLUGINS: Scenario[HostContext] = Scenario(
    "debian-plugins",
    (
        Step(
            "debian-plugins",
            "Debian's package of CNI plugins installs",
            manage("install", assertions.DEBIAN_PLUGINS),
            vital=True,
        ),
        INSTALL,
        VERIFY,
        Step("debian-plugins-intact", "Debian's plugins are unchanged", assertions.debian_plugins_intact),
        Step(
            "debian-plugins-purged",
            "Debian's plugins are purged; the packages' files are unchanged",
            manage("purge", assertions.DEBIAN_PLUGINS, then=files_as_packaged()),
        ),
    ),
    "next to Debian's own CNI plugins; on hosts that have them",
)


SCENARIOS = (LIFECYCLE, UPGRADE, ORDERS, WITHOUT_SYSTEMD, WITH_DEBIAN_PLUGINS)


def all_scenarios(names: Sequence[str]) -> tuple[Scenario[HostContext], ...]:
    """Return all scenarios; each package alone has one."""
    return (*SCENARIOS, *map(_alone, names))


def scenarios(
    host: Host, packages: PackageSet, previous: PackageSet | None
) -> Iterator[tuple[Scenario[HostContext], str]]:
    """Yield all scenarios, the longest first, and why one does not apply on a host; else ''."""
    reasons = {
        UPGRADE.name: "" if previous and previous.versions != packages.versions else "no previous packages",
        WITH_DEBIAN_PLUGINS.name: _no_debian_plugins(host, packages),
    }
    can_purge = MANAGERS[host.family.package_manager].purge
    for scenario in all_scenarios(packages.names):
        yield scenario if can_purge else _without(scenario, PURGE_AFTER_REMOVAL), reasons.get(scenario.name, "")


def _no_debian_plugins(host: Host, packages: PackageSet) -> str:
    """Return why Debian's plugins cannot be installed next to the packages; else ''."""
    if assertions.DEBIAN_PLUGINS not in host.family.pool_packages:
        return f"the host has no {assertions.DEBIAN_PLUGINS}"
    return (
        f"the packages replace {assertions.DEBIAN_PLUGINS}"
        if packages.cni_bin_dir == assertions.DEBIAN_PLUGIN_FOLDER
        else ""
    )


def _alone(name: str) -> Scenario[HostContext]:
    meaning = f"{name} installs alone, together with its dependencies"
    return Scenario(
        f"{name}-alone", (Step(f"{name}-alone", meaning, actions.install_alone(name)),), f"{name} by itself"
    )


def _without(scenario: Scenario[HostContext], steps: tuple[Step[HostContext], ...]) -> Scenario[HostContext]:
    return replace(scenario, steps=tuple(step for step in scenario.steps if step not in steps))
