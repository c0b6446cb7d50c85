"""Fixtures of the repository tests: a signing key, a repository, buckets."""

from tests.support.repository_fixtures import bucket, configuration, dist, key, publish, repo, server, session_key
