"""The repository tasks on the command line: options, output and exit codes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubeparcel import cli, paths
from kubeparcel.repository.storage.folder import FolderStorage
from kubeparcel.repository.storage.s3 import S3Storage
from tests.support import client_view
from tests.support.package_builders import deb

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(workdir: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a task in an empty folder; return its exit code, stdout and stderr."""
    del key  # only has to exist

    def run_task(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["kubeparcel", *map(str, words)])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run_task


@pytest.fixture
def own(workdir: Path) -> Path:
    """Build three versions of a package that is not in the catalog; return the repository."""
    (workdir / "dist").mkdir()
    for version in ("1.0-1", "1.1-1", "1.2-1"):
        deb(workdir / "dist", "own", version)
    return workdir / "repo"


def run_json(run: Run, *words: object) -> dict[str, Any]:
    code, out, _ = run(*words, "--json")
    assert code == 0
    document: dict[str, Any] = json.loads(out)
    return document


def versions(document: dict[str, Any], suite: str, kind: str) -> list[str]:
    return [row["version"] for row in document["suites"][suite][kind]]


def test_dry_run_lists_the_same_changes_as_the_real_run(run: Run, own: Path) -> None:
    steps = (
        (("publish", "--suite", "testing"), "testing", "added", ["1.0-1", "1.1-1", "1.2-1"]),
        (("copy", "own=1.2-1", "--suite", "testing", "--into", "good"), "good", "added", ["1.2-1"]),
        (("remove", "own=1.2-1", "--suite", "testing"), "testing", "removed", ["1.2-1"]),
        (("retain", "--keep", "1", "--yes"), "testing", "removed", []),
        (("rollback",), "testing", "added", ["1.2-1"]),
    )
    for words, suite, kind, expected in steps:
        before = client_view.read_files(own) if own.exists() else None
        plan = run_json(run, *words, "--to", "repo", "--dry-run")
        assert (client_view.read_files(own) if own.exists() else None) == before
        completed = run_json(run, *words, "--to", "repo")
        assert plan["suites"] == completed["suites"]
        assert (plan["dry-run"], plan["signed"]) == (True, False)
        assert completed["signed"] is bool(completed["suites"])
        if expected:
            assert versions(completed, suite, kind) == expected
    assert set(client_view.read_repository(own)) == {"apt good", "apt testing"}


def test_options_are_stored_in_the_repository(run: Run, own: Path) -> None:
    terms = ("--metadata", "gzip", "--valid", 0, "--generations", 2)
    run_json(run, "publish", "--to", "repo", "--address", "https://here.example.invalid/k", *terms)
    deb(own.parent / "dist", "own", "1.3-1")
    run_json(run, "publish", "--to", "repo")
    output = json.loads((own / ".kubeparcel/state.json").read_text())["terms"]
    assert (output["metadata"], output["valid"], output["generations"]) == ("gzip", 0, 2)
    assert "Valid-Until" not in (own / "apt/dists/stable/Release").read_text()
    assert "URIs: https://here.example.invalid/k/apt" in (own / "stable.sources").read_text()


@pytest.mark.parametrize(
    ("words", "code", "output"),
    [
        ("publish", 2, "Missing option --to"),
        ("publish --to repo --from nowhere", 2, "does not exist"),
        ("publish --to ftp://x", 2, "Unsupported repository location"),
        ("publish --to s3://", 2, "No bucket name in s3://."),
        ("publish --to s3://bucket/../x", 2, "it is not inside the repository"),
        ("publish --to repo --metadata lzma", 2, "use zstd or gzip"),
        ("publish --to repo --valid=-2", 2, "Invalid --valid '-2'"),
        ("publish --to repo --suite ../x", 2, "Invalid suite name"),
        ("publish --to repo --key nobody", 2, "Unknown key 'nobody'"),
        ("remove --to repo", 2, "No package given"),
        ("copy --to repo --suite stable", 2, "needs two suites"),
    ],
)
def test_invalid_input_is_reported_with_its_exit_code(run: Run, own: Path, words: str, code: int, output: str) -> None:
    exit_code, _, error = run(*words.split())
    assert exit_code == code
    assert output in error
    assert "Traceback" not in error
    assert not (own / "apt").exists()


