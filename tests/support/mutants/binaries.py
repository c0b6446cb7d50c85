"""Mutants of the binaries and their provenance."""

from __future__ import annotations

from tests.support.elf_files import ARM64
from tests.support.mutants.mutant import OTHER_BINARY, Mutant, both, call, go_build, replace_binary

BINARIES = (
    Mutant(
        "a binary of another architecture",
        "kubectl",
        replace_binary("/usr/bin/kubectl", machine=ARM64),
        "elf-machine",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "a dynamic kubectl",
        "kubectl",
        replace_binary("/usr/bin/kubectl", needs=("libc.so.6",)),
        "static",
        also_fails=OTHER_BINARY | {"c-library-dependency"},
    ),
    Mutant(
        "a kubelet with another library than libc",
        "kubelet",
        replace_binary("/usr/bin/kubelet", needs=("libc.so.6", "libssl.so.3")),
        "static",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "a script instead of a binary",
        "kubectl",
        call("replace_content", "/usr/bin/kubectl", "#!/bin/sh\n"),
        "programs-are-binaries",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "a binary of another project",
        "kubectl",
        replace_binary("/usr/bin/kubectl", go=go_build(module="example.com/kubectl")),
        "go-module",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "a binary of another version",
        "kubectl",
        replace_binary("/usr/bin/kubectl", go=go_build(version="v1.36.2")),
        "go-module-version",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "a binary with another GOARCH",
        "kubectl",
        replace_binary("/usr/bin/kubectl", go=go_build(settings={"-trimpath": "true", "GOARCH": "arm64"})),
        "go-target",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "built without -trimpath",
        "kubectl",
        replace_binary("/usr/bin/kubectl", go=go_build(settings={})),
        "go-trimpath",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "paths of the build machine",
        "kubectl",
        replace_binary("/usr/bin/kubectl", go=go_build(sources=("/home/me/src/main.go",))),
        "no-build-paths",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "a FIPS module that is not recorded",
        "kubectl",
        replace_binary("/usr/bin/kubectl", go=go_build(settings={"-trimpath": "true", "GOFIPS140": "v1.0.0-c2097c7c"})),
        "provenance-go",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "a version that does not name the FIPS module",
        "kubectl",
        both(
            replace_binary(
                "/usr/bin/kubectl", go=go_build(settings={"-trimpath": "true", "GOFIPS140": "v1.0.0-c2097c7c"})
            ),
            call("replace_text", "provenance.json", '"origins"', '"go": {"fips": true}, "origins"'),
        ),
        "provenance-go",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "other x86-64 processors than recorded",
        "kubectl",
        replace_binary("/usr/bin/kubectl", go=go_build(settings={"-trimpath": "true", "GOAMD64": "v3"})),
        "provenance-go",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "a patched module that is not recorded",
        "kubectl",
        replace_binary("/usr/bin/kubectl", go=go_build(modules={"./patched/k8s.io/kubectl": "(devel)"})),
        "provenance-patches",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "a patched main module that is not recorded",
        "kubectl",
        replace_binary("/usr/bin/kubectl", go=go_build(sum="")),
        "provenance-patches",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "a toolchain other than recorded",
        "kubectl",
        replace_binary("/usr/bin/kubectl", go=go_build(toolchain="go1.20")),
        "provenance-toolchain",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "a digest that is not the binary's",
        "kubectl",
        call("replace_text", "provenance.json", "sha256:", "sha256:0"),
        "provenance",
    ),
    Mutant(
        "the provenance of another package",
        "kubectl",
        call("replace_text", "provenance.json", '"kubectl 1.36.3-1"', '"kubectl 1.36.2-1"'),
        "provenance",
    ),
    Mutant("a provenance that is not JSON", "kubectl", call("replace_content", "provenance.json", "{"), "provenance"),
)
