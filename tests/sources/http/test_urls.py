"""URLs that users give: invalid ones are reported, and passwords never."""

import pytest

from kubeparcel.errors import ConfigurationError
from kubeparcel.sanitize import redact_url
from kubeparcel.sources.http.urls import check_url
from tests.support.task_runs import exit_code

INVALID = ("http://[::1/", "https://", "https:///path", "http://host:port/", "http://host:99999/", "file://[::1/")
INVALID += ("http://a b/", "http://h\x1b[2J/", "http://./", "http://..", f"http://{'a' * 300}.example/", "http://h|t/")


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1]:8080/x",
        "http://\u00e4.example.org./",
        "http://a_b",
        "https://user:p%2Fw@host/x",
        "file:///srv/mirror",
    ],
)
def test_valid_url_is_returned(url):
    assert check_url(url) == url


@pytest.mark.parametrize("url", INVALID)
def test_url_without_a_valid_host_is_rejected(url):
    with pytest.raises(ConfigurationError, match="no valid host and port"):
        check_url(url)


@pytest.mark.parametrize("password", ["secret", "se/cret", "se#cret", "se?cret", "se@cret", "se:cret"])
def test_password_is_never_shown(password):
    assert redact_url(f"https://user:{password}@host/x") == "https://host/x"


@pytest.mark.parametrize(
    "command",
    [
        "resolve --kubernetes 1.36.3 --source upstream --mirror {}",
        "build --kubernetes 1.36.3 --source upstream --mirror {}",
        "versions --mirror {}",
        "doctor {}",
        "ls {}",
        "publish --from . --to {}",
    ],
)
@pytest.mark.parametrize(
    "url", [*INVALID[:1], "https://user:se/c?r#et@127.0.0.1:9/x", "ftp://user:secret@host/x", "https://u:secret@[::1/"]
)
def test_tasks_report_a_url_without_its_password(workdir, capsys, command, url):
    assert exit_code(*command.format(url).split()) == 2
    output = capsys.readouterr()
    assert output.err
    for part in ("secret", "user:se", "c?r#et", "u:"):
        assert part not in output.out + output.err


@pytest.mark.parametrize("host", ["http://cdn.example.org/", "a b", "cdn.example.org:x", "[::1", "\x1b[2J"])
def test_hosts_to_follow_are_checked(workdir, capsys, host):
    assert exit_code("ls", "http://127.0.0.1:9/", "--follow", host) == 2
    assert "Invalid --follow" in capsys.readouterr().err


def test_proxy_without_its_library_is_an_error(workdir, capsys, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "socks5://h")
    assert exit_code("ls", "http://example.invalid/") == 3
    assert "example.invalid" in capsys.readouterr().err
