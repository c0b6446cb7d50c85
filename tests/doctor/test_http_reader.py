"""Examining a repository by HTTP: faults of servers, and folders that cannot be listed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.doctor.examination import ExaminationRequest, examine_reader
from kubeparcel.doctor.http_reader import HttpReader
from kubeparcel.doctor.report import DoctorReport
from kubeparcel.errors import DownloadError, Unreachable, UsageError
from kubeparcel.sources.http.retry import RetryPolicy
from tests.support.upstream_site import (
    Fault,
    Handler,
    UpstreamSite,
    other_content,
    redirect,
    reset,
    serve_site,
    stalled,
    status,
    truncated,
)

FAST_RETRIES = RetryPolicy(connect_timeout=30, read_timeout=30, attempts=2, backoff=0.01, max_retry_after=0.1)
"""Retries at once; the timeouts allow for slow machines."""

RELEASE = "/apt/dists/stable/InRelease"
INDEX = "/apt/dists/stable/main/binary-amd64/Packages.gz"
DEB = "/apt/pool/main/k/kubelet/kubelet_1.36.3-1_amd64.deb"


@pytest.fixture
def site(published: Path) -> Iterator[UpstreamSite]:
    """A server with the repository's files, without folder listings."""
    with serve_site() as server:
        for path in published.rglob("*"):
            if path.is_file() and path.suffix != ".html":
                server.files[f"/{path.relative_to(published)}"] = path.read_bytes()
        yield server


@pytest.fixture
def examine_site(site: UpstreamSite) -> Callable[..., DoctorReport]:
    """Return a function that examines the suites of the site, or those at one of its paths."""

    def examine(
        path: str = "", *suites: str, retries: RetryPolicy = FAST_RETRIES, follow: Sequence[str] = (), **options: bool
    ) -> DoctorReport:
        reader = HttpReader(f"{site.url}/{path}", retries, frozenset(follow))
        return examine_reader(reader, ExaminationRequest(reader.location, **options), QuietLog(), suites)

    return examine


def add_folder_listings(site: UpstreamSite) -> None:
    """Add an HTML page for every folder, as servers generate them."""
    folders: dict[str, set[str]] = {}
    for path in list(site.files):
        parts = path.split("/")[1:]
        for at in range(len(parts)):
            name = parts[at] + ("/" if at < len(parts) - 1 else "")
            folders.setdefault("/" + "".join(f"{p}/" for p in parts[:at]), set()).add(name)
    for folder, names in folders.items():
        links = "".join(f'<a href="{name.replace("+", "%2B")}">x</a>' for name in sorted(names))
        site.files[folder] = f'<html><a href="../">up</a>{links}'.encode()


def test_suites_are_taken_from_the_state_file_without_folder_listings(examine_site):
    report = examine_site()
    assert report.failed_checks == {}
    assert {"apt v1.36", "yum v1.36"} <= {subject.name for subject in report.subjects}
    (orphans,) = (check for check in report.report.checks if check.name == "orphans")
    assert orphans.not_run == "the server does not list folders"


def test_usual_suite_names_are_probed_without_state_file_and_listings(site, examine_site):
    del site.files["/.kubeparcel/state.json"]
    subjects = {subject.name for subject in examine_site().subjects}
    assert "apt stable" in subjects
    assert "apt v1.36" not in subjects
    assert {"apt v1.36", "yum v1.36"} <= {subject.name for subject in examine_site("", "v1.36").subjects}


def test_folder_listings_are_searched_for_suites_and_orphans(site, examine_site):
    del site.files["/.kubeparcel/state.json"]
    site.files["/apt/pool/main/x/stray_1_amd64.deb"] = b""
    add_folder_listings(site)
    report = examine_site()
    assert {"apt v1.36", "yum v1.36"} <= {subject.name for subject in report.subjects}
    assert report.failed_checks == {"files": {"orphans"}}


def test_quick_requests_no_package_file(site, examine_site):
    assert examine_site(quick=True).failed_checks == {}
    assert not site.requests_for(".deb")
    assert not site.requests_for(".rpm")


def test_package_in_several_suites_is_read_once(site, examine_site):
    examine_site()
    assert len(site.requests_for(DEB)) == 1


