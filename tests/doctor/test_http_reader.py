"""A repository behind http: what servers do wrong is told in a line, by the right exit code."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.doctor.examination import ExaminationRequest, examine_reader
from kubeparcel.doctor.http_reader import HttpReader
from kubeparcel.doctor.report import DoctorReport
from kubeparcel.errors import DownloadError, KubeparcelError, Unreachable, UsageError
from kubeparcel.sources.http.retry import RetryPolicy
from tests.support.upstream_site import (
    Fault,
    UpstreamSite,
    other_content,
    reset,
    serve_site,
    stalled,
    status,
    truncated,
)

HASTY = RetryPolicy(
    connect_timeout=30, read_timeout=30, attempts=2, backoff=0.01, max_retry_after=0.1
)
"""Tries again at once; a slow machine is not taken for a silent server."""

RELEASE = "/apt/dists/stable/InRelease"
INDEX = "/apt/dists/stable/main/binary-amd64/Packages.gz"
DEB = "/apt/pool/main/k/kubelet/kubelet_1.36.3-1_amd64.deb"
Ask = Callable[..., DoctorReport]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def site(published: Path) -> Iterator[UpstreamSite]:
    """A server that has the repository's files, and no pages for its folders."""
    with serve_site() as one:
        for path in published.rglob("*"):
            if path.is_file() and path.suffix != ".html":
                one.files[f"/{path.relative_to(published)}"] = path.read_bytes()
        yield one


@pytest.fixture
def ask(site: UpstreamSite) -> Ask:
    def ask(below: str = "", *suites: str, **more: object) -> DoctorReport:
        source = HttpReader(f"{site.url}/{below}", HASTY)
        wanted = ExaminationRequest(source.location, **more)  # type: ignore[arg-type]
        return examine_reader(source, wanted, QuietLog(), suites)

    return ask


def listing(site: UpstreamSite) -> None:
    """Give every folder a page, as servers make them."""
    folders: dict[str, set[str]] = {}
    for path in list(site.files):
        parts = path.split("/")[1:]
        for at in range(len(parts)):
            name = parts[at] + ("/" if at < len(parts) - 1 else "")
            folders.setdefault("/" + "".join(f"{p}/" for p in parts[:at]), set()).add(name)
    for folder, names in folders.items():
        links = "".join(f'<a href="{name.replace("+", "%2B")}">x</a>' for name in sorted(names))
        site.files[folder] = f'<html><a href="../">up</a>{links}'.encode()


def test_suites_are_known_from_our_own_state_where_nothing_can_be_listed(ask: Ask) -> None:
    found = ask()
    assert found.failed_checks == {}
    assert {"apt v1.36", "yum v1.36"} <= {one.name for one in found.subjects}
    assert "files" not in {one.name for one in found.subjects}


def test_the_usual_suites_are_found_in_the_repository_of_anybody(
    site: UpstreamSite, ask: Ask
) -> None:
    del site.files["/.kubeparcel/state.json"]
    subjects = {one.name for one in ask().subjects}
    assert "apt stable" in subjects
    assert "apt v1.36" not in subjects
    assert {"apt v1.36", "yum v1.36"} <= {one.name for one in ask("", "v1.36").subjects}


def test_folders_that_servers_list_are_looked_through(site: UpstreamSite, ask: Ask) -> None:
    del site.files["/.kubeparcel/state.json"]
    site.files["/apt/pool/main/x/stray_1_amd64.deb"] = b""
    listing(site)
    found = ask()
    assert {"apt v1.36", "yum v1.36"} <= {one.name for one in found.subjects}
    assert found.failed_checks == {"files": {"orphans"}}


def test_quick_asks_for_no_package(site: UpstreamSite, ask: Ask) -> None:
    assert ask(quick=True).failed_checks == {}
    assert not site.requests_for(".deb")
    assert not site.requests_for(".rpm")


def test_a_package_that_suites_share_is_read_once(site: UpstreamSite, ask: Ask) -> None:
    ask()
    assert len(site.requests_for(DEB)) == 1


@pytest.mark.parametrize("fault", [truncated(100), reset(100), status(503), status(429)])
def test_what_passes_on_a_second_try_is_no_fault(
    site: UpstreamSite, ask: Ask, fault: Fault
) -> None:
    site.faults[DEB] = [fault]
    site.faults[INDEX] = [fault]
    assert ask().failed_checks == {}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (truncated(100), "in the middle of the file"),
        (status(500), "answered 500"),
        (status(404), "file not found"),
        (status(403), "file not found"),
        (other_content(b"<html>"), "6 bytes"),
    ],
)
def test_a_package_that_cannot_be_had_is_a_fault_of_the_repository(
    site: UpstreamSite, ask: Ask, fault: Fault, said: str
) -> None:
    site.faults[DEB] = [fault] * 9
    found = ask()
    assert found.failed_checks == {"apt stable": {"files"}, "apt v1.36": {"files"}}
    assert said in found.as_text()


def test_a_server_that_gives_no_package_at_all_ends_the_examination(
    site: UpstreamSite, ask: Ask
) -> None:
    for path in site.files:
        if path.endswith((".deb", ".rpm")):
            site.faults[path] = [status(500)] * 9
    with pytest.raises(DownloadError, match="answered 500"):
        ask()


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (status(500), DownloadError, "answered 500"),
        (status(401), DownloadError, "wants a user and password"),
        (status(403), Unreachable, "denied"),
        (status(404), UsageError, "No apt or yum repository"),
        (other_content(b"<html><a href='x/'>"), UsageError, "No apt or yum repository"),
        (truncated(10), DownloadError, "in the middle of the file"),
    ],
)
def test_a_server_without_a_repository_says_why(
    site: UpstreamSite, ask: Ask, fault: Fault, error: type[KubeparcelError], said: str
) -> None:
    class Always(dict[str, list[Fault]]):
        def __missing__(self, _: str) -> list[Fault]:
            return [fault]

    site.faults = Always()  # type: ignore[assignment]
    with pytest.raises(error, match=said):
        ask()


def test_a_server_that_stalls_is_not_waited_for_long(site: UpstreamSite) -> None:
    ever = threading.Event()
    site.faults[INDEX] = [stalled(50, ever)] * 9
    source = HttpReader(site.url, replace(HASTY, read_timeout=1))
    try:
        with pytest.raises(DownloadError, match="in the middle of the file"):
            examine_reader(source, ExaminationRequest(source.location), QuietLog(), ())
    finally:
        ever.set()


def test_an_index_that_the_server_holds_only_half_is_a_fault(site: UpstreamSite, ask: Ask) -> None:
    site.files[INDEX] = site.files[INDEX][:100]
    assert ask().failed_checks == {"apt stable": {"indexes"}}


def test_names_are_asked_for_as_apt_does(site: UpstreamSite) -> None:
    site.files["/core:/stable/a%2Bb~rc.deb"] = b"x"
    assert HttpReader(site.url, HASTY).read("core:/stable/a+b~rc.deb") == b"x"


def test_a_beginning_is_read_and_no_more(site: UpstreamSite) -> None:
    assert HttpReader(site.url, HASTY).read(RELEASE[1:], 5) == b"-----"
