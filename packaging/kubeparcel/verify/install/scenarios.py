"""The scenarios of the install level: what is done to a host, and what is checked after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.package_managers import MANAGERS
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.verify.install.actions import (
    downgrade,
    edit_settings_and_add_plugin,
    install_all,
    install_alone,
    install_debian_plugins,
    install_dependencies,
    install_one_by_one,
    install_previous,
    install_unordered,
    purge,
    purge_debian_plugins,
    purge_settings,
    reinstall,
    remove,
    remove_edits_and_plugin,
    remove_systemd,
    upgrade,
)
from kubeparcel.verify.install.assertions import (
    DEBIAN_PLUGIN_FOLDER,
    DEBIAN_PLUGINS,
    completions_load,
    debian_plugins_intact,
    files_as_packaged,
    files_unchanged_since,
    foreign_plugin_kept,
    programs_report_previous_versions,
    programs_report_versions,
    programs_run_on_read_only_usr,
    record_files,
    settings_kept,
    settings_kept_on_removal,
)
from kubeparcel.verify.scenario import HostContext, Scenario, Step

DEPENDENCIES = Step(
    "dependencies", "the host's own repository has the packages' dependencies", install_dependencies, vital=True
)
INSTALL = Step("install", "all packages install by name, dependencies resolved", install_all, vital=True)
PURGE = Step("purge", "all packages are purged", purge, vital=True)
VERIFY = Step("verify-clean", "the package manager finds every file as packaged", files_as_packaged)
PROGRAMS = Step("versions", "every program runs and reports its package's version", programs_report_versions)
NOTHING_LEFT = Step("nothing-left", "no file of the packages remains on the host", files_unchanged_since("before"))
PURGE_AFTER_REMOVAL = (
    Step("purge-removed", "packages that were removed can be purged", purge_settings),
    Step("purge-keeps-plugins", "other vendors' plugins remain", foreign_plugin_kept),
)
"""Only where the package manager distinguishes purge from remove."""

LIFECYCLE: Scenario[HostContext] = Scenario(
    "lifecycle",
    (
        DEPENDENCIES,
        INSTALL,
        VERIFY,
        PROGRAMS,
        Step("completions", "bash loads the completions of every program", completions_load),
        Step("read-only-usr", "programs run where /usr is read-only", programs_run_on_read_only_usr),
        Step("record-installed", "record the host's files after the installation", record_files("installed")),
        Step("reinstall", "the packages reinstall", reinstall),
        Step("reinstalled-same", "reinstalling changes no file", files_unchanged_since("installed")),
        PURGE,
        NOTHING_LEFT,
        Step("install-again", "the packages install again after a purge", install_all, vital=True),
        Step(
            "installed-same",
            "the second installation leaves the same files as the first",
            files_unchanged_since("installed"),
        ),
        Step("in-use", "edit the settings and add another vendor's plugin", edit_settings_and_add_plugin),
        Step("remove", "all packages are removed", remove, vital=True),
        Step("remove-keeps-settings", "a removal keeps edited settings", settings_kept_on_removal),
        Step("remove-keeps-plugins", "other vendors' plugins remain", foreign_plugin_kept),
        *PURGE_AFTER_REMOVAL,
        Step("plugin-removed", "remove the other vendor's plugin", remove_edits_and_plugin),
        Step("nothing-left-at-all", "no file of the packages remains on the host", files_unchanged_since("before")),
    ),
    "installation, reinstallation, removal and purge",
)
UPGRADE: Scenario[HostContext] = Scenario(
    "upgrade",
    (
        Step("previous", "the previous packages install", install_previous, vital=True, previous=True),
        Step(
            "previous-in-use",
            "edit the settings and add another vendor's plugin",
            edit_settings_and_add_plugin,
            previous=True,
        ),
        Step("upgrade", "the upgrade runs without a prompt", upgrade, vital=True),
        Step("upgrade-keeps-settings", "an upgrade keeps edited settings", settings_kept),
        Step("upgrade-keeps-plugins", "other vendors' plugins remain", foreign_plugin_kept),
        Step("upgrade-verify", "the package manager finds every file as packaged", files_as_packaged),
        Step("upgrade-versions", "every program reports the new version", programs_report_versions),
        Step("downgrade", "the previous packages install again", downgrade, vital=True, previous=True),
        Step("downgrade-keeps-settings", "a downgrade keeps edited settings", settings_kept, previous=True),
        Step("downgrade-keeps-plugins", "other vendors' plugins remain", foreign_plugin_kept, previous=True),
        Step(
            "downgrade-versions",
            "every program reports the previous version",
            programs_report_previous_versions,
            previous=True,
        ),
    ),
    "an upgrade from the previous packages and back; needs such packages",
)
ORDERS: Scenario[HostContext] = Scenario(
    "orders",
    (
        DEPENDENCIES,
        Step("one-by-one", "the packages install one by one", install_one_by_one(backwards=False), vital=True),
        Step("record-installed", "record the host's files after the installation", record_files("installed")),
        PURGE,
        Step(
            "backwards",
            "the packages install one by one in reverse order",
            install_one_by_one(backwards=True),
            vital=True,
        ),
        Step("backwards-same", "the reverse order leaves the same files", files_unchanged_since("installed")),
        replace(PURGE, name="purge-2"),
        Step(
            "unordered",
            "the packages install when all are unpacked first, dependents before dependencies",
            install_unordered,
            vital=True,
        ),
        Step("unordered-same", "that order leaves the same files", files_unchanged_since("installed")),
    ),
    "any order of installation gives the same files",
)
WITHOUT_SYSTEMD: Scenario[HostContext] = Scenario(
    "without-systemd",
    (
        DEPENDENCIES,
        Step("no-systemd", "the host has no systemd", remove_systemd, vital=True),
        Step("record-bare", "record the host's files before the installation", record_files("before")),
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
        Step("debian-plugins", "Debian's package of CNI plugins installs", install_debian_plugins, vital=True),
        INSTALL,
        VERIFY,
        Step("debian-plugins-intact", "Debian's plugins are unchanged", debian_plugins_intact),
        Step(
            "debian-plugins-purged",
            "Debian's plugins are purged; the packages' files are unchanged",
            purge_debian_plugins,
        ),
    ),
    "next to Debian's own CNI plugins; on hosts that have them",
)


SCENARIOS = (LIFECYCLE, UPGRADE, ORDERS, WITHOUT_SYSTEMD, WITH_DEBIAN_PLUGINS)


def all_scenarios(names: Sequence[str]) -> tuple[Scenario[HostContext], ...]:
    """Return all scenarios; each package alone is a scenario of its own."""
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
    if DEBIAN_PLUGINS not in host.family.pool_packages:
        return f"the host has no {DEBIAN_PLUGINS}"
    return f"the packages replace {DEBIAN_PLUGINS}" if packages.cni_bin_dir == DEBIAN_PLUGIN_FOLDER else ""


def _alone(name: str) -> Scenario[HostContext]:
    meaning = f"{name} installs alone, together with its dependencies"
    return Scenario(f"{name}-alone", (Step(f"{name}-alone", meaning, install_alone(name)),), f"{name} by itself")


def _without(scenario: Scenario[HostContext], steps: tuple[Step[HostContext], ...]) -> Scenario[HostContext]:
    return replace(scenario, steps=tuple(step for step in scenario.steps if step not in steps))
