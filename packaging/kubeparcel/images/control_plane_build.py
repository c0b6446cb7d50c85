"""Compile the programs of a control plane from Go modules, as the packages' binaries are."""

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
from kubeparcel.config.yaml_file import load_data_file
from kubeparcel.console import Log
from kubeparcel.errors import ExternalError
from kubeparcel.model import Arch, Version
from kubeparcel.sources import go_toolchain
from kubeparcel.sources.go_checksums import module_check
from kubeparcel.sources.go_modules import UNCHECKED_REMARK, GoModules
from kubeparcel.sources.go_toolchain import OUTSIDE_MODULES
from kubeparcel.store import Store

COMPONENT = "control-plane"

RECIPE = 1
"""Increase it when the same inputs must be compiled again."""

_TAG = re.compile(r"v?(\d+\.\d+\.\d+)")


@dataclass(frozen=True)
class BuildableImage:
    """An image that can be built here; see control_plane.yaml."""

    path: str
    command: str = ""
    program: str = ""
    module: str = ""
    entrypoint: tuple[str, ...] = ()
    user: str = ""

    @property
    def template_text(self) -> str:
        """The source text of `program`; empty for one of Kubernetes' own commands."""
        return (paths.template_dir() / self.program).read_text("utf-8") if self.program else ""


@dataclass(frozen=True)
class CompiledProgram:
    """A static binary in the store; `released` is in seconds since 1970."""

    sha256: str
    released: int


@functools.cache
def buildable_images() -> Mapping[str, BuildableImage]:
    """Return the images of control_plane.yaml by the last part of their name."""
    data = load_data_file("images/control_plane.yaml")
    return {
        name: BuildableImage(**{**fields, "entrypoint": tuple(fields.get("entrypoint", ()))})
        for name, fields in data.items()
    }


@dataclass(frozen=True)
class Compiler:
    """Compiles programs that the store does not have yet."""

    store: Store
    log: Log
    arch: Arch

    def compile_commands(self, version: Version, names: Sequence[str]) -> Mapping[str, CompiledProgram]:
        """Return the named commands of Kubernetes.

        One `go build` compiles those of all images, because they share nearly all of their code.
        """
        if not names:
            return {}
        commands = tuple(image.command for image in buildable_images().values() if image.command)
        update = {"title": "Kubernetes' control plane", "binaries": commands}
        component = catalog.load().components["kubernetes"].model_copy(update=update)
        source = GoModules({COMPONENT: component})
        pinned = source.pin(COMPONENT, version, [self.arch])
        for remark in pinned.remarks:
            self.log.warn(remark)
        binaries = source.fetch(pinned.artifacts, self.store, self.log)[COMPONENT, self.arch]
        return {name: CompiledProgram(binaries[name], pinned.released) for name in names}

    def compile_program(self, image: BuildableImage, tag: str) -> CompiledProgram:
        """Return the image's own program, built with its module at the version of the tag."""
        go = go_toolchain.find_go()
        module = self._module(image, tag)
        check = module_check(go.settings, [image.module] if image.module else [])
        recipe = [RECIPE, asdict(image), module, image.template_text, self.arch, go.toolchain]
        if check.reason and module:
            self.log.warn(f"{UNCHECKED_REMARK} ({check.reason}): {module}.")
            recipe.append(check.database)
        key = json.dumps([*recipe, dict(go_toolchain.FIXED_ENVIRONMENT)])
        record = self.store.get_record(COMPONENT, key)
        if not (record and self.store.has(record[0])):
            record = self._compile(go, image, module)
            self.store.put_record(COMPONENT, key, record)
        return CompiledProgram(*record)

    def _module(self, image: BuildableImage, tag: str) -> str:
        """Return the image's module as `PATH@vVERSION`; empty if it has none."""
        if not image.module:
            return ""
        version = _TAG.match(tag)
        if not version:
            raise ExternalError(f"The tag {tag!r} has no version of {image.module}.")
        return f"{image.module}@v{version[1]}"

    def _compile(self, go: go_toolchain.Go, image: BuildableImage, module: str) -> tuple[str, int]:
        """Compile a program into the store; return its sha256 and the module's release time."""
        name = Path(image.path).name
        released = 0
        if module:
            info = Path(go.module(module, OUTSIDE_MODULES, download=True)["Info"])
            date = json.loads(info.read_bytes())["Time"]
            released = int(datetime.fromisoformat(date).timestamp())
        with self.store.scratch() as folder, self.log.task("Compile", f"{name} {self.arch}", None):
            language = ".".join(go.toolchain.removeprefix("go").split(".")[:2])  # of go1.26.8: 1.26
            lines = ["module kubeparcel.invalid/program", "", f"go {language}"]
            lines += [f"require {module.replace('@', ' ')}"] if module else []
            (folder / "go.mod").write_text("\n".join(lines) + "\n", "utf-8")
            (folder / "main.go").write_text(image.template_text, "utf-8")
            options = ["-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
            go.run("build", *options, f"-o={folder / name}", ".", cwd=folder, arch=self.arch)
            return self.store.add(folder / name), released
