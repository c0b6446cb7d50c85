"""Mutants of the binaries and of the record of where they come from."""

from __future__ import annotations

from tests.support.elf_files import ARM64
from tests.support.mutants.mutant import PROVENANCE, Mutant, binary, go, on

BINARIES = (
    Mutant(
        "a binary of another architecture",
        "kubectl",
        binary("/usr/bin/kubectl", machine=ARM64),
        "elf-machine",
        also=PROVENANCE,
    ),
    Mutant(
        "a dynamic kubectl",
        "kubectl",
        binary("/usr/bin/kubectl", needs=("libc.so.6",)),
        "static",
        also=PROVENANCE | {"c-library-dependency"},
    ),
    Mutant(
        "a kubelet with a strange library",
        "kubelet",
        binary("/usr/bin/kubelet", needs=("libc.so.6", "libssl.so.3")),
        "static",
        also=PROVENANCE,
    ),
    Mutant(
        "a script instead of a binary",
        "kubectl",
        on("put", "/usr/bin/kubectl", "#!/bin/sh\n"),
        "programs-are-binaries",
        also=PROVENANCE,
    ),
    Mutant(
        "a binary of another project",
        "kubectl",
        binary("/usr/bin/kubectl", go=go(module="example.com/kubectl")),
        "go-module",
        also=PROVENANCE,
    ),
    Mutant(
        "a binary of another version",
        "kubectl",
        binary("/usr/bin/kubectl", go=go(version="v1.36.2")),
        "go-module-version",
        also=PROVENANCE,
    ),
    Mutant(
        "a binary for another architecture by Go",
        "kubectl",
        binary("/usr/bin/kubectl", go=go(settings={"-trimpath": "true", "GOARCH": "arm64"})),
        "go-target",
        also=PROVENANCE,
    ),
    Mutant(
        "built without -trimpath",
        "kubectl",
        binary("/usr/bin/kubectl", go=go(settings={})),
        "go-trimpath",
        also=PROVENANCE,
    ),
    Mutant(
        "paths of the build machine",
        "kubectl",
        binary("/usr/bin/kubectl", go=go(sources=("/home/me/src/main.go",))),
        "no-build-paths",
        also=PROVENANCE,
    ),
    Mutant(
        "another toolchain than recorded",
        "kubectl",
        binary("/usr/bin/kubectl", go=go(toolchain="go1.20")),
        "provenance-toolchain",
        also=PROVENANCE,
    ),
    Mutant(
        "a digest that is not the binary's",
        "kubectl",
        on("edit", "provenance.json", "sha256:", "sha256:0"),
        "provenance",
    ),
    Mutant(
        "the provenance of another package",
        "kubectl",
        on("edit", "provenance.json", '"kubectl 1.36.3-1"', '"kubectl 1.36.2-1"'),
        "provenance",
    ),
    Mutant(
        "a provenance that is no JSON", "kubectl", on("put", "provenance.json", "{"), "provenance"
    ),
)
