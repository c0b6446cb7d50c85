"""Patches Go modules: patches are for a repository, whose folders are published as several modules."""

from __future__ import annotations

import functools
import os
import posixpath
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.files import translate_os_errors
from kubeparcel.lock_models import Patch
from kubeparcel.model import Version
from kubeparcel.sources.go_toolchain import OUTSIDE_MODULES, Go
from kubeparcel.sources.patch_application import ParsedPatch, apply
from kubeparcel.sources.patches import PatchError, parse

if TYPE_CHECKING:
    from kubeparcel.config.component_models import GoSpec

SIBLING = re.compile(r"(\S+) => (\.\.?/\S+)")
"""A replacement by another folder of the same repository, in a go.mod."""

PATCHED = "patched"
"""The folder of patched modules, next to the go.mod of a compilation."""


def sibling_folders(source: Path) -> dict[str, str]:
    """Return the modules that a module's go.mod replaces by folders of its repository, and these folders."""
    return dict(SIBLING.findall((source / "go.mod").read_text("utf-8")))


@dataclass(frozen=True)
class Repository:
    """A repository, as the modules that are published of it; `module_folder` returns the folder of one of them."""

    go: GoSpec
    module_folder: Callable[[str], Path]

    @classmethod
    def published(cls, spec: GoSpec, version: Version, go: Go) -> Repository:
        """Return the repository of a version of a module; its modules are downloaded when they are needed."""
        siblings = spec.siblings.format(version=version)

        @functools.cache
        def folder(module: str) -> Path:
            query = f"{module}@{f'v{version}' if module == spec.module else siblings}"
            return Path(go.module(query, OUTSIDE_MODULES, download=True)["Dir"])

        return cls(spec, folder)

    def locate(self, path: str, patch: str) -> tuple[str, str]:
        """Return the module of a file, and the file's path in it; raise PatchError if none has it."""
        folders = {self.go.module: self.go.folder}
        if self.go.siblings:
            siblings = sibling_folders(self.module_folder(self.go.module)).items()
            folders |= {
                module: posixpath.normpath(posixpath.join(self.go.folder, folder))
                for module, folder in siblings
                if module not in self.go.unused
            }
        owners = [(folder, module) for module, folder in folders.items() if not folder or path.startswith(f"{folder}/")]
        if not owners or path.startswith("vendor/"):
            raise PatchError(
                f"{patch}: {path} is not in the Go modules that are compiled ({self.go.module}"
                f"{' and those of its repository' if self.go.siblings else ''}).",
                "Leave the file out of the patch: git format-patch COMMITS -- . ':!FILE'"
                + ("\nChange the version of a dependency in go.mod and go.sum instead." if owners else ""),
            )
        folder, module = max(owners, key=lambda owner: len(owner[0]))
        return module, path[len(folder) :].lstrip("/")


PatchedFiles = Mapping[tuple[str, str], bytes | None]
"""The changed files by module and path, with their content; None for deleted ones."""


def patched_files(
    patches: Sequence[tuple[Patch, bytes]], release: str, repository: Repository, remark: Callable[[str], object]
) -> PatchedFiles:
    """Return the files that patches, with their contents, change in a release; raise PatchError.

    `remark` gets a line for each hunk that needed fuzz.
    """
    parsed = [ParsedPatch(patch.name, parse(data, patch.name), patch.fuzz) for patch, data in patches]
    places = {
        path: repository.locate(path, patch.name)
        for patch in parsed
        for change in patch.changes
        for path in change.paths
    }

    def read(path: str) -> bytes | None:
        module, name = places[path]
        file = repository.module_folder(module) / name
        with translate_os_errors(file):
            return file.read_bytes() if file.is_file() and not file.is_symlink() else None

    return {places[path]: content for path, content in apply(parsed, release, read, remark).items()}


def write_modules(files: PatchedFiles, repository: Repository, target: Path) -> dict[str, Path]:
    """Write copies of the changed modules below a folder; return their folders by the modules' names."""
    folders = {module: target / module for module in sorted({module for module, _ in files})}
    for module, folder in folders.items():
        _copy_writable(repository.module_folder(module), folder)
    for (module, name), content in files.items():
        _write(folders[module] / name, content)
    return folders


def _copy_writable(source: Path, target: Path) -> None:
    """Copy a module; Go's cache is read-only, the copy is not."""
    with translate_os_errors(target):
        for folder, _, names in os.walk(source):
            copy = target / Path(folder).relative_to(source)
            copy.mkdir(parents=True, exist_ok=True)
            for name in names:
                shutil.copyfile(Path(folder, name), copy / name, follow_symlinks=False)


def _write(file: Path, content: bytes | None) -> None:
    with translate_os_errors(file):
        if content is None:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def replace_modules(folder: Path, main: str, patched: Mapping[str, Path]) -> None:
    """Let the go.mod in a folder use the patched modules."""
    file = folder / "go.mod"
    text = file.read_text("utf-8")
    for module, copy in patched.items():
        line = f"{module} => ./{copy.relative_to(folder).as_posix()}"
        if module == main:
            text += f"\nreplace {line}\n"
        else:
            text = re.sub(rf"(?<!\S){re.escape(module)} => \S+ \S+", line, text)
    file.write_text(text, "utf-8")