CHANGES = (
    "remove --to {to} own",
    "retain --to {to}",
    "rollback --to {to}",
    "copy --to {to} --suite stable --into x",
    "remove --to {to} own --dry-run",
)


@pytest.mark.parametrize("words", CHANGES)
def test_change_of_a_missing_repository_creates_nothing(run: Run, workdir: Path, words: str) -> None:
    for location in ("nowhere", "empty"):
        (workdir / "empty").mkdir(exist_ok=True)
        code, _, error = run(*words.format(to=location).split())
        assert code == 2
        assert f"No repository at {workdir / location}." in error
    assert [path.name for path in workdir.rglob("*")] == ["empty"]


@pytest.mark.parametrize("words", CHANGES)
def test_change_of_a_missing_repository_in_a_bucket_creates_nothing(run: Run, bucket: str, words: str) -> None:
    code, _, error = run(*words.format(to=bucket).split())
    assert code == 2
    assert f"No repository at {bucket}." in error
    assert not S3Storage.from_url(bucket).top_names()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("remove nobody", "No package in the repository matches"),
        ("remove =", "Empty package selector '='"),
        ("remove own =", "Empty package selector '='"),
        ("copy = --suite stable --into x", "Empty package selector '='"),
        ("retain --keep 0", "Invalid --keep '0'"),
        ("rollback", "No earlier generation"),
        ("rollback --generation 7", "Unknown generation 7"),
        ("copy --suite nowhere --into x", "Unknown suite 'nowhere'"),
        ("remove * --suite stable", "Remove 3 of 3 packages in the suites of"),
        ("remove own", "Pass --yes to confirm."),
    ],
)
def test_invalid_change_leaves_the_repository_unchanged(run: Run, own: Path, words: str, message: str) -> None:
    run_json(run, "publish", "--to", "repo")
    before = client_view.read_files(own)
    code, _, error = run(*words.split(), "--to", "repo")
    assert code == 2
    assert message in error
    assert client_view.read_files(own) == before


def test_empty_selector_is_rejected(run: Run, own: Path) -> None:
    run_json(run, "publish", "--to", "repo")
    code, _, error = run("remove", "--to", "repo", "")
    assert (code, "path is empty." in error) == (2, True)


def test_yes_confirms_the_removal_of_most_packages(run: Run, own: Path) -> None:
    run_json(run, "publish", "--to", "repo")
    code, output, _ = run("remove", "--to", "repo", "own=1.0-1")  # a third needs no confirmation
    assert code == 0
    assert "contains 2 packages · generation 2" in output
    code, output, _ = run("remove", "--to", "repo", "own=1.1-1", "own=1.2-1", "--dry-run")
    assert (code, "would contain 0 packages" in output) == (0, True)
    code, output, _ = run("remove", "--to", "repo", "own=1.1-1")  # nor does half
    assert (code, "contains 1 package · generation 3" in output) == (0, True)
    code, output, _ = run("remove", "--to", "repo", "own", "--yes")
    assert (code, "contains 0 packages" in output) == (0, True)


def test_retain_needs_confirmation_to_remove_most_packages(run: Run, own: Path, workdir: Path) -> None:
    for patch in range(1, 7):
        deb(workdir / "dist", "own", f"1.2.{patch}-1")
    run_json(run, "publish", "--to", "repo")
    code, _, error = run("retain", "--to", "repo", "--keep", 1)
    assert (code, "Remove 6 of 9 packages" in error) == (2, True)
    code, output, _ = run("retain", "--to", "repo", "--keep", 1, "--yes")
    assert (code, "contains 3 packages" in output) == (0, True)


