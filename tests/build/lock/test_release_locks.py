"""kubeparcel.lock for several releases: its format, which runs it answers, and how it is updated."""

from __future__ import annotations

import pytest

from kubeparcel.build.lock import lockfile
from kubeparcel.build.lock.releases import lock_releases
from kubeparcel.build.lock.update import update_locks
from kubeparcel.config.releases import load_releases
from kubeparcel.errors import ConfigurationError, UnknownVersion, Unreachable
from tests.build.test_fleet import Fleet
from tests.support.fake_sources import FakeSource, locked

ROWS = 'releases:\n  - kubernetes: "1.35"\n  - kubernetes: "1.36"\n'


def titles(kubernetes: str, log, **options) -> list[str]:
    return [release.title for release in lock_releases(load_releases({"kubernetes": kubernetes}), log, **options)]


def test_lock_of_several_releases_is_read_as_it_was_written(tmp_path):
    locks = (locked("1.35.4", "1.35.0"), locked())
    lockfile.write_all(locks, tmp_path / lockfile.NAME)
    assert lockfile.read_all(tmp_path / lockfile.NAME) == locks
    assert "format: 2\nreleases:\n- request:\n    kubernetes: 1.35.4\n" in (tmp_path / lockfile.NAME).read_text()


def test_one_release_keeps_its_format_and_bytes(tmp_path):
    lockfile.write_all([locked()], tmp_path / lockfile.NAME)
    assert (tmp_path / lockfile.NAME).read_text() == lockfile.dump(locked())
    assert "format: 1\nrequest:\n" in lockfile.dump(locked())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("releases:", "releases: []\nothers:", "releases: expected a list of releases"),
        (
            "    kubernetes: 1.36.3\n",
            "    kubernetes: 1.36\n",
            "release 2: kubernetes: expected text in quotes, not 1.36",
        ),
        ("      version: 1.36.3\n", "      release: 1.36.3\n", "release 2: 'version' is missing"),
        ("format: 2", "format: 3", "format 3 needs another version of kubeparcel"),
    ],
)
def test_invalid_release_is_named(tmp_path, old, new, message):
    text = lockfile.dump(locked("1.35.4", "1.35.0"), locked())
    assert old in text
    (tmp_path / lockfile.NAME).write_text(text.replace(old, new))
    with pytest.raises(ConfigurationError, match=message):
        lockfile.read_all(tmp_path / lockfile.NAME)


def test_duplicate_release_is_rejected(tmp_path):
    (tmp_path / lockfile.NAME).write_text(lockfile.dump(locked(), locked()))
    with pytest.raises(ConfigurationError, match="release 2 is there twice"):
        lockfile.read_all(tmp_path / lockfile.NAME)


def test_lock_satisfies_one_of_its_releases_and_without_a_version_all(workdir, fake_sources, log):
    fake_sources(Fleet())
    assert titles("1.34,1.35,1.36", log) == ["1.34.9", "1.35.4", "1.36.3"]
    before = (workdir / lockfile.NAME).read_bytes()
    assert titles("1.35", log, locked=True) == ["1.35.4"]
    assert titles("1.36.3,1.34", log, locked=True) == ["1.36.3", "1.34.9"]
    assert titles("", log, locked=True) == ["1.34.9", "1.35.4", "1.36.3"]
    assert (workdir / lockfile.NAME).read_bytes() == before


def test_lock_of_one_release_grows_and_shrinks(workdir, fake_sources, log):
    fake_sources(Fleet())
    assert titles("1.36", log) == ["1.36.3"]
    single = (workdir / lockfile.NAME).read_bytes()
    with pytest.raises(ConfigurationError, match=r"kubeparcel.lock does not match this request \(locked 1.36.3, req"):
        titles("1.35,1.36", log, locked=True)
    assert titles("1.35,1.36", log) == ["1.35.4", "1.36.3"]
    assert b"format: 2" in (workdir / lockfile.NAME).read_bytes()
    update_locks(load_releases({"kubernetes": "1.36"}), log)
    assert (workdir / lockfile.NAME).read_bytes() == single


def test_selected_row_keeps_the_locks_of_the_others(workdir, fake_sources, log):
    fake_sources(Fleet())
    (workdir / "kubeparcel.yaml").write_text(ROWS)
    titles("", log)
    (workdir / "kubeparcel.yaml").write_text(ROWS.replace('"1.35"', '"1.34"'))
    assert titles("1.34", log) == ["1.34.9"]
    versions = [str(lock.component("kubernetes").version) for lock in lockfile.read_all(workdir / lockfile.NAME)]
    assert versions == ["1.34.9", "1.36.3"]


def test_check_and_refresh_cover_all_releases(workdir, fake_sources, log):
    source = Fleet()
    fake_sources(source)
    titles("1.35,1.36", log)
    assert update_locks(load_releases({}), log, check=True).exit_code(check=True) == 0
    source.versions = {**source.versions, "1.35": "1.35.5", "1.35.5": "1.35.5"}
    updates = update_locks(load_releases({}), log, check=True)
    assert updates.exit_code(check=True) == 1
    assert [update.state for update in updates.updates] == ["is outdated", "is up to date"]
    assert "1.35.5" in updates.as_text()
    assert update_locks(load_releases({}), log, refresh="kubelet").exit_code(check=False) == 0
    with pytest.raises(ConfigurationError, match="has no artifact 'kubelte'"):
        update_locks(load_releases({}), log, refresh="kubelte")


def test_release_that_cannot_be_resolved_keeps_its_lock(workdir, fake_sources, log):
    source = Fleet()
    fake_sources(source)
    titles("1.35,1.36", log)
    before = (workdir / lockfile.NAME).read_bytes()
    source.versions = {name: text for name, text in source.versions.items() if name != "1.35"}
    updates = update_locks(load_releases({}), log)
    assert updates.exit_code(check=False) == UnknownVersion.exit_code
    assert "Kubernetes 1.35 is not published." in updates.as_text()
    assert (workdir / lockfile.NAME).read_bytes() == before


def test_reason_for_compiling_releases_is_printed_once(workdir, fake_sources, log):
    unreachable = Unreachable("dl.k8s.io does not answer (timed out after 5 s).")
    modules = Fleet()
    modules.name = "go"
    fake_sources(FakeSource(down=unreachable), modules)
    assert titles("1.35,1.36", log, dry_run=True) == ["1.35.4", "1.36.3"]
    assert [label for label, _ in log.messages].count("Source") == 1


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            "{kubernetes: '1.36.3'}, {kubernetes: '1.36.3', revision: '2'}",
            ["1.36.3 (revision 1)", "1.36.3 (revision 2)"],
        ),
        (
            "{kubernetes: '1.36.3', arch: [amd64]}, {kubernetes: '1.36.3', arch: [arm64]}, {kubernetes: '1.35'}",
            ["1.36.3 (release 1)", "1.36.3 (release 2)", "1.35.4"],
        ),
    ],
)
def test_releases_of_one_version_are_told_apart(workdir, fake_sources, log, rows, expected):
    fake_sources(Fleet())
    (workdir / "kubeparcel.yaml").write_text(f"releases: [{rows}]\n")
    assert titles("", log) == expected
