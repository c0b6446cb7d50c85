"""Git trees: components compiled from checkouts, with their own vendor folders; others come from Go modules."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.config.tree_settings import require_requested, tree_version
from kubeparcel.console import Log, first_names
from kubeparcel.errors import ConfigurationError, ToolError
from kubeparcel.lock_models import Artifact, BuildVariant, Checkout, Component, Patch
from kubeparcel.model import Arch, Version
from kubeparcel.sources import go_toolchain
from kubeparcel.sources.compilation import RECORDS, Compilation
from kubeparcel.sources.compilation import VENDOR as VENDOR_FLAG
from kubeparcel.sources.compiled_module import declared_module, link_variables, main_packages, output_names
from kubeparcel.sources.git_repository import VENDOR, WORKSPACE
from kubeparcel.sources.go_modules import GoModules
from kubeparcel.sources.go_toolchain import Go
from kubeparcel.sources.tree_export import export_tree, require_own_folders
from kubeparcel.store import Store
from kubeparcel.times import iso_time

if TYPE_CHECKING:
    from kubeparcel.config.component_models import ComponentSpec

RECIPE = 1
"""Increment it when the same tree should result in other bytes."""


class GitTrees(GoModules):
    """Components in `folders`, and Go modules for the others. `checkouts` has the state of trees that are resolved."""

    def __init__(
        self,
        components: Mapping[str, ComponentSpec],
        folders: Mapping[str, Path],
        checkouts: Mapping[str, Checkout] | None = None,
        toolchain: str = "",
        variant: BuildVariant | None = None,
    ) -> None:
        super().__init__(components, toolchain, variant)
        self.folders, self.checkouts = folders, checkouts or {}

    def resolve_kubernetes(self, requested: str) -> Version:
        if "kubernetes" not in self.checkouts:
            return super().resolve_kubernetes(requested)
        version = tree_version(self.checkouts["kubernetes"], self.variant)
        require_requested("kubernetes", requested, version, self.checkouts["kubernetes"])
        return version

    def pin(self, component: str, version: Version, arches: Sequence[Arch]) -> Component:
        """Return a component with the commit and the files of its tree; raise ConfigurationError for another tree."""
        if component not in self.checkouts:
            if component in self.folders:
                raise ConfigurationError(f"{component} is compiled from a git tree.", "Lock its commit: inv resolve")
            return super().pin(component, version, arches)
        checkout, go = self.checkouts[component], self.components[component].go
        _require_module(checkout, str(Path(go.folder, "go.mod")), go.module)
        self.require_toolchain(checkout.files.get(WORKSPACE) or checkout.files[str(Path(go.folder, "go.mod"))])
        artifacts = (
            Artifact(
                *(component, component, arch, f"{go.module}@v{version}", checkout.digest),
                commit=checkout.commit,
                repository=checkout.repository,
            )
            for arch in arches
        )
        return Component(component, version, checkout.released, tuple(artifacts), _remarks(checkout))

    def _patches(self, artifact: Artifact) -> tuple[Patch, ...]:
        return () if artifact.commit else super()._patches(artifact)

    def _recipes(self, artifact: Artifact) -> list[str]:
        return [self._tree_recipe(artifact)] if artifact.commit else super()._recipes(artifact)

    def _tree_recipe(self, artifact: Artifact) -> str:
        spec = self.components[artifact.component]
        toolchain = self.pinned_toolchain or self.toolchain
        inputs = [artifact.origin, artifact.commit, artifact.digest, artifact.arch, toolchain]
        environment, settings = go_toolchain.environment(self.variant, artifact.arch), self.variant.as_document()
        return json.dumps([RECIPE, *inputs, spec.go.model_dump(), spec.binaries, environment, settings])

    def _compile(self, artifact: Artifact, store: Store, log: Log) -> dict[str, str]:
        if not artifact.commit:
            return super()._compile(artifact, store, log)
        spec = self.components[artifact.component]
        folder = self.folders.get(artifact.component)
        if folder is None:
            raise ConfigurationError(
                f"{spec.title} is compiled from commit {artifact.commit[:12]} of a git tree, and no tree is named.",
                f"Name a clone that has the commit: trees: {{{artifact.component}: DIR}} in kubeparcel.yaml",
            )
        with store.scratch() as scratch:
            root = scratch / "tree"
            with log.task("Export", f"{spec.title}, commit {artifact.commit[:12]}", None):
                released = export_tree(folder, artifact, root)
            module, go = root / spec.go.folder, _go_of_tree(self.go, root)
            require_own_folders(root, module, go, folder)
            packages = main_packages(spec, module)
            variables = _variables(spec, artifact, released)
            names = output_names(spec, packages)
            title = f"{spec.title} {artifact.origin.rpartition('@v')[2]}"
            compilation = Compilation(title, module, packages, names, variables, artifact.arch, VENDOR_FLAG)
            try:
                binaries = compilation.run(go, scratch / "out", store, log)
            except ToolError as error:  # its message names the folder that is gone now
                texts = (text.replace(str(root), str(folder)) for text in (error.message, error.hint))
                raise ToolError(*texts) from None
        store.put_record(RECORDS, self._tree_recipe(artifact), binaries)
        return binaries


def _go_of_tree(go: Go, root: Path) -> Go:
    """Return go for the workspace of a tree, if it has one."""
    workspace = str(root / WORKSPACE) if (root / WORKSPACE).is_file() else "off"
    return dataclasses.replace(go, settings={**go.settings, "GOWORK": workspace})


def _variables(spec: ComponentSpec, artifact: Artifact, released: int) -> dict[str, str]:
    """Return the variables to set at link time, with the commit and the state of the tree as upstream's builds."""
    version = artifact.module_version
    state = "dirty" if version.is_dirty else "clean"
    stamps = {name: value.format(commit=artifact.commit, state=state) for name, value in spec.go.tree_stamps.items()}
    return {**link_variables(spec, version, iso_time(released)), **stamps}


def _remarks(checkout: Checkout) -> tuple[str, ...]:
    if not checkout.changes:
        return ()
    names = first_names(checkout.changes)
    return (f"The git tree {checkout.folder} has changes that are not committed: {names}. Its version ends in -dirty.",)


def _require_module(checkout: Checkout, go_mod: str, expected: str) -> None:
    """Raise ConfigurationError for the tree of another project, or one that does not contain its dependencies."""
    declared = declared_module(checkout.files.get(go_mod, ""))
    if declared != expected:
        state = f"is the module {declared}" if declared else f"has no {go_mod}"
        raise ConfigurationError(
            f"The git tree {checkout.folder} {state}, not {expected}.",
            "source: tree:DIR is a clone of Kubernetes; `trees` in kubeparcel.yaml names those of other components.",
        )
    if VENDOR not in checkout.files:
        raise ConfigurationError(
            f"The git tree {checkout.folder} has no {VENDOR}: dependencies come from the tree's own vendor folder.",
            f"Commit it: {'go work' if WORKSPACE in checkout.files else 'go mod'} vendor && git add --force vendor",
        )
