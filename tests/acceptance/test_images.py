"""Real images: of a control plane from Go modules, and of nodes with the packages installed."""

from __future__ import annotations

import configparser
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from kubeparcel import process
from kubeparcel.files import sha256_of
from kubeparcel.hosts import catalog, systemd_node
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine_cli import select_engine
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.hosts.package_managers import MANAGERS
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.hosts.session import Session
from kubeparcel.images import control_plane
from kubeparcel.images.archive import read_archive
from kubeparcel.images.node_image import ensure_node_image
from kubeparcel.model import Arch, Version
from kubeparcel.packages.find import find_package_files
from kubeparcel.store import Store
from kubeparcel.templates import render
from tests.acceptance.conftest import KUBERNETES, Site
from tests.acceptance.engines import dockerd, registry
from tests.support.image_archives import image_names
from tests.support.recording_log import RecordingLog

HOSTS = ["trixie", "trixie-dnf"]
PAUSE = "registry.k8s.io/pause:3.10.2"
OTHER_NAME = "localhost/kubeparcel-tests/node:1"
PARTS = ("apiserver", "controller-manager", "scheduler")
BUILT = ["registry.k8s.io/etcd:3.6.8-0", *(f"registry.k8s.io/kube-{part}:v{KUBERNETES}" for part in PARTS), PAUSE]


@pytest.fixture(scope="module")
def packages(real: Site, session: Session) -> Callable[[str], PackageSet]:
    """Return a function that returns the real packages for a host."""
    sets = load_package_sets(find_package_files([real.folder / "dist"]), session.folder / "packages")
    return lambda name: sets[catalog.load_hosts().get(name).format]


@pytest.fixture(scope="module", params=HOSTS)
def node(request, session: Session, packages: Callable[[str], PackageSet]) -> Iterator[Container]:
    """Run a node from its image."""
    host = catalog.load_hosts().get(request.param)
    image = ensure_node_image(session, host, packages(host.name))
    with systemd_node.start_node(session, host, "n1", image=image) as node:
        yield node


# --- Nodes ---------------------------------------------------------------------------------------


def test_a_node_starts_with_a_waiting_kubelet_and_a_running_runtime(node):
    units = ("kubelet", "containerd", "kubeparcel-node")
    enabled = node.run("systemctl", "is-enabled", *units).stdout.split()
    assert enabled == ["enabled"] * 3
    states = node.run("systemctl", "is-active", *units, check=False).stdout.split()
    assert states == ["inactive", "active", "active"]
    assert node.run("systemctl", "--failed", "--no-legend").stdout.strip() == ""
    assert node.run("kubelet", "--version").stdout.strip() == f"Kubernetes v{KUBERNETES}"


def test_the_runtime_of_a_node_is_configured_for_the_packages(node):
    info = json.loads(node.run("crictl", "info").stdout)
    assert info["config"]["cni"]["binDir"] == "/opt/cni/bin"
    assert info["config"]["sandboxImage"] == PAUSE
    unified = node.exists("/sys/fs/cgroup/cgroup.controllers")
    options = info["config"]["containerd"]["runtimes"]["runc"]["options"]
    assert options["SystemdCgroup"] is unified
    assert node.exists("/opt/cni/bin/bridge")


def test_each_node_has_its_own_machine_id_and_no_repository(node, session, packages):
    first = node.run("cat", "/etc/machine-id").stdout.strip()
    assert len(first) == 32
    image = ensure_node_image(session, node.host, packages(node.host.name))
    with systemd_node.start_node(session, node.host, "n2", image=image) as other:
        assert other.run("cat", "/etc/machine-id").stdout.strip() not in {"", first}
    assert not node.exists("/var/lib/kubeparcel/repository")
    assert not node.exists("/packages")


def test_other_images_can_be_derived_with_the_distributions_packages(node):
    sources = node.run_script("cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null || :").stdout
    assert "trixie" in sources
    assert "kubeparcel" not in sources
    assert not node.exists("/etc/apt/apt.conf.d/99mmdebstrap")
    assert node.run_script("ls /etc/yum.repos.d 2>/dev/null || :").stdout == ""


