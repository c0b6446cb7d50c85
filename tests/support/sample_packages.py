"""All packages in miniature: the real planner and nfpm, with binaries of a few bytes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.build.manifests import finalize
from kubeparcel.build.planner import plan_packages
from kubeparcel.config import catalog, settings
from kubeparcel.lock_models import Artifact, Binaries, Component, Lock, Request
from kubeparcel.model import Arch, Version
from kubeparcel.packages import nfpm
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.store import Store
from tests.support import fake_sources
from tests.support.elf_files import Go, elf

RELEASED = fake_sources.RELEASED["kubernetes"]
GO = {
    "kubernetes": Go(),
    "cri-tools": Go("sigs.k8s.io/cri-tools", "v1.36.0"),
    "cni": Go("github.com/containernetworking/plugins", "v1.9.1"),
    "etcd": Go("go.etcd.io/etcd/server/v3", "v3.6.8"),
    "etcdctl": Go("go.etcd.io/etcd/etcdctl/v3", "v3.6.8"),
}
VERSIONS = {"cri-tools": "1.36.0", "cni": "1.9.1", "etcd": "3.6.8", "etcdctl": "3.6.8"}
BINARY_NAMES = {
    "kubernetes": ("kubeadm", "kubelet", "kubectl"),
    "cri-tools": ("crictl",),
    "cni": ("bridge", "loopback", "portmap"),
    "etcd": ("etcd",),
    "etcdctl": ("etcdctl",),
}
NfpmConfig: TypeAlias = dict[str, Any]
Mutation: TypeAlias = Callable[["PackageDraft"], None]


@dataclass
class PackageDraft:
    """A package before it is written: nfpm's configuration, which mutations change."""

    config: NfpmConfig
    folder: Path
    format: str
    environment: dict[str, str] = field(default_factory=dict)

    def entry(self, path: str) -> NfpmConfig:
        """Return the entry of a path; `path` may be its end."""
        return next(entry for entry in self.config["contents"] if entry["dst"].endswith(path))

    def remove(self, path: str) -> None:
        """Remove a path."""
        self.config["contents"].remove(self.entry(path))

    def add_file(self, path: str, data: str | bytes = "x\n", mode: int = 0o644, kind: str = "") -> None:
        """Add a file."""
        info = {"mode": mode, "owner": "root", "group": "root", "mtime": self.config["mtime"]}
        entry = {"src": str(self.source_file(data)), "dst": path, "file_info": info}
        self.config["contents"].append({**entry, **({"type": kind} if kind else {})})

    def replace_content(self, path: str, data: str | bytes) -> None:
        """Replace the content of a file."""
        self.entry(path)["src"] = str(self.source_file(data))

    def replace_text(self, path: str, old: str, new: str) -> None:
        """Replace text in a file. Fails if `old` is not in it."""
        text = Path(self.entry(path)["src"]).read_text("utf-8")
        assert old in text, f"{path} has no {old!r}"
        self.replace_content(path, text.replace(old, new))

    def edit_lines(self, path: str, change: Callable[[str], str]) -> None:
        """Apply `change` to each line of a file."""
        text = Path(self.entry(path)["src"]).read_text("utf-8")
        self.replace_content(path, "".join(change(line) for line in text.splitlines(keepends=True)))

    def set_info(self, path: str, **values: Any) -> None:
        """Set the mode, owner, group or mtime of a path."""
        self.entry(path)["file_info"].update(values)

    def append_to_script(self, name: str, text: str) -> None:
        """Append text to a scriptlet, which is created if it does not exist."""
        scripts = self.config["scripts"]
        head = Path(scripts[name]).read_text("utf-8") if name in scripts else "#!/bin/sh\n"
        scripts[name] = str(self.source_file(f"{head}{text}\n"))

    def replace_in_script(self, name: str, old: str, new: str) -> None:
        """Replace text in a scriptlet. Fails if `old` is not in it."""
        text = Path(self.config["scripts"][name]).read_text("utf-8")
        assert old in text, f"{name} has no {old!r}"
        self.config["scripts"][name] = str(self.source_file(text.replace(old, new)))

    def source_file(self, data: str | bytes) -> Path:
        """Write a source file for nfpm, and return its path."""
        path = self.folder / f"source-{len(list(self.folder.iterdir()))}"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path


