"""Whole sets of packages in miniature: our own plan and nfpm, with binaries of a few bytes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from kubeparcel.build.assembler import BuiltPackage, finalize
from kubeparcel.build.planner import plan_packages
from kubeparcel.config import catalog, settings
from kubeparcel.model import Arch, Artifact, Binaries, Component, Lock, Request, Version
from kubeparcel.packages import nfpm
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.store import Store
from tests.support.elf_files import Go, elf

RELEASED = 1_784_743_658
VERSIONS = {"kubernetes": "1.36.3", "cri-tools": "1.36.0", "cni": "1.9.1"}
GO = {
    "kubernetes": Go(),
    "cri-tools": Go("sigs.k8s.io/cri-tools", "v1.36.0"),
    "cni": Go("github.com/containernetworking/plugins", "v1.9.1"),
}
BINARY_NAMES = {
    "kubernetes": ("kubeadm", "kubelet", "kubectl"),
    "cri-tools": ("crictl",),
    "cni": ("bridge", "loopback", "portmap"),
}
NfpmConfig: TypeAlias = dict[str, Any]
Mutation: TypeAlias = Callable[["PackageDraft"], None]


@dataclass
class PackageDraft:
    """A package about to be written: nfpm's configuration, to be broken."""

    config: NfpmConfig
    folder: Path
    format: str
    environment: dict[str, str] = field(default_factory=dict)

    def entry(self, path: str) -> NfpmConfig:
        """The row of a path; `path` may be its end."""
        return next(row for row in self.config["contents"] if row["dst"].endswith(path))

    def remove(self, path: str) -> None:
        """Leave a path out."""
        self.config["contents"].remove(self.entry(path))

    def add_file(
        self, path: str, data: str | bytes = "x\n", mode: int = 0o644, kind: str = ""
    ) -> None:
        """One more file."""
        info = {"mode": mode, "owner": "root", "group": "root", "mtime": self.config["mtime"]}
        row = {"src": str(self.source_file(data)), "dst": path, "file_info": info}
        self.config["contents"].append({**row, **({"type": kind} if kind else {})})

    def replace_content(self, path: str, data: str | bytes) -> None:
        """Other bytes at a path."""
        self.entry(path)["src"] = str(self.source_file(data))

    def replace_text(self, path: str, old: str, new: str) -> None:
        """Another text at a path; fails when there is nothing to replace."""
        text = Path(self.entry(path)["src"]).read_text("utf-8")
        assert old in text, f"{path} has no {old!r}"
        self.replace_content(path, text.replace(old, new))

    def edit_lines(self, path: str, change: Callable[[str], str]) -> None:
        """Each line of a text changed."""
        text = Path(self.entry(path)["src"]).read_text("utf-8")
        self.replace_content(path, "".join(change(line) for line in text.splitlines(keepends=True)))

    def set_info(self, path: str, **values: Any) -> None:
        """Other mode, owner, group or time of a path."""
        self.entry(path)["file_info"].update(values)

    def append_to_script(self, at: str, text: str) -> None:
        """More text at the end of a scriptlet, or a scriptlet that there was not."""
        scripts = self.config["scripts"]
        head = Path(scripts[at]).read_text("utf-8") if at in scripts else "#!/bin/sh\n"
        scripts[at] = str(self.source_file(f"{head}{text}\n"))

    def replace_in_script(self, at: str, old: str, new: str) -> None:
        """Another text in a scriptlet."""
        text = Path(self.config["scripts"][at]).read_text("utf-8")
        assert old in text, f"{at} has no {old!r}"
        self.config["scripts"][at] = str(self.source_file(text.replace(old, new)))

    def source_file(self, data: str | bytes) -> Path:
        """A source file."""
        path = self.folder / f"source-{len(list(self.folder.iterdir()))}"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path


@dataclass(frozen=True)
class SamplePackages:
    """A store with binaries, and the packages that can be made of them, by file name."""

    store: Store
    manifests: Mapping[str, PackageManifest]

    def manifest(self, name: str, format_: str) -> PackageManifest:
        """The description of a package."""
        return next(
            p for p in self.manifests.values() if (p.name, str(p.format)) == (name, format_)
        )

    def write(self, package: PackageManifest, mutate: Mutation | None, folder: Path) -> Path:
        """Write a package, broken or not, under its right name."""
        folder.mkdir(parents=True, exist_ok=True)
        draft = PackageDraft({}, folder, str(package.format))
        sources = {f.sha256: self.store.path(f.sha256) for f in package.files if f.sha256}
        scripts = {at: str(draft.source_file(text)) for at, text in package.scripts.items()}
        changelog = str(draft.source_file(yaml.safe_dump(nfpm._changelog(package))))
        draft.config |= nfpm.config(package, sources, scripts, changelog)
        draft.environment["SOURCE_DATE_EPOCH"] = str(package.time)
        if mutate:
            mutate(draft)
        file = draft.source_file(yaml.safe_dump(draft.config, sort_keys=False))
        target = folder / Path(package.file_name).name
        argv = [nfpm.program(), "package", "--config", file, "--packager", package.format]
        done = subprocess.run(
            [*argv, "--target", target],
            env={**os.environ, **draft.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return target

    def built(self, package: PackageManifest, file: Path) -> BuiltPackage:
        """The file as if our own build had made it."""
        copy = self.store.partial(f"copy-{os.getpid()}")
        copy.write_bytes(file.read_bytes())
        return BuiltPackage(package, self.store.add(copy), file.stat().st_size)


def sample_packages(
    folder: Path,
    kubernetes: str = "1.36.3",
    *,
    go: Mapping[str, Go] = GO,
    source: str = "go",
    **flags: str,
) -> SamplePackages:
    """Plan all packages of a version; `flags` are settings, such as layout."""
    store = Store(folder / "store")
    components = tuple(
        Component(name, Version.parse(version), RELEASED, artifacts=_artifacts(name))
        for name, version in {
            "kubernetes": kubernetes,
            "cri-tools": "1.36.0",
            "cni": "1.9.1",
        }.items()
    )
    toolchain = "go1.26.8" if source == "go" else ""
    lock = Lock(Request(kubernetes), source, components, toolchain)
    binaries: Binaries = {
        (component, Arch.AMD64): {
            name: store.add_bytes(elf(name, go=go[component], needs=_needs(name))) for name in names
        }
        for component, names in BINARY_NAMES.items()
    }
    chosen = settings.load_settings({"kubernetes": kubernetes, **flags}, folder)
    described = [
        finalize(planned, lock, binaries, store)
        for planned in plan_packages(chosen, lock, catalog.load())
    ]
    return SamplePackages(store, {package.file_name: package for package in described})


def _artifacts(component: str) -> tuple[Artifact, ...]:
    return (Artifact(component, component, Arch.AMD64, f"{component}@v1", "h1:x"),)


def _needs(name: str) -> tuple[str, ...]:
    """Upstream's kubelet is the one dynamic binary."""
    return ("libc.so.6",) if name == "kubelet" else ()
