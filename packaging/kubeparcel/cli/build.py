"""The tasks that turn a version into packages."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from kubeparcel import console, journal
from kubeparcel.cli.option_groups import PackageOptions, ReleaseOptions
from kubeparcel.cli.options import SOURCES, Option
from kubeparcel.cli.output import confirm, print_result
from kubeparcel.cli.task import task
from kubeparcel.errors import KubeparcelError, UsageError

NEXT = "Next: inv verify --level install (do they install?) · inv publish --to DIR (a repository)"


@task(
    "Build",
    ("build --kubernetes 1.36", "Build the newest 1.36 patch for amd64, as deb and rpm."),
    ("build --kubernetes 1.36.3 --arch amd64,arm64 --format deb", "Build debs of 1.36.3 for two architectures."),
    ("build --kubernetes 1.34,1.35,1.36", "Build several releases; what they share is built once."),
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

    Options override kubeparcel.yaml in the current folder. Packages that are up to date are not built again. Of several
    releases (--kubernetes 1.35,1.36, or releases in kubeparcel.yaml), one that fails does not stop the others.
    """
    from kubeparcel.build import pipeline
    from kubeparcel.config.releases import load_releases

    where = {"out": out, "cache_remote": cache_remote, "workers": workers, "workers_tls": workers_tls}
    releases = load_releases({**asdict(release), **package.settings(), **where})
    journal.keep_in(releases.settings[0].base / releases.settings[0].out)
    log = console.create_log(quiet)
    if dry_run:
        from kubeparcel.build.preview import preview_releases

        previews = preview_releases(releases, log, locked=locked)
        print_result(_documents(previews) if json_ else "\n\n".join(preview.as_text() for preview in previews))
        return 0
    result = pipeline.build(releases, log, locked=locked)
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
    from kubeparcel.build.lock import update as lock_update
    from kubeparcel.config.releases import load_releases

    log = console.create_log(json_)
    updates = lock_update.update_locks(load_releases(asdict(release)), log, refresh=refresh, check=check)
    print_result(updates.as_json() if json_ else updates.as_text())
    return updates.exit_code(check=check)


@task(
    "Build",
    ("fetch --kubernetes 1.36.3", "Download or compile the binaries of 1.36.3."),
    ("fetch --locked --json", "Print where the binaries of kubeparcel.lock are."),
)
def fetch(
    release: ReleaseOptions, cache_remote: str = "", locked: bool = False, json_: bool = False, quiet: bool = False
) -> int:
    """Fetch a release's binaries into the cache, without packaging them."""
    from kubeparcel.build import pipeline
    from kubeparcel.config.releases import load_releases

    log = console.create_log(quiet)
    releases = load_releases({**asdict(release), "cache_remote": cache_remote})
    results = pipeline.fetch_releases(releases, log, locked=locked)
    errors = [result for result in results if isinstance(result, KubeparcelError)]
    if len(errors) == len(results):
        raise errors[0]
    fetched = [result for result in results if not isinstance(result, KubeparcelError)]
    print_result(_documents(fetched) if json_ else "\n".join(result.as_text() for result in fetched))
    return max((error.exit_code for error in errors), default=0)


class _Documented(Protocol):
    def document(self) -> dict[str, Any]:
        """Return the JSON document."""


def _documents(results: Sequence[_Documented]) -> str:
    """Return the JSON document of a release, or one with those of several."""
    documents = [result.document() for result in results]
    return json.dumps(documents[0] if len(documents) == 1 else {"releases": documents}, indent=2)


@task(
    "Build",
    ("plan --kubernetes 1.35,1.36 --arch amd64,arm64", "List the jobs of two releases for two architectures."),
    ("plan --locked --matrix github", "Print the jobs of kubeparcel.lock for strategy.matrix of a workflow."),
    ("plan --locked --matrix gitlab > jobs.yml", "Write the jobs for a child pipeline."),
)
def plan(release: ReleaseOptions, matrix: str = "", locked: bool = False, quiet: bool = False) -> int:
    """List the jobs of a build for CI, the longest first.

    There is one for each release and architecture. Nothing is written, not even kubeparcel.lock.
    """
    from kubeparcel.build.matrix import plan_matrix
    from kubeparcel.config.releases import load_releases

    log = console.create_log(quiet or bool(matrix))
    planned = plan_matrix(load_releases(asdict(release)), log, locked=locked, matrix=matrix)
    print_result(planned.render(matrix))
    return planned.exit_code


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
    from kubeparcel.config.releases import load_releases

    if not to:
        raise UsageError("Missing option --to: the folder to fill.")
    release = ReleaseOptions(
        version=version,
        kubernetes=kubernetes,
        cri_tools=cri_tools,
        cni=cni,
        arch=arch,
        mirror=mirror,
        require_signatures=require_signatures,
        accept_sha1=accept_sha1,
        trust_root=trust_root,
        packages=packages,
    )
    log = console.create_log(quiet)
    for settings in load_releases(asdict(release)).selected:
        print_result(pipeline.mirror_release(settings, Path.cwd() / to, log))


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
    from kubeparcel.build.lock.versions import list_versions
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

    Downloads, binaries, packages and images are shared by all projects of a user; KUBEPARCEL_CACHE sets the folder.
    Go's own caches belong to Go: go clean -cache -modcache. Files that were used in the last hour are never pruned.
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
