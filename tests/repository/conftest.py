"""Fixtures of the repository tests: a signing key, a repository, buckets."""

from tests.support.repository_fixtures import (
    bucket,
    configuration,
    dist,
    key,
    made_key,
    publish,
    repo,
    server,
)
