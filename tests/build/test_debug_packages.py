"""Packages with debug symbols: planned next to the others, with their files where debuggers look."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kubeparcel.build.manifests import finalize
from kubeparcel.build.package_plan import PackagePlan
from kubeparcel.build.planner import plan_packages
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import BuildVariant
from kubeparcel.model import Arch
from kubeparcel.store import Store
from tests.build.plans import compiled_lock
from tests.support.elf_files import elf_of_sections
from tests.support.fake_sources import locked

DEBUG_LOCK = compiled_lock(BuildVariant(debug=True))


def program(identifier: bytes) -> bytes:
    note = b"\4\0\0\0\x14\0\0\0\3\0\0\0GNU\0" + identifier.ljust(20, b"\0")
    return elf_of_sections({".note.gnu.build-id": note} if identifier else {".x": b""})


def binaries(store: Store, *names: str, identifier: str = "{}") -> dict[str, str]:
    digests = {}
    for number, name in enumerate(names, 1):
        digests[name] = store.add_bytes(program(bytes([number] * 20) if identifier else b""))
        digests[f"{name}.debug"] = store.add_bytes(f"symbols of {name}".encode())
    return digests


def plans(workdir: Path, packages: str = "") -> dict[str, PackagePlan]:
    """Return the plans of all packages by name; `packages` are settings."""
    (workdir / "kubeparcel.yaml").write_text(f"go: {{debug: true}}\n{packages}")
    return {plan.name: plan for plan in plan_packages(load_settings({}), DEBUG_LOCK, catalog.load())}


def test_each_package_with_programs_has_one_with_their_symbols(workdir):
    planned = plans(workdir)
    assert [name for name in planned if name.endswith(("-dbgsym", "-debuginfo"))] == [
        f"{name}{end}"
        for name in ("kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")
        for end in ("-dbgsym", "-debuginfo")
    ]
    kubelet = planned["kubelet-dbgsym"]
    assert kubelet.file_name == "deb/kubelet-dbgsym_1.36.3-1_amd64.deb"
    assert (kubelet.fields["section"], kubelet.fields["summary"]) == ("debug", "debug symbols for kubelet")
    assert kubelet.relations == (("depends", "kubelet (>= 1.36.3-1)"),)
    assert kubelet.scripts == {}
    assert "/usr/share/doc/kubelet-dbgsym/copyright" in [file.path for file in kubelet.files]
    assert not [plan for plan in plan_packages(load_settings({}), locked(), catalog.load()) if "-d" in plan.name]


@pytest.mark.parametrize(
    ("package", "names"), [("kubelet-dbgsym", ["kubelet"]), ("kubernetes-cni-debuginfo", ["bridge", "portmap"])]
)
def test_files_are_named_by_the_build_ids_of_the_programs(workdir, store, package, names):
    plan = plans(workdir)[package]
    manifest = finalize(plan, DEBUG_LOCK, {(plan.component, Arch.AMD64): binaries(store, *names)}, store)
    files = {file.path: file for file in manifest.files}
    record = next(file for path, file in files.items() if path.endswith("provenance.json"))
    recorded = json.loads(store.path(record.sha256).read_text())
    assert recorded["go"] == {"debug": True}
    for number, name in enumerate(names, 1):
        text = f"{number:02x}"
        file = files[f"/usr/lib/debug/.build-id/{text}/{text * 19}.debug"]
        assert store.path(file.sha256).read_text() == f"symbols of {name}"
        assert file.mode == 0o644
        assert recorded["binaries"][f"{text * 19}.debug"] == f"sha256:{file.sha256}"
    assert ("/usr/lib/debug" in files) == package.endswith("debuginfo")
    assert not [path for path in files if path.startswith(("/usr/bin", "/opt"))]


def test_packages_of_all_programs_do_not_contain_the_symbols(workdir, store):
    plan = plans(workdir)["kubernetes-cni"]
    manifest = finalize(plan, DEBUG_LOCK, {("cni", Arch.AMD64): binaries(store, "bridge")}, store)
    assert [file.path for file in manifest.files if file.path.startswith("/opt/cni/bin/")] == ["/opt/cni/bin/bridge"]


def test_removed_programs_have_no_symbols(workdir, store):
    planned = plans(workdir, "packages: {kubernetes-cni: {files: [{path: /opt/cni/bin/bridge, remove: true}]}}\n")
    digests = {("cni", Arch.AMD64): binaries(store, "bridge", "portmap")}
    manifest = finalize(planned["kubernetes-cni-dbgsym"], DEBUG_LOCK, digests, store)
    (debug,) = [file for file in manifest.files if file.path.endswith(".debug")]
    assert store.path(debug.sha256).read_text() == "symbols of portmap"


def test_program_without_a_build_id_has_no_debug_package(workdir, store):
    plan = plans(workdir)["kubelet-dbgsym"]
    digests = binaries(store, "kubelet", identifier="")
    with pytest.raises(ConfigurationError, match="/usr/bin/kubelet has no build ID"):
        finalize(plan, DEBUG_LOCK, {("kubernetes", Arch.AMD64): digests}, store)