@pytest.mark.parametrize("fault", [truncated(100), reset(100), status(503), status(429)])
def test_transient_server_error_is_retried(site, examine_site, fault):
    site.faults[DEB] = [fault]
    site.faults[INDEX] = [fault]
    assert examine_site().failed_checks == {}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (truncated(100), "in the middle of the file"),
        (status(500), "answered 500"),
        (status(404), "file not found"),
        (status(403), "file not found"),
        (other_content(b"<html>"), "6 bytes"),
    ],
)
def test_package_that_cannot_be_downloaded_is_a_finding(site, examine_site, fault, message):
    site.faults[DEB] = [fault] * 9
    report = examine_site()
    assert report.failed_checks == {"apt stable": {"files"}, "apt v1.36": {"files"}}
    assert message in report.as_text()


def test_examination_ends_if_no_package_can_be_downloaded(site, examine_site):
    for path in site.files:
        if path.endswith((".deb", ".rpm")):
            site.faults[path] = [status(500)] * 9
    with pytest.raises(DownloadError, match="answered 500"):
        examine_site()


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (status(500), DownloadError, "answered 500"),
        (status(401), DownloadError, "authentication required"),
        (status(403), Unreachable, "denied"),
        (status(404), UsageError, "No repository"),
        (other_content(b"<html><a href='x/'>"), UsageError, "No repository"),
        (truncated(10), DownloadError, "in the middle of the file"),
    ],
)
def test_server_without_a_readable_repository_is_an_error(site, examine_site, fault, error, message):
    class Always(dict[str, list[Fault]]):
        def __missing__(self, _: str) -> list[Fault]:
            return [fault]

    site.faults = Always()
    with pytest.raises(error, match=message):
        examine_site()


def test_stalled_server_times_out(site, examine_site):
    never = threading.Event()
    site.faults[INDEX] = [stalled(50, never)] * 9
    try:
        with pytest.raises(DownloadError, match="in the middle of the file"):
            examine_site(retries=replace(FAST_RETRIES, read_timeout=1))
    finally:
        never.set()


def test_truncated_index_is_a_finding(site, examine_site):
    site.files[INDEX] = site.files[INDEX][:100]
    assert examine_site().failed_checks == {"apt stable": {"indexes"}}


@pytest.mark.parametrize("path", [RELEASE, INDEX, DEB])
def test_other_hosts_are_asked_only_if_they_are_named(site, examine_site, path):
    with serve_site("127.0.0.2") as other:
        other.files["/latest/meta-data"] = site.files[path]
        site.faults[path] = [redirect(f"{other.url}/latest/meta-data")] * 30
        try:
            text = examine_site().as_text()
        except DownloadError as error:
            text = str(error)
        assert "redirects to another host, 127.0.0.2" in text
        assert "--follow 127.0.0.2" in text
        assert not other.requests
        assert not examine_site(follow=["127.0.0.2"]).failed_checks
        assert other.requests


def test_listings_do_not_decide_how_many_requests_are_made(site, examine_site):
    """Keys, folders and repositories that a page lists, every one of which lists as many again."""

    class Endless(dict[str, bytes]):
        def get(self, path: str, default: bytes | None = None) -> bytes | None:
            links = (f"<a href='{kind}{number}{end}'>" for number in range(200) for kind, end in kinds)
            return site_files.get(path, "".join(links).encode() if path.endswith("/") else default)

    kinds = (("key", ".gpg"), ("folder", "/"), ("file", ".deb"))
    site_files = dict(site.files)
    del site_files["/.kubeparcel/state.json"]
    site.files = Endless(site_files)
    report = examine_site("", "stable")
    assert "apt stable" in {subject.name for subject in report.subjects}
    assert len(site.requests) < 400
    site.requests.clear()
    assert "the server lists too many folders" in examine_site().as_text()
    assert len(site.requests) < 600


def test_file_longer_than_listed_is_not_read_to_its_end(site, examine_site):
    sent = 0

    def endless(handler: Handler, _: bytes) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        with suppress(OSError):
            while True:
                sent += handler.wfile.write(bytes(1_000_000))

    site.faults[DEB] = [endless]
    site.faults[INDEX] = [endless]
    report = examine_site()
    assert report.failed_checks.keys() >= {"apt stable"}
    assert "more than" in report.as_text()
    assert sent < 50_000_000


def test_paths_are_quoted_as_apt_quotes_them(site):
    site.files["/core:/stable/a%2Bb~rc.deb"] = b"x"
    assert HttpReader(site.url, FAST_RETRIES).read("core:/stable/a+b~rc.deb") == b"x"


def test_read_with_limit_returns_the_start_of_a_file(site):
    assert HttpReader(site.url, FAST_RETRIES).read(RELEASE[1:], 5) == b"-----"
