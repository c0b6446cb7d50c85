"""Lists of mirrors that yum, dnf and apt accept for an address: the first usable mirror is read."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeparcel.errors import DownloadError, Unreachable, UsageError
from tests.doctor.test_optional_parts import failed, yum
from tests.support.web_server import WebServer, serve_folder

METALINK = """<?xml version="1.0"?>
<metalink version="3.0"><files><file name="repomd.xml">
<mm0:alternates><mm0:alternate><verification><hash type="sha256">{digest}</hash></verification></mm0:alternate>
</mm0:alternates><verification><hash type="md5">0</hash><hash type="sha512">00</hash></verification><resources>
<url protocol="rsync" type="rsync">rsync://127.0.0.1/repo/repodata/repomd.xml</url>
<url protocol="http" type="http" location="DE" preference="100">{address}/{first}/repodata/repomd.xml</url>
<url protocol="http" type="http" location="DE" preference="99">{address}/repo/repodata/repomd.xml</url>
</resources></file></files></metalink>
"""
LISTS = {
    "mirrorlist": "# a comment\n\nrsync://127.0.0.1/repo\n{address}/{first}/\n{address}/repo/\nhttp://127.0.0.1:9/other/\n",
    "metalink": METALINK,
    "list of apt": "{address}/{first}/\tpriority:1\n{address}/repo/\tpriority:2\n",
}


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    """A server with the mirror `repo`, and one that is older."""
    yum(tmp_path / "repo")
    shutil.copytree(tmp_path / "repo", tmp_path / "stale")
    with (tmp_path / "stale/repodata/repomd.xml").open("a") as file:
        file.write("<!-- older -->\n")
    with serve_folder(tmp_path) as server:
        yield server


def write_list(folder: Path, kind: str, address: str, first: str) -> str:
    """Write a list with two mirrors, and return its URL."""
    digest = hashlib.sha256((folder / "repo/repodata/repomd.xml").read_bytes()).hexdigest()
    (folder / "mirrors").write_text(LISTS[kind].format(address=address, first=first, digest=digest))
    return f"{address}/mirrors?repo=k8s&arch=x86_64"


@pytest.mark.parametrize(
    ("kind", "first"), [(kind, first) for kind in LISTS for first in ("repo", "missing")] + [("metalink", "stale")]
)
def test_first_usable_mirror_is_examined(tmp_path, web, doctor, kind, first):
    report = doctor(write_list(tmp_path, kind, web.address, first))
    assert failed(report) == set()
    assert report.location == f"{web.address}/repo/"
    assert sum(len(subject.packages) for subject in report.subjects) == 5


def test_list_without_a_query_is_read_with_the_prefix_of_apt(tmp_path, web, doctor):
    location = write_list(tmp_path, "list of apt", web.address, "missing").partition("?")[0]
    assert doctor(f"mirror+{location}").location == f"{web.address}/repo/"


def test_reasons_are_shown_if_no_mirror_can_be_used(tmp_path, web, doctor):
    location = write_list(tmp_path, "metalink", web.address, "stale")
    shutil.rmtree(tmp_path / "repo/repodata")
    with pytest.raises(Unreachable, match=r"No mirror of .*/mirrors.* can be used") as error:
        doctor(location)
    assert f"{web.address}/stale/: its repomd.xml is not the one that the metalink lists." in error.value.hint


def test_mirrors_on_other_hosts_are_not_asked(tmp_path, web, doctor):
    location = write_list(tmp_path, "mirrorlist", "https://mirror.example.com", "first").replace(
        "https://mirror.example.com", web.address
    )
    with pytest.raises(DownloadError, match=r"leads to another host, mirror\.example\.com") as error:
        doctor(location)
    assert error.value.hint == "If you trust it: --follow mirror.example.com"


def test_document_that_lists_no_mirrors_is_a_usage_error(tmp_path, doctor):
    with serve_folder(tmp_path) as server:
        (tmp_path / "page").write_text("<html>no mirrors</html>")
        with pytest.raises(UsageError, match="No repository"):
            doctor(f"{server.address}/page")
        (tmp_path / "itself").write_text(f"{server.address}/itself")
        with pytest.raises(Unreachable, match=r"No mirror of .*/itself can be used"):
            doctor(f"{server.address}/itself")


def test_variable_of_dnf_in_an_address_is_explained(tmp_path, doctor):
    with serve_folder(tmp_path) as server, pytest.raises(UsageError, match=r"\$basearch is a variable of dnf"):
        doctor(f"{server.address}/$basearch")
