"""The tasks that turn a version into packages."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

from kubeparcel import console, journal
from kubeparcel.cli.options import SOURCES, Option, PackageOptions, ReleaseOptions
from kubeparcel.cli.output import confirm, print_result
from kubeparcel.cli.task import task
from kubeparcel.errors import UsageError

NEXT = "Next: inv verify --level install (do they install?) · inv publish --to DIR (a repository)"


@task(
    "Build",
    ("build --kubernetes 1.36", "Build the newest 1.36 patch for amd64, as deb and rpm."),
    ("build --kubernetes 1.36.3 --arch amd64,arm64 --format deb", "Build debs of 1.36.3 for two architectures."),
    ("build --locked --json", "Build exactly what kubeparcel.lock names, in a script."),
    ("build --kubernetes 1.36.3 --dry-run", "Print what would be downloaded, compiled and built."),
)
def build(
    release: ReleaseOptions,
    package: PackageOptions,
    out: str = "",
    cache_remote: str = "",
    workers: str = "",
    workers_tls: str = "",
    locked: bool = False,
    dry_run: bool = False,
    json_: bool = False,
    quiet: bool = False,
) -> int:
    """Build the packages of a Kubernetes version, and check them.

    Options override kubeparcel.yaml in the current folder. Packages that are up to date are not
    built again.
    """
    from kubeparcel.build import pipeline
    from kubeparcel.config.settings import load_settings

    where = {"out": out, "cache_remote": cache_remote, "workers": workers, "workers_tls": workers_tls}
    settings = load_settings({**asdict(release), **package.settings(), **where})
    journal.keep_in(settings.base / settings.out)
    log = console.create_log(quiet)
    if dry_run:
        from kubeparcel.build.preview import preview

        planned = preview(settings, log, locked=locked)
        print_result(planned.as_json() if json_ else planned.as_text())
        return 0
    result = pipeline.build(settings, log, locked=locked)
    print_result(result.as_json() if json_ else result.as_text())
    if result.changed and not json_ and sys.stdout.isatty():
        print_result(NEXT)
    return result.exit_code


@task(
    "Build",
    ("resolve --kubernetes 1.36", "Lock the newest 1.36 patch."),
    ("resolve --check", "Check in CI that no newer release matches kubeparcel.lock's request."),
    ("resolve --refresh kubelet", "Accept a file that upstream has replaced."),
)
def resolve(release: ReleaseOptions, refresh: str = "", check: bool = False, json_: bool = False) -> int:
    """Look up exact versions and digests, and write kubeparcel.lock."""
    from kubeparcel.build import resolver
    from kubeparcel.config.settings import load_settings

    log = console.create_log(json_)
    resolution = resolver.update_lock(load_settings(asdict(release)), log, refresh=refresh, check=check)
    print_result(resolution.as_json() if json_ else resolution.as_text())
    return resolution.exit_code if check else 0


@task(
    "Build",
    ("fetch --kubernetes 1.36.3", "Download or compile the binaries of 1.36.3."),
    ("fetch --locked --json", "Print where the binaries of kubeparcel.lock are."),
)
def fetch(
    release: ReleaseOptions, cache_remote: str = "", locked: bool = False, json_: bool = False, quiet: bool = False
) -> None:
    """Fetch a release's binaries into the cache, without packaging them."""
    from kubeparcel.build import pipeline
    from kubeparcel.config.settings import load_settings

    log = console.create_log(quiet)
    settings = load_settings({**asdict(release), "cache_remote": cache_remote})
    fetched = pipeline.fetch_release(settings, log, locked=locked)
    print_result(fetched.show(as_json=json_))


