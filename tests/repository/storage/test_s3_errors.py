"""Errors about buckets name the variable to set, and only those of a publish what clients see."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.doctor.examination import ExaminationRequest, examine
from kubeparcel.errors import ConfigurationError, ExternalError
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.storage.factory import open_storage
from kubeparcel.repository.storage.s3 import S3Storage
from tests.support.repository_fixtures import publish_folder

UNPUBLISHED = "Clients still see the previous state"
PARTLY_PUBLISHED = "Some suites may be published already"
KEY_ID, SECRET, ENDPOINT = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"
EXAMPLE = "such as https://s3.example.com"
CLOSED_PORT = "http://127.0.0.1:9"


@pytest.mark.parametrize("url", ["s3://", "s3:///", "s3:///x", "s3:////x/y"])
def test_url_without_a_bucket_is_rejected(url):
    with pytest.raises(ConfigurationError, match="No bucket name in") as error:
        open_storage(url)
    assert url in error.value.message
    assert "s3://BUCKET/PREFIX" in error.value.hint


def test_bucket_name_with_invalid_characters_is_rejected():
    with pytest.raises(ConfigurationError, match="Invalid bucket name 'a bucket'"):
        open_storage("s3://a bucket/x")


@pytest.mark.parametrize(
    ("variables", "message", "hint"),
    [
        ({SECRET: None}, f"{SECRET} is not set.", f"{KEY_ID} and {SECRET}"),
        ({KEY_ID: None}, f"{KEY_ID} is not set.", f"{KEY_ID} and {SECRET}"),
        ({KEY_ID: "", SECRET: ""}, f"{KEY_ID} is empty.", "in CI, check the names of the secrets"),
        ({ENDPOINT: "127.0.0.1:9"}, f"Invalid {ENDPOINT} '127.0.0.1:9'.", EXAMPLE),
        ({ENDPOINT: "nonsense"}, f"Invalid {ENDPOINT} 'nonsense'.", EXAMPLE),
        ({ENDPOINT: None, "AWS_ENDPOINT": "ftp://x"}, "Invalid AWS_ENDPOINT 'ftp://x'.", EXAMPLE),
    ],
)
def test_invalid_environment_is_rejected_before_any_request(bucket, monkeypatch, variables, message, hint):
    set_variables(monkeypatch, variables)
    with pytest.raises(ConfigurationError) as error:
        open_storage(bucket)
    assert error.value.message == message
    assert hint in error.value.hint


def set_variables(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)


def test_missing_credentials_are_named(bucket, key, dist, monkeypatch):
    set_variables(monkeypatch, {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None})
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", CLOSED_PORT)  # no cloud has started this machine
    with pytest.raises(ExternalError, match="no credentials") as error:
        publish_folder(dist, bucket)
    assert "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in error.value.hint
    assert UNPUBLISHED not in error.value.hint


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        (CLOSED_PORT, "cannot connect to http://127.0.0.1:9: connection refused."),
        ("http://nowhere.invalid", "cannot connect to http://nowhere.invalid"),
    ],
)
def test_endpoint_that_cannot_be_reached_is_named(bucket, monkeypatch, endpoint, message):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(ExternalError) as error:
        open_storage(bucket).file_names("")
    assert f"{bucket}: {message}" in error.value.message
    assert "Check AWS_ENDPOINT_URL" in error.value.hint
    assert UNPUBLISHED not in error.value.hint


def test_https_endpoint_of_a_server_without_tls_is_named(bucket, server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.replace("http:", "https:"))
    with pytest.raises(ExternalError, match="no TLS") as error:
        open_storage(bucket).file_names("")
    assert "http://" in error.value.hint


def test_missing_bucket_is_named_by_every_task(bucket, key, dist):
    missing = "s3://nobody-has-this/x"
    for task in (
        lambda: publish_folder(dist, missing),
        lambda: publisher.remove(["*"], Target(missing), QuietLog()),
        lambda: S3Storage.from_url(missing).read("x"),
        lambda: examine(ExaminationRequest(missing), QuietLog()),
    ):
        with pytest.raises(ExternalError, match="the bucket does not exist") as error:
            task()
        assert error.value.message == f"{missing}: the bucket does not exist."
        for name in ("its name", "AWS_ENDPOINT_URL", "AWS_REGION"):
            assert name in error.value.hint
        assert UNPUBLISHED not in error.value.hint


@pytest.mark.parametrize(
    ("status", "code", "message", "hint"),
    [
        (403, "InvalidAccessKeyId", "does not know the access key", "AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "the secret key does not", "AWS_SECRET_ACCESS_KEY"),
        (400, "ExpiredToken", "the session token is invalid", "AWS_SESSION_TOKEN"),
        (400, "AuthorizationHeaderMalformed", "is not in region us-east-1", "Set AWS_REGION"),
        (301, "PermanentRedirect", "is not in region us-east-1", "Set AWS_REGION"),
        (403, "AccessDenied", "access denied", "the bucket's policy"),
        (405, "MethodNotAllowed", "does not answer like an S3 server", "Check AWS_ENDPOINT_URL"),
    ],
)
def test_error_code_of_the_server_leads_to_the_variable(proxy, bucket, status, code, message, hint):
    proxy.always, proxy.code = status, code
    storage = S3Storage.from_url(bucket)
    for request in (lambda: storage.file_names(""), lambda: storage.read("x")):
        with pytest.raises(ExternalError, match=message) as error:
            request()
        assert hint in error.value.hint
        assert UNPUBLISHED not in error.value.hint


def test_only_a_publisher_is_told_what_clients_see(proxy, bucket, key, dist, newer):
    publish_folder(dist, bucket)
    hints = []
    for passed in (0, 10):
        proxy.always, proxy.after = 403, passed
        with pytest.raises(ExternalError, match="access denied") as error:
            publish_folder(newer, bucket)
        hints.append(error.value.hint)
        proxy.always = 0
    assert UNPUBLISHED not in hints[0], "nothing was being published yet"
    assert UNPUBLISHED in hints[1]
    proxy.always = 403
    with pytest.raises(ExternalError) as error:
        examine(ExaminationRequest(bucket), QuietLog())
    assert UNPUBLISHED not in error.value.hint


def test_failure_while_suites_change_does_not_claim_the_previous_state(proxy, bucket, key, dist, newer, monkeypatch):
    publish_folder(dist, bucket)
    put = S3Storage.put

    def fail_at_release(self: S3Storage, path: str, *args: object, **options: object) -> object:
        proxy.always = 403 if path.endswith("yum/stable/repodata/repomd.xml") else 0
        return put(self, path, *args, **options)

    monkeypatch.setattr(S3Storage, "put", fail_at_release)
    with pytest.raises(ExternalError, match="access denied") as error:
        publish_folder(newer, bucket)
    assert PARTLY_PUBLISHED in error.value.hint
    assert UNPUBLISHED not in error.value.hint
