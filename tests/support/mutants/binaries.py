"""Mutants of the binaries and their provenance."""

from __future__ import annotations

from typing import Any

from tests.support.elf_files import ARM64
from tests.support.mutants.mutant import OTHER_BINARY, Mutant, both, call, go_build, replace_binary
from tests.support.sample_packages import Mutation

FIPS = {"-trimpath": "true", "GOFIPS140": "v1.0.0-c2097c7c"}


def _kubectl(name: str, mutate: Mutation, check: str, *also: str) -> Mutant:
    """Return a mutant whose kubectl is another program."""
    return Mutant(name, "kubectl", mutate, check, also_fails=OTHER_BINARY | {*also})


def _compiled(name: str, check: str, **values: Any) -> Mutant:
    """Return a mutant whose kubectl has another record of its Go build."""
    return _kubectl(name, replace_binary("/usr/bin/kubectl", go=go_build(**values)), check)


BINARIES = (
    _kubectl("a binary of another architecture", replace_binary("/usr/bin/kubectl", machine=ARM64), "elf-machine"),
    _kubectl(
        "a dynamic kubectl",
        replace_binary("/usr/bin/kubectl", needs=("libc.so.6",)),
        *("static", "c-library-dependency"),
    ),
    Mutant(
        "a kubelet with another library than libc",
        "kubelet",
        replace_binary("/usr/bin/kubelet", needs=("libc.so.6", "libssl.so.3")),
        "static",
        also_fails=OTHER_BINARY,
    ),
    _kubectl(
        "a script instead of a binary",
        call("replace_content", "/usr/bin/kubectl", "#!/bin/sh\n"),
        "programs-are-binaries",
    ),
    _compiled("a binary of another project", "go-module", module="example.com/kubectl"),
    _compiled("a binary of another version", "go-module-version", version="v1.36.2"),
    _compiled("a binary with another GOARCH", "go-target", settings={"-trimpath": "true", "GOARCH": "arm64"}),
    _compiled("built without -trimpath", "go-trimpath", settings={}),
    _compiled("paths of the build machine", "no-build-paths", sources=("/home/me/src/main.go",)),
    _compiled("a FIPS module that is not recorded", "provenance-go", settings=FIPS),
    _kubectl(
        "a version that does not name the FIPS module",
        both(
            replace_binary("/usr/bin/kubectl", go=go_build(settings=FIPS)),
            call("replace_text", "provenance.json", '"origins"', '"go": {"fips": true}, "origins"'),
        ),
        "provenance-go",
    ),
    _compiled(
        *("other x86-64 processors than recorded", "provenance-go"), settings={"-trimpath": "true", "GOAMD64": "v3"}
    ),
    _compiled(
        *("a patched module that is not recorded", "provenance-patches"),
        modules={"./patched/k8s.io/kubectl": "(devel)"},
    ),
    _compiled("a patched main module that is not recorded", "provenance-patches", sum=""),
    _compiled("a toolchain other than recorded", "provenance-toolchain", toolchain="go1.20"),
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