def test_held_packages_are_kept_at_their_versions(node, packages):
    names = packages(node.host.name).names
    manager = MANAGERS[node.host.family.package_manager]
    node.run_script(render(manager.hold_script, {}), *names)
    if manager.name == "apt":
        assert node.run("apt-mark", "showhold").stdout.split() == sorted(names)
    else:
        configuration = configparser.ConfigParser()
        configuration.read_string(node.run("cat", "/etc/dnf/dnf.conf").stdout)
        assert configuration["main"]["excludepkgs"].split() == sorted(names)


def test_the_package_manager_verifies_the_installed_packages(node):
    command = {
        "deb": "dpkg --verify kubelet kubeadm kubectl kubernetes-cni cri-tools",
        "rpm": "rpm --verify kubelet kubeadm kubectl kubernetes-cni cri-tools",
    }[node.host.format]
    assert node.run(*command.split(), timeout=120).stdout == ""


def test_a_node_imports_and_runs_the_control_plane_images(node, session):
    listed_names = node.run("kubeadm", "config", "images", "list", f"--kubernetes-version={KUBERNETES}")
    file = control_plane.build_archive(
        Version.parse(KUBERNETES), listed_names.stdout.split(), session.store, session.log
    )
    assert image_names(file) == BUILT
    node.copy_in(file, "/images.tar")
    node.run("ctr", "--namespace=k8s.io", "images", "import", "/images.tar", timeout=180)
    listed = json.loads(node.run("crictl", "images", "--output=json").stdout)["images"]
    assert set(BUILT) <= {tag for image in listed for tag in image["repoTags"]}
    run = ("ctr", "--namespace=k8s.io", "run", "--rm", "--net-host")
    output = node.run(*run, BUILT[1], "one", "kube-apiserver", "--version", timeout=120)
    assert output.stdout.strip() == f"Kubernetes v{KUBERNETES}"
    output = node.run(*run, BUILT[0], "two", "etcd", "--version", timeout=120)
    assert output.stdout.startswith("etcd Version: 3.6.8\n")


@pytest.fixture(scope="module")
def archives(real: Site) -> list[dict[str, Any]]:
    """The archives that the task has written, as its JSON document describes them."""
    images: list[dict[str, Any]] = real.json("image", "--on", ",".join(HOSTS))["images"]
    return images


def test_the_task_writes_the_images_that_the_levels_use(archives, session, packages, tmp_path):
    assert [image["host"] for image in archives] == HOSTS
    for image in archives:
        assert image["new"]
        assert sha256_of(Path(image["archive"])) == image["sha256"]
        assert image["packages"]["kubelet"] == f"{KUBERNETES}-1"
        name = ensure_node_image(session, catalog.load_hosts().get(image["host"]), packages(image["host"]))
        (written,) = read_archive(Path(image["archive"]), Arch.native(), tmp_path)
        assert written.names == (name,) == (image["image"],)
        assert written.config.sha256 == image_id(session, name), "built twice, with the same bytes"


def test_the_task_writes_archives_once_and_loads_them(archives, real, session):
    words = ("image", "--on", ",".join(HOSTS))
    assert "Nothing to do" in real.run(*words).stdout
    first, second = archives
    damaged, name = Path(first["archive"]), first["image"]
    damaged.write_bytes(damaged.read_bytes()[:1000])
    with renamed_image(session, name):
        assert not session.engine.has_image(name)
        assert real.json(*words, "--load")["images"] == [first, {**second, "new": False}]
        assert image_id(session, name) == image_id(session, OTHER_NAME)


@contextmanager
def renamed_image(session: Session, name: str) -> Iterator[None]:
    """Give an image that containers use another name in the block."""
    process.run([session.engine.name, "tag", name, OTHER_NAME])
    try:
        session.engine.remove_image(name)
        yield
    finally:
        process.run([session.engine.name, "tag", OTHER_NAME, name])
        session.engine.remove_image(OTHER_NAME)


