"""Compiles the main packages of a folder into the store, with one `go build`; the result is recorded by its recipe."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.errors import ConfigurationError, ExternalError
from kubeparcel.lock_models import DEBUG_SUFFIX, BuildVariant
from kubeparcel.model import Arch
from kubeparcel.sources import go_toolchain
from kubeparcel.sources.go_toolchain import Go
from kubeparcel.store import Store

GO_LINE = re.compile(r"^go (\S+)$", re.MULTILINE)

RECORDS = "go"
"""The kind of the records of compiled binaries."""

MODULES, VENDOR = "-mod=mod", "-mod=vendor"
"""Where the code of other modules comes from."""


@dataclass(frozen=True)
class Compilation:
    """Main packages below `folder`, with link-time `variables`, for an architecture.

    `names` are those of the programs, `title` is the component with its version. `mod` is MODULES or VENDOR.
    """

    title: str
    folder: Path
    packages: Sequence[str]
    names: Sequence[str]
    variables: Mapping[str, str]
    arch: Arch
    mod: str = MODULES

    def run(self, go: Go, out: Path, store: Store, log: Log) -> dict[str, str]:
        """Compile into the new folder `out`; return the SHA-256 of each program by name. Raises ExternalError."""
        self._build(go, out, log)
        outputs = sorted(out.iterdir())
        for output in outputs if go.variant.as_document() else ():
            require_variant(output, go.variant, self.arch)
        if go.variant.debug:
            outputs += self._debug_files(go, out, log)
        binaries = {output.name: store.add(output) for output in outputs}
        for sha256 in binaries.values():
            store.cache_digests(sha256)
        return binaries

    def _debug_files(self, go: Go, out: Path, log: Log) -> list[Path]:
        """Link the programs again, with symbols, and return the files with these alone."""
        from kubeparcel.sources.debug_symbols import write_debug_file

        unstripped = out.with_name(f"{out.name}-unstripped")
        self._build(go, unstripped, log, ())
        targets = {name: out / f"{name}{DEBUG_SUFFIX}" for name in self.names}
        for name, target in targets.items():
            write_debug_file(out / name, unstripped / name, target)
        return [*targets.values()]

    def _build(self, go: Go, out: Path, log: Log, strip: Sequence[str] = ("-s -w",)) -> None:
        """Run `go build` with progress."""
        run = functools.partial(go.run, cwd=self.folder, arch=self.arch)
        dependencies = run("list", self.mod, "-deps", *self.packages)
        total = len(set(dependencies.stdout.split()))
        names = self.names
        with log.task("Compile", f"{self.title} {self.arch}", total, "packages") as task:
            compiled = 0

            def on_line(line: str) -> None:
                nonlocal compiled
                if " " in line:
                    return
                compiled += 1
                finished = sum((out / name).exists() for name in names)
                task.advance(1, f"{finished} of {len(names)} binaries · {compiled:,} of {total:,} packages")

            link_flags = " ".join([*strip, *(f"-X {name}={value}" for name, value in self.variables.items())])
            flags = [self.mod, "-trimpath", "-buildvcs=false", "-v", f"-ldflags={link_flags}"]
            target = out / names[0] if len(names) == 1 else f"{out}/"
            run("build", *flags, f"-o={target}", *self.packages, on_line=on_line)
        missing = [name for name in names if not (out / name).is_file()]
        if missing:
            raise ExternalError(f"go build of {self.title} did not produce {', '.join(missing)}.")


def stored_binaries(store: Store, recipe: str) -> dict[str, str] | None:
    """Return the programs of a recipe by name, if the store has all of them."""
    binaries = store.get_record(RECORDS, recipe)
    if binaries and all(store.has(sha256) for sha256 in binaries.values()):
        return dict(binaries)
    return None


def with_required_toolchain(go: Go, go_mod: str) -> Go:
    """Return go as the toolchain that a go.mod or go.work requires, if ours is older."""
    required = GO_LINE.search(go_mod)
    if required and _version_numbers(required[1]) > _version_numbers(go.toolchain):
        exact = required[1] if required[1].count(".") > 1 else f"{required[1]}.0"
        return dataclasses.replace(go, toolchain=f"go{exact}")
    return go


def require_fips_module(go: Go) -> None:
    """Raise ConfigurationError if FIPS is requested of a compiler without the module."""
    oldest = go_toolchain.OLDEST_FIPS_TOOLCHAIN
    if go.variant.fips and _version_numbers(go.toolchain) < _version_numbers(oldest):
        raise ConfigurationError(
            f"go.fips: {go.toolchain} has no FIPS 140-3 module, which {oldest} is the first to have.",
            "Install a newer Go, or remove the setting.",
        )


def _version_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.removeprefix("go"))[:3])


def require_variant(program: Path, variant: BuildVariant, arch: Arch) -> None:
    """Raise ExternalError if a program does not record that it was compiled as requested."""
    from kubeparcel.packages import elf

    info = elf.read(program).go
    recorded = info.settings if info else {}
    expected = go_toolchain.environment(variant, arch)
    problems = [
        f"{name}={recorded.get(name) or 'not set'}, expected {expected[name]}"
        for name in ("GOFIPS140", *(("GOAMD64",) if arch is Arch.AMD64 else ()))
        if _variant_setting(recorded.get(name, "")) != _variant_setting(expected[name])
    ]
    if problems:
        raise ExternalError(f"{program.name} was not compiled as requested: {'; '.join(problems)} (go version -m).")


def _variant_setting(value: str) -> str:
    """Return a setting of a binary without the digest that Go adds: v1.0.0 for v1.0.0-c2097c7c, empty for off."""
    return value.partition("-")[0].replace("off", "")
