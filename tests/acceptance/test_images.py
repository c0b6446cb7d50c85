"""Real images: a control plane's from Go modules, and nodes with the packages inside."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kubeparcel.hosts import catalog, systemd_node
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine_cli import select_engine
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.hosts.session import Session
from kubeparcel.images import archive_reader, control_plane
from kubeparcel.images.node_image import NodeImage, ensure_node_image, write_node_archive
from kubeparcel.model import Arch, Version
from kubeparcel.packages.find import find_package_files
from kubeparcel.store import Store, sha256_of
from tests.acceptance.conftest import KUBERNETES, Site
from tests.acceptance.engines import dockerd, registry
from tests.conftest import RecordingLog

HOSTS = ["trixie", "trixie-dnf"]
PAUSE = "registry.k8s.io/pause:3.10.2"
PARTS = ("apiserver", "controller-manager", "scheduler")
BUILT = [
    "registry.k8s.io/etcd:3.6.8-0",
    *(f"registry.k8s.io/kube-{part}:v{KUBERNETES}" for part in PARTS),
    PAUSE,
]


@pytest.fixture(scope="module")
def packages(real: Site, here: Session) -> Callable[[str], PackageSet]:
    """The real packages for a host."""
    sets = load_package_sets(find_package_files([real.folder / "dist"]), here.folder / "packages")
    return lambda name: sets[catalog.load_hosts().get(name).format]


@pytest.fixture(scope="module", params=HOSTS)
def box(request, here: Session, packages: Callable[[str], PackageSet]) -> Iterator[Container]:
    """A machine started from a node's image."""
    host = catalog.load_hosts().get(request.param)
    image = ensure_node_image(here, host, packages(host.name))
    with systemd_node.start_node(here, host, "n1", image=image) as started:
        yield started


# --- Nodes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTS)
def test_a_nodes_image_made_twice_is_the_same_to_the_byte(here, packages, tmp_path, name):
    wanted = NodeImage.for_host(here, catalog.load_hosts().get(name), packages(name))
    digests = set()
    for number in (1, 2):
        target = tmp_path / f"{number}.tar"
        write_node_archive(here, wanted, tmp_path, target)
        digests.add(sha256_of(target))
        target.unlink()
    assert len(digests) == 1


def test_a_node_starts_with_a_kubelet_that_waits_and_a_runtime_that_runs(box):
    units = ("kubelet", "containerd", "kubeparcel-node")
    enabled = box.run("systemctl", "is-enabled", *units).stdout.split()
    assert enabled == ["enabled"] * 3
    states = box.run("systemctl", "is-active", *units, check=False).stdout.split()
    assert states == ["inactive", "active", "active"]
    assert box.run("systemctl", "--failed", "--no-legend").stdout.strip() == ""
    assert box.run("kubelet", "--version").stdout.strip() == f"Kubernetes v{KUBERNETES}"


def test_a_nodes_runtime_is_configured_for_the_packages(box):
    found = json.loads(box.run("crictl", "info").stdout)
    assert found["config"]["cni"]["binDir"] == "/opt/cni/bin"
    assert found["config"]["sandboxImage"] == PAUSE
    unified = box.exists("/sys/fs/cgroup/cgroup.controllers")
    options = found["config"]["containerd"]["runtimes"]["runc"]["options"]
    assert options["SystemdCgroup"] is unified
    assert box.exists("/opt/cni/bin/bridge")


def test_a_node_gives_itself_a_number_of_its_own_and_knows_no_repository(box, here, packages):
    first = box.read_file("/etc/machine-id").strip()
    assert len(first) == 32
    image = ensure_node_image(here, box.host, packages(box.host.name))
    with systemd_node.start_node(here, box.host, "n2", image=image) as other:
        assert other.read_file("/etc/machine-id").strip() not in {"", first}
    assert not box.exists("/var/lib/kubeparcel/repository")
    assert not box.exists("/packages")


def test_the_package_manager_knows_what_is_installed_and_finds_it_unchanged(box):
    ask = {
        "deb": "dpkg --verify kubelet kubeadm kubectl kubernetes-cni cri-tools",
        "rpm": "rpm --verify kubelet kubeadm kubectl kubernetes-cni cri-tools",
    }[box.host.format]
    assert box.run(*ask.split(), timeout=120).stdout == ""


def test_the_control_planes_images_come_into_a_node_and_run_there(box, here):
    wanted = box.run("kubeadm", "config", "images", "list", f"--kubernetes-version={KUBERNETES}")
    file = control_plane.build_archive(
        Version.parse(KUBERNETES), wanted.stdout.split(), here.store, here.log
    )
    assert archive_reader.image_names(file) == BUILT
    box.copy_in(file, "/images.tar")
    box.run("ctr", "--namespace=k8s.io", "images", "import", "/images.tar", timeout=180)
    listed = json.loads(box.run("crictl", "images", "--output=json").stdout)["images"]
    assert set(BUILT) <= {tag for row in listed for tag in row["repoTags"]}
    run = ("ctr", "--namespace=k8s.io", "run", "--rm", "--net-host")
    said = box.run(*run, BUILT[1], "one", "kube-apiserver", "--version", timeout=120)
    assert said.stdout.strip() == f"Kubernetes v{KUBERNETES}"
    said = box.run(*run, BUILT[0], "two", "etcd", "--version", timeout=120)
    assert said.stdout.startswith("etcd Version: 3.6.8\n")


