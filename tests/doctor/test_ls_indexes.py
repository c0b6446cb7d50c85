"""The task ls reads indexes where a repository has no state: those of others, damaged, expired and hostile ones."""

import hashlib
import json
import re
import shutil
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from tests.support.task_runs import failure


def test_repository_of_others_is_listed_from_its_indexes(ls_json, two_patches, tmp_path):
    ours = ls_json(two_patches)
    copy = Path(shutil.copytree(two_patches, tmp_path / "copy", ignore=shutil.ignore_patterns(".kubeparcel")))
    listed = ls_json(copy)
    assert listed["suites"] == ours["suites"]
    assert (listed["origin"], listed["label"], listed["packages"]) == ("Example", "Example label", ours["packages"])
    assert not {"address", "generation", "earlier-generations", "keys"} & set(listed)
    part = ls_json(copy / "apt/dists/stable")
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
    assert "was written by kubeparcel 9.0" in failure(ls, damaged)


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


def test_expired_index_is_reported(ls, ls_json, damaged):
    release = damaged / "apt/dists/stable/InRelease"
    past = format_datetime(datetime.fromtimestamp(time.time() - 3 * 86400, UTC)).replace("+0000", "UTC")
    release.write_text(re.sub(r"^Valid-Until: .*$", f"Valid-Until: {past}", release.read_text(), flags=re.MULTILINE))
    suite = ls_json(damaged, "--suite", "stable")["suites"][0]
    assert suite["days-left"] == -3
    assert re.search(r"^  stable +deb +amd64 +5 +\S+ +expired$", ls(damaged)[1], re.MULTILINE)


def test_repository_without_expiry_has_no_days(ls, ls_json, publish, repo):
    publish(options={"valid_days": 0})
    assert all("days-left" not in suite for suite in ls_json(repo)["suites"])
    assert re.search(r"^  stable +deb +amd64 +5 +no limit$", ls(repo)[1], re.MULTILINE)


def test_flat_repository_with_foreign_packages_is_listed(ls_json, tmp_path):
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
    (suite,) = ls_json(tmp_path)["suites"]
    assert (suite["suite"], suite["packages"], suite["architectures"]) == (".", 2, ["amd64", "s390x"])
    assert [entry["version"] for entry in suite["versions"]] == ["1.36.10-1.1", "1.36.3-1.1"]
