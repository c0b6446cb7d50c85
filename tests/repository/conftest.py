"""Fixtures of the repository tests: a signing key, a repository, buckets, runs of tasks."""

from tests.repository.task_runs import own, run
from tests.support.repository_fixtures import (
    bucket,
    configuration,
    dist,
    key,
    newer,
    proxy,
    publish,
    repo,
    server,
    session_key,
)
