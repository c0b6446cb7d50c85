"""Modules that cannot be compiled as a dependency are reported when they are resolved, before anything is compiled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from kubeparcel.config.component_models import ComponentSpec, GoSpec
from kubeparcel.errors import KubeparcelError
from kubeparcel.model import Version
from kubeparcel.sources.compiled_module import check_module, main_packages, output_names, program_name, write_module

V1 = Version(1, 0, 0)
MAIN, LIBRARY = "package main\n\nfunc main() {}\n", "// package main is elsewhere\npackage tool\n"


def module(folder: Path, files: Mapping[str, str], go_mod: str = "module example.com/tool\n") -> Path:
    for name, text in {"go.mod": go_mod, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def spec(*mains: str, binaries: tuple[str, ...] = (), **go: str) -> ComponentSpec:
    settings = {"module": "example.com/tool", "mains": mains or (".",), **go}
    return ComponentSpec(title="tool", binaries=binaries, go=GoSpec.model_validate(settings))


@pytest.mark.parametrize(
    ("component", "files", "message"),
    [
        (spec("cmd/x"), {"main.go": MAIN}, "example.com/tool has no cmd/x in "),
        (spec("cmd/{name}", binaries=("x",)), {"main.go": MAIN}, "example.com/tool has no cmd/x in "),
        (spec(), {"tool.go": LIBRARY, "main_test.go": MAIN}, "has no program in .: its package is not main"),
        (
            spec("cmd/*"),
            {"cmd/a/a.go": MAIN, "cmd/b/b.go": LIBRARY},
            "has no program in cmd/b: its package is not main",
        ),
        (
            spec("cmd/*", "tools/*"),
            {"cmd/x/main.go": MAIN, "tools/x/main.go": MAIN},
            "has several main packages of one name: example.com/tool/cmd/x, example.com/tool/tools/x.",
        ),
    ],
)
def test_missing_or_ambiguous_main_package_is_an_error(tmp_path, component, files, message):
    with pytest.raises(KubeparcelError) as caught:
        check_module(component, V1, module(tmp_path, files))
    assert message in caught.value.message
    assert "kubeparcel.yaml" in caught.value.hint or "go.mains" in caught.value.hint


@pytest.mark.parametrize(
    ("go_mod", "message"),
    [
        ("module example.com/original\n", "example.com/tool 1.0.0 declares its path as example.com/original (go.mod)."),
        ("module example.com/tool\n\nreplace example.com/x => ../x\n", "replaces modules by folders"),
        ("module example.com/tool\n\nreplace example.com/x v1.0.0 => ../x\n", ": ../x (go.mod)."),
        (
            "module example.com/tool\n\nreplace (\n\ta => ./a\n\tb => /srv/b\n\tc => ..\n)\n",
            ": ./a, /srv/b, .. (go.mod).",
        ),
    ],
)
def test_fork_that_would_not_build_as_its_repository_does_is_an_error(tmp_path, go_mod, message):
    with pytest.raises(KubeparcelError) as caught:
        check_module(spec(), V1, module(tmp_path, {"main.go": MAIN}, go_mod))
    assert message in caught.value.message
    assert "--source tree:DIR" in caught.value.hint


def test_replacements_of_a_fork_count_although_go_ignores_those_of_dependencies(tmp_path):
    """Otherwise the program would be silently built from other modules than its repository says."""
    lines = "replace example.com/x => example.com/fork v1.2.3 // not ../x\n\nexclude example.com/y v1.0.0\n"
    source = module(tmp_path / "source", {"main.go": MAIN}, f'module "example.com/tool"\n\n{lines}')
    check_module(spec(), V1, source)
    (tmp_path / "out").mkdir()
    write_module(tmp_path / "out", spec(), V1, source)
    assert lines in (tmp_path / "out/go.mod").read_text()
    assert (tmp_path / "out/go.sum").read_text() == ""  # a module without dependencies has no go.sum


@pytest.mark.parametrize(
    ("package", "name"),
    [("example.com/tool", "tool"), ("example.com/tool/v2", "tool"), ("a.example/x/cmd/v1", "v1"), ("v2", "v2")],
)
def test_program_is_named_as_go_build_names_it(package, name):
    assert program_name(package) == name


def test_only_program_of_a_component_has_the_name_of_its_binary(tmp_path):
    component = spec(binaries=("hello",))
    assert output_names(component, main_packages(component, module(tmp_path, {"main.go": MAIN}))) == ["hello"]
