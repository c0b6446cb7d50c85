"""The task diff: what it compares, its reports and exit codes."""

import re

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from tests.diff.conftest import Entry, brief, write_deb
from tests.support.package_builders import five
from tests.support.web_server import serve_folder


def test_folder_is_compared_with_the_newest_packages_of_a_repository(diff, tmp_path, key):
    target = Target(str(tmp_path / "repo"))
    for version in ("1.36.1", "1.36.2"):
        publisher.publish(five(tmp_path / version, version), target, QuietLog(), skip_layout_check=True)
    with serve_folder(tmp_path / "repo") as server:
        code, document = diff(server.address, five(tmp_path / "dist", "1.36.2"))
        assert (code, document["changes"]) == (0, [])
        assert document["pairs"] == 10
        code, document = diff(server.address, five(tmp_path / "later", "1.36.3"))
    assert code == 1
    assert {change[3:] for change in brief(document)} == {("1.36.2-1", "1.36.3-1")}


def test_two_releases_are_named_by_their_versions(diff, workdir):
    for version in ("1.36.1", "1.36.3"):
        five(workdir / "dist" / version, version)
    for words in (("1.36.1", "v1.36.3"), ("=1.36.1-1", "=1.36.3-1")):
        code, document = diff(*words)
        assert code == 1
        assert {change[3:] for change in brief(document)} == {("1.36.1-1", "1.36.3-1")}
    code, document = diff("kubelet=1.36.1-1", "kubelet=1.36.3-1", "--in", workdir / "dist")
    assert (code, document["pairs"]) == (1, 2)


def test_patched_releases_are_named_by_their_versions(diff, workdir):
    for version in ("1.36.3", "1.36.3+acme.1"):
        five(workdir / "dist", version)
    _, document = diff("1.36.3", "1.36.3+acme.1")
    assert {change[3:] for change in brief(document)} == {("1.36.3-1", "1.36.3+acme.1-1")}


def test_unknown_names_are_errors_with_exit_code_2(run_diff, workdir):
    five(workdir / "dist")
    for words in (("1.35.9", "1.36.3"), ("./missing", "dist"), ("dist", "kubelte"), ("ftp://x/y", "dist")):
        code, out, err = run_diff(*words)
        assert (code, out) == (2, ""), words
        assert any(word.strip("./") in err for word in words if word != "dist")
        assert "Traceback" not in err


def test_damaged_package_is_an_error_that_names_it(run_diff, old, new):
    write_deb(old)
    path = write_deb(new)
    path.write_bytes(path.read_bytes()[:-700])
    code, _, err = run_diff(old, new)
    assert code == 1
    assert str(path) in err


def test_text_fits_80_columns(run_diff, tmp_path):
    code, out, _ = run_diff(five(tmp_path / "a", "1.36.1"), five(tmp_path / "b", "1.36.3"))
    assert code == 1
    assert [line for line in out.splitlines() if len(line) > 80 and str(tmp_path) not in line] == []
    assert "1.36.1-1 → 1.36.3-1 (kubeadm, kubectl, kubelet)" in out


def test_page_has_the_differences_and_escapes_them(run_diff, old, new, tmp_path):
    write_deb(old, postinst="#!/bin/sh\n")
    write_deb(new, {"/etc/<script>alert(1)</script>": Entry("x\n")}, postinst="#!/bin/sh\necho '<b>'\n")
    assert run_diff(old, new, "--html", tmp_path / "out/diff.html")[0] == 1
    page = (tmp_path / "out/diff.html").read_text()
    assert "+echo &#39;&lt;b&gt;&#39;" in page
    assert "<script>" not in page
    assert re.search(r'<section id="scripts">.*<section id="files">', page, re.DOTALL)


def test_page_that_cannot_be_written_is_an_error_before_anything_is_read(run_diff, old):
    code, out, err = run_diff(old, old, "--html", old.parent)
    assert (code, out) == (2, "")
    assert "--html" in err
    assert "No packages" not in err


def test_packages_with_the_same_digest_are_not_read(diff, old, new, monkeypatch):
    for folder in (old, new):
        write_deb(folder)
    monkeypatch.setattr("kubeparcel.packages.reader.read_package", lambda *_: pytest.fail("was read"))
    assert diff(old, new)[0] == 0
