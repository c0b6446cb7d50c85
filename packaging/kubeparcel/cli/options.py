"""Every option of the command line: its help, the values it takes and its default.

Help, completion, the man page and the reference are all made from the table `OPTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from kubeparcel.model import Arch, Format


class Option(NamedTuple):
    """What users are told about an option.

    `value` is the placeholder in help, `default` what applies without the option. Values outside
    `choices` are rejected; `completions` are only offered by the shell. `several` values are
    separated by commas; numbers are within `limits`. A `positional` option is given by its value alone.
    """

    help: str
    value: str = ""
    default: str = ""
    choices: tuple[str, ...] = ()
    completions: Callable[[], Iterable[str]] = tuple
    several: bool = False
    positional: bool = False
    short: str = ""
    limits: tuple[int, int] = (0, 1_000_000)


def _host_names() -> Iterable[str]:
    from kubeparcel.hosts import catalog

    return catalog.load_hosts().hosts


def _check_names() -> Iterable[str]:
    from kubeparcel.verify.levels import check_names

    return check_names()


def _optional_packages() -> Iterable[str]:
    from kubeparcel.config.catalog import load

    return [name for name, spec in load().packages.items() if spec.optional]


SOURCES = ("auto", "upstream", "go")
REQUIREMENTS, NO_REQUIREMENTS = ("sbom", "provenance", "signatures", "audit"), "nothing"
COUNT = (1, 1_000_000)
DAYS = (0, 36_500)
"""A century: OpenPGP dates end in 2106."""

OPTIONS: Mapping[str, Option] = {
    "version": Option("version of Kubernetes, as with --kubernetes", "VERSION", positional=True),
    "kubernetes": Option(
        "stable, 1.36 (its newest patch), 1.36.3 or 1.37.0-rc.1; several separated by commas",
        "VERSION",
        "stable",
        several=True,
    ),
    "cri-tools": Option("cri-tools version", "VERSION", "the one that fits Kubernetes"),
    "cni": Option("CNI plugins version", "VERSION", "the one that fits Kubernetes"),
    "arch": Option("architectures, separated by commas", "ARCH", "amd64", choices=tuple(Arch), several=True),
    "source": Option(
        "upstream (download), go (compile Go modules), tree:DIR (compile a git clone of Kubernetes) or auto "
        "(upstream if it can be reached)",
        "SOURCE",
        "auto",
        completions=lambda: SOURCES,
    ),
    "mirror": Option("URL or folder with a copy of upstream's files", "URL|DIR"),
    "require-signatures": Option("fail if upstream's signature of a file is missing or cannot be verified"),
    "accept-sha1": Option("accept old releases for which upstream publishes only SHA-1 checksums"),
    "trust-root": Option(
        "trusted certificates and keys for signatures, as Sigstore's JSON", "FILE", "the public Sigstore instance"
    ),
    "cache-remote": Option(
        "cache that machines share: a folder that exists, or s3://BUCKET/PREFIX", "DIR|s3://BUCKET/PREFIX"
    ),
    "workers": Option(
        "machines that compile, assemble, check and run hosts: a Dask scheduler (tcp:// or tls://), or processes here",
        "dask:tcp://HOST:PORT|dask:local:COUNT",
        "threads of this process",
    ),
    "workers-tls": Option("folder with ca.crt, tls.crt and tls.key, for a scheduler at tls://", "DIR"),
    "packages": Option(
        "optional packages to build as well, separated by commas", "NAME", completions=_optional_packages, several=True
    ),
    "components": Option(
        "versions of components, separated by commas: exact, or a minor for its newest patch",
        "NAME=VERSION",
        several=True,
    ),
    "format": Option("package formats, separated by commas", "FORMAT", "deb,rpm", choices=tuple(Format), several=True),
    "layout": Option(
        "etc (drop-in in /etc, as documented) or official (as pkgs.k8s.io)",
        "LAYOUT",
        "etc",
        choices=("etc", "official"),
    ),
    "revision": Option("package revision; raise it when packages change for the same version", "REVISION", "1"),
    "compression": Option("fast, balanced or small", "PRESET", "balanced", choices=("fast", "balanced", "small")),
    "out": Option("output folder", "DIR", "dist"),
    "no-sbom": Option("write no SBOMs"),
    "locked": Option("fail instead of updating kubeparcel.lock when it does not match"),
    "check": Option("only check that kubeparcel.lock is current; exit code 1 if it is not"),
    "refresh": Option("accept upstream's new checksum for this binary or archive", "NAME"),
    "matrix": Option(
        "print jobs for GitHub (strategy.matrix), for GitLab (parallel: matrix) or as JSON",
        "FORMAT",
        choices=("github", "gitlab", "json"),
    ),
    "dry-run": Option("print what would be done, without doing it"),
    "json": Option("print one JSON document to standard output"),
    "quiet": Option("print only warnings and the result"),
    "origin": Option("also show where each value comes from: default, file and line, variable or option"),
    "schema": Option("print the JSON Schema of kubeparcel.yaml"),
    "store": Option("also empty the cache of downloads, compiled binaries and packages"),
    "prune": Option("remove what is no longer used"),
    "older-than": Option("days without use after which an entry counts as unused", "DAYS", "30"),
    "path": Option("package files, or folders with packages", "PATH", positional=True),
    "level": Option(
        "layout (package contents), install (on real distributions), service (the kubelet under "
        "systemd) or cluster (kubeadm init and join)",
        "LEVEL",
        "layout",
        choices=("layout", "install", "service", "cluster"),
    ),
    "only": Option(
        "checks and scenarios to run, such as upgrade, install/upgrade or '*-alone'",
        "NAME",
        completions=_check_names,
        several=True,
    ),
    "list": Option("list the checks and scenarios by level, with what each asserts; nothing runs"),
    "on": Option(
        "hosts, separated by commas; the task hosts lists them",
        "HOST",
        "the first available host of each format",
        completions=_host_names,
        several=True,
    ),
    "engine": Option("container engine", "ENGINE", "the first available", choices=("podman", "docker")),
    "engine-options": Option(
        "options of podman run or docker run for every container, such as '--memory=2g'", "OPTIONS"
    ),
    "all": Option("also list the hosts that are unavailable here, and why"),
    "keep": Option("keep the container of a failed check, and print how to enter it"),
    "junit": Option("write a JUnit XML report", "FILE"),
    "html": Option("write an HTML report", "FILE"),
    "hold": Option("keep the packages at their versions when others are upgraded"),
    "load": Option("also load the images into the engine"),
    "to": Option("the repository: a folder or s3://BUCKET/PREFIX", "REPOSITORY"),
    "from": Option("folder with the packages", "DIR", "dist"),
    "suite": Option("suite to change", "SUITE"),
    "into": Option("suite that receives the packages", "SUITE"),
    "key": Option("signing key: a name, a file with a private key, or gpg:FINGERPRINT", "KEY", "default"),
    "signing-key": Option("your signing key: a name, a file with a private key, or gpg:FINGERPRINT", "KEY", "default"),
    "insecure": Option("import without verifying signatures; only digests are checked"),
    "address": Option("base URL of the repository, as clients see it", "URL"),
    "metadata": Option(
        "compression of yum metadata: zstd, or gzip for systems older than EL 8",
        "METHOD",
        "zstd",
        choices=("zstd", "gzip"),
    ),
    "valid": Option(
        "days until clients reject an apt suite that was not signed again; 0 for no limit", "DAYS", "180", limits=DAYS
    ),
    "generations": Option("how many publishes a client may lag behind", "COUNT", "5", limits=COUNT),
    "generation": Option("generation to restore", "NUMBER", "the previous one", limits=COUNT),
    "wait": Option("seconds to wait for another publisher", "SECONDS", "30"),
    "horizon": Option("days for which keys and signatures must remain valid", "DAYS", "365", limits=DAYS),
    "rebuild": Option("build the packages again from the materials in their statements, and compare the bytes"),
    "require": Option(
        "what every package must have: sbom, provenance (a signed statement), signatures (of its binaries, verified), "
        "audit (no known vulnerabilities), or 'nothing' to clear the list",
        "NAME",
        choices=(*REQUIREMENTS, NO_REQUIREMENTS),
        several=True,
    ),
    "quick": Option("examine only the indexes, no package files"),
    "follow": Option("additional hosts that redirects and indexes may lead to", "HOST", several=True),
    "database": Option("Go vulnerability database: a URL, or a folder with a copy", "URL|DIR", "https://vuln.go.dev"),
    "vex": Option("files with OpenVEX statements, separated by commas", "FILE", several=True),
    "fail-on": Option(
        "which findings fail: any, imported (of packages in the binary), called (of functions in it), or 'none'",
        "LEVEL",
        "any",
        choices=("any", "imported", "called", "none"),
    ),
    "max-age": Option("maximum age of the database, in days since its last change", "DAYS", "30", limits=DAYS),
    "govulncheck": Option("path of govulncheck", "FILE", "the one on PATH or in ~/go/bin"),
    "action": Option(
        "new, show, list, extend or rotate",
        "ACTION",
        choices=("new", "show", "list", "extend", "rotate"),
        positional=True,
    ),
    "strict": Option("fail if a published version was built again with different bytes, instead of keeping it"),
    "retain": Option(
        "keep only the newest COUNT versions of each package in each minor; not remembered",
        "COUNT",
        "all",
        limits=COUNT,
    ),
    "all-revisions": Option("also publish revisions that a newer one in the folder replaces"),
    "yes": Option("do not ask for confirmation"),
    "name": Option("name of the key", "NAME", "default"),
}
