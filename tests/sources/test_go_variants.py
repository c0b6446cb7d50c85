"""Source `go`: FIPS and levels of processors are part of versions, builds and the cache."""

from __future__ import annotations

import dataclasses

import pytest

from kubeparcel.config import catalog
from kubeparcel.errors import ConfigurationError, ExternalError
from kubeparcel.lock_models import BuildVariant
from kubeparcel.model import Arch
from kubeparcel.sources.compilation import require_fips_module
from kubeparcel.sources.go_modules import GoModules
from tests.sources.go_world import AMD64, S390X, World, modules, version
from tests.support.elf_files import Go as GoRecord
from tests.support.elf_files import elf

FIPS, LEVEL3 = BuildVariant(fips=True), BuildVariant(amd64="v3")


def built(world: World, **settings: str) -> None:
    """Let go write ELF files that record these settings."""
    world.facts["program"] = elf(go=GoRecord(settings={"-trimpath": "true", **settings})).hex()
    world.save()


def of_variant(variant: BuildVariant, toolchain: str = "go1.26.8") -> GoModules:
    return GoModules(catalog.load().components, toolchain, variant)


def test_fips_is_part_of_the_version_and_of_the_build(published, store, log):
    built(published, GOFIPS140="v1.0.0-c2097c7c", GOAMD64="v1")
    source = of_variant(FIPS)
    component = source.pin("kubernetes", version("1.36.3"), [Arch.AMD64])
    assert (str(component.version), component.version.package_version) == ("1.36.3+fips", "1.36.3+fips")
    assert component.artifacts[0].origin == "k8s.io/kubernetes@v1.36.3"
    source.fetch(component.artifacts, store, log)
    (call,) = published.recorded_calls("build")
    assert call["variant"] == {"GOFIPS140": "v1.0.0", "GOAMD64": "v1"}
    (flags,) = [word for word in call["words"] if word.startswith("-ldflags=")]
    assert "version.gitVersion=v1.36.3+fips " in flags
    assert "require k8s.io/kubernetes v1.36.3\n" in (published.folder / "go.mod").read_text()


def test_level_of_processors_is_part_of_the_build_for_amd64_only(published, store, log):
    built(published, GOAMD64="v3")
    component = of_variant(LEVEL3).pin("kubernetes", version("1.36.3"), [Arch.AMD64])
    assert str(component.version) == "1.36.3"
    of_variant(LEVEL3).fetch([AMD64, S390X], store, log)
    assert [call["variant"]["GOAMD64"] for call in published.recorded_calls("build")] == ["v3", "v1"]


def test_variants_are_cached_apart(published, store, log):
    modules("go1.26.8").fetch([AMD64], store, log)
    for variant in (FIPS, LEVEL3, BuildVariant(fips=True, amd64="v3")):
        assert of_variant(variant).cached(AMD64, store) is None
    assert of_variant(LEVEL3).cached(dataclasses.replace(S390X), store) is None
    assert modules("go1.26.8").cached(AMD64, store)


@pytest.mark.parametrize(
    ("variant", "settings", "problem"),
    [
        (FIPS, {"GOAMD64": "v1"}, "GOFIPS140=not set, expected v1.0.0"),
        (FIPS, {"GOFIPS140": "latest", "GOAMD64": "v1"}, "GOFIPS140=latest, expected v1.0.0"),
        (LEVEL3, {"GOAMD64": "v1"}, "GOAMD64=v1, expected v3"),
        (LEVEL3, {"GOAMD64": "v3", "GOFIPS140": "v1.0.0-c2097c7c"}, "GOFIPS140=v1.0.0-c2097c7c, expected off"),
    ],
)
def test_binary_that_was_compiled_otherwise_is_an_error(published, store, log, variant, settings, problem):
    built(published, **settings)
    with pytest.raises(ExternalError, match="was not compiled as requested") as caught:
        of_variant(variant).fetch([AMD64], store, log)
    assert problem in caught.value.message
    assert of_variant(variant).cached(AMD64, store) is None


def test_fips_needs_a_compiler_that_has_the_module(published):
    with pytest.raises(ConfigurationError, match=r"go1\.23\.4 has no FIPS 140-3 module"):
        require_fips_module(of_variant(FIPS, "go1.23.4").go)
