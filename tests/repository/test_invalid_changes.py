"""Changes of a wrong place, of nothing, or of most packages are refused or confirmed."""

import io

import pytest

from kubeparcel.repository.storage.s3 import S3Storage
from tests.repository.conftest import run_json
from tests.support import client_view
from tests.support.package_builders import deb
from tests.support.task_runs import failure


@pytest.mark.parametrize(
    ("words", "output"),
    [
        ("publish", "Missing option --to"),
        ("publish --to repo --from nowhere", "does not exist"),
        ("publish --to ftp://x", "Unsupported repository location"),
        ("publish --to s3://", "No bucket name in s3://."),
        ("publish --to s3://bucket/../x", "it is not inside the repository"),
        ("publish --to repo --metadata lzma", "use zstd or gzip"),
        ("publish --to repo --valid=-2", "Invalid --valid '-2'"),
        ("publish --to repo --suite ../x", "Invalid suite name"),
        ("publish --to repo --key nobody", "Unknown key 'nobody'"),
        ("remove --to repo", "No package given"),
        ("copy --to repo --suite stable", "needs two suites"),
    ],
)
def test_invalid_input_is_reported_with_its_exit_code(run, destination, words, output):
    error = failure(run, *words.split())
    assert output in error
    assert "Traceback" not in error
    assert not (destination / "apt").exists()


CHANGES = (
    "remove --to {to} own",
    "retain --to {to}",
    "rollback --to {to}",
    "copy --to {to} --suite stable --into x",
    "remove --to {to} own --dry-run",
)


@pytest.mark.parametrize("words", CHANGES)
def test_change_of_a_missing_repository_creates_nothing(run, workdir, words):
    for location in ("nowhere", "empty"):
        (workdir / "empty").mkdir(exist_ok=True)
        assert f"No repository at {workdir / location}." in failure(run, *words.format(to=location).split())
    assert [path.name for path in workdir.rglob("*")] == ["empty"]


@pytest.mark.parametrize("words", CHANGES)
def test_change_of_a_missing_repository_in_a_bucket_creates_nothing(run, bucket, words):
    assert f"No repository at {bucket}." in failure(run, *words.format(to=bucket).split())
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
def test_invalid_change_leaves_the_repository_unchanged(run, destination, words, message):
    run_json(run, "publish", "--to", "repo")
    before = client_view.read_files(destination)
    assert message in failure(run, *words.split(), "--to", "repo")
    assert client_view.read_files(destination) == before


def test_empty_selector_is_rejected(run, destination):
    run_json(run, "publish", "--to", "repo")
    assert "path is empty." in failure(run, "remove", "--to", "repo", "")


def test_yes_confirms_the_removal_of_most_packages(run, destination):
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


def test_retain_needs_confirmation_to_remove_most_packages(run, destination, workdir):
    for patch in range(1, 7):
        deb(workdir / "dist", "own", f"1.2.{patch}-1")
    run_json(run, "publish", "--to", "repo")
    assert "Remove 6 of 9 packages" in failure(run, "retain", "--to", "repo", "--keep", 1)
    code, output, _ = run("retain", "--to", "repo", "--keep", 1, "--yes")
    assert (code, "contains 3 packages" in output) == (0, True)


@pytest.mark.parametrize(("answer", "expected"), [("y", 0), ("yes", 0), ("n", 2), ("", 2)])
def test_removal_of_most_packages_is_confirmed_at_a_terminal(run, destination, monkeypatch, answer, expected):
    run_json(run, "publish", "--to", "repo")
    terminal = io.StringIO(f"{answer}\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    code, _, error = run("remove", "--to", "repo", "own")
    assert code == expected
    assert f"Remove 3 of 3 packages in the suites of {destination}? [y/N]" in error
    assert ("stable" in {name.split()[1] for name in client_view.read_repository(destination)}) is bool(expected)


@pytest.mark.parametrize(
    "name",
    [
        *("index.html", "html/index.html", "apt/sources.list"),
        *("apt/dists/stable/Release", "yum/el9/repodata/repomd.xml"),
    ],
)
def test_folder_with_other_files_is_not_published_to(run, destination, name):
    (destination / name).parent.mkdir(parents=True)
    (destination / name).write_text("mine")
    error = failure(run, "publish", "--to", "repo")
    assert f"{destination} is not a repository, but contains other files ({name.partition('/')[0]})." in error
    assert f"such as {destination}/kubernetes" in error
    assert {path for path in destination.rglob("*") if path.is_file()} == {destination / name}
    assert (destination / name).read_text() == "mine"


def test_hidden_files_do_not_prevent_a_publish(run, destination):
    (destination / ".well-known").mkdir(parents=True)
    run_json(run, "publish", "--to", "repo")
    (destination / "robots.txt").write_text("")
    run_json(run, "publish", "--to", "repo", "--metadata", "gzip")
