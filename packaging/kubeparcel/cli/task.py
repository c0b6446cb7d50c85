"""What makes a function a task: options are explained, errors become text and exit codes."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task

from kubeparcel.cli import program
from kubeparcel.errors import DiskError, KubeparcelError
from kubeparcel.program_name import with_program_name

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
    "level": "layout (what is in them), install (on real distributions), service (the kubelet "
    "under systemd) or cluster (kubeadm init and join) [layout]",
    "on": "hosts, several with commas; inv hosts lists them [what this machine can do]",
    "engine": "podman or docker [the first that answers]",
    "from_": "the folder with the packages [dist]",
    "keep": "leave the container of a failed check, and say how to enter it",
    "junit": "also write a JUnit XML file there [levels on hosts: verify.xml in the output folder]",
    "html": "also write a page for people there [levels on hosts: verify.html beside it]",
    "schema": "print the JSON Schema of kubeparcel.yaml",
    "to": "the folder to fill, or the repository: a folder or s3://BUCKET/PREFIX",
    "suite": "the suite; publish takes the minor's, and the one of all, unless said",
    "into": "the suite that gets them",
    "key": "a key's name, a file with a private key, or gpg:FINGERPRINT of your own gpg [default]",
    "address": "where clients will find the repository, for the page and client files",
    "metadata": "how yum's is packed: zstd, or gzip for systems older than EL 8 [zstd]",
    "valid": "days until clients refuse an apt suite that was not signed anew, 0 for ever [180]",
    "generations": "how many publishes a client may be behind [5]",
    "wait": "how many seconds to wait for another publisher [30]",
    "generation": "which one [the last]",
    "action": "new, show, extend or rotate",
    "name": "the key's name [default]",
    "identity": "who the key says it is",
    "days": "how long it holds [three years]",
    "store": "also empty the cache of downloads, compiled binaries and packages",
    "image.out": "the folder for the archives [images in the output folder]",
    "load": "also load the images into the engine",
    "verify.from_": "a folder with packages to upgrade from [the same, one revision before]",
    "retain.keep": "how many versions of each package in each minor stay [5]",
    "doctor.path": "the URL or folder of a repository; works without the option too",
    "doctor.key": "a file with the public keys to trust, or a key's name [the repository's own]",
    "doctor.suite": "only these, several with commas [all that can be found]",
    "horizon": "how many days from now on keys and signatures have to hold",
    "quick": "look at the indexes only, and read no package file",
    "path": "a package, or a folder of them; works without the option too, several times",
}


def _meaning(task_: str, option: str) -> str:
    """An option's help text: the task's own, or the one for all."""
    return HELP.get(f"{task_}.{option}") or HELP[option]


def task(body: Callable[..., int | None]) -> Task[Any]:
    """A task whose errors end as text and exit code; HELP explains its options."""

    @functools.wraps(body)
    def guarded(context: Context, *args: Any, **options: Any) -> None:
        as_json = bool(options.get("json_"))
        try:
            code = body(context, *args, **options)
        except KubeparcelError as error:
            program.report_error(error, as_json=as_json)
            code = error.exit_code
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        except OSError as error:
            where = error.filename or "The disk"
            program.report_error(DiskError(f"{where}: {error.strerror or error}."), as_json=as_json)
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
        help={name.strip("_").replace("_", "-"): _meaning(body.__name__, name) for name in names},
        iterable=[name for name in names if name == program.PATHS],
    )


def print_result(text: str) -> None:
    """Print a result to standard output."""
    print(with_program_name(text), flush=True)
