"""The verbs: choosing a source, resolving, delivering, and working alone in a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.build import pipeline
from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.build.pipeline import lock_output_folder, resolve, select_source, write_output
from kubeparcel.build.planner import plan_packages
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import (
    Busy,
    DigestError,
    DiskError,
    DownloadError,
    ToolError,
    UnknownVersion,
    Unreachable,
)
from kubeparcel.model import Arch, Format, Request
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.store import Store
from tests.conftest import TIMEOUT, FakeModules, FakeSource, RecordingLog

ROOT = Path(__file__).parents[2]
CATALOG = catalog.load()


@pytest.fixture
def sources(monkeypatch) -> Callable[..., None]:
    """Put these sources in the place of the real ones."""

    def use(upstream: FakeSource | None = None, go: FakeSource | None = None) -> None:
        found = {"upstream": upstream or FakeSource(), "go": go or FakeModules()}

        def source(name: str, _: object, mirror: str = "", toolchain: str = "") -> FakeSource:
            found[name].mirror = mirror  # type: ignore[attr-defined]
            return found[name]

        monkeypatch.setattr(pipeline, "create_source", source)

    return use


# --- Which source --------------------------------------------------------------------------------

SILENT = Unreachable("dl.k8s.io does not answer (timed out after 5 s).")


def test_auto_is_upstream_when_it_answers_and_nothing_is_said(sources, log):
    sources(go=FakeModules(down=ToolError("never asked")))
    assert select_source(Request(), CATALOG, log).name == "upstream"
    assert log.messages == []


def test_auto_is_go_when_upstream_does_not_answer_and_says_so_in_plain_words(sources, log):
    sources(upstream=FakeSource(down=SILENT))
    assert select_source(Request(), CATALOG, log).name == "go"
    assert log.messages == [
        (
            "Source",
            (
                "dl.k8s.io does not answer (timed out after 5 s): "
                "building from Go modules instead.\n"
                "The same versions, checked against Go's checksum database. "
                "--source upstream insists on downloads."
            ),
        )
    ]


def test_when_no_source_can_be_used_both_are_named_with_a_way_out(sources, log):
    go = FakeModules(down=ToolError("Go is not installed.", "Install Go."))
    sources(FakeSource(down=SILENT), go)
    with pytest.raises(Unreachable) as caught:
        select_source(Request(), CATALOG, log)
    assert str(caught.value) == (
        "No source can be used.\n"
        "  upstream: dl.k8s.io does not answer (timed out after 5 s).\n"
        "  go: Go is not installed.\n"
        "  Give --mirror (a URL or a directory with a copy of upstream's files), or install Go."
    )


def test_an_answer_that_is_an_error_is_no_reason_to_take_another_source(sources, log):
    sources(upstream=FakeSource(down=DownloadError("dl.k8s.io answered 500.")))
    with pytest.raises(DownloadError, match="500"):
        select_source(Request(), CATALOG, log)


@pytest.mark.parametrize(
    ("asked", "name", "mirror"),
    [
        (Request(source="upstream"), "upstream", ""),
        (Request(source="go"), "go", ""),
        (Request(mirror="/srv/mirror"), "upstream", "/srv/mirror"),
        (Request(source="upstream", mirror="https://m.example"), "upstream", "https://m.example"),
    ],
)
def test_a_source_that_is_named_is_taken_without_asking_whether_it_answers(
    sources, log, asked, name, mirror
):
    sources(FakeSource(down=SILENT), FakeModules(down=SILENT))
    chosen: Any = select_source(asked, CATALOG, log)
    assert (chosen.name, chosen.mirror) == (name, mirror)
    assert log.messages == []


def test_the_real_sources_have_their_names():
    assert pipeline.create_source("upstream", CATALOG).name == "upstream"
    assert pipeline.create_source("go", CATALOG, toolchain="go1.26.8").name == "go"


# --- Which versions ------------------------------------------------------------------------------


def resolved(request: Request, log: RecordingLog) -> dict[str, str]:
    return {c.name: str(c.version) for c in resolve(request, CATALOG, log).components}


def test_a_kubernetes_comes_with_the_newest_cri_tools_of_its_minor_and_its_cni(sources, log):
    sources(FakeSource(out=["cri-tools 1.36.0", "cri-tools 1.36.1", "cri-tools 1.36.2"]))
    assert resolved(Request("1.36"), log) == {
        "kubernetes": "1.36.3",
        "cri-tools": "1.36.2",
        "cni": "1.9.1",
    }


@pytest.mark.parametrize(
    ("out", "taken"),
    [
        (["cri-tools 1.36.0"], "1.36.0"),
        (["cri-tools 1.35.0", "cri-tools 1.35.1", "cri-tools 1.34.0"], "1.35.1"),
        (["cri-tools 1.31.0"], "1.31.0"),
    ],
)
def test_a_minor_whose_cri_tools_is_not_out_gets_the_newest_before_it_with_a_warning(
    sources, log, out, taken
):
    sources(FakeSource({"1.37": "1.37.0-rc.1"}, out))
    lock = resolve(Request("1.37"), CATALOG, log)
    assert str(lock.component("cri-tools").version) == taken
    assert lock.warnings == (f"cri-tools 1.37 is not out: taking {taken}, the newest before it.",)


def test_a_cri_tools_of_the_same_minor_is_no_reason_to_warn(sources, log):
    sources()
    assert resolve(Request("1.36"), CATALOG, log).warnings == ()


def test_when_no_cri_tools_is_out_the_error_says_what_was_tried_and_how_to_name_one(sources, log):
    sources(FakeSource(out=["cri-tools 1.29.0"]))
    with pytest.raises(UnknownVersion) as caught:
        resolve(Request("1.36"), CATALOG, log)
    assert str(caught.value) == (
        "No cri-tools for Kubernetes 1.36.3 is published (1.30 to 1.36 were tried).\n"
        "  Name one: --cri-tools VERSION."
    )
    assert caught.value.exit_code == 2


def test_versions_that_are_named_are_taken(sources, log):
    sources(FakeSource(out=[]))
    assert resolved(Request("1.36", cri_tools="1.30.1", cni="1.8.0"), log) == {
        "kubernetes": "1.36.3",
        "cri-tools": "1.30.1",
        "cni": "1.8.0",
    }


def test_a_kubernetes_that_nobody_published_is_an_error(sources, log):
    sources()
    with pytest.raises(UnknownVersion, match=r"Kubernetes 1\.99 is not published"):
        resolve(Request("1.99"), CATALOG, log)


def test_a_lock_names_the_request_the_source_and_the_compiler(sources, log):
    sources(FakeSource(down=SILENT), FakeModules(toolchain="go1.26.8"))
    lock = resolve(Request("1.36", arches=(Arch.AMD64, Arch.S390X)), CATALOG, log)
    assert lock.request == Request("1.36", arches=(Arch.AMD64, Arch.S390X))
    assert (lock.source, lock.toolchain) == ("go", "go1.26.8")
    assert {artifact.arch for artifact in lock.artifacts} == {Arch.AMD64, Arch.S390X}


def test_where_the_mirror_is_does_not_get_into_the_lock(sources, log):
    sources()
    assert resolve(Request("1.36", mirror="/srv/mirror"), CATALOG, log).request == Request("1.36")


def test_a_release_that_cannot_be_pinned_is_an_error(sources, log):
    class Hidden(FakeSource):
        def pin(self, component, version, arches):
            if component == "cni":
                raise UnknownVersion("CNI plugins 1.9.1 is not published for s390x.")
            return super().pin(component, version, arches)

    sources(Hidden())
    with pytest.raises(UnknownVersion, match="not published for s390x"):
        resolve(Request("1.36"), CATALOG, log)


def test_only_the_asked_architectures_are_fetched_from_the_locks_own_source(sources, log, store):
    go = FakeModules()
    sources(FakeSource(), go)
    lock = resolve(Request("1.36", arches=tuple(Arch), source="go"), CATALOG, log)
    found = pipeline.fetch(lock, [Arch.ARM64], CATALOG, "", store, log)
    assert {artifact.arch for artifact in go.fetched} == {Arch.ARM64}
    assert set(found) == {(name, Arch.ARM64) for name in ("kubernetes", "cri-tools", "cni")}


def test_packages_are_made_from_a_lock(sources, log, here, store):
    sources()
    lock = resolve(Request("1.36"), CATALOG, log)
    binaries = pipeline.fetch(lock, [Arch.AMD64], CATALOG, "", store, log)
    planned = plan_packages(load_settings({"format": "deb", "compression": "fast"}), lock, CATALOG)
    made = pipeline.assemble_packages(planned, lock, binaries, store, log)
    assert [one.package.file_name for one in made] == [
        "deb/kubeadm_1.36.3-1_amd64.deb",
        "deb/kubelet_1.36.3-1_amd64.deb",
        "deb/kubectl_1.36.3-1_amd64.deb",
        "deb/kubernetes-cni_1.9.1-1_amd64.deb",
        "deb/cri-tools_1.36.0-1_amd64.deb",
    ]
    assert all(store.has(one.sha256) for one in made)


# --- Delivery ------------------------------------------------------------------------------------


def made(store: Store, name: str, content: bytes) -> BuiltPackage:
    """A finished package in the store; to deliver it, what is in it plays no part."""
    package = PackageManifest(
        name,
        *("1.0.0", "1", Format.DEB, Arch.AMD64, "amd64", "cni", {}, (), (), {}),
        *("note", 0, "fast", f"deb/{name}_1.0.0-1_amd64.deb"),
    )
    return BuiltPackage(package, store.add_bytes(content), len(content))


def checked(out: Path) -> list[str]:
    """What sha256sum says of the folder."""
    done = subprocess.run(
        ["sha256sum", "-c", "--strict", "SHA256SUMS"],
        cwd=out,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_packages_are_delivered_with_sums_that_sha256sum_confirms(store, tmp_path):
    out = tmp_path / "dist"
    changed = write_output([made(store, "b", b"two"), made(store, "a", b"one")], store, out)
    assert [path.relative_to(out).as_posix() for path in changed] == [
        "deb/b_1.0.0-1_amd64.deb",
        "deb/a_1.0.0-1_amd64.deb",
    ]
    assert checked(out) == ["deb/a_1.0.0-1_amd64.deb: OK", "deb/b_1.0.0-1_amd64.deb: OK"]
    assert (out / "deb/a_1.0.0-1_amd64.deb").read_bytes() == b"one"
    assert oct((out / "deb/a_1.0.0-1_amd64.deb").stat().st_mode) == "0o100644"


def test_what_is_there_already_is_not_touched(store, tmp_path):
    packages = [made(store, "a", b"one")]
    write_output(packages, store, tmp_path)
    files = [tmp_path / "deb/a_1.0.0-1_amd64.deb", tmp_path / "SHA256SUMS"]
    before = [(file.stat().st_ino, file.stat().st_mtime_ns) for file in files]
    assert write_output(packages, store, tmp_path) == ()
    assert [(file.stat().st_ino, file.stat().st_mtime_ns) for file in files] == before


def test_only_what_changed_is_copied(store, tmp_path):
    write_output([made(store, "a", b"one"), made(store, "b", b"two")], store, tmp_path)
    changed = write_output([made(store, "a", b"one"), made(store, "b", b"new")], store, tmp_path)
    assert [path.name for path in changed] == ["b_1.0.0-1_amd64.deb"]
    assert len(checked(tmp_path)) == 2


def test_a_file_of_the_same_size_with_other_bytes_is_replaced(store, tmp_path):
    write_output([made(store, "a", b"one")], store, tmp_path)
    (tmp_path / "deb/a_1.0.0-1_amd64.deb").write_bytes(b"eno")
    assert len(write_output([made(store, "a", b"one")], store, tmp_path)) == 1
    assert checked(tmp_path) == ["deb/a_1.0.0-1_amd64.deb: OK"]


def test_a_changed_file_is_replaced_at_once(store, tmp_path):
    """Whoever reads the old one, such as a web server, reads it to its end."""
    write_output([made(store, "a", b"old")], store, tmp_path)
    with (tmp_path / "deb/a_1.0.0-1_amd64.deb").open("rb") as old:
        write_output([made(store, "a", b"new")], store, tmp_path)
        assert old.read() == b"old"
    assert (tmp_path / "deb/a_1.0.0-1_amd64.deb").read_bytes() == b"new"


def test_packages_of_earlier_builds_keep_their_lines_as_long_as_they_are_there(store, tmp_path):
    write_output([made(store, "a", b"one"), made(store, "b", b"two")], store, tmp_path)
    write_output([made(store, "c", b"three")], store, tmp_path)
    assert [line.partition(":")[0] for line in checked(tmp_path)] == [
        *["deb/a_1.0.0-1_amd64.deb", "deb/b_1.0.0-1_amd64.deb", "deb/c_1.0.0-1_amd64.deb"]
    ]
    (tmp_path / "deb/b_1.0.0-1_amd64.deb").unlink()
    write_output([made(store, "c", b"three")], store, tmp_path)
    assert len(checked(tmp_path)) == 2


def test_sums_that_were_damaged_are_written_anew(store, tmp_path):
    (tmp_path / "SHA256SUMS").write_bytes(b"\xff\xfe no sums\n\n")
    write_output([made(store, "a", b"one")], store, tmp_path)
    assert checked(tmp_path) == ["deb/a_1.0.0-1_amd64.deb: OK"]


def test_a_package_that_was_damaged_in_the_store_is_not_delivered(store, tmp_path):
    package = made(store, "a", b"one")
    store.path(package.sha256).chmod(0o644)
    store.path(package.sha256).write_bytes(b"eno")
    with pytest.raises(DigestError, match=r"deb/a_1\.0\.0-1_amd64\.deb"):
        write_output([package], store, tmp_path / "dist")
    assert not [path for path in (tmp_path / "dist").rglob("*") if path.is_file()]


def test_a_folder_that_cannot_be_written_is_an_error_and_nothing_is_left(store, tmp_path):
    (tmp_path / "dist").write_text("a file")
    with pytest.raises(DiskError, match="A file is in the way of a folder"):
        write_output([made(store, "a", b"one")], store, tmp_path / "dist")
    assert (tmp_path / "dist").read_text() == "a file"


def test_a_copy_that_breaks_off_leaves_nothing_under_the_final_name(store, tmp_path, monkeypatch):
    package = made(store, "a", b"one")

    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"o")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(DiskError, match="The disk is full"):
        write_output([package], store, tmp_path / "dist")
    assert not [path for path in (tmp_path / "dist").rglob("*") if path.is_file()]


# --- Alone in a folder ---------------------------------------------------------------------------

HOLD = """
import sys, time
from pathlib import Path
from kubeparcel.build.pipeline import lock_output_folder
with lock_output_folder(Path(sys.argv[1])):
    print("holding", flush=True)
    time.sleep(300)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that works in the folder `dist`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "dist"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "packaging")},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "holding\n"
        yield process
        process.kill()


