"""The install level: what is done to packages in containers of real distributions, and what is checked after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.package_managers import MANAGERS
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session
from kubeparcel.verify.install import steps
from kubeparcel.verify.install.steps import DEBIAN_PLUGINS
from kubeparcel.verify.level_runner import HostLevel, LevelRun, PlannedScenario
from kubeparcel.verify.package_steps import files_as_packaged, manage, versions_installed
from kubeparcel.verify.scenario import CURRENT_DIR, HostContext, Scenario, Step, package_mounts, scenario, vital

DEPENDENCIES = vital(
    "dependencies", "the host's own repository has the packages' dependencies", steps.install_dependencies
)
INSTALL = vital(
    "install", "all packages install by name, dependencies resolved", manage("install", then=versions_installed)
)
PURGE = vital("purge", "all packages are purged", manage("purge", then=steps.packages_removed))
VERIFY = Step("verify-clean", "the package manager finds every file as packaged", files_as_packaged())
PROGRAMS = Step("versions", "every program runs and reports its package's version", steps.programs_report_versions)
RECORD = Step("record-installed", "record the host's files after the installation", steps.record_files("installed"))
SAME = steps.files_unchanged_since("installed")
NOTHING_LEFT = Step(
    "nothing-left", "no file of the packages remains on the host", steps.files_unchanged_since("before")
)
IN_USE = Step("in-use", "edit the settings and add another vendor's plugin", steps.edit_settings_and_add_plugin)
PLUGINS = Step("remove-keeps-plugins", "other vendors' plugins remain", steps.foreign_plugin_kept)
PURGE_AFTER_REMOVAL = (
    Step("purge-removed", "packages that were removed can be purged", manage("purge")),
    replace(PLUGINS, name="purge-keeps-plugins"),
)
"""Only where the package manager distinguishes purge from remove."""

LIFECYCLE = scenario(
    "lifecycle",
    "installation, reinstallation, removal and purge",
    DEPENDENCIES,
    INSTALL,
    VERIFY,
    PROGRAMS,
    Step("completions", "bash loads the completions of every program", steps.completions_load),
    Step("read-only-usr", "programs run where /usr is read-only", steps.programs_run_on_read_only_usr),
    RECORD,
    Step("reinstall", "the packages reinstall", manage("reinstall", then=versions_installed)),
    Step("reinstalled-same", "reinstalling changes no file", SAME),
    PURGE,
    NOTHING_LEFT,
    replace(INSTALL, name="install-again", meaning="the packages install again after a purge"),
    Step("installed-same", "the second installation leaves the same files as the first", SAME),
    IN_USE,
    vital("remove", "all packages are removed", manage("remove", then=steps.packages_removed)),
    Step("remove-keeps-settings", "a removal keeps edited settings", steps.settings_kept_on_removal),
    PLUGINS,
    *PURGE_AFTER_REMOVAL,
    Step("plugin-removed", "remove the other vendor's plugin", steps.remove_edits_and_plugin),
    replace(NOTHING_LEFT, name="nothing-left-at-all"),
)
UPGRADE = scenario(
    "upgrade",
    "an upgrade from the previous packages and back; needs such packages",
    Step("previous", "the previous packages install", steps.install_previous, vital=True, previous=True),
    replace(IN_USE, name="previous-in-use", previous=True),
    vital("upgrade", "the upgrade runs without a prompt", steps.upgrade),
    Step("upgrade-keeps-settings", "an upgrade keeps edited settings", steps.settings_kept),
    replace(PLUGINS, name="upgrade-keeps-plugins"),
    replace(VERIFY, name="upgrade-verify"),
    Step("upgrade-versions", "every program reports the new version", steps.programs_report_versions),
    Step("downgrade", "the previous packages install again", steps.downgrade, vital=True, previous=True),
    Step("downgrade-keeps-settings", "a downgrade keeps edited settings", steps.settings_kept, previous=True),
    replace(PLUGINS, name="downgrade-keeps-plugins", previous=True),
    Step(
        "downgrade-versions",
        "every program reports the previous version",
        lambda context: steps.programs_report_versions(context, context.previous_packages),
        previous=True,
    ),
)
ORDERS = scenario(
    "orders",
    "any order of installation gives the same files",
    DEPENDENCIES,
    vital("one-by-one", "the packages install one by one", steps.install_one_by_one()),
    RECORD,
    PURGE,
    vital("backwards", "the packages install one by one in reverse order", steps.install_one_by_one(backwards=True)),
    Step("backwards-same", "the reverse order leaves the same files", SAME),
    replace(PURGE, name="purge-2"),
    vital(
        "unordered",
        "the packages install when all are unpacked first, dependents before dependencies",
        steps.install_unordered,
    ),
    Step("unordered-same", "that order leaves the same files", SAME),
)
WITHOUT_SYSTEMD = scenario(
    "without-systemd",
    "a host without systemd",
    DEPENDENCIES,
    vital("no-systemd", "the host has no systemd", steps.remove_systemd),
    Step("record-bare", "record the host's files before the installation", steps.record_files("before")),
    INSTALL,
    PROGRAMS,
    PURGE,
    NOTHING_LEFT,
)
WITH_DEBIAN_PLUGINS = scenario(
    "debian-plugins",
    "next to Debian's own CNI plugins; on hosts that have them",
    vital("debian-plugins", "Debian's package of CNI plugins installs", manage("install", DEBIAN_PLUGINS)),
    INSTALL,
    VERIFY,
    Step("debian-plugins-intact", "Debian's plugins are unchanged", steps.debian_plugins_intact),
    Step(
        "debian-plugins-purged",
        "Debian's plugins are purged; the packages' files are unchanged",
        manage("purge", DEBIAN_PLUGINS, then=files_as_packaged()),
    ),
)


def all_scenarios(names: Sequence[str]) -> tuple[Scenario[HostContext], ...]:
    """Return all scenarios, the longest first; each package alone has one."""
    return (LIFECYCLE, UPGRADE, ORDERS, WITHOUT_SYSTEMD, WITH_DEBIAN_PLUGINS, *map(_alone, names))


def _alone(name: str) -> Scenario[HostContext]:
    meaning = f"{name} installs alone, together with its dependencies"
    return scenario(f"{name}-alone", f"{name} by itself", Step(f"{name}-alone", meaning, steps.install_alone(name)))


def scenarios(
    host: Host, packages: PackageSet, previous: PackageSet | None
) -> Iterator[tuple[Scenario[HostContext], str]]:
    """Yield all scenarios, and why one does not apply on a host; else ''."""
    reasons = {
        UPGRADE.name: "" if previous and previous.versions != packages.versions else "no previous packages",
        WITH_DEBIAN_PLUGINS.name: _no_debian_plugins(host, packages),
    }
    left_out = () if MANAGERS[host.family.package_manager].purge else PURGE_AFTER_REMOVAL
    for item in all_scenarios(packages.names):
        remaining = tuple(step for step in item.steps if step not in left_out)
        yield replace(item, steps=remaining), reasons.get(item.name, "")


def _no_debian_plugins(host: Host, packages: PackageSet) -> str:
    """Return why Debian's plugins cannot be installed next to the packages; else ''."""
    if DEBIAN_PLUGINS not in host.family.pool_packages:
        return f"the host has no {DEBIAN_PLUGINS}"
    return f"the packages replace {DEBIAN_PLUGINS}" if packages.cni_bin_dir == steps.DEBIAN_PLUGIN_FOLDER else ""