@dataclass(frozen=True)
class SamplePackages:
    """A store with binaries, and the manifests of the packages with them, by file name."""

    store: Store
    manifests: Mapping[str, PackageManifest]

    def manifest(self, name: str, format_: str) -> PackageManifest:
        """Return the manifest of a package."""
        return next(
            manifest for manifest in self.manifests.values() if (manifest.name, str(manifest.format)) == (name, format_)
        )

    def write(self, package: PackageManifest, mutate: Mutation | None, folder: Path) -> Path:
        """Write a package, with or without a mutation, and return its file."""
        folder.mkdir(parents=True, exist_ok=True)
        draft = PackageDraft({}, folder, str(package.format))
        sources = {f.sha256: self.store.path(f.sha256) for f in package.files if f.sha256}
        scripts = {name: str(draft.source_file(text)) for name, text in package.scripts.items()}
        changelog = str(draft.source_file(yaml.safe_dump(nfpm._changelog(package))))
        draft.config |= nfpm.config(package, sources, scripts, changelog)
        draft.environment["SOURCE_DATE_EPOCH"] = str(package.time)
        if mutate:
            mutate(draft)
        file = draft.source_file(yaml.safe_dump(draft.config, sort_keys=False))
        target = folder / Path(package.file_name).name
        argv = [nfpm.program(), "package", "--config", file, "--packager", package.format]
        result = subprocess.run(
            [*argv, "--target", target],
            env={**os.environ, **draft.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return target

    def build(self, package: PackageManifest, mutate: Mutation | None, folder: Path) -> BuiltPackage:
        """Write a package as `write` does, and return it as a result of the build."""
        return self.built(package, self.write(package, mutate, folder))

    def built(self, package: PackageManifest, file: Path) -> BuiltPackage:
        """Return a package file as a result of the build."""
        copy = self.store.partial(f"copy-{os.getpid()}")
        copy.write_bytes(file.read_bytes())
        return BuiltPackage(package, self.store.add(copy), file.stat().st_size)


def sample_packages(
    folder: Path,
    kubernetes: str = "1.36.3",
    *,
    go: Mapping[str, Go] = GO,
    source: str = "go",
    released: int = RELEASED,
    **flags: str,
) -> SamplePackages:
    """Plan all packages of a version; `flags` are settings, such as layout."""
    store = Store(folder / "store")
    loaded = settings.load_settings({"kubernetes": kubernetes, **flags}, folder)
    versions = {"kubernetes": kubernetes, **VERSIONS}
    components = tuple(
        Component(name, Version.parse(versions[name]), released, artifacts=_artifacts(name))
        for name in loaded.built_components()
    )
    toolchain = "go1.26.8" if source == "go" else ""
    lock = Lock(Request(kubernetes), source, components, toolchain)
    binaries: Binaries = {
        (component, Arch.AMD64): {
            name: store.add_bytes(elf(name, go=go[component], needs=_needs(name))) for name in BINARY_NAMES[component]
        }
        for component in loaded.built_components()
    }
    manifests = [finalize(plan, lock, binaries, store) for plan in plan_packages(loaded, lock, catalog.load())]
    return SamplePackages(store, {manifest.file_name: manifest for manifest in manifests})


def _artifacts(component: str) -> tuple[Artifact, ...]:
    return (Artifact(component, component, Arch.AMD64, f"{component}@v1", "h1:x"),)


def _needs(name: str) -> tuple[str, ...]:
    """Return the libraries of a binary: upstream links only the kubelet dynamically."""
    return ("libc.so.6",) if name == "kubelet" else ()