@pytest.mark.parametrize(("answer", "expected"), [("y", 0), ("yes", 0), ("n", 2), ("", 2)])
def test_removal_of_most_packages_is_confirmed_at_a_terminal(
    run: Run, own: Path, monkeypatch: pytest.MonkeyPatch, answer: str, expected: int
) -> None:
    run_json(run, "publish", "--to", "repo")
    terminal = io.StringIO(f"{answer}\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    code, _, error = run("remove", "--to", "repo", "own")
    assert code == expected
    assert f"Remove 3 of 3 packages in the suites of {own}? [y/N]" in error
    assert ("stable" in {name.split()[1] for name in client_view.read_repository(own)}) is bool(expected)


@pytest.mark.parametrize(
    "name",
    [
        *("index.html", "html/index.html", "apt/sources.list"),
        *("apt/dists/stable/Release", "yum/el9/repodata/repomd.xml"),
    ],
)
def test_folder_with_other_files_is_not_published_to(run: Run, own: Path, name: str) -> None:
    (own / name).parent.mkdir(parents=True)
    (own / name).write_text("mine")
    code, _, error = run("publish", "--to", "repo")
    assert code == 2
    assert f"{own} is not a repository, but contains other files ({name.partition('/')[0]})." in error
    assert f"such as {own}/kubernetes" in error
    assert {path for path in own.rglob("*") if path.is_file()} == {own / name}
    assert (own / name).read_text() == "mine"


def test_hidden_files_do_not_prevent_a_publish(run: Run, own: Path) -> None:
    (own / ".well-known").mkdir(parents=True)
    run_json(run, "publish", "--to", "repo")
    (own / "robots.txt").write_text("")
    run_json(run, "publish", "--to", "repo", "--metadata", "gzip")


def test_wait_0_fails_at_once_if_the_repository_is_locked(run: Run, own: Path) -> None:
    run_json(run, "publish", "--to", "repo")
    with FolderStorage(own).lease(0):
        code, _, error = run("retain", "--to", "repo", "--keep", 1, "--wait", 0)
    assert code == 3
    assert "is locked by another publisher" in error
    assert "--wait SECONDS" in error


def test_publish_without_address_warns_about_local_client_files(run: Run, own: Path) -> None:
    assert "Client files point to a local folder" in run("publish", "--to", "repo")[1]
    _, output, _ = run("publish", "--to", "repo", "--address", "https://here.example.invalid/k")
    assert "local folder" not in output
    assert "https://here.example.invalid/k/apt" in (own / "stable.sources").read_text()


@pytest.mark.parametrize(
    ("option", "url"),
    [("--to", "s3://user:pa/ss@bucket/x"), ("--to", "ftp://user:pa#ss@h/"), ("--address", "https://user:pa?ss@h/x")],
)
def test_passwords_in_urls_are_not_printed(run: Run, own: Path, option: str, url: str) -> None:
    code, *output = run("publish", *(("--to", "repo") if option == "--address" else ()), option, url)
    assert code == 2
    assert "pa" not in "".join(output).partition("\n")[0].replace("was given", "")
    assert "ss@" not in "".join(output)


@pytest.mark.parametrize("address", ["packages.example.com/k", "https://a b", "https://a/'$(x)"])
def test_address_that_is_not_a_url_is_rejected(run: Run, own: Path, address: str) -> None:
    code, _, output = run("publish", "--to", "repo", "--address", address)
    assert code == 2
    assert "use the URL that clients see" in output
    assert not own.exists()


def test_publisher_import_does_not_load_heavy_libraries() -> None:
    """Settings, asyncio and TLS take longer than a publish with nothing to do."""
    heavy = ("invoke", "asyncio", "ssl", "pydantic", "jinja2", "requests", "importlib.metadata", "yaml")
    code = (
        "import sys, kubeparcel.cli, kubeparcel.repository.publisher\n"
        f"print([name for name in {heavy} if name in sys.modules])\n"
    )
    words = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(paths.PACKAGE.parent)}
    completed = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "[]"


def test_repository_keeps_its_identity(run: Run, own: Path, workdir: Path) -> None:
    identity = ("--origin", "Example Corp", "--label", "k8s", "--description", "Clusters of <Example> & Co")
    run_json(run, "publish", "--to", "repo", *identity)
    deb(workdir / "dist", "own", "1.3-1")
    assert "Origin" not in run("publish", "--to", "repo")[2]
    release = (own / "apt/dists/stable/Release").read_text()
    assert {"Origin: Example Corp", "Label: k8s"} < set(release.splitlines())
    assert "Description: Clusters of <Example> & Co (stable)\n" in release
    assert "<title>Clusters of &lt;Example&gt; &amp; Co" in (own / "index.html").read_text()


