"""A folder that was published before: what is new in it is looked at, with the same outcome."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kubeparcel import paths
from kubeparcel.console import QuietLog
from kubeparcel.errors import UsageError
from kubeparcel.model import Format
from kubeparcel.repository import publisher, suites
from kubeparcel.repository.candidates import changes, read, scan
from kubeparcel.repository.model import Package
from kubeparcel.repository.package_cache import FileStamp, LastPublish
from kubeparcel.repository.publisher import Target
from tests.support import client_view
from tests.support.package_builders import deb, five
from tests.support.repository_fixtures import Publish

Step = Callable[[Path], object]


def names(repo: Path) -> dict[str, set[str]]:
    """The packages of each suite; rpms are signed anew each time, so that their digests differ."""
    return {suite: set(held) for suite, held in client_view.read_repository(repo).items()}


def newer_minor(dist: Path) -> None:
    five(dist, "1.37.1")


def newer_patch(dist: Path) -> None:
    five(dist, "1.36.4")


def early(dist: Path) -> None:
    five(dist, "1.37.0-rc.1")


def companion(dist: Path) -> None:
    deb(dist, "cri-tools", "1.36.1-1")


def own(dist: Path) -> None:
    deb(dist, "site-tools", "3-1")


def other_time(dist: Path) -> None:
    os.utime(next(dist.glob("kubelet*.deb")), (1, 1))


def one_gone(dist: Path) -> None:
    next(dist.glob("kubectl*.deb")).unlink()
    own(dist)


@pytest.mark.parametrize(
    "step", [newer_minor, newer_patch, early, companion, own, other_time, one_gone]
)
def test_what_is_added_to_a_folder_is_published_as_if_all_were_looked_at(
    publish: Publish, repo: Path, dist: Path, tmp_path: Path, step: Step
) -> None:
    publish()
    shutil.copytree(repo, tmp_path / "other", symlinks=True)
    step(dist)
    publish()
    shutil.rmtree(paths.cache_dir())
    other = Target(str(tmp_path / "other"))
    publisher.publish(dist, other, QuietLog(), skip_layout_check=True)
    assert names(repo) == names(tmp_path / "other")


def test_only_new_files_are_looked_at(
    publish: Publish, dist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    described = read.read_packages

    def watched(rows: list[FileStamp], *rest: object) -> object:
        looked.append(len(rows))
        return described(rows, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(read, "read_packages", watched)
    publish()
    publish()
    companion(dist)
    publish()
    deb(dist, "kubectl", "1.37.0-1")
    publish()
    assert looked == [10, 1, 1, 12]  # a new minor's suite gets the older companions too


def test_what_was_removed_meanwhile_is_published_again(publish: Publish, repo: Path) -> None:
    publish()
    before = client_view.read_repository(repo)
    publisher.remove(["kubectl"], Target(str(repo)), QuietLog())
    assert client_view.read_repository(repo) != before
    publish()
    assert client_view.read_repository(repo) == before


def test_a_listing_has_packages_of_all_folders_but_those_of_repositories(
    publish: Publish, dist: Path
) -> None:
    for name in ("deep/er", ".hidden"):
        (dist / name).mkdir(parents=True)
        deb(dist / name, "own", "1-1")
    (dist / "notes.txt").write_text("no package")
    publisher.publish(dist, Target(str(dist / "repo")), QuietLog(), skip_layout_check=True)
    found = changes.files(scan.listing(dist))
    assert len(found) == 11
    assert {Path(seen.path).parent for seen in found} == {dist, dist / "deep" / "er"}
    for seen in found:
        facts = Path(seen.path).stat()
        assert (seen.size, seen.mtime_ns) == (facts.st_size, facts.st_mtime_ns)


def test_a_folder_without_packages_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, said in ((tmp_path, "no packages"), (tmp_path / "x", "no folder")):
        with pytest.raises(UsageError, match=said):
            scan.listing(place)
    with pytest.raises(UsageError, match="not a folder"):
        scan.listing(tmp_path / "file")


def test_a_name_that_no_index_can_have_is_an_error(tmp_path: Path) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/a\xff.deb")).touch()
    with pytest.raises(UsageError, match=r"a\\udcff.deb' is no UTF-8"):
        scan.listing(tmp_path)


def test_without_a_folder_no_key_is_made(configuration: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder"):
        publisher.publish(tmp_path / "x", Target(str(tmp_path / "repo")), QuietLog())
    assert not configuration.exists()


def test_rows_are_told_apart_whatever_a_path_has(tmp_path: Path) -> None:
    names = ["a b.deb", "a\nb.deb", "ü.rpm"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    rows = scan.listing(tmp_path)
    assert [Path(seen.path).name for seen in changes.files(rows)] == sorted(names)
    last = LastPublish(1, frozenset(), rows)
    assert changes.fresh(rows, last) == []
    (tmp_path / "c.deb").write_bytes(b"xyz")
    assert changes.fresh(scan.listing(tmp_path), last) == [
        FileStamp(str(tmp_path / "c.deb"), 3, (tmp_path / "c.deb").stat().st_mtime_ns, "")
    ]
    (tmp_path / names[0]).unlink()
    assert changes.fresh(scan.listing(tmp_path), last) is None


def test_a_companion_goes_where_those_are_that_it_came_with() -> None:
    def package(name: str, version: str) -> Package:
        return Package(Format.DEB, name, version, "amd64", name + version, 1, "", "", "")

    tools, leader = package("cri-tools", "1.36.0-1"), package("kubelet", "1.36.3-1")
    before = {"stable": frozenset({leader}), "v1.36": frozenset({leader}), "v1.40": frozenset()}
    beside = suites.add(before, [tools], home_suites_of_rest=suites.home_suites([leader]))
    assert beside == suites.add(before, [tools, leader])
    assert tools not in beside["v1.40"]
    assert tools in suites.add(before, [tools])["v1.40"]
