"""Pages that an administrator put into a repository are kept and reported."""

import re
from pathlib import Path

import pytest

from kubeparcel.repository import publisher
from kubeparcel.repository.directory_listing import GENERATOR
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.storage import factory
from tests.support.recording_log import RecordingLog
from tests.support.repository_fixtures import publish_folder

OWN_PAGE = b"<!doctype html>\n<title>Packages of acme</title>\n"
PLACES = (
    "index.html",
    "apt/pool/main/k/kubelet/index.html",
    "apt/dists/stable/index.html",
    "yum/stable/repodata/index.html",
)


def check_pages(location: str, dist: Path, newer: Path, log: RecordingLog) -> None:
    """Publish, replace our pages by those of an administrator, change the repository twice."""
    publish_folder(dist, location, log)
    storage = factory.open_storage(location)
    assert all(GENERATOR.encode() in (storage.read(place) or b"") for place in PLACES)
    assert "Keep" not in str(log.messages)
    storage.write(dict.fromkeys(PLACES, OWN_PAGE))
    publish_folder(newer, location, log)
    publisher.remove(["kubelet"], Target(location), log)
    assert {place: storage.read(place) for place in PLACES} == dict.fromkeys(PLACES, OWN_PAGE)
    for place in PLACES:
        assert re.search(rf"{place}.*: not written by kubeparcel", "\n".join(map(str, log.messages)))
    assert GENERATOR.encode() in (storage.read("apt/dists/v1.36/index.html") or b"")


def test_own_pages_in_a_folder_stay(key, dist, newer, repo, log):
    check_pages(str(repo), dist, newer, log)


def test_own_pages_in_a_bucket_stay(key, dist, newer, bucket, log):
    check_pages(bucket, dist, newer, log)


@pytest.mark.parametrize("place", ["index.html", "apt/dists/stable/index.html"])
def test_pages_of_earlier_versions_are_recognized_as_ours(publish, repo, newer, place):
    publish()
    page = repo / place
    page.write_text(page.read_text().replace(GENERATOR, ""))
    publish(newer)
    assert GENERATOR in page.read_text()
