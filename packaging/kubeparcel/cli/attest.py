"""The task that verifies provenance statements."""

from __future__ import annotations

from pathlib import Path

from kubeparcel import console
from kubeparcel.cli.option_groups import absolute_location
from kubeparcel.cli.options import Option
from kubeparcel.cli.output import print_result
from kubeparcel.cli.task import task


@task(
    "Verify",
    ("attest verify https://packages.example.com/kubernetes", "Verify a repository and all statements in it."),
    (
        "attest verify kubelet_1.36.3-1_amd64.deb --key key.pem",
        "Verify a downloaded package and the statement next to it.",
    ),
    ("attest verify dist --rebuild", "Build the packages in dist again, and compare the bytes."),
    action=Option("verify", "ACTION", choices=("verify",), positional=True),
    path=Option(
        "package files, folders with packages, or repositories (folder, URL or s3://BUCKET/PREFIX)",
        "PATH",
        "the output folder",
        positional=True,
    ),
    key=Option("public key to trust: key.pem, key.asc, or the name of a key", "KEY", "a repository's own"),
    mirror=Option("with --rebuild: URL or folder with a copy of upstream's files", "URL|DIR"),
)
def attest(
    action: str,  # noqa: ARG001 - the only one so far
    path: list[str],
    key: str = "",
    rebuild: bool = False,
    mirror: str = "",
    json_: bool = False,
    junit: str = "",
    quiet: bool = False,
) -> int:
    """Verify where packages come from: signatures, digests and materials.

    A package's provenance statement is next to it (PACKAGE.intoto.jsonl), or in the folder attestations of a
    build. Materials are compared with kubeparcel.lock in the current folder.
    """
    from kubeparcel.attest.verify import AttestRequest, verify
    from kubeparcel.config.settings import load_settings
    from kubeparcel.reports.output import as_json, as_text, require_writable, write_junit

    base = Path.cwd()
    if junit:
        require_writable(base / junit, "--junit")
    settings = load_settings({"mirror": mirror}, base)
    locations = [absolute_location(word) for word in path or [settings.out]]
    report = verify(AttestRequest(locations, key, rebuild, base, settings.mirror), console.create_log(quiet))
    if junit:
        write_junit([report], base / junit)
    print_result(as_json([report]) if json_ else as_text([report]))
    return report.exit_code