def _plan(run: LevelRun, hosts: Sequence[Host]) -> list[PlannedScenario[HostContext]]:
    planned = []
    for host in hosts:
        packages, previous = run.packages.require(host), run.previous.get(host.format)
        ensure_image(run.session, host, Purpose.INSTALL)
        for item, not_run in scenarios(host, packages, previous):
            plan = plan_scenario(run.session, host, item, _packages_of(item, packages, previous), previous)
            planned.append(replace(plan, not_run=not_run))
    return planned


def _packages_of(item: Scenario[HostContext], packages: PackageSet, previous: PackageSet | None) -> PackageSet:
    """Return the packages of a scenario: an upgrade does not install those that the previous ones lack."""
    return packages.only(previous.names) if previous and item.name == UPGRADE.name else packages


def plan_scenario(
    session: Session, host: Host, item: Scenario[HostContext], packages: PackageSet, previous: PackageSet | None
) -> PlannedScenario[HostContext]:
    """Return a scenario that runs in its own container."""

    @contextmanager
    def start() -> Iterator[HostContext]:
        image = ensure_image(session, host, Purpose.INSTALL)
        spec = ContainerSpec(image, item.name, mounts=package_mounts(packages, previous), capabilities=("SYS_ADMIN",))
        with session.start_container(host, spec) as container:
            context = HostContext(container, packages, previous)
            context.use_repositories(CURRENT_DIR)
            yield context

    return PlannedScenario(item, (host,), start)


LEVEL = HostLevel(
    "install", _plan, summary="packages are installed, upgraded and removed in containers", all_scenarios=all_scenarios
)
