"""The task ls: what a repository contains, whoever published it, without changing it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.repository import publisher
from kubeparcel.repository.publisher import Target
from kubeparcel.repository.storage.factory import open_storage
from tests.support.package_builders import deb, five, rpm
from tests.support.repository_fixtures import Publish, publish_folder
from tests.support.task_runs import Run, runner
from tests.support.web_server import serve_folder

IDENTITY = {"origin": "Example", "label": "Example label", "description": "Packages of Example"}


@pytest.fixture
def ls(capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(capsys, "ls")


def document(result: tuple[int, str, str]) -> dict[str, Any]:
    """Return the JSON document of a successful run without messages."""
    code, out, err = result
    assert (code, err) == (0, "")
    return json.loads(out)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of each file and folder."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


@pytest.fixture
def two_patches(publish: Publish, repo: Path, tmp_path: Path) -> Path:
    """A repository with 1.36.3 for two architectures and 1.36.4 for amd64, in generation 2."""
    options = {**IDENTITY, "base_url": "https://packages.example.com/k8s"}
    publish(five(tmp_path / "first", arches=("amd64", "arm64")), options=options)
    publish(five(tmp_path / "second", "1.36.4"))
    return repo


def test_json_has_identity_generations_and_keys(ls, two_patches):
    listed = document(ls(two_patches, "--json"))
    assert listed["repository"] == str(two_patches)
    assert {name: listed[name] for name in IDENTITY} == IDENTITY
    assert listed["address"] == "https://packages.example.com/k8s"
    assert (listed["generation"], listed["earlier-generations"]) == (2, [1])
    (key,) = listed["keys"]
    assert re.fullmatch(r"[0-9A-F]{40}", key["fingerprint"])
    assert 1090 <= key["days-left"] <= 1095
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", key["valid-until"])


def test_json_has_suites_by_format_with_architectures_and_expiry(ls, two_patches):
    suites = document(ls(two_patches, "--json"))["suites"]
    assert [(suite["suite"], suite["format"]) for suite in suites] == [
        *[("stable", "deb"), ("stable", "rpm"), ("v1.36", "deb"), ("v1.36", "rpm")]
    ]
    debs, rpms = suites[:2]
    assert (debs["architectures"], rpms["architectures"]) == (["amd64", "arm64"], ["aarch64", "x86_64"])
    state = json.loads((two_patches / ".kubeparcel/state.json").read_text())
    for suite in (debs, rpms):
        published = [state["packages"][number] for number in state["suites"]["stable"]]
        assert suite["packages"] == len([package for package in published if package[0] == suite["format"]])
    assert debs["days-left"] == 180
    assert "valid-until" not in rpms


def test_newest_version_of_each_architecture_is_listed_and_all_with_all(ls, two_patches):
    def versions(*options: str) -> list[dict[str, Any]]:
        suite = document(ls(two_patches, "--json", "--suite", "v1.36", *options))["suites"][0]
        return [entry for entry in suite["versions"] if entry["package"] == "kubelet"]

    newest = {"package": "kubelet", "version": "1.36.4-1", "architectures": ["amd64"]}
    assert versions() == [newest, {"package": "kubelet", "version": "1.36.3-1", "architectures": ["arm64"]}]
    assert versions("--all") == [
        newest,
        {"package": "kubelet", "version": "1.36.3-1", "architectures": ["amd64", "arm64"]},
    ]


def test_versions_are_ordered_as_package_managers_do(ls, publish, tmp_path):
    (tmp_path / "tools").mkdir()
    for version in ("1.9-1", "1.10-1", "1.10~rc.1-1"):
        deb(tmp_path / "tools", "tools", version)
        rpm(tmp_path / "tools", "tools", version)
    repository = publish(tmp_path / "tools", suite="tools").repository
    for suite in document(ls(repository, "--all", "--json"))["suites"]:
        assert [entry["version"] for entry in suite["versions"]] == ["1.10-1", "1.10~rc.1-1", "1.9-1"]
    out = ls(repository)[1]
    assert re.search(r"^  tools +tools +1\.10-1 +deb, rpm +amd64$", out, re.MULTILINE)
    assert "1.9-1" not in out


def test_text_lists_the_same_in_80_columns(ls, two_patches):
    code, out, err = ls(two_patches)
    assert (code, err) == (0, "")
    first, *lines = out.splitlines()
    assert first.split() == ["Repository", str(two_patches)]
    assert max(map(len, lines)) <= 80
    for text in (*IDENTITY.values(), "https://packages.example.com/k8s", "2, rollback can restore 1"):
        assert text in out
    listed = document(ls(two_patches, "--json"))
    assert re.search(rf"^  {listed['keys'][0]['fingerprint']} +\S+ +1,09\d$", out, re.MULTILINE)
    assert re.search(r"^  stable +deb +amd64, arm64 +\d+ +\d{4}-\d\d-\d\d +180$", out, re.MULTILINE)
    assert re.search(r"^  stable +rpm +aarch64, x86_64 +\d+$", out, re.MULTILINE)
    assert re.search(r"^  v1\.36 +kubelet +1\.36\.4-1 +deb, rpm +amd64$", out, re.MULTILINE)


def test_url_and_file_url_list_the_same_as_the_folder(ls, two_patches):
    folder = document(ls(two_patches, "--json"))
    assert document(ls(two_patches.as_uri(), "--json")) == folder
    with serve_folder(two_patches) as web:
        listed = document(ls(web.address, "--json"))
    assert {**listed, "repository": folder["repository"]} == folder
    assert listed["repository"].startswith(web.address)


def test_password_in_a_url_is_not_printed(ls, two_patches):
    with serve_folder(two_patches) as web:
        address = web.address.replace("http://", "http://user:secret@")
        assert "secret" not in "".join(map(str, (*ls(address), *ls(address, "--json"), *ls(f"{address}/nothing"))))


def test_bucket_is_listed_as_a_folder(ls, bucket, key, dist):
    publish_folder(dist, bucket)
    listed = document(ls(bucket, "--json"))
    assert (listed["repository"], listed["generation"]) == (bucket, 1)
    assert [suite["packages"] for suite in listed["suites"]] == [5, 5, 5, 5]
    code, _, err = ls(f"{bucket}-other")
    assert (code, f"No repository at {bucket}-other" in err) == (2, True)


def test_nothing_is_written_and_no_lock_is_needed(ls, two_patches):
    before = snapshot(two_patches)
    with open_storage(str(two_patches)).lease(1):
        locked = snapshot(two_patches)
        assert ls(two_patches)[0] == 0
        assert snapshot(two_patches) == locked
    assert set(snapshot(two_patches)) == set(before)


@pytest.mark.parametrize("prefix", ["", "file://"])
@pytest.mark.parametrize("name", ["nowhere", "empty", "other"])
def test_location_without_a_repository_is_wrong_usage(ls, workdir, name, prefix):
    (workdir / "empty").mkdir()
    (workdir / "other").mkdir()
    (workdir / "other/index.html").write_text("<html>")
    before = snapshot(workdir)
    code, out, err = ls(f"{prefix}{workdir / name}")
    assert (code, out) == (2, "")
    assert "No repository at " in err
    assert str(workdir / name) in err
    code, out, _ = ls(f"{prefix}{workdir / name}", "--json")
    assert json.loads(out)["exit"] == code == 2
    assert snapshot(workdir) == before


def test_url_without_a_repository_is_wrong_usage(ls, tmp_path):
    with serve_folder(tmp_path) as web:
        code, _, err = ls(web.address)
    assert (code, f"No repository at {web.address}" in err) == (2, True)


def test_unknown_suite_is_wrong_usage(ls, two_patches):
    code, _, err = ls(two_patches, "--suite", "v1.99")
    assert (code, "Existing suites: stable, v1.36." in err) == (2, True)


def test_emptied_repository_is_listed(ls, publish, repo):
    publish()
    publisher.remove(["*"], Target(str(repo)), QuietLog())
    listed = document(ls(repo, "--json"))
    assert (listed["generation"], listed["packages"], listed["suites"]) == (2, 0, [])
    assert "No packages." in ls(repo)[1]


def test_repository_of_others_is_listed_from_its_indexes(ls, two_patches, tmp_path):
    ours = document(ls(two_patches, "--json"))
    copy = Path(shutil.copytree(two_patches, tmp_path / "copy", ignore=shutil.ignore_patterns(".kubeparcel")))
    listed = document(ls(copy, "--json"))
    assert listed["suites"] == ours["suites"]
    assert (listed["origin"], listed["label"], listed["packages"]) == ("Example", "Example label", ours["packages"])
    assert not {"address", "generation", "earlier-generations", "keys"} & set(listed)
    part = document(ls(copy / "apt/dists/stable", "--json"))
    assert [(suite["suite"], suite["format"]) for suite in part["suites"]] == [("stable", "deb")]


def test_index_that_is_too_large_is_left_out(ls, published, tmp_path):
    copy = Path(shutil.copytree(published, tmp_path / "copy", ignore=shutil.ignore_patterns(".kubeparcel")))
    release = copy / "apt/dists/stable/Release"
    (copy / "apt/dists/stable/InRelease").unlink()
    release.write_text(re.sub(r"^ ([0-9a-f]{64}) +\d+ ", r" \1 99999999 ", release.read_text(), flags=re.MULTILINE))
    code, out, err = ls(copy, "--json", "--suite", "stable")
    debs, rpms = json.loads(out)["suites"]
    assert (code, debs["architectures"], "packages" in debs, rpms["packages"]) == (0, ["amd64"], False, 5)
    assert "too large" in err


def test_damaged_state_is_reported_and_indexes_are_listed(ls, damaged):
    state = damaged / ".kubeparcel/state.json"
    content = json.loads(state.read_text())
    for value in ("x:1", 7, None):
        content["packages"][0][2] = value
        state.write_text(json.dumps(content))
        code, out, err = ls(damaged, "--json")
        assert (code, json.loads(out)["packages"]) == (0, 10)
        assert "Warning" in err
        assert "state" in err
    state.write_text("{")
    assert "state.json is damaged" in ls(damaged)[2]
    state.write_text(json.dumps({"format": 99, "tool": "9.0"}))
    code, _, err = ls(damaged)
    assert (code, "was written by kubeparcel 9.0" in err) == (2, True)


def test_damaged_index_is_reported(ls, damaged):
    shutil.rmtree(damaged / ".kubeparcel")
    for path in (damaged / "apt/dists/stable/main/binary-amd64").glob("Packages*"):
        path.write_bytes(b"x")
    code, out, err = ls(damaged, "--json", "--suite", "stable")
    assert (code, [suite.get("packages") for suite in json.loads(out)["suites"]]) == (0, [None, 5])
    assert "Details: kubeparcel doctor" in err


def test_text_of_others_cannot_control_the_terminal(ls, damaged):
    shutil.rmtree(damaged / ".kubeparcel")
    for release in damaged.rglob("Release"):
        release.with_name("InRelease").unlink()
        release.write_text(
            release.read_text().replace("Origin: kubeparcel", "Origin: \x1b[31mred\x1b]0;title\x07\u202e\n .")
        )
    out = ls(damaged)[1]
    assert not re.search("[\x1b\x07\u202e]", out)
    assert re.search(r"^  Origin +red<U\+202E> \.$", out, re.MULTILINE)


def test_expired_index_is_reported(ls, damaged):
    release = damaged / "apt/dists/stable/InRelease"
    past = format_datetime(datetime.fromtimestamp(time.time() - 3 * 86400, UTC)).replace("+0000", "UTC")
    release.write_text(re.sub(r"^Valid-Until: .*$", f"Valid-Until: {past}", release.read_text(), flags=re.MULTILINE))
    suite = document(ls(damaged, "--json", "--suite", "stable"))["suites"][0]
    assert suite["days-left"] == -3
    assert re.search(r"^  stable +deb +amd64 +5 +\S+ +expired$", ls(damaged)[1], re.MULTILINE)


def test_repository_without_expiry_has_no_days(ls, publish, repo):
    publish(options={"valid_days": 0})
    assert all("days-left" not in suite for suite in document(ls(repo, "--json"))["suites"])
    assert re.search(r"^  stable +deb +amd64 +5 +no limit$", ls(repo)[1], re.MULTILINE)


def test_flat_repository_with_foreign_packages_is_listed(ls, tmp_path):
    entries = "".join(
        f"Package: kubelet\nVersion: {version}\nArchitecture: {arch}\n"
        f"Filename: {arch}/kubelet.deb\nSize: 1\nSHA256: {'0' * 64}\n\n"
        for version, arch in (("1.36.3-1.1", "amd64"), ("1.36.10-1.1", "s390x"))
    )
    (tmp_path / "Packages").write_text(entries)
    digest = hashlib.sha256(entries.encode()).hexdigest()
    (tmp_path / "Release").write_text(
        f"Origin: obs\nArchitectures: amd64 s390x\nSHA256:\n {digest} {len(entries)} Packages\n"
    )
    (suite,) = document(ls(tmp_path, "--json"))["suites"]
    assert (suite["suite"], suite["packages"], suite["architectures"]) == (".", 2, ["amd64", "s390x"])
    assert [entry["version"] for entry in suite["versions"]] == ["1.36.10-1.1", "1.36.3-1.1"]
