"""Pages that an administrator put into a repository are kept and reported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kubeparcel.repository import publisher
from kubeparcel.repository.directory_listing import GENERATOR
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.storage import factory
from tests.support.package_builders import five
from tests.support.recording_log import RecordingLog

OWN_PAGE = b"<!doctype html>\n<title>Packages of acme</title>\n"
PLACES = (
    "index.html",
    "apt/pool/main/k/kubelet/index.html",
    "apt/dists/stable/index.html",
    "yum/stable/repodata/index.html",
)


def check_pages(location: str, dist: Path, newer: Path) -> None:
    """Publish, replace our pages by those of an administrator, change the repository twice."""
    target, log = Target(location), RecordingLog()
    publisher.publish(dist, target, log, skip_layout_check=True)
    storage = factory.open_storage(location)
    assert all(GENERATOR.encode() in (storage.read(place) or b"") for place in PLACES)
    assert "Keep" not in str(log.messages)
    storage.write(dict.fromkeys(PLACES, OWN_PAGE))
    publisher.publish(newer, target, log, skip_layout_check=True)
    publisher.remove(["kubelet"], target, log)
    assert {place: storage.read(place) for place in PLACES} == dict.fromkeys(PLACES, OWN_PAGE)
    for place in PLACES:
        assert re.search(rf"{place}.*: not written by kubeparcel", "\n".join(map(str, log.messages)))
    assert GENERATOR.encode() in (storage.read("apt/dists/v1.36/index.html") or b"")


def test_own_pages_in_a_folder_stay(key, dist, repo, tmp_path):
    check_pages(str(repo), dist, five(tmp_path / "newer", "1.36.4"))


def test_own_pages_in_a_bucket_stay(key, dist, bucket, tmp_path):
    check_pages(bucket, dist, five(tmp_path / "newer", "1.36.4"))


@pytest.mark.parametrize("place", ["index.html", "apt/dists/stable/index.html"])
def test_pages_of_earlier_versions_are_recognized_as_ours(publish, repo, tmp_path, place):
    publish()
    page = repo / place
    page.write_text(page.read_text().replace(GENERATOR, ""))
    publish(five(tmp_path / "newer", "1.36.4"))
    assert GENERATOR in page.read_text()
