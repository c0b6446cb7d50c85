"""Source `go`: compiles the binaries from Go modules, checked as Go's settings say."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubeparcel.config.component_models import version_option
from kubeparcel.config.patch_settings import applicable_patches, stamped_version, unused_patches
from kubeparcel.console import Log
from kubeparcel.errors import DigestError, ExternalError, UnknownVersion
from kubeparcel.lock_models import UNCHECKED, Artifact, Binaries, BuildVariant, Component, Patch
from kubeparcel.model import Arch, Version
from kubeparcel.sources import go_toolchain
from kubeparcel.sources.compilation import (
    GO_LINE,
    RECORDS,
    Compilation,
    require_fips_module,
    stored_binaries,
    with_required_toolchain,
)
from kubeparcel.sources.compiled_module import check_module, link_variables, main_packages, output_names, write_module
from kubeparcel.sources.go_checksums import GOLANG_DATABASE, ModuleCheck, module_check, require_check
from kubeparcel.sources.go_toolchain import OUTSIDE_MODULES, Go
from kubeparcel.sources.patched_modules import (
    PATCHED,
    PatchedFiles,
    Repository,
    patched_files,
    replace_modules,
    sibling_folders,
    write_modules,
)
from kubeparcel.store import Store

if TYPE_CHECKING:
    from kubeparcel.config.component_models import ComponentSpec

RECIPE = 1
"""Increment it when the same module should result in other bytes."""

UNCHECKED_REMARK = "The sums of Go modules are not checked against a checksum database"


class GoModules:
    """Kubernetes, cri-tools and the CNI plugins as Go modules, and the compiler for them."""

    name: ClassVar[str] = "go"

    def __init__(
        self, components: Mapping[str, ComponentSpec], toolchain: str = "", variant: BuildVariant | None = None
    ) -> None:
        self.components = components
        self.pinned_toolchain = toolchain
        self.variant = variant or BuildVariant()
        self.guard = threading.Lock()

    @functools.cached_property
    def go(self) -> Go:
        """The compiler, searched when it is first needed."""
        return dataclasses.replace(go_toolchain.find_go(self.pinned_toolchain), variant=self.variant)

    @property
    def toolchain(self) -> str:
        """The compiler's exact version, `go1.26.8`: another one may produce other bytes."""
        return self.go.toolchain

    def probe(self) -> None:
        """Raise ToolError if Go is not available."""
        _ = self.go

    def resolve_kubernetes(self, requested: str) -> Version:
        """Return the exact version; `stable` is the newest release of the module proxy."""
        module = self.components["kubernetes"].go.module
        query = "latest" if requested in ("stable", "latest") else f"v{requested}"
        try:
            info = self.go.module(f"{module}@{query}", OUTSIDE_MODULES)
        except UnknownVersion as error:
            raise UnknownVersion(
                f"Kubernetes {requested} is not published as a Go module.", self._versions_hint()
            ) from error
        return Version.parse(info["Version"])

    def _versions_hint(self) -> str:
        try:
            newest = ", ".join(str(version) for version in self.list_versions()[:6])
        except ExternalError:
            return "The module proxy does not list its versions: use an exact version."
        return f"The newest of each minor: {newest}. List all: inv versions --source go"

    def is_published(self, component: str, version: Version) -> bool:
        """Return whether the module proxy has a version that has a go.mod."""
        module = self.components[component].go.module
        try:
            info = self.go.module(f"{module}@v{version}", OUTSIDE_MODULES)
        except UnknownVersion:
            return False
        # For a version that is older than Go modules, Go makes up a go.mod without a go line.
        return bool(GO_LINE.search(Path(info["GoMod"]).read_text("utf-8")))

    def list_versions(self) -> Sequence[Version]:
        """Return the newest patch of each minor on the module proxy, newest first."""
        module = self.components["kubernetes"].go.module
        output = self.go.run("list", "-m", "-versions", module, cwd=OUTSIDE_MODULES).stdout
        newest: dict[str, Version] = {}
        for version in sorted(Version.parse(text) for text in output.split()[1:]):
            newest[version.series] = version
        return tuple(sorted(newest.values(), reverse=True))

    def pin(self, component: str, version: Version, arches: Sequence[Arch]) -> Component:
        """Download the module; return it with its sum, and what the sum was checked against."""
        spec = self.components[component]
        module = f"{spec.go.module}@v{version}"
        try:
            info = self.go.module(module, OUTSIDE_MODULES, download=True)
        except UnknownVersion:
            raise UnknownVersion(
                f"{spec.title} {version} is not published as a Go module.",
                f"Choose another version: {version_option(component)}VERSION.\n"
                f"go list -m -versions {spec.go.module} prints those that are published.",
            ) from None
        check_module(spec, version, Path(info["Dir"]))
        self.require_toolchain(Path(info["GoMod"]).read_text("utf-8"))
        check = self._module_check(spec, Path(info["Dir"]))
        return Component(
            component,
            stamped_version(self.variant, component, version),
            int(datetime.fromisoformat(_release_time(info)).timestamp()),
            tuple(Artifact(component, component, arch, module, info["Sum"], check.database) for arch in arches),
            (
                *((f"{UNCHECKED_REMARK} ({check.reason}).",) if check.reason else ()),
                *unused_patches(self.variant, component, version),
            ),
        )

    def require_toolchain(self, go_mod: str) -> None:
        """Use the toolchain that a go.mod requires if ours is older; raise ConfigurationError if FIPS is missing."""
        with self.guard:  # several components are pinned in parallel
            self.go = with_required_toolchain(self.go, go_mod)
        require_fips_module(self.go)

    def _module_check(self, spec: ComponentSpec, source: Path) -> ModuleCheck:
        """Return how Go checks the modules whose sums upstream's go.sum does not have."""
        siblings = list(sibling_folders(source)) if spec.go.siblings else []
        return module_check(self.go.settings, [spec.go.module, *siblings])

    def cached(self, artifact: Artifact, store: Store) -> Mapping[str, str] | None:
        return next(filter(None, (stored_binaries(store, recipe) for recipe in self._recipes(artifact))), None)

    def download_size(self, artifact: Artifact) -> int | None:
        return None

    def prepare(self, artifacts: Sequence[Artifact], store: Store, warn: Callable[[str], None]) -> None:
        for artifact in {a.component: a for a in artifacts if self._patches(a)}.values():
            if self.cached(artifact, store) is None:
                self._patched_files(artifact, store, warn)

    def fetch(self, artifacts: Sequence[Artifact], store: Store, log: Log) -> Binaries:
        """Compile what the store lacks, by one `go build` for each component. Raises PatchError before that."""
        self.prepare(artifacts, store, log.warn)
        return {(a.component, a.arch): self._load_or_compile(a, store, log) for a in artifacts}

    def _load_or_compile(self, artifact: Artifact, store: Store, log: Log) -> Mapping[str, str]:
        """Return the binaries in the store, else compile them, once among all processes."""
        binaries = self.cached(artifact, store)
        if binaries is None:
            with store.lock(f"go-{hashlib.sha256(self._recipes(artifact)[0].encode()).hexdigest()[:16]}"):
                binaries = self.cached(artifact, store) or self._compile(artifact, store, log)
        return binaries

    def _recipes(self, artifact: Artifact) -> list[str]:
        """Return the keys of the binaries that may be used: whose modules were checked as the lock demands."""
        any_database = artifact.checksum in ("", UNCHECKED)
        databases = (GOLANG_DATABASE, UNCHECKED) if any_database else (artifact.checksum,)
        return [self._recipe(artifact, database) for database in databases]

    def _recipe(self, artifact: Artifact, database: str) -> str:
        """Return all inputs that decide the bytes, as JSON.

        Binaries of modules that Go's checksum database did not confirm are kept apart.
        """
        spec = self.components[artifact.component]
        toolchain = self.pinned_toolchain or self.toolchain
        inputs = [artifact.origin, artifact.digest, artifact.arch, toolchain]
        environment = go_toolchain.environment(self.variant, artifact.arch)
        other_database = () if database == GOLANG_DATABASE else (database,)
        go = spec.go.model_dump(exclude={"folder", "tree_stamps"})
        patches = [patch.key for patch in self._patches(artifact)]
        changes = ({"patches": patches, "suffix": self.variant.suffix},) if patches else ()
        debug = ({"debug": True},) if self.variant.debug else ()
        return json.dumps([RECIPE, *inputs, go, spec.binaries, environment, *other_database, *changes, *debug])

    def _patches(self, artifact: Artifact) -> tuple[Patch, ...]:
        return applicable_patches(self.variant, artifact.component, artifact.module_version)

    def _compile(self, artifact: Artifact, store: Store, log: Log) -> dict[str, str]:
        spec = self.components[artifact.component]
        info = self.go.module(artifact.origin, OUTSIDE_MODULES, download=True)
        if info["Sum"] != artifact.digest:
            raise DigestError(
                f"{artifact.origin}: the module's sum is {info['Sum']}, kubeparcel.lock has {artifact.digest}.",
                "Nothing was compiled. If the lock is wrong: inv resolve",
            )
        source = Path(info["Dir"])
        check = self._module_check(spec, source)
        require_check(artifact, check)
        version = artifact.module_version
        with store.scratch() as folder:
            files = self._patched_files(artifact, store)
            patched = write_modules(files, Repository.published(spec.go, version, self.go), folder / PATCHED)
            source = patched.get(spec.go.module, source)
            packages = main_packages(spec, source)
            write_module(folder, spec, version, source)
            replace_modules(folder, spec.go.module, patched)
            stamped = stamped_version(self.variant, artifact.component, version)
            variables = link_variables(spec, stamped, _release_time(info))
            names = output_names(spec, packages)
            title = f"{spec.title} {stamped}"
            compilation = Compilation(title, folder, packages, names, variables, artifact.arch)
            binaries = compilation.run(self.go, folder / "out", store, log)
        store.put_record(RECORDS, self._recipe(artifact, check.database), binaries)
        return binaries

    def _patched_files(
        self, artifact: Artifact, store: Store, remark: Callable[[str], object] = lambda _: None
    ) -> PatchedFiles:
        """Return the files that the patches change."""
        patches = [(p, store.get(p.sha256, p.name).read_bytes()) for p in self._patches(artifact)]
        spec, version = self.components[artifact.component], artifact.module_version
        repository = Repository.published(spec.go, version, self.go)
        return patched_files(patches, f"{spec.title} {version}", repository, remark) if patches else {}


def _release_time(info: Mapping[str, str]) -> str:
    """Return the time of a module version, in ISO 8601."""
    return str(json.loads(Path(info["Info"]).read_bytes())["Time"])
