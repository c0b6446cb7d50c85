"""The task ls: what a repository contains, whoever published it, without changing it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.repository import publisher
from kubeparcel.repository.publisher import Target
from kubeparcel.repository.storage.factory import open_storage
from tests.doctor.conftest import IDENTITY
from tests.support.package_builders import deb, rpm
from tests.support.repository_fixtures import publish_folder
from tests.support.task_runs import failure
from tests.support.web_server import serve_folder


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of each file and folder."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


def test_json_has_identity_generations_and_keys(ls_json, two_patches):
    listed = ls_json(two_patches)
    assert listed["repository"] == str(two_patches)
    assert {name: listed[name] for name in IDENTITY} == IDENTITY
    assert listed["address"] == "https://packages.example.com/k8s"
    assert (listed["generation"], listed["earlier-generations"]) == (2, [1])
    (key,) = listed["keys"]
    assert re.fullmatch(r"[0-9A-F]{40}", key["fingerprint"])
    assert 1090 <= key["days-left"] <= 1095
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", key["valid-until"])


def test_json_has_suites_by_format_with_architectures_and_expiry(ls_json, two_patches):
    suites = ls_json(two_patches)["suites"]
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


def test_newest_version_of_each_architecture_is_listed_and_all_with_all(ls_json, two_patches):
    def versions(*options: str) -> list[dict[str, Any]]:
        suite = ls_json(two_patches, "--suite", "v1.36", *options)["suites"][0]
        return [entry for entry in suite["versions"] if entry["package"] == "kubelet"]

    newest = {"package": "kubelet", "version": "1.36.4-1", "architectures": ["amd64"]}
    assert versions() == [newest, {"package": "kubelet", "version": "1.36.3-1", "architectures": ["arm64"]}]
    assert versions("--all") == [
        newest,
        {"package": "kubelet", "version": "1.36.3-1", "architectures": ["amd64", "arm64"]},
    ]


def test_versions_are_ordered_as_package_managers_do(ls, ls_json, publish, tmp_path):
    (tmp_path / "tools").mkdir()
    for version in ("1.9-1", "1.10-1", "1.10~rc.1-1"):
        deb(tmp_path / "tools", "tools", version)
        rpm(tmp_path / "tools", "tools", version)
    repository = publish(tmp_path / "tools", suite="tools").repository
    for suite in ls_json(repository, "--all")["suites"]:
        assert [entry["version"] for entry in suite["versions"]] == ["1.10-1", "1.10~rc.1-1", "1.9-1"]
    out = ls(repository)[1]
    assert re.search(r"^  tools +tools +1\.10-1 +deb, rpm +amd64$", out, re.MULTILINE)
    assert "1.9-1" not in out


def test_text_lists_the_same_in_80_columns(ls, ls_json, two_patches):
    code, out, err = ls(two_patches)
    assert (code, err) == (0, "")
    first, *lines = out.splitlines()
    assert first.split() == ["Repository", str(two_patches)]
    assert max(map(len, lines)) <= 80
    for text in (*IDENTITY.values(), "https://packages.example.com/k8s", "2, rollback can restore 1"):
        assert text in out
    listed = ls_json(two_patches)
    assert re.search(rf"^  {listed['keys'][0]['fingerprint']} +\S+ +1,09\d$", out, re.MULTILINE)
    assert re.search(r"^  stable +deb +amd64, arm64 +\d+ +\d{4}-\d\d-\d\d +180$", out, re.MULTILINE)
    assert re.search(r"^  stable +rpm +aarch64, x86_64 +\d+$", out, re.MULTILINE)
    assert re.search(r"^  v1\.36 +kubelet +1\.36\.4-1 +deb, rpm +amd64$", out, re.MULTILINE)


def test_url_and_file_url_list_the_same_as_the_folder(ls_json, two_patches):
    folder = ls_json(two_patches)
    assert ls_json(two_patches.as_uri()) == folder
    with serve_folder(two_patches) as web:
        listed = ls_json(web.address)
    assert {**listed, "repository": folder["repository"]} == folder
    assert listed["repository"].startswith(web.address)


def test_password_in_a_url_is_not_printed(ls, two_patches):
    with serve_folder(two_patches) as web:
        address = web.address.replace("http://", "http://user:secret@")
        assert "secret" not in "".join(map(str, (*ls(address), *ls(address, "--json"), *ls(f"{address}/nothing"))))


def test_bucket_is_listed_as_a_folder(ls, ls_json, bucket, key, dist):
    publish_folder(dist, bucket)
    listed = ls_json(bucket)
    assert (listed["repository"], listed["generation"]) == (bucket, 1)
    assert [suite["packages"] for suite in listed["suites"]] == [5, 5, 5, 5]
    assert f"No repository at {bucket}-other" in failure(ls, f"{bucket}-other")


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
        assert f"No repository at {web.address}" in failure(ls, web.address)


def test_unknown_suite_is_wrong_usage(ls, two_patches):
    assert "Existing suites: stable, v1.36." in failure(ls, two_patches, "--suite", "v1.99")


def test_emptied_repository_is_listed(ls, ls_json, publish, repo):
    publish()
    publisher.remove(["*"], Target(str(repo)), QuietLog())
    listed = ls_json(repo)
    assert (listed["generation"], listed["packages"], listed["suites"]) == (2, 0, [])
    assert "No packages." in ls(repo)[1]