def test_who_comes_second_is_told_who_is_there_since_when_and_what_to_do(holder, tmp_path):
    with pytest.raises(Busy) as caught, lock_output_folder(tmp_path / "dist"):
        pass
    assert caught.value.message.startswith(
        f"Another build is using {tmp_path}/dist (process {holder.pid} since "
    )
    assert caught.value.hint == "Wait for it, or choose another --out."
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_folder_is_free_again_when_the_other_process_is_gone(holder, tmp_path, how, capfd):
    holder.send_signal(how)
    holder.wait(TIMEOUT)
    with lock_output_folder(tmp_path / "dist"):
        pass
    assert "Another build" not in capfd.readouterr().err


def test_another_folder_is_free_meanwhile(holder, tmp_path):
    with lock_output_folder(tmp_path / "other"):
        pass


def test_a_folder_is_free_after_the_work_and_after_its_failure(tmp_path):
    with pytest.raises(ValueError, match="oh"), lock_output_folder(tmp_path / "dist"):
        raise ValueError("oh")
    for _ in range(2):
        with lock_output_folder(tmp_path / "dist"):
            assert (tmp_path / "dist").is_dir()
    assert not (tmp_path / "dist/.lock.holder").exists()


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "dist").write_text("")
    with (
        pytest.raises(DiskError, match="A file is in the way of a folder"),
        lock_output_folder(tmp_path / "dist"),
    ):
        pass


def test_the_settings_out_may_be_several_folders_deep(tmp_path):
    with lock_output_folder(tmp_path / "a/b/dist"):
        assert (tmp_path / "a/b/dist").is_dir()
