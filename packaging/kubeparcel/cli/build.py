"""The tasks from a version to packages."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from invoke.context import Context

from kubeparcel import console
from kubeparcel.cli.task import print_result, task
from kubeparcel.errors import UsageError

NEXT = "Next: inv verify --level install (do they install?) · inv publish --to DIR (a repository)"


@task
def build(
    _: Context,
    kubernetes: str = "",
    cri_tools: str = "",
    cni: str = "",
    arch: str = "",
    format: str = "",  # noqa: A002 - the option's name
    source: str = "",
    mirror: str = "",
    layout: str = "",
    revision: str = "",
    compression: str = "",
    out: str = "",
    locked: bool = False,
    dry_run: bool = False,
    json_: bool = False,
    quiet: bool = False,
) -> int | None:
    """Make the packages of a Kubernetes version: get the binaries, assemble, check."""
    flags = {name: value for name, value in locals().items() if isinstance(value, str)}
    from kubeparcel.build import builder as work
    from kubeparcel.config.settings import load

    settings = load(flags)
    here = console.create_log(quiet)
    if dry_run:
        print_result(work.preview(settings, here, locked=locked).show(as_json=json_))
        return None
    built = work.build(settings, here, locked=locked)
    print_result(built.as_json() if json_ else built.as_text())
    if built.changed and not json_ and sys.stdout.isatty():
        print_result(NEXT)
    return built.exit_code


@task
def resolve(
    _: Context,
    kubernetes: str = "",
    cri_tools: str = "",
    cni: str = "",
    arch: str = "",
    source: str = "",
    mirror: str = "",
    refresh: str = "",
    check: bool = False,
    json_: bool = False,
) -> int | None:
    """Look up exact versions and digests, and write kubeparcel.lock."""
    flags = {name: value for name, value in locals().items() if isinstance(value, str)}
    flags.pop("refresh")
    from kubeparcel.build import release
    from kubeparcel.config.settings import load

    found = release.resolve(load(flags), console.create_log(json_), refresh=refresh, check=check)
    print_result(found.show(as_json=json_))
    return found.exit_code if check else 0


@task
def fetch(
    _: Context,
    kubernetes: str = "",
    cri_tools: str = "",
    cni: str = "",
    arch: str = "",
    source: str = "",
    mirror: str = "",
    locked: bool = False,
    json_: bool = False,
    quiet: bool = False,
) -> None:
    """Get the binaries into the store, and say where they are; nothing is packaged."""
    flags = {name: value for name, value in locals().items() if isinstance(value, str)}
    from kubeparcel.build import release
    from kubeparcel.config.settings import load

    print_result(
        release.fetch(load(flags), console.create_log(quiet), locked=locked).show(as_json=json_)
    )


@task
def mirror(
    _: Context,
    to: str = "",
    kubernetes: str = "",
    cri_tools: str = "",
    cni: str = "",
    arch: str = "",
    mirror: str = "",
    quiet: bool = False,
) -> None:
    """Copy upstream's files of a release into a folder, for sites without a network."""
    if not to:
        raise UsageError("inv mirror needs --to DIR: the folder to fill.")
    flags = {name: value for name, value in locals().items() if isinstance(value, str)}
    flags.pop("to")
    from kubeparcel.build import release
    from kubeparcel.config.settings import load

    print_result(release.mirror(load(flags), Path.cwd() / to, console.create_log(quiet)))


@task
def versions(_: Context, source: str = "", mirror: str = "", json_: bool = False) -> None:
    """List the Kubernetes releases that can be built here, the newest of each minor."""
    from kubeparcel.build import release
    from kubeparcel.config.settings import load

    found = release.versions(load({"source": source, "mirror": mirror}), console.create_log(json_))
    print_result(json.dumps({"versions": found}, indent=2) if json_ else "\n".join(found))


@task
def config(_: Context, schema: bool = False, json_: bool = False) -> None:
    """Show the settings that hold here, or the JSON Schema of kubeparcel.yaml."""
    from kubeparcel.config.settings import Settings, load

    if schema:
        print_result(json.dumps(Settings.model_json_schema(), indent=2))
        return
    settings = load({}).model_dump(mode="json", by_alias=True)
    if json_:
        print_result(json.dumps(settings, indent=2))
        return
    import yaml

    print_result(yaml.safe_dump(settings, sort_keys=False).rstrip())


@task
def clean(_: Context, out: str = "", store: bool = False) -> None:
    """Remove the packages in the output folder; with --store the cache too."""
    from kubeparcel.build import builder as work
    from kubeparcel.config.settings import load

    print_result(work.clean(load({"out": out}), store=store))