def image_id(session: Session, name: str) -> str:
    """Return the digest of an image's configuration, which names its layer."""
    argv = [session.engine.name, "image", "inspect", "--format", "{{.Id}}", name]
    return process.run(argv).stdout.strip().removeprefix("sha256:")


def test_the_task_lists_missing_packages(real, tmp_path):
    (kubectl,) = (real.folder / "dist/deb").glob("kubectl_*")
    output = real.run("image", str(kubectl), "--on", "trixie", code=2)
    assert "kubeadm, kubelet, kubernetes-cni, cri-tools." in output.stderr


# --- A control plane -----------------------------------------------------------------------------


def test_control_plane_images_are_reproducible_and_built_once(session):
    first = control_plane.build_archive(Version.parse(KUBERNETES), BUILT, session.store, session.log)
    digest, inode = first.name, first.stat().st_ino
    log = RecordingLog()
    cached = control_plane.build_archive(Version.parse(KUBERNETES), BUILT[::-1], session.store, log)
    assert (cached.name, cached.stat().st_ino, log.tasks) == (digest, inode, [])
    first.unlink()
    rebuilt = control_plane.build_archive(Version.parse(KUBERNETES), BUILT, session.store, session.log)
    assert (rebuilt.name, sha256_of(rebuilt)) == (digest, digest)


def test_an_image_is_pulled_from_a_registry_that_has_it(session, tmp_path):
    file = control_plane.build_archive(Version.parse(KUBERNETES), [PAUSE], session.store, session.log)
    with registry(tmp_path) as address:
        mirrored = f"{address}/pause:3.10.2"
        session.engine.load_image(file)
        engine = session.engine
        process.run([engine.name, "tag", PAUSE, mirrored])
        process.run([engine.name, "push", *engine.flags.plain_http, mirrored])
        session.engine.remove_image(mirrored)
        session.engine.remove_image(PAUSE)
        log = RecordingLog()
        pulled = control_plane.build_archive(
            Version.parse(KUBERNETES),
            [PAUSE],
            Store(tmp_path / "store"),
            log,
            engine=session.engine,
            locations=ImageLocations(registry=address),
        )
        assert log.tasks == [f"Pull {mirrored}"]
        assert image_names(pulled) == [PAUSE]
        assert not session.engine.has_image(mirrored)


@pytest.mark.parametrize("name", ["podman", "docker"])
def test_an_archive_loaded_and_saved_by_an_engine_is_read_back(session, tmp_path, monkeypatch, name):
    file = control_plane.build_archive(Version.parse(KUBERNETES), [PAUSE], session.store, session.log)
    with ExitStack() as stack:
        if name == "docker":
            monkeypatch.setenv("DOCKER_HOST", stack.enter_context(dockerd(tmp_path)))
        engine = select_engine(name)
        engine.load_image(file)
        engine.save_images([PAUSE], tmp_path / "saved.tar")
        engine.remove_image(PAUSE)
    (original,) = read_archive(file, Arch.native(), tmp_path)
    (loaded,) = read_archive(tmp_path / "saved.tar", Arch.native(), tmp_path)
    assert loaded.names == (PAUSE,)
    assert [layer.sha256 for layer in loaded.layers] == [layer.sha256 for layer in original.layers]


def test_an_archive_exported_by_containerd_is_read(node, session, tmp_path):
    file = control_plane.build_archive(Version.parse(KUBERNETES), [PAUSE], session.store, session.log)
    node.copy_in(file, "/pause.tar")
    ctr = ("ctr", "--namespace=k8s.io", "images")
    node.run(*ctr, "import", "/pause.tar")
    node.run(*ctr, "export", "/exported.tar", PAUSE)
    node.engine.copy(f"{node.name}:/exported.tar", str(tmp_path / "exported.tar"))
    (loaded,) = read_archive(tmp_path / "exported.tar", Arch.native(), tmp_path)
    (original,) = read_archive(file, Arch.native(), tmp_path)
    assert loaded.manifest == original.manifest
