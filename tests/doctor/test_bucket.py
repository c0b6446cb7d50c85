"""A repository in a bucket is examined as one in a folder."""

from __future__ import annotations

from kubeparcel.repository.storage.s3 import S3Storage
from tests.support.repository_fixtures import publish_folder


def test_bucket_is_examined_as_a_folder(bucket, key, dist, doctor):
    publish_folder(dist, bucket)
    report = doctor(bucket)
    assert report.failed_checks == {}
    assert sum(len(subject.packages) for subject in report.subjects) == 20
    S3Storage.from_url(bucket).remove(["apt/pool/main/k/kubelet/kubelet_1.36.3-1_amd64.deb"])
    assert doctor(bucket).failed_checks == {"apt stable": {"files"}, "apt v1.36": {"files"}}
