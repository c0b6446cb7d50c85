"""A control plane's programs, compiled from Go modules by the source of the packages' binaries."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from kubeparcel import paths
from kubeparcel.config import catalog
from kubeparcel.console import Log
from kubeparcel.errors import ExternalError
from kubeparcel.model import Arch, Version
from kubeparcel.paths import PACKAGE
from kubeparcel.sources import go_toolchain
from kubeparcel.sources.go_modules import HOME, GoModules
from kubeparcel.store import Store

COMPONENT = "control-plane"

RECIPE = 1
"""Raised when the same program is to give other bytes."""

_TAG = re.compile(r"v?(\d+\.\d+\.\d+)")


@dataclass(frozen=True)
class BuildableImage:
    """One image that can be built here; see control_plane.yaml."""

    path: str
    command: str = ""
    program: str = ""
    module: str = ""
    entrypoint: tuple[str, ...] = ()
    user: str = ""

    @property
    def template_text(self) -> str:
        """The text of a program of ours."""
        return (paths.template_dir() / self.program).read_text("utf-8") if self.program else ""


@dataclass(frozen=True)
class CompiledProgram:
    """A static binary in the store, and its release's date in seconds since 1970."""

    sha256: str
    released: int


@functools.cache
def buildable_images() -> Mapping[str, BuildableImage]:
    """The images by their last name, `kube-apiserver`."""
    import yaml

    file = PACKAGE / "images/control_plane.yaml"
    data = yaml.load(file.read_bytes(), catalog.LOADER)  # noqa: S506 - a safe one
    return {
        name: BuildableImage(**{**row, "entrypoint": tuple(row.get("entrypoint", ()))})
        for name, row in data.items()
    }


@dataclass(frozen=True)
class Compiler:
    """Makes the programs of a control plane; what the store has is not made again."""

    store: Store
    log: Log
    arch: Arch
    toolchain: str = ""

    def compile_commands(
        self, version: Version, names: Sequence[str]
    ) -> Mapping[str, CompiledProgram]:
        """Kubernetes' own commands, all of the table's in one `go build`: they share nearly all."""
        if not names:
            return {}
        spec = catalog.load().components["kubernetes"]
        every = tuple(row.command for row in buildable_images().values() if row.command)
        update = {"title": "Kubernetes' control plane", "binaries": every}
        source = GoModules({COMPONENT: spec.model_copy(update=update)}, self.toolchain)
        pinned = source.pin(COMPONENT, version, [self.arch])
        found = source.fetch(pinned.artifacts, self.store, self.log)[COMPONENT, self.arch]
        return {name: CompiledProgram(found[name], pinned.released) for name in names}

    def compile_program(self, image: BuildableImage, tag: str) -> CompiledProgram:
        """A program of ours, with the module that the row names at the tag's version."""
        go = go_toolchain.find(self.toolchain)
        module = self._module(image, tag)
        recipe = [RECIPE, asdict(image), module, image.template_text, self.arch, go.toolchain]
        key = json.dumps([*recipe, dict(go_toolchain.FIXED)])
        known = self.store.get_record(COMPONENT, key)
        if not (known and self.store.has(known[0])):
            known = self._compiled(go, image, module)
            self.store.put_record(COMPONENT, key, known)
        return CompiledProgram(*known)

    def _module(self, row: BuildableImage, tag: str) -> str:
        found = _TAG.match(tag)
        if row.module and not found:
            raise ExternalError(f"No version of {row.module} can be read from the tag {tag!r}.")
        return f"{row.module}@v{found[1]}" if row.module and found else ""

    def _compiled(self, go: go_toolchain.Go, row: BuildableImage, module: str) -> tuple[str, int]:
        name = Path(row.path).name
        released = 0
        if module:
            info = Path(go.module(module, HOME, download=True)["Info"])
            date = json.loads(info.read_bytes())["Time"]
            released = int(datetime.fromisoformat(date).timestamp())
        with self.store.scratch() as folder, self.log.task("Compile", f"{name} {self.arch}", None):
            lines = ["module kubeparcel.invalid/program", "", f"go {_language(go)}"]
            lines += [f"require {module.replace('@', ' ')}"] if module else []
            (folder / "go.mod").write_text("\n".join(lines) + "\n", "utf-8")
            (folder / "main.go").write_text(row.template_text, "utf-8")
            words = ["-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
            go.run("build", *words, f"-o={folder / name}", ".", cwd=folder, arch=self.arch)
            return self.store.add(folder / name), released


def _language(go: go_toolchain.Go) -> str:
    """The language version of a toolchain: `1.26` for go1.26.8."""
    return ".".join(go.toolchain.removeprefix("go").split(".")[:2])
