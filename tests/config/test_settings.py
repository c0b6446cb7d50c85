"""What the user wants: whose word counts, and what is said of a wrong one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.config.settings import Settings, load_settings
from kubeparcel.errors import ConfigurationError, KubeparcelError, UsageError

# Each field: its default, then three other values, as they would be written.
FIELDS: Mapping[str, tuple[Any, str, str, str]] = {
    "kubernetes": ("stable", "1.34.2", "1.35", "1.36.3"),
    "cri_tools": ("", "1.34.0", "1.35.0", "1.36.0"),
    "cni": ("", "1.7.1", "1.8.0", "1.9.1"),
    "arch": (("amd64",), "arm64", "ppc64le,s390x", "s390x"),
    "format": (("deb", "rpm"), "deb", "rpm", "rpm,deb"),
    "source": ("auto", "go", "upstream", "go"),
    "mirror": ("", "https://a.example", "/srv/mirror", "mirror"),
    "layout": ("etc", "official", "etc", "official"),
    "revision": ("1", "2", "3.el9", "4~rc1"),
    "compression": ("balanced", "fast", "small", "balanced"),
    "out": ("dist", "one", "two", "/three"),
    "maintainer": ("kubeparcel <noreply@kubeparcel.invalid>", "A <a@x>", "B <b@x>", "C <c@x>"),
    "vendor": ("kubeparcel", "A", "B", "C"),
    "kubelet_extra_args": ("", "--v=1", "--v=2", "--v=3 --node-ip=::1"),
}


def dashed(field: str) -> str:
    return field.replace("_", "-")


def plain(value: Any) -> Any:
    """A value as it is written, with commas."""
    return ",".join(value) if isinstance(value, tuple) else value


def said(flags: Mapping[str, Any], kind: type[KubeparcelError] = ConfigurationError) -> str:
    """What is said of settings that are wrong."""
    with pytest.raises(kind) as caught:
        load_settings(flags)
    assert type(caught.value) is kind
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.fixture
def write(here: Path) -> Iterator[Any]:
    """Write kubeparcel.yaml."""

    def text(content: str) -> None:
        (here / "kubeparcel.yaml").write_text(content)

    return text


def test_every_field_is_in_the_table_above():
    assert {*FIELDS, "packages"} == set(Settings.model_fields)


@pytest.mark.parametrize("field", FIELDS)
def test_without_a_word_the_default_holds(here, field):
    assert getattr(load_settings({}), field) == FIELDS[field][0]


@pytest.mark.parametrize("field", FIELDS)
def test_the_file_wins_over_the_default(write, field):
    write(f"{dashed(field)}: '{FIELDS[field][1]}'\n")
    assert plain(getattr(load_settings({}), field)) == FIELDS[field][1]


@pytest.mark.parametrize("field", FIELDS)
def test_the_environment_wins_over_the_file(write, monkeypatch, field):
    write(f"{dashed(field)}: '{FIELDS[field][1]}'\n")
    monkeypatch.setenv(f"KUBEPARCEL_{field.upper()}", FIELDS[field][2])
    assert plain(getattr(load_settings({}), field)) == FIELDS[field][2]


@pytest.mark.parametrize("field", FIELDS)
def test_a_flag_wins_over_the_environment_and_the_file(write, monkeypatch, field):
    write(f"{dashed(field)}: '{FIELDS[field][1]}'\n")
    monkeypatch.setenv(f"KUBEPARCEL_{field.upper()}", FIELDS[field][2])
    assert plain(getattr(load_settings({field: FIELDS[field][3]}), field)) == FIELDS[field][3]


@pytest.mark.parametrize("nothing", [None, "", [], ()])
def test_a_flag_without_a_value_does_not_count(write, nothing):
    write("layout: official\n")
    assert load_settings({"layout": nothing}).layout == "official"


def test_an_empty_variable_does_not_count(write, monkeypatch):
    write("layout: official\n")
    monkeypatch.setenv("KUBEPARCEL_LAYOUT", "")
    assert load_settings({}).layout == "official"


def test_the_file_is_looked_for_where_the_user_stands_or_where_told(here, tmp_path):
    (tmp_path / "kubeparcel.yaml").write_text("layout: official\n")
    assert load_settings({}).layout == "etc"
    assert load_settings({}, tmp_path).layout == "official"
    assert load_settings({}, tmp_path).base == tmp_path


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("amd64", ["amd64"]),
        ("amd64,arm64", ["amd64", "arm64"]),
        (" s390x , amd64 ,", ["s390x", "amd64"]),
        ("amd64,amd64", ["amd64"]),
    ],
)
def test_several_words_are_separated_by_commas_and_each_counts_once(here, written, read):
    assert list(load_settings({"arch": written}).arch) == read


@pytest.mark.parametrize("written", ["arch: [amd64, arm64]", "arch: amd64, arm64"])
def test_in_the_file_a_list_may_be_one_or_be_written_with_commas(write, written):
    write(written + "\n")
    assert list(load_settings({}).arch) == ["amd64", "arm64"]


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("stable", "stable"),
        ("latest", "latest"),
        ("1.36", "1.36"),
        ("v1.36", "1.36"),
        ("1.36.3", "1.36.3"),
        ("v1.36.3", "1.36.3"),
        ("1.37.0-rc.1", "1.37.0-rc.1"),
    ],
)
def test_a_kubernetes_is_named_by_word_minor_or_version_with_or_without_v(here, written, asked):
    assert load_settings({"kubernetes": written}).request().kubernetes == asked


def test_the_request_holds_what_decides_which_releases_are_meant(here):
    flags = {"kubernetes": "1.36", "cni": "v1.9.1", "arch": "arm64", "source": "go", "mirror": "m"}
    request = load_settings(flags).request()
    assert (request.kubernetes, request.cri_tools, request.cni) == ("1.36", "", "1.9.1")
    assert (request.arches, request.source, request.mirror) == (("arm64",), "go", "m")


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("kubernetes", "1.x", "--kubernetes: Invalid version '1.x'. Expected a version like 1.36.3"),
        ("kubernetes", "1", "--kubernetes: Invalid version '1'."),
        ("cri_tools", "1.36", "--cri-tools: Invalid version '1.36'."),
        ("cni", "new", "--cni: Invalid version 'new'."),
        ("arch", "x86", "--arch: this has to be 'amd64', 'arm64', 'ppc64le' or 's390x'"),
        ("arch", ",", "--arch: name at least one"),
        ("format", "apk", "--format: this has to be 'deb' or 'rpm'"),
        ("source", "git", "--source: this has to be 'auto', 'upstream' or 'go'"),
        ("layout", "usr", "--layout: this has to be 'etc' or 'official'"),
        ("revision", "1-1", "--revision: '1-1' does not fit here: write it like 1"),
        ("compression", "xz", "--compression: this has to be 'fast', 'balanced' or 'small'"),
        ("maintainer", "me", "--maintainer: 'me' does not fit here: write it like Jane Doe <jane@"),
        ("kubelet_extra_args", "a\nb", "--kubelet-extra-args: 'a\\nb' does not fit here"),
    ],
)
def test_a_wrong_flag_is_named_with_what_it_may_be(here, flag, value, words):
    assert said({flag: value}, UsageError).startswith(words)


def test_a_wrong_variable_is_named(here, monkeypatch):
    monkeypatch.setenv("KUBEPARCEL_CRI_TOOLS", "newest")
    assert said({}).startswith("KUBEPARCEL_CRI_TOOLS: Invalid version 'newest'.")


def test_all_wrong_settings_are_named_at_once(write, monkeypatch):
    write("layut: etc\nvendor: 7\n")
    monkeypatch.setenv("KUBEPARCEL_ARCH", "x86")
    text = said({"format": "apk"}, UsageError)
    for words in ("--format: ", "KUBEPARCEL_ARCH: ", "kubeparcel.yaml:1: layut", "yaml:2: vendor"):
        assert words in text


def test_a_wrong_variable_does_not_count_under_a_right_flag(here, monkeypatch):
    monkeypatch.setenv("KUBEPARCEL_ARCH", "x86")
    assert load_settings({"arch": "arm64"}).arch == ("arm64",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "kubernetes: 1.36\n",
            ('kubeparcel.yaml:1: kubernetes: write the version in quotes: "1.36" (YAML reads 1.30 as 1.3)'),
        ),
        ("cni: 1\n", 'kubeparcel.yaml:1: cni: write the version in quotes: "1"'),
        ("# x\n\nlayut: etc\n", 'kubeparcel.yaml:3: layut is not a setting. Did you mean "layout"?'),
        ("cri_tools: 1.36.0\n", 'yaml:1: cri_tools is not a setting. Did you mean "cri-tools"?'),
        ("out: x\nkubelet_extra_arg: x\n", "kubeparcel.yaml:2: kubelet_extra_arg is not a setting"),
        ("layout: [etc]\n", "kubeparcel.yaml:1: layout: this has to be 'etc' or 'official'"),
        ("arch: [amd64,\n  x86]\n", "kubeparcel.yaml:2: arch.1: this has to be 'amd64', 'arm64'"),
        ("revision: true\n", "kubeparcel.yaml:1: revision: this has to be text"),
        ("vendor: 7\n", "kubeparcel.yaml:1: vendor: this has to be text, in quotes"),
        ("out:\n", "kubeparcel.yaml:1: out: this has to be text"),
        ("a: 1\na: 2\n", "kubeparcel.yaml:2: a stands here a second time"),
        ("- layout\n", "kubeparcel.yaml:1: this has to be a list of `name: value`."),
        ("layout: 'etc\n", "kubeparcel.yaml:2: not YAML: "),
        ("packages: []\n", "kubeparcel.yaml:1: packages: this has to hold lines of"),
        (
            "packages:\n  Mine: {summary: x}\n",
            "kubeparcel.yaml:2: packages.Mine: 'Mine' does not fit here: write it like kubelet",
        ),
        ("packages:\n  kubelet:\n    mod: 1\n", "kubeparcel.yaml:3: packages.kubelet.mod is not a setting."),
        (
            "packages:\n  kubelet:\n    files:\n    - path: /x\n      text: x\n      mod: 1\n",
            'yaml:6: packages.kubelet.files.0.mod is not a setting. Did you mean "mode"?',
        ),
        (
            "packages:\n  kubelet:\n    files:\n    - path: /x\n      text: x\n      mode: 755\n",
            "kubeparcel.yaml:6: packages.kubelet.files.0.mode: file modes are octal",
        ),
        (
            "packages:\n  kubelet:\n    files:\n    - path: /x\n",
            "kubeparcel.yaml:4: packages.kubelet.files.0: give exactly one of binary",
        ),
        (
            "packages:\n  kubelet:\n    files:\n    - {path: /x, text: x, layouts: [usr]}\n",
            "kubeparcel.yaml:4: packages.kubelet.files.0.layouts.0: this has to be 'etc' or 'off",
        ),
        (
            "packages:\n  kubelet:\n    relations:\n    - depends: a\n      kubernetes: <=1.30.0\n",
            "yaml:5: packages.kubelet.relations.0.kubernetes: '<=1.30.0' is not a range:",
        ),
        (
            "packages:\n  kubelet:\n    relations:\n    - depends: socat >= 1\n",
            "kubeparcel.yaml:4: packages.kubelet.relations.0.depends: 'socat >= 1' does not fit",
        ),
        (
            (
                "packages:\n  kubelet:\n    relations:\n    - depends: a (>= 1)\n"
                "      kubernetes: <1.40.0\n    - depends: a (>= 2)\n"
            ),
            (
                "yaml:3: packages.kubelet.relations: rows 1 and 2 match the same versions: "
                "depends a (>= 1) (the first up to 1.40.0) and depends a (>= 2) ("
            ),
        ),
    ],
)
def test_a_wrong_line_of_the_file_is_named_with_the_way_out(write, text, words):
    write(text)
    assert words in said({})


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("{}", "the package mine is new, and lacks: summary, version"),
        ("{summary: x}", "the package mine is new, and lacks: version"),
        ("{component: cni}", "the package mine is new, and lacks: summary"),
        ("{summary: x, version: '1'}", "packages.mine.version: Invalid version '1'."),
        ("{summary: x, component: etcd}", "packages.mine.component: there is no etcd."),
        (
            "{summary: x, version: 1.0.0, files: [{path: /x, binary: x}]}",
            "the package mine holds binaries: it needs `component`, and no `arch`.",
        ),
        (
            "{summary: x, component: cni, arch: all, files: [{path: /x, binaries: true}]}",
            "the package mine holds binaries: it needs `component`, and no `arch`.",
        ),
        (
            "{summary: x, component: kubernetes, files: [{path: /x, binary: kube-proxy}]}",
            "kubernetes has no binary kube-proxy.",
        ),
    ],
)
def test_a_package_of_ones_own_that_is_not_whole_is_told_what_it_lacks(write, package, words):
    write(f"layout: etc\npackages:\n  mine: {package}\n")
    text = said({})
    assert text.startswith("kubeparcel.yaml:3: ")
    assert words in text


def test_the_names_there_are_come_with_a_package_that_is_new_by_mistake(write):
    write("packages:\n  kubelt: {section: net}\n")
    assert "kubeadm, kubelet, kubectl, kubernetes-cni, cri-tools" in said({})


def test_a_package_of_the_catalog_need_not_be_whole(write):
    write("packages:\n  kubelet: {section: utils}\n")
    assert load_settings({}).packages["kubelet"].section == "utils"


def test_a_package_for_all_architectures_cannot_hold_a_binary_of_the_catalog(write):
    write("packages:\n  kubelet: {arch: all}\n")
    assert "the package kubelet holds binaries" in said({})


def test_a_folder_in_place_of_the_file_is_an_error(here):
    (here / "kubeparcel.yaml").mkdir()
    assert said({}).startswith("kubeparcel.yaml cannot be read: ")


def test_the_schema_for_editors_describes_every_key():
    schema = Settings.model_json_schema()
    assert schema["additionalProperties"] is False
    assert sorted(schema["properties"]) == sorted([*map(dashed, FIELDS), "packages"])
    defined = schema["$defs"]
    assert sorted(defined["PackageSpec"]["properties"]) == [
        *["arch", "component", "description", "files", "homepage", "license", "relations"],
        *["scripts", "section", "summary", "version"],
    ]
    assert sorted(defined["FileSpec"]["properties"]) == [
        *["binaries", "binary", "config", "dir", "formats", "kubernetes", "layouts", "link"],
        *["mode", "path", "provenance", "role", "source", "template", "text"],
    ]


def test_the_schema_takes_what_people_write():
    """As `load` does: a range is text, a mode a number or text, a list may have commas."""
    schema = Settings.model_json_schema()
    file = schema["$defs"]["FileSpec"]["properties"]
    assert file["kubernetes"]["type"] == "string"
    assert [kind["type"] for kind in file["mode"]["anyOf"]] == ["integer", "string", "null"]
    kinds = {
        name: [kind["type"] for kind in schema["properties"][name]["anyOf"]] for name in ("arch", "format", "revision")
    }
    assert kinds == {"arch": ["string", "array"], "format": ["string", "array"], "revision": ["string", "integer"]}


def references(node: Any) -> Iterator[str]:
    """All `$ref` in a schema."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_in_the_schema_leads_somewhere():
    schema = Settings.model_json_schema()
    found = set(references(schema))
    assert found
    assert found <= {f"#/$defs/{name}" for name in schema["$defs"]}
