"""The task that makes and verifies bundles."""

from __future__ import annotations

from pathlib import Path

from kubeparcel import console, journal
from kubeparcel.cli.option_groups import absolute_location, split_list
from kubeparcel.cli.options import Option
from kubeparcel.cli.output import print_result
from kubeparcel.cli.task import task
from kubeparcel.errors import UsageError


@task(
    "Repository",
    ("bundle --for trixie,rocky-9 --to k8s.tar", "Bundle the packages in dist with all that these hosts lack."),
    ("bundle --for trixie --from URL --to k8s.tar.zst", "Bundle the packages of a repository, compressed."),
    ("bundle --for trixie --with containerd,chrony --to k8s.tar", "Add packages of the distribution."),
    ("bundle --verify k8s.tar --key key.asc", "Verify a bundle with the key that you trust."),
    for_=Option("hosts to install on, separated by commas; the task hosts lists them", "HOST", several=True),
    to=Option("the file to write, ending in .tar or .tar.zst", "FILE"),
    from_=Option(
        "folder with packages, or repository (folder, URL or s3://BUCKET/PREFIX)", "DIR|URL", "the output folder"
    ),
    suite=Option("suites of the repository, separated by commas", "SUITE", "all", several=True),
    with_=Option(
        "packages of the distributions to add and install, separated by commas, or 'nothing'",
        "NAME",
        "containerd, where the distribution has it",
        several=True,
    ),
    images=Option("archives with images to add, made by podman or docker save", "FILE", several=True),
    no_images=Option("leave the control-plane images out"),
    key=Option("key to sign with, or with --verify the file or name of the key to trust", "KEY", "default"),
    verify=Option("verify a bundle instead of making one", "FILE"),
    dry_run=Option("resolve, and print what would be in the bundle with its size, without writing it"),
)
def bundle(
    for_: str = "",
    to: str = "",
    from_: str = "",
    suite: str = "",
    with_: str = "",
    images: str = "",
    no_images: bool = False,
    key: str = "",
    engine: str = "",
    verify: str = "",
    dry_run: bool = False,
    json_: bool = False,
    quiet: bool = False,
) -> int:
    """Make one file to install nodes without a network.

    It has the packages as a signed repository, their dependencies from the hosts' distributions, the control-plane
    images, the keys and install.sh. The hosts' package managers resolve the dependencies, in containers. The newest
    packages for this machine's architecture are taken. The same inputs give the same bytes.
    """
    base, log = Path.cwd(), console.create_log(quiet)
    if images and no_images:
        raise UsageError("--images and --no-images exclude each other.")
    if verify:
        return _verify(base / verify, key, json_, log, {"--for": for_, "--to": to, "--from": from_})
    missing = [option for option, value in (("--for", for_), ("--to", to)) if not value]
    if missing:
        raise UsageError(f"Missing {' and '.join(missing)}.", "Example: inv bundle --for trixie --to k8s.tar")
    from kubeparcel.bundle.create import BundleRequest, create
    from kubeparcel.config.settings import load_settings

    out = load_settings({}, base).out
    journal.keep_in(base / out)
    extras = tuple(name for name in split_list(with_) if name != "nothing") if with_ else None
    request = BundleRequest(
        source=absolute_location(from_ or out),
        hosts=split_list(for_),
        target=base / to,
        key=key,
        suites=split_list(suite),
        extras=extras,
        images=tuple(base / name for name in split_list(images)),
        with_images=not no_images,
        engine=engine,
        dry_run=dry_run,
    )
    result = create(request, log)
    print_result(result.as_json() if json_ else result.as_text())
    return 0


def _verify(file: Path, key: str, json_: bool, log: console.Log, others: dict[str, str]) -> int:
    from kubeparcel.bundle.verify import verify_bundle
    from kubeparcel.reports.output import as_json, as_text

    unused = [option for option, value in others.items() if value]
    if unused:
        raise UsageError(f"--verify cannot be combined with {' and '.join(unused)}.")
    report = verify_bundle(file, key, log)
    print_result(as_json([report]) if json_ else as_text([report]))
    return report.exit_code