def test_default_identity_and_label(run: Run, own: Path) -> None:
    run_json(run, "publish", "--to", "repo", "--origin", "Example")
    assert "Origin: Example\nLabel: Example\n" in (own / "apt/dists/stable/Release").read_text()


@pytest.mark.parametrize("option", ["--origin", "--label"])
def test_change_of_the_identity_is_warned_of(run: Run, own: Path, option: str) -> None:
    run_json(run, "publish", "--to", "repo")
    code, _, error = run("publish", "--to", "repo", option, "Other")
    assert code == 0
    assert "from 'kubeparcel' to 'Other'" in error
    assert "--allow-releaseinfo-change" in error
    assert "Other" in (own / "apt/dists/stable/Release").read_text()
    assert "releaseinfo" not in run("publish", "--to", "repo", option, "Other")[2]


@pytest.mark.parametrize("option", ["--origin", "--label", "--description"])
@pytest.mark.parametrize("value", ["a\nValid-Until: x", " x", "x" * 81, "a\x1b[31m"])
def test_identity_has_to_be_one_printable_line(run: Run, own: Path, option: str, value: str) -> None:
    code, _, error = run("publish", "--to", "repo", option, value)
    assert (code, f"Invalid {option}" in error) == (2, True)
    assert not own.exists()


def test_apt_sources_name_the_architectures_of_the_suite(run: Run, own: Path, workdir: Path) -> None:
    for arch in ("amd64", "arm64", "all"):
        deb(workdir / "dist", "tool", "1-1", arch)
    run_json(run, "publish", "--to", "repo", "--address", "https://here.example.invalid/k")
    assert "\nArchitectures: amd64 arm64\n" in (own / "stable.sources").read_text()
    options = "[arch=amd64,arm64 signed-by=/usr/share/keyrings/kubernetes.gpg]"
    line = (own / "stable.list").read_text().splitlines()[1]
    assert line == f"deb {options} https://here.example.invalid/k/apt stable main"
    run_json(run, "remove", "--to", "repo", "*", "--yes")
    assert not list(own.glob("stable.*"))


@pytest.mark.parametrize(
    ("apt", "suffix"), [("2.2.4", ".list"), ("2.0.9", ".list"), ("2.3.10", ".sources"), ("3.0", ".sources")]
)
def test_install_script_chooses_the_file_by_the_version_of_apt(
    run: Run, own: Path, workdir: Path, apt: str, suffix: str
) -> None:
    """The programs that the script runs as root are replaced; it installs into a folder."""
    deb(workdir / "dist", "own", "1.2-1", "arm64")
    run_json(run, "publish", "--to", "repo")
    programs = workdir / "bin"
    programs.mkdir()
    scripts = {
        "id": "echo 0",
        "apt-get": "true",
        "dpkg-query": f"echo {apt}",
        "dpkg": 'test "$1" = --print-architecture && echo arm64 || exec /usr/bin/dpkg "$@"',
        "install": f'shift 3; set -- "$1" "{workdir}/root$2"; mkdir -p "${{2%/*}}"; cp "$1" "$2"',
    }
    for name, text in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    subprocess.run(["sh", own / "install-apt.sh"], env=environment, check=True, capture_output=True)
    installed = {
        path.relative_to(workdir / "root").as_posix() for path in (workdir / "root").rglob("*") if path.is_file()
    }
    keyring = {"usr/share/keyrings/kubernetes.gpg"} if suffix == ".list" else set()
    source = f"etc/apt/sources.list.d/kubernetes-stable{suffix}"
    assert installed == {source, *keyring}
    text = (workdir / "root" / source).read_text()
    published = (own / f"stable{suffix}").read_text()
    narrowed = published.replace("Architectures: amd64 arm64\n", "Architectures: arm64\n")
    narrowed = narrowed.replace("arch=amd64,arm64 ", "arch=arm64 ")
    assert text == narrowed != published
