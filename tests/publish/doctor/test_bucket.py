"""A repository in a bucket is examined like one in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel.log import Quiet
from kubeparcel.publish import publisher
from kubeparcel.publish.publisher import Target
from kubeparcel.publish.s3 import Bucket
from tests.publish.test_s3 import bucket, server

from .conftest import Doctor

__all__ = ["bucket", "server"]


def test_a_bucket_is_examined_like_a_folder(
    request: pytest.FixtureRequest, key: Path, dist: Path, doctor: Doctor
) -> None:
    where = request.getfixturevalue("bucket")
    publisher.publish(dist, Target(where), Quiet(), unchecked=True)
    found = doctor(where)
    assert found.failed == {}
    assert sum(len(one.packages) for one in found.examined) == 20
    Bucket.at(where).remove(["apt/pool/main/k/kubelet/kubelet_1.36.3-1_amd64.deb"])
    assert doctor(where).failed == {"apt stable": {"files"}, "apt v1.36": {"files"}}
