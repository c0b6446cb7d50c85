"""The build tasks: what they print about locks, sources and planned work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kubeparcel.build.lock import lockfile
from kubeparcel.errors import Unreachable
from tests.cli.conftest import Program
from tests.support.fake_sources import FakeModules, FakeSource
from tests.support.one_release import read_lock

UNREACHABLE = Unreachable("dl.k8s.io does not answer.")


@pytest.fixture(autouse=True)
def published(fake_sources) -> None:
    fake_sources()


@pytest.fixture
def lock_from_go(kubeparcel, workdir, fake_sources) -> Path:
    """Return the path of a lock of source go; afterwards upstream can be reached again."""
    fake_sources(FakeSource(down=UNREACHABLE), FakeModules(toolchain="go1.26.8"))
    assert kubeparcel("resolve", "--kubernetes", "1.36")[0] == 0
    fake_sources(FakeSource(), FakeModules(toolchain="go1.26.8"))
    return workdir / lockfile.NAME


def source_of(path: Path) -> str:
    return read_lock(path).source


@pytest.mark.parametrize("origin", ["option", "variable", "file"])
def test_mirror_replaces_a_lock_of_source_go(kubeparcel, workdir, lock_from_go, monkeypatch, origin):
    arguments = ["fetch", "--mirror", "/srv/mirror"] if origin == "option" else ["fetch"]
    if origin == "variable":
        monkeypatch.setenv("KUBEPARCEL_MIRROR", "/srv/mirror")
    if origin == "file":
        (workdir / "kubeparcel.yaml").write_text("mirror: /srv/mirror\n")
    assert kubeparcel(*arguments)[0] == 0
    assert source_of(lock_from_go) == "upstream"


def test_mirror_with_a_locked_source_go_is_an_error(kubeparcel, lock_from_go):
    code, _, err = kubeparcel("build", "--locked", "--mirror", "/srv/mirror")
    assert code == 2
    assert "locked source go, requested a mirror of upstream" in err
    assert source_of(lock_from_go) == "go"


@pytest.mark.parametrize("task", [["resolve"], ["fetch"], ["versions"], ["resolve", "--refresh", "cni"]])
def test_mirror_with_source_go_is_warned_of(kubeparcel, lock_from_go, task):
    source = [] if "--refresh" in task else ["--source", "go"]
    code, _, err = kubeparcel(*task, *source, "--mirror", "/srv/mirror")
    assert code == 0
    assert "The mirror /srv/mirror is not used: source go takes modules from GOPROXY." in err


def test_locked_error_names_what_is_locked_and_requested(kubeparcel, workdir):
    kubeparcel("resolve", "--kubernetes", "1.36")
    before = (workdir / lockfile.NAME).read_text()
    options = ["--kubernetes", "1.35.4", "--arch", "amd64,arm64", "--cni", "1.8.0", "--source", "go"]
    for task in ("build", "fetch"):
        code, out, err = kubeparcel(task, "--locked", *options)
        assert (code, out) == (2, "")
        assert (
            "kubeparcel.lock does not match this request (locked 1.36.3, requested 1.35.4; "
            "cni: locked 1.9.1, requested 1.8.0; locked for amd64, requested amd64, arm64; "
            "locked source upstream, requested go), and --locked prevents updating it."
        ) in err
    assert (workdir / lockfile.NAME).read_text() == before


def test_locked_error_names_the_request_if_the_lock_is_missing(kubeparcel, workdir):
    code, _, err = kubeparcel("build", "--locked", "--kubernetes", "1.36", "--arch", "s390x")
    assert code == 2
    assert "kubeparcel.lock is missing (requested Kubernetes 1.36 for s390x), and --locked prevents creating it." in err


def test_resolve_check_shows_locked_requested_and_available_versions(kubeparcel, workdir, fake_sources):
    kubeparcel("resolve", "--kubernetes", "1.36")
    fake_sources(FakeSource({"1.36": "1.36.4"}, ["cri-tools 1.36.0", "cri-tools 1.36.1"]))
    code, out, _ = kubeparcel("resolve", "--check")
    assert code == 1
    assert [line.split() for line in out.splitlines()] == [
        ["kubeparcel.lock", "is", "outdated:"],
        ["Requested", "Locked", "Available"],
        ["Kubernetes", "1.36", "1.36.3", "1.36.4"],
        ["cri-tools", "default", "1.36.0", "1.36.1"],
        ["CNI", "plugins", "default", "1.9.1", "1.9.1"],
        ["Architectures", "amd64", "amd64", "amd64"],
        ["Source", "auto", "upstream", "upstream"],
    ]
    document = json.loads(kubeparcel("resolve", "--check", "--json")[1])
    requested = {"kubernetes": "1.36", "cri-tools": "", "cni": ""}
    locked = {"kubernetes": "1.36.3", "cri-tools": "1.36.0", "cni": "1.9.1"}
    assert document["requested"] == {**requested, "arches": ["amd64"], "source": "auto"}
    assert document["locked"] == {**locked, "arches": ["amd64"], "source": "upstream"}
    assert document["versions"] == {"kubernetes": "1.36.4", "cri-tools": "1.36.1", "cni": "1.9.1"}


def test_resolve_check_of_a_current_lock_shows_what_is_locked(kubeparcel, workdir):
    kubeparcel("resolve", "--kubernetes", "1.36")
    code, out, _ = kubeparcel("resolve", "--check")
    assert code == 0
    assert out.startswith("kubeparcel.lock is up to date:\n")
    assert "1.36.3" in out


def test_resolve_check_fits_80_columns_and_writes_nothing(kubeparcel, workdir):
    kubeparcel("resolve", "--kubernetes", "1.36")
    path = workdir / lockfile.NAME
    digest = path.read_text().partition("digest: sha256:")[2][:64]
    path.write_text(path.read_text().replace(digest, "0" * 64))
    text = path.read_text()
    for options in ([], ["--arch", "amd64,arm64,ppc64le,s390x"]):
        code, out, _ = kubeparcel("resolve", "--check", *options)
        assert code == 1
        assert f"kubeadm amd64: sha256:000000000000… → sha256:{digest[:12]}…" in out
        assert max(map(len, out.splitlines())) <= 80
    assert path.read_text() == text


def dry_run(kubeparcel: Program, *options: str) -> tuple[list[tuple[str, int | None]], list[str]]:
    """Return the actions and sizes of artifacts and the actions of packages."""
    code, out, _ = kubeparcel("build", "--dry-run", "--json", "--format", "deb", *options)
    assert code == 0
    document = json.loads(out)
    artifacts = [(entry["action"], entry["size"]) for entry in document["artifacts"]]
    return artifacts, [entry["action"] for entry in document["packages"]]


def test_dry_run_distinguishes_download_cached_build_and_up_to_date(kubeparcel, workdir):
    assert dry_run(kubeparcel) == ([("download", 50_000_000)] * 5, ["build"] * 5)
    kubeparcel("fetch")
    assert dry_run(kubeparcel) == ([("cached", None)] * 5, ["build"] * 5)
    assert kubeparcel("build", "--format", "deb")[0] == 0
    assert dry_run(kubeparcel) == ([("cached", None)] * 5, ["up to date"] * 5)
    next((workdir / "dist/deb").glob("kubelet_*")).write_text("damaged")
    assert sorted(dry_run(kubeparcel)[1]) == ["cached", *["up to date"] * 4]
    assert set(dry_run(kubeparcel, "--out", "other")[1]) == {"cached"}
    assert set(dry_run(kubeparcel, "--revision", "2")[1]) == {"build"}
    assert dry_run(kubeparcel, "--arch", "arm64") == ([("download", 50_000_000)] * 5, ["build"] * 5)


def test_dry_run_of_source_go_lists_what_is_compiled(kubeparcel, workdir):
    assert dry_run(kubeparcel, "--source", "go")[0] == [("compile", None)] * 5


def test_dry_run_writes_nothing(kubeparcel, workdir, tmp_path):
    dry_run(kubeparcel)
    assert not list(workdir.iterdir())
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    kubeparcel("build", "--format", "deb")
    before = sorted(tmp_path.rglob("*"))
    dry_run(kubeparcel, "--revision", "2")
    assert sorted(tmp_path.rglob("*")) == before


def test_dry_run_without_a_network_warns_that_sizes_are_unknown(kubeparcel, workdir, fake_sources):
    kubeparcel("resolve")
    fake_sources(FakeSource(down=UNREACHABLE))
    code, out, err = kubeparcel("build", "--dry-run")
    assert code == 0
    assert "The sizes of downloads are unknown: dl.k8s.io does not answer." in err
    assert "download" in out


def test_dry_run_prints_tables_and_a_summary_of_80_columns(kubeparcel, workdir):
    out = kubeparcel("build", "--dry-run", "--format", "deb")[1]
    rows = [line.split() for line in out.splitlines()]
    assert ["kubelet", "amd64", "download", "50.0", "MB", "kubernetes.example"] in rows
    assert ["dist/deb/kubelet_1.36.3-1_amd64.deb", "build"] in rows
    assert out.splitlines()[-1] == (
        "Would download 5 files (250.0 MB), build 5 packages, write 5 files to the output folder"
    )
    assert max(map(len, out.splitlines()[:-1])) <= 80
    kubeparcel("build", "--format", "deb")
    out = kubeparcel("build", "--dry-run", "--format", "deb")[1]
    assert out.splitlines()[-1] == "Would do nothing: everything is up to date"
