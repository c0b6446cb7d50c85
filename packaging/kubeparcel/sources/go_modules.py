"""Source `go`: compiles the binaries from Go modules, checked against Go's checksum database."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubeparcel import md5
from kubeparcel.console import Log
from kubeparcel.errors import ConfigurationError, DigestError, ExternalError, UnknownVersion
from kubeparcel.model import Arch, Artifact, Binaries, Component, Version
from kubeparcel.sources import go_toolchain
from kubeparcel.sources.go_toolchain import Go
from kubeparcel.store import Store

if TYPE_CHECKING:
    from kubeparcel.config.catalog_models import ComponentSpec

RECIPE = 1
"""Raised when the same module is to give other bytes."""

OUTSIDE_MODULES = Path("/")
"""A folder without a go.mod: looking modules up there depends on nothing."""


class GoModules:
    """Kubernetes, cri-tools and the CNI plugins as Go modules, and the compiler for them."""

    name: ClassVar[str] = "go"

    def __init__(self, components: Mapping[str, ComponentSpec], toolchain: str = "") -> None:
        self.components = components
        self.pinned = toolchain
        self.guard = threading.Lock()

    @functools.cached_property
    def go(self) -> Go:
        """The compiler, looked for when it is first needed."""
        return go_toolchain.find_go(self.pinned)

    @property
    def toolchain(self) -> str:
        """Its exact version, `go1.26.8`: another one may give other bytes."""
        return self.go.toolchain

    def probe(self) -> None:
        """Raise ToolError when there is no Go."""
        _ = self.go

    def resolve_kubernetes(self, wanted: str) -> Version:
        """The exact version meant; `stable` is the newest release that the module proxy lists."""
        module = self.components["kubernetes"].go.module
        query = "latest" if wanted in ("stable", "latest") else f"v{wanted}"
        try:
            found = self.go.module(f"{module}@{query}", OUTSIDE_MODULES)
        except UnknownVersion as error:
            raise UnknownVersion(
                f"Kubernetes {wanted} is not published as a Go module.", self._there_are()
            ) from error
        return Version.parse(found["Version"])

    def _there_are(self) -> str:
        try:
            known = ", ".join(str(v) for v in self.list_versions()[:6])
        except ExternalError:
            return "The module proxy does not list what it has: name another exact version."
        return f"The newest of each minor here: {known}. All: inv versions --source go"

    def is_published(self, component: str, version: Version) -> bool:
        """Whether the module proxy has that version."""
        try:
            self.go.module(f"{self.components[component].go.module}@v{version}", OUTSIDE_MODULES)
        except UnknownVersion:
            return False
        return True

    def list_versions(self) -> Sequence[Version]:
        """The newest patch of each minor that the module proxy lists, newest first."""
        module = self.components["kubernetes"].go.module
        listed = self.go.run("list", "-m", "-versions", module, cwd=OUTSIDE_MODULES).stdout.split()[
            1:
        ]
        newest: dict[str, Version] = {}
        for version in sorted(Version.parse(text) for text in listed):
            newest[version.series] = version
        return tuple(sorted(newest.values(), reverse=True))

    def pin(self, component: str, version: Version, arches: Sequence[Arch]) -> Component:
        """Download the module and give its sum, as the checksum database confirmed it."""
        spec = self.components[component]
        module = f"{spec.go.module}@v{version}"
        try:
            found = self.go.module(module, OUTSIDE_MODULES, download=True)
        except UnknownVersion:
            raise UnknownVersion(
                f"{spec.title} {version} is not published as a Go module.",
                f"Name another one: --{component} VERSION.",
            ) from None
        self._new_enough(found)
        released = json.loads(Path(found["Info"]).read_bytes())["Time"]
        return Component(
            component,
            version,
            int(datetime.fromisoformat(released).timestamp()),
            tuple(Artifact(component, component, arch, module, found["Sum"]) for arch in arches),
        )

    def _new_enough(self, found: Mapping[str, str]) -> None:
        """Move to the toolchain that the module asks for when ours is older."""
        wanted = re.search(r"^go (\S+)$", Path(found["GoMod"]).read_text("utf-8"), re.MULTILINE)
        with self.guard:  # several releases are pinned at a time
            if wanted and _numbers(wanted[1]) > _numbers(self.go.toolchain):
                parts = wanted[1] if wanted[1].count(".") > 1 else f"{wanted[1]}.0"
                self.go = Go(self.go.program, f"go{parts}")

    def fetch(self, artifacts: Sequence[Artifact], store: Store, log: Log) -> Binaries:
        """Compile what the store does not have; one call of Go for a component's binaries."""
        return {(a.component, a.arch): self._built(a, store, log) for a in artifacts}

    def _built(self, artifact: Artifact, store: Store, log: Log) -> Mapping[str, str]:
        recipe = self._recipe(artifact)
        known = store.get_record("go", recipe)
        if known and all(store.has(sha256) for sha256 in known.values()):
            return dict(known)
        with store.lock(f"go-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"):
            known = store.get_record("go", recipe)
            if not (known and all(store.has(sha256) for sha256 in known.values())):
                known = self._compile(artifact, store, log)
                store.put_record("go", recipe, known)
        return dict(known)

    def _recipe(self, artifact: Artifact) -> str:
        """All that decides the bytes."""
        spec = self.components[artifact.component]
        inputs = [artifact.origin, artifact.digest, artifact.arch, self.pinned or self.toolchain]
        return json.dumps(
            [
                RECIPE,
                *inputs,
                spec.go.model_dump(),
                spec.binaries,
                dict(go_toolchain.FIXED_ENVIRONMENT),
            ]
        )

    def _compile(self, artifact: Artifact, store: Store, log: Log) -> dict[str, str]:
        spec = self.components[artifact.component]
        found = self.go.module(artifact.origin, OUTSIDE_MODULES, download=True)
        if found["Sum"] != artifact.digest:
            raise DigestError(
                f"{artifact.origin}: the module's sum is {found['Sum']}, "
                f"the lock says {artifact.digest}.",
                "Nothing was compiled. If the lock is wrong: inv resolve",
            )
        mains = _mains(spec, Path(found["Dir"]))
        version = Version.parse(artifact.origin.rpartition("@v")[2])
        date = json.loads(Path(found["Info"]).read_bytes())["Time"]
        with store.scratch() as folder:
            write_module(folder, spec, version, Path(found["Dir"]))
            flags = [
                "-s -w",
                *(f"-X {k}={v}" for k, v in link_variables(spec, version, date).items()),
            ]
            self._build(folder, artifact, spec, mains, " ".join(flags), log)
            made = {main.name: store.add(main) for main in sorted((folder / "out").iterdir())}
        for sha256 in made.values():
            md5.note(store, sha256)
        return made

    def _build(
        self,
        folder: Path,
        artifact: Artifact,
        spec: ComponentSpec,
        mains: Sequence[str],
        flags: str,
        log: Log,
    ) -> None:
        """One `go build` of all main packages, with its progress."""
        out = folder / "out"
        deps = self.go.run("list", "-mod=mod", "-deps", *mains, cwd=folder, arch=artifact.arch)
        packages = len(set(deps.stdout.split()))
        names = [main.rpartition("/")[2] for main in mains]
        with log.task("Compile", f"{spec.title} {artifact.arch}", packages, "packages") as task:
            seen = 0

            def on_line(line: str) -> None:
                nonlocal seen
                if " " in line:
                    return
                seen += 1
                ready = [name for name in names if (out / name).exists()]
                part = f"{len(ready)} of {len(names)} binaries"
                task.advance(1, f"{part} · {seen:,} of {packages:,} packages")

            words = ["-mod=mod", "-trimpath", "-buildvcs=false", "-v", f"-ldflags={flags}"]
            self.go.run(
                "build",
                *words,
                f"-o={out}/",
                *mains,
                cwd=folder,
                arch=artifact.arch,
                on_line=on_line,
            )
        missing = [name for name in names if not (out / name).is_file()]
        if missing:
            raise ExternalError(f"Go built {artifact.origin}, but not: {', '.join(missing)}.")