@task(
    "Build",
    ("mirror --kubernetes 1.36.3 --to /media/usb/mirror", "Copy everything that a build of 1.36.3 downloads."),
    ("build --mirror /media/usb/mirror", "Build from the copy, without a network."),
    to=Option("folder to fill", "DIR"),
    mirror=Option("copy from this mirror instead of upstream", "URL|DIR"),
)
def mirror(
    to: str = "",
    version: str = "",
    kubernetes: str = "",
    cri_tools: str = "",
    cni: str = "",
    arch: str = "",
    mirror: str = "",
    require_signatures: bool = False,
    accept_sha1: bool = False,
    trust_root: str = "",
    packages: str = "",
    quiet: bool = False,
) -> None:
    """Copy a release's upstream files to a folder, for offline builds."""
    from kubeparcel.build import pipeline
    from kubeparcel.config.settings import load_settings

    if not to:
        raise UsageError("Missing option --to: the folder to fill.")
    release = ReleaseOptions(
        *(kubernetes, cri_tools, cni, arch, "", mirror, require_signatures, accept_sha1, trust_root),
        packages=packages,
        version=version,
    )
    log = console.create_log(quiet)
    print_result(pipeline.mirror_release(load_settings(asdict(release)), Path.cwd() / to, log))


@task(
    "Build",
    ("versions", "List the newest patch of each minor."),
    ("versions --source go --json", "List all versions that Go modules offer, as JSON."),
    source=Option(
        "upstream, go (Go modules) or auto (upstream if it can be reached)", "SOURCE", "auto", choices=SOURCES
    ),
    mirror=Option("list what a copy of upstream's files contains", "URL|DIR"),
)
def versions(source: str = "", mirror: str = "", json_: bool = False) -> None:
    """List the newest Kubernetes version of each minor that can be built.

    Versions that upstream no longer supports, and pre-releases, are marked.
    """
    from kubeparcel.build.versions import list_versions
    from kubeparcel.config.settings import load_settings

    log = console.create_log(json_)
    available = list_versions(load_settings({"source": source, "mirror": mirror}), log)
    print_result(available.as_json() if json_ else available.as_text())


@task(
    "Build",
    ("clean", "Remove the packages in dist."),
    ("clean --store", "Remove the cache as well; the next build downloads everything again."),
    ("cache --prune", "Remove only unused files from the cache."),
)
def clean(out: str = "", store: bool = False, yes: bool = False) -> None:
    """Remove the packages in the output folder, with --store the cache."""
    from kubeparcel.build import output
    from kubeparcel.config.settings import load_settings
    from kubeparcel.paths import cache_dir
    from kubeparcel.repository.signing import secret_folder

    if store:
        confirm(f"Empty the cache {cache_dir()}?", yes=yes)
    secret_folder.remove_abandoned()
    print_result(output.clean(load_settings({"out": out}), store=store))


@task(
    "Build",
    ("cache", "Show the size and the contents of the cache."),
    ("cache --prune", "Remove what was not used for 30 days."),
    ("cache --prune --older-than 7 --keep 3", "Remove what was not used for a week, nor by the last three builds."),
    ("clean --store", "Remove all of it."),
    keep=Option("never remove what the last COUNT builds used, nor the last COUNT images of a host", "COUNT", "0"),
)
def cache(prune: bool = False, older_than: int = 30, keep: int = 0, yes: bool = False, json_: bool = False) -> None:
    """Show what the cache contains, or prune it.

    Downloads, binaries, packages and images are shared by all projects of a user; KUBEPARCEL_CACHE
    sets the folder. Go's own caches belong to Go: go clean -cache -modcache. Files that were used in
    the last hour are never pruned.
    """
    from kubeparcel.build import cache as caches
    from kubeparcel.build import cache_report
    from kubeparcel.paths import cache_dir
    from kubeparcel.store import Store

    if min(older_than, keep) < 0:
        raise UsageError("--older-than and --keep must not be negative.")
    contents = caches.read_cache(Store(cache_dir()))
    removed = None
    if prune:
        unused, removed = caches.prune(contents, older_than, keep, partial(confirm, yes=yes))
    else:
        unused = contents.unused(older_than, keep)
    if json_:
        print_result(cache_report.cache_as_json(contents, unused, removed))
    elif removed:
        print_result(cache_report.pruned_as_text(contents, unused, removed))
    else:
        description = cache_report.describe_selection(older_than, keep)
        print_result(cache_report.cache_as_text(contents, unused, description))