def test_the_task_makes_an_archive_once_and_the_engine_takes_it(real, here):
    first = real.json("image", "--on", "trixie", "--load")
    (row,) = first["images"]
    assert here.engine.has_image(row["image"])
    assert sha256_of(Path(row["archive"])) == row["sha256"]
    assert row["packages"]["kubelet"] == f"{KUBERNETES}-1"
    said = real.run("image", "--on", "trixie")
    assert "Nothing to do" in said.stdout
    damaged = Path(row["archive"])
    damaged.write_bytes(damaged.read_bytes()[:1000])
    again = real.json("image", "--on", "trixie")
    assert again["images"][0] == {**row, "new": True}


def test_the_task_names_packages_that_are_missing(real, tmp_path):
    (kubectl,) = (real.folder / "dist/deb").glob("kubectl_*")
    said = real.run("image", str(kubectl), "--on", "trixie", code=2)
    assert "kubeadm, kubelet, kubernetes-cni, cri-tools are not in" in said.stderr


# --- A control plane -----------------------------------------------------------------------------


def test_a_control_planes_images_are_the_same_to_the_byte_and_made_once(here):
    first = control_plane.build_archive(Version.parse(KUBERNETES), BUILT, here.store, here.log)
    digest, at = first.name, first.stat().st_mtime_ns
    log = RecordingLog()
    again = control_plane.build_archive(Version.parse(KUBERNETES), BUILT[::-1], here.store, log)
    assert (again.name, again.stat().st_mtime_ns, log.tasks) == (digest, at, [])
    first.unlink()
    anew = control_plane.build_archive(Version.parse(KUBERNETES), BUILT, here.store, here.log)
    assert (anew.name, sha256_of(anew)) == (digest, digest)


def test_an_image_comes_from_a_registry_that_has_it(here, tmp_path):
    file = control_plane.build_archive(Version.parse(KUBERNETES), [PAUSE], here.store, here.log)
    with registry(tmp_path) as address:
        mirrored = f"{address}/pause:3.10.2"
        here.engine.load_image(file)
        here.engine.tag(PAUSE, mirrored)
        here.engine.push(mirrored)
        here.engine.remove_image(mirrored)
        here.engine.remove_image(PAUSE)
        log = RecordingLog()
        pulled = control_plane.build_archive(
            Version.parse(KUBERNETES),
            [PAUSE],
            Store(tmp_path / "store"),
            log,
            engine=here.engine,
            locations=ImageLocations(registry=address),
        )
        assert log.tasks == [f"Pull {mirrored}"]
        assert archive_reader.image_names(pulled) == [PAUSE]
        assert not here.engine.has_image(mirrored)


@pytest.mark.parametrize("name", ["podman", "docker"])
def test_either_engine_takes_an_archive_and_what_it_saves_is_read_again(
    here, tmp_path, monkeypatch, name
):
    file = control_plane.build_archive(Version.parse(KUBERNETES), [PAUSE], here.store, here.log)
    with ExitStack() as stack:
        if name == "docker":
            monkeypatch.setenv("DOCKER_HOST", stack.enter_context(dockerd(tmp_path)))
        engine = select_engine(name)
        engine.load_image(file)
        engine.save_images([PAUSE], tmp_path / "saved.tar")
        engine.remove_image(PAUSE)
    (given,) = archive_reader.read_archive(file, Arch.native(), tmp_path)
    (found,) = archive_reader.read_archive(tmp_path / "saved.tar", Arch.native(), tmp_path)
    assert found.names == (PAUSE,)
    assert [one.sha256 for one in found.layers] == [one.sha256 for one in given.layers]


def test_what_a_nodes_runtime_exports_is_read_again(box, here, tmp_path):
    file = control_plane.build_archive(Version.parse(KUBERNETES), [PAUSE], here.store, here.log)
    box.copy_in(file, "/pause.tar")
    ctr = ("ctr", "--namespace=k8s.io", "images")
    box.run(*ctr, "import", "/pause.tar")
    box.run(*ctr, "export", "/exported.tar", PAUSE)
    box.copy_out("/exported.tar", tmp_path / "exported.tar")
    (found,) = archive_reader.read_archive(tmp_path / "exported.tar", Arch.native(), tmp_path)
    (given,) = archive_reader.read_archive(file, Arch.native(), tmp_path)
    assert found.manifest == given.manifest
