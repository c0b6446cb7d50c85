"""Upstream is probed before it is used, and errors of mirrors name them."""

import socket

import pytest

from kubeparcel.errors import DownloadError, Unreachable
from kubeparcel.sources.http.retry import RetryPolicy
from tests.support.upstream_site import other_content, status


def test_probe_succeeds_if_upstream_answers(site, upstream):
    site.publish_marker("stable", "v1.36.3")
    upstream.probe()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (status(403), "answered 403 (access denied, possibly by a proxy)"),
        (status(503), "answered 503 (server error)"),
        (status(404), "answered 404"),
    ],
)
def test_probe_reports_the_status_without_retrying(site, upstream, fault, message):
    site.faults["/dl.k8s.io/release/stable.txt"] = [fault] * 3
    with pytest.raises(Unreachable) as caught:
        upstream.probe()
    assert message in caught.value.message
    assert len(site.requests) == 1


def test_probe_reports_a_refused_connection(from_mirror):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{port} refused the connection"):
            from_mirror(f"http://127.0.0.1:{port}").probe()


def test_probe_reports_an_unknown_host(from_mirror):
    with pytest.raises(Unreachable, match=r"mirror\.invalid (cannot be resolved|did not answer)"):
        from_mirror("http://mirror.invalid", RetryPolicy(probe_timeout=0.5)).probe()


def test_probe_times_out_if_there_is_no_answer(from_mirror):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(Unreachable, match=r"did not answer within 0\.5 s"):
            from_mirror(f"http://127.0.0.1:{port}", RetryPolicy(probe_timeout=0.5)).probe()


def test_login_page_is_not_taken_for_a_marker(site, upstream):
    site.faults["/dl.k8s.io/release/stable-1.36.txt"] = [other_content(b"<html>")]
    with pytest.raises(DownloadError, match="not a version"):
        upstream.resolve_kubernetes("1.36")


def test_passwords_of_mirrors_are_never_shown(from_mirror):
    with pytest.raises(Unreachable) as caught:
        from_mirror("http://me:secret@127.0.0.1:9/").probe()
    assert "secret" not in str(caught.value)
