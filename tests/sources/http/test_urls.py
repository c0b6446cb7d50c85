"""URLs that users give: invalid ones are reported, and passwords never."""

from __future__ import annotations

import pytest

from kubeparcel import cli
from kubeparcel.errors import ConfigurationError
from kubeparcel.sources.http.urls import check_url, redact_url

INVALID = ("http://[::1/", "https://", "https:///path", "http://host:port/", "http://host:99999/", "file://[::1/")


@pytest.mark.parametrize("url", ["http://[::1]:8080/x", "https://user:p%2Fw@host/x", "file:///srv/mirror"])
def test_valid_url_is_returned(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize("url", INVALID)
def test_url_without_a_valid_host_is_rejected(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no valid host and port"):
        check_url(url)


@pytest.mark.parametrize("password", ["secret", "se/cret", "se#cret", "se?cret", "se@cret", "se:cret"])
def test_password_is_never_shown(password: str) -> None:
    assert redact_url(f"https://user:{password}@host/x") == "https://host/x"


@pytest.mark.parametrize(
    "command",
    [
        "resolve --kubernetes 1.36.3 --source upstream --mirror {}",
        "build --kubernetes 1.36.3 --source upstream --mirror {}",
        "versions --mirror {}",
        "doctor {}",
        "publish --from . --to {}",
    ],
)
@pytest.mark.parametrize(
    "url", [*INVALID[:1], "https://user:se/c?r#et@127.0.0.1:9/x", "ftp://user:secret@host/x", "https://u:secret@[::1/"]
)
def test_tasks_report_a_url_without_its_password(workdir, capsys, command: str, url: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["kubeparcel", *command.format(url).split()])
    output = capsys.readouterr()
    assert ended.value.code == 2
    assert output.err
    for part in ("secret", "user:se", "c?r#et", "u:"):
        assert part not in output.out + output.err