def link_variables(spec: ComponentSpec, version: Version, date: str) -> dict[str, str]:
    """The variables that get the version at link time. The date is the module's, never today's."""
    return {
        name: value.format(version=version, date=date) for name, value in spec.go.stamps.items()
    }


def write_module(folder: Path, spec: ComponentSpec, version: Version, source: Path) -> None:
    """Write a module that requires the upstream one with upstream's own dependencies and sums.

    Upstream's replacements by folders of its repository become those of the published modules.
    """
    if not (source / "go.mod").is_file():
        raise UnknownVersion(
            f"{spec.title} {version} is from before Go modules: it cannot be compiled from them.",
            "Use --source upstream, or --mirror with a copy of upstream's files.",
        )
    text = (source / "go.mod").read_text("utf-8")
    text = re.sub(r"^module .*$", "module kubeparcel.invalid/build", text, flags=re.MULTILINE)
    if spec.go.staging:
        staged = "v0." + str(version).partition(".")[2]
        text = re.sub(r"(\S+) => \./staging/\S+", rf"\1 => \1 {staged}", text)
    if re.search(r"=> \.", text):
        raise ConfigurationError(f"{spec.go.module} {version} replaces modules by its own folders.")
    text += f"\nrequire {spec.go.module} v{version}\n"
    (folder / "go.mod").write_text(text, "utf-8")
    (folder / "go.sum").write_bytes((source / "go.sum").read_bytes())


def _mains(spec: ComponentSpec, source: Path) -> list[str]:
    """The import paths of the main packages."""
    wanted = [
        pattern.format(name=name) for pattern in spec.go.mains for name in spec.binaries or ("",)
    ]
    found = {pattern: sorted(filter(Path.is_dir, source.glob(pattern))) for pattern in wanted}
    missing = [pattern for pattern, paths in found.items() if not paths]
    if missing:
        raise ExternalError(f"{spec.go.module} has no {', '.join(missing)} in {source}.")
    return [
        f"{spec.go.module}/{path.relative_to(source).as_posix()}"
        for paths in found.values()
        for path in paths
        if path.name not in spec.go.skip
    ]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.removeprefix("go"))[:3])
