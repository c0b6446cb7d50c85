"""The command line: Invoke tasks, and the only place that turns errors into text and exit codes."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task

from . import __version__, log, program
from .errors import DiskError, KubeparcelError, UsageError

HELP = {
    "kubernetes": "stable, 1.36 (its newest patch), 1.36.3 or 1.37.0-rc.1",
    "cri_tools": "cri-tools version, instead of the one that fits",
    "cni": "CNI plugins version, instead of the one that fits",
    "arch": "amd64, arm64, ppc64le, s390x; several with commas [amd64]",
    "format": "deb, rpm or both [deb,rpm]",
    "source": "upstream (downloads), go (compiles Go modules), auto (whichever answers) [auto]",
    "mirror": "URL or directory with a copy of upstream's files, read instead of upstream",
    "layout": "etc (drop-in in /etc, as documented) or official (as pkgs.k8s.io) [etc]",
    "revision": "the packages' own revision, raised when they change for the same version [1]",
    "compression": "fast, balanced or small [balanced]",
    "out": "output folder [dist]",
    "locked": "fail when kubeparcel.lock does not answer what is asked, instead of renewing it",
    "dry_run": "show what would be got and made, and do nothing",
    "json_": "one JSON document on standard output, and nothing else there",
    "quiet": "say nothing but warnings and the result",
    "check": "only say whether kubeparcel.lock is current; exit code 1 when it is not",
    "refresh": "NAME: believe what upstream says now of this binary or archive",
    "level": "layout: what is in the packages",
    "junit": "also write a JUnit XML file there",
    "schema": "print the JSON Schema of kubeparcel.yaml",
    "to": "the folder to fill",
    "store": "also empty the cache of downloads, compiled binaries and packages",
    "path": "a package, or a folder of them; may be given without the option, and several times",
}


def task(body: Callable[..., int | None]) -> Task[Any]:
    """A task whose errors end as text and exit code; HELP explains its options."""

    @functools.wraps(body)
    def guarded(context: Context, *args: Any, **options: Any) -> None:
        as_json = bool(options.get("json_"))
        try:
            code = body(context, *args, **options)
        except KubeparcelError as error:
            program.complain(error, as_json=as_json)
            code = error.exit_code
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        except OSError as error:
            where = error.filename or "The disk"
            program.complain(DiskError(f"{where}: {error.strerror or error}."), as_json=as_json)
            code = DiskError.exit_code
        except KeyboardInterrupt:
            print("\nStopped. Nothing is half-made; the next run goes on.", file=sys.stderr)
            code = 130
        if code:
            raise Exit(code=code)

    names = body.__code__.co_varnames[1 : body.__code__.co_argcount]
    return program.Documented(
        guarded,
        auto_shortflags=False,
        help={name.strip("_").replace("_", "-"): HELP[name] for name in names},
        iterable=[name for name in names if name == program.PATHS],
    )


def _say(text: str) -> None:
    print(text, flush=True)


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
    from . import build as work
    from .settings import load

    settings = load(flags)
    here = log.choose(quiet)
    if dry_run:
        _say(work.preview(settings, here, locked=locked).show(as_json=json_))
        return None
    built = work.build(settings, here, locked=locked)
    _say(built.as_json() if json_ else built.as_text())
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
    from . import release
    from .settings import load

    found = release.resolve(load(flags), log.choose(json_), refresh=refresh, check=check)
    _say(found.show(as_json=json_))
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
    from . import release
    from .settings import load

    _say(release.fetch(load(flags), log.choose(quiet), locked=locked).show(as_json=json_))


@task
def verify(
    _: Context, path: list[str], level: str = "layout", json_: bool = False, junit: str = ""
) -> int | None:
    """Check packages: ours, or anyone's. Without a path: those in the output folder."""
    if level != "layout":
        raise UsageError(f"--level {level}: there is only layout yet.")
    from .settings import load
    from .verify import layout

    base = Path.cwd()
    settings = load({}, base)
    report = layout.check_paths([base / name for name in path or [settings.out]])
    if junit:
        report.write_junit(base / junit)
    _say(report.as_json() if json_ else report.as_text())
    return report.exit_code


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
    from . import release
    from .settings import load

    _say(release.mirror(load(flags), Path.cwd() / to, log.choose(quiet)))


@task
def versions(_: Context, source: str = "", mirror: str = "", json_: bool = False) -> None:
    """List the Kubernetes releases that can be built here, the newest of each minor."""
    from . import release
    from .settings import load

    found = release.versions(load({"source": source, "mirror": mirror}), log.choose(json_))
    _say(json.dumps({"versions": found}, indent=2) if json_ else "\n".join(found))


@task
def config(_: Context, schema: bool = False, json_: bool = False) -> None:
    """Show the settings that hold here, or the JSON Schema of kubeparcel.yaml."""
    from .settings import Settings, load

    if schema:
        _say(json.dumps(Settings.model_json_schema(), indent=2))
        return
    settings = load({}).model_dump(mode="json", by_alias=True)
    if json_:
        _say(json.dumps(settings, indent=2))
        return
    import yaml

    _say(yaml.safe_dump(settings, sort_keys=False).rstrip())


@task
def clean(_: Context, out: str = "", store: bool = False) -> None:
    """Remove the packages in the output folder; with --store the cache too."""
    from . import build as work
    from .settings import load

    _say(work.clean(load({"out": out}), store=store))


TASKS = (build, resolve, fetch, verify, mirror, versions, config, clean)


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
