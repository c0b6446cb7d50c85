"""Settings: precedence of options, variables and the file, and the errors of invalid values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.config.settings import Settings, load_settings
from kubeparcel.errors import ConfigurationError, KubeparcelError, UsageError
from kubeparcel.model import BuildVariant

# Each field: its default and three other values, as text.
FIELDS: Mapping[str, tuple[Any, str, str, str]] = {
    "kubernetes": ("stable", "1.34.2", "1.35", "1.36.3"),
    "cri_tools": ("", "1.34.0", "1.35.0", "1.36.0"),
    "cni": ("", "1.7.1", "1.8.0", "1.9.1"),
    "arch": (("amd64",), "arm64", "ppc64le,s390x", "s390x"),
    "format": (("deb", "rpm"), "deb", "rpm", "rpm,deb"),
    "source": ("auto", "go", "upstream", "go"),
    "require_signatures": (False, "true", "false", "true"),
    "accept_sha1": (False, "true", "false", "true"),
    "trust_root": ("", "one.json", "/two.json", "three.json"),
    "mirror": ("", "https://a.example", "/srv/mirror", "mirror"),
    "layout": ("etc", "official", "etc", "official"),
    "revision": ("1", "2", "3.el9", "4~rc1"),
    "compression": ("balanced", "fast", "small", "balanced"),
    "out": ("dist", "one", "two", "/three"),
    "sbom": (True, "false", "true", "false"),
    "vulnerability_database": ("", "/srv/vulndb", "https://a.example/db", "vulndb"),
    "vex": ((), "one.json", "one.json,two.json", "three.json"),
    "audit_fail_on": ("any", "called", "imported", "none"),
    "maintainer": ("kubeparcel <noreply@kubeparcel.invalid>", "A <a@x>", "B <b@x>", "C <c@x>"),
    "vendor": ("kubeparcel", "A", "B", "C"),
    "cni_bin_dir": ("/opt/cni/bin", "/usr/lib/cni", "/srv/cni", "/usr/libexec/cni"),
    "kubelet_extra_args": ("", "--v=1", "--v=2", "--v=3 --node-ip=::1"),
}


def dashed(field: str) -> str:
    return field.replace("_", "-")


def plain(value: Any) -> Any:
    """Return a value as text, with commas."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else value


def error_of(options: Mapping[str, Any], kind: type[KubeparcelError] = ConfigurationError) -> str:
    """Return the error message of invalid settings."""
    with pytest.raises(kind) as caught:
        load_settings(options)
    assert type(caught.value) is kind
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.fixture
def write(workdir: Path) -> Iterator[Any]:
    """Return a function that writes kubeparcel.yaml."""

    def text(content: str) -> None:
        (workdir / "kubeparcel.yaml").write_text(content)

    return text


def test_table_has_every_field():
    assert {*FIELDS, "go", "packages"} == set(Settings.model_fields)


@pytest.mark.parametrize("field", FIELDS)
def test_unset_field_has_its_default(workdir, field):
    assert getattr(load_settings({}), field) == FIELDS[field][0]


@pytest.mark.parametrize("field", FIELDS)
def test_file_overrides_the_default(write, field):
    write(f"{dashed(field)}: '{FIELDS[field][1]}'\n")
    assert plain(getattr(load_settings({}), field)) == FIELDS[field][1]


@pytest.mark.parametrize("field", FIELDS)
def test_variable_overrides_the_file(write, monkeypatch, field):
    write(f"{dashed(field)}: '{FIELDS[field][1]}'\n")
    monkeypatch.setenv(f"KUBEPARCEL_{field.upper()}", FIELDS[field][2])
    assert plain(getattr(load_settings({}), field)) == FIELDS[field][2]


@pytest.mark.parametrize("field", FIELDS)
def test_option_overrides_variable_and_file(write, monkeypatch, field):
    write(f"{dashed(field)}: '{FIELDS[field][1]}'\n")
    monkeypatch.setenv(f"KUBEPARCEL_{field.upper()}", FIELDS[field][2])
    assert plain(getattr(load_settings({field: FIELDS[field][3]}), field)) == FIELDS[field][3]


@pytest.mark.parametrize("empty", [None, "", [], ()])
def test_option_without_a_value_is_ignored(write, empty):
    write("layout: official\n")
    assert load_settings({"layout": empty}).layout == "official"


def test_empty_variable_is_ignored(write, monkeypatch):
    write("layout: official\n")
    monkeypatch.setenv("KUBEPARCEL_LAYOUT", "")
    assert load_settings({}).layout == "official"


def test_file_is_read_from_the_working_directory_or_the_base(workdir, tmp_path):
    (tmp_path / "kubeparcel.yaml").write_text("layout: official\n")
    assert load_settings({}).layout == "etc"
    assert load_settings({}, tmp_path).layout == "official"
    assert load_settings({}, tmp_path).base == tmp_path


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("amd64", ["amd64"]),
        ("amd64,arm64", ["amd64", "arm64"]),
        (" s390x , amd64 ,", ["s390x", "amd64"]),
        ("amd64,amd64", ["amd64"]),
    ],
)
def test_list_is_separated_by_commas_without_duplicates(workdir, text, values):
    assert list(load_settings({"arch": text}).arch) == values


@pytest.mark.parametrize("written", ["arch: [amd64, arm64]", "arch: amd64, arm64"])
def test_list_in_the_file_is_a_sequence_or_has_commas(write, written):
    write(written + "\n")
    assert list(load_settings({}).arch) == ["amd64", "arm64"]


@pytest.mark.parametrize(
    ("text", "requested"),
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
def test_kubernetes_is_a_channel_minor_or_version_with_or_without_v(workdir, text, requested):
    assert load_settings({"kubernetes": text}).request().kubernetes == requested


def test_request_has_the_settings_that_select_releases(workdir):
    options = {"kubernetes": "1.36", "cni": "v1.9.1", "arch": "arm64", "source": "go", "mirror": "m"}
    request = load_settings(options).request()
    assert (request.kubernetes, request.versions) == ("1.36", {"cri-tools": "", "cni": "1.9.1"})
    assert (request.arches, request.source, request.mirror) == (("arm64",), "go", "m")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("kubernetes", "1.x", "--kubernetes: Invalid version '1.x'. Expected a version like 1.36.3"),
        ("kubernetes", "1", "--kubernetes: Invalid version '1'."),
        ("cri_tools", "1.36", "--cri-tools: Invalid version '1.36'."),
        ("cni", "new", "--cni: Invalid version 'new'."),
        ("arch", "x86", "--arch: expected 'amd64', 'arm64', 'ppc64le' or 's390x'"),
        ("arch", ",", "--arch: expected at least one value"),
        ("format", "apk", "--format: expected 'deb' or 'rpm'"),
        ("source", "git", "--source: expected 'auto', 'upstream' or 'go'"),
        ("layout", "usr", "--layout: expected 'etc' or 'official'"),
        ("revision", "1-1", "--revision: invalid value '1-1': expected a value like 1 or 2.el9"),
        ("compression", "xz", "--compression: expected 'fast', 'balanced' or 'small'"),
        ("maintainer", "me", "--maintainer: invalid value 'me': expected an address like Jane Doe <jane@"),
        ("cni_bin_dir", "/usr/bin", "--cni-bin-dir: invalid folder '/usr/bin': expected one for plugins alone"),
        *(
            ("cni_bin_dir", path, f"--cni-bin-dir: invalid folder {path!r}: expected ASCII letters, digits and")
            for path in ("/opt/my cni", '/opt/a"b', "/opt/it's", "/opt/a\\b", "/opt/$x", "/opt/ü")
        ),
        ("kubelet_extra_args", "a\nb", "--kubelet-extra-args: invalid value 'a\\nb'"),
    ],
)
def test_invalid_option_is_named_with_valid_values(workdir, option, value, message):
    assert error_of({option: value}, UsageError).startswith(message)


def test_invalid_variable_is_named(workdir, monkeypatch):
    monkeypatch.setenv("KUBEPARCEL_CRI_TOOLS", "newest")
    assert error_of({}).startswith("KUBEPARCEL_CRI_TOOLS: Invalid version 'newest'.")


def test_all_invalid_settings_are_reported_together(write, monkeypatch):
    write("layut: etc\nvendor: 7\n")
    monkeypatch.setenv("KUBEPARCEL_ARCH", "x86")
    text = error_of({"format": "apk"}, UsageError)
    for words in ("--format: ", "KUBEPARCEL_ARCH: ", "kubeparcel.yaml:1: layut", "yaml:2: vendor"):
        assert words in text


def test_invalid_variable_is_ignored_if_an_option_overrides_it(workdir, monkeypatch):
    monkeypatch.setenv("KUBEPARCEL_ARCH", "x86")
    assert load_settings({"arch": "arm64"}).arch == ("arm64",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "kubernetes: 1.36\n",
            ('kubeparcel.yaml:1: kubernetes: write the version in quotes: "1.36" (YAML reads 1.30 as 1.3)'),
        ),
        ("cni: 1\n", 'kubeparcel.yaml:1: cni: write the version in quotes: "1"'),
        ("# x\n\nlayut: etc\n", 'kubeparcel.yaml:3: layut is not a setting. Did you mean "layout"?'),
        ("cri_tools: 1.36.0\n", 'yaml:1: cri_tools is not a setting. Did you mean "cri-tools"?'),
        ("out: x\nkubelet_extra_arg: x\n", "kubeparcel.yaml:2: kubelet_extra_arg is not a setting"),
        ("layout: [etc]\n", "kubeparcel.yaml:1: layout: expected 'etc' or 'official'"),
        ("arch: [amd64,\n  x86]\n", "kubeparcel.yaml:2: arch.1: expected 'amd64', 'arm64'"),
        ("revision: true\n", "kubeparcel.yaml:1: revision: expected text"),
        ("vendor: 7\n", "kubeparcel.yaml:1: vendor: expected text; put numbers in quotes"),
        ("out:\n", "kubeparcel.yaml:1: out: expected text"),
        ("a: 1\na: 2\n", "kubeparcel.yaml:2: duplicate key a (first set on line 1)"),
        ("- layout\n", "kubeparcel.yaml:1: expected `name: value` lines."),
        ("layout: 'etc\n", "kubeparcel.yaml:2: invalid YAML: "),
        ("packages: 5\n", "kubeparcel.yaml:1: packages: expected `name: value` lines"),
        (
            "packages:\n  Mine: {summary: x}\n",
            "kubeparcel.yaml:2: packages.Mine: invalid value 'Mine': expected a lowercase name like kubelet",
        ),
        ("packages:\n  kubelet:\n    mod: 1\n", "kubeparcel.yaml:3: packages.kubelet.mod is not a setting."),
        (
            "packages:\n  kubelet:\n    files:\n    - path: /x\n      text: x\n      mod: 1\n",
            'yaml:6: packages.kubelet.files.0.mod is not a setting. Did you mean "mode"?',
        ),
        (
            "packages:\n  kubelet:\n    files:\n    - path: /x\n      text: x\n      mode: 755\n",
            "kubeparcel.yaml:6: packages.kubelet.files.0.mode: invalid file mode 755: expected octal permissions",
        ),
        (
            "packages:\n  kubelet:\n    files:\n    - path: /x\n",
            "kubeparcel.yaml:4: packages.kubelet.files.0: expected exactly one of binary",
        ),
        (
            "packages:\n  kubelet:\n    files:\n    - {path: /x, text: x, layouts: [usr]}\n",
            "kubeparcel.yaml:4: packages.kubelet.files.0.layouts.0: expected 'etc' or 'off",
        ),
        (
            "packages:\n  kubelet:\n    relations:\n    - depends: a\n      kubernetes: <=1.30.0\n",
            "yaml:5: packages.kubelet.relations.0.kubernetes: invalid range '<=1.30.0':",
        ),
        (
            "packages:\n  kubelet:\n    relations:\n    - depends: socat >= 1\n",
            "kubeparcel.yaml:4: packages.kubelet.relations.0.depends: invalid value 'socat >= 1'",
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
def test_invalid_file_is_reported_with_line_and_correction(write, text, message):
    write(text)
    assert message in error_of({})


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("{}", "unknown package 'site'. To define a new package, add summary and version."),
        ("{summary: x}", "unknown package 'site'. To define a new package, add version."),
        ("{component: cni}", "unknown package 'site'. To define a new package, add summary."),
        ("{summary: x, version: '1'}", "packages.site.version: Invalid version '1'."),
        ("{summary: x, component: etcd}", "packages.site.component: unknown component 'etcd'."),
        (
            "{summary: x, version: 1.0.0, files: [{path: /x, binary: x}]}",
            "package site contains binaries, so it needs `component` and must not set `arch`.",
        ),
        (
            "{summary: x, component: cni, arch: all, files: [{path: /x, binaries: true}]}",
            "package site contains binaries, so it needs `component` and must not set `arch`.",
        ),
        (
            "{summary: x, component: kubernetes, files: [{path: /x, binary: kubeltet}]}",
            "kubernetes has no binary kubeltet. Did you mean kubelet?",
        ),
        (
            "{summary: x, component: cri-tools, files: [{path: /x, binary: critest}]}",
            "cri-tools has no binary critest.",
        ),
    ],
)
def test_incomplete_package_is_reported_with_missing_fields(write, package, message):
    write(f"layout: etc\npackages:\n  site: {package}\n")
    text = error_of({})
    assert text.startswith("kubeparcel.yaml:3: ")
    assert message in text


def test_misspelled_package_is_reported_with_the_nearest_name(write):
    write("packages:\n  kubelt: {section: net}\n")
    message = error_of({})
    assert "Did you mean kubelet?" in message
    assert "kubeadm, kubelet, kubectl, kubernetes-cni, cri-tools" in message


def test_package_of_the_catalog_may_set_only_some_fields(write):
    write("packages:\n  kubelet: {section: utils}\n")
    assert load_settings({}).packages["kubelet"].section == "utils"


def test_architecture_independent_package_cannot_contain_a_binary(write):
    write("packages:\n  kubelet: {arch: all}\n")
    assert "package kubelet contains binaries" in error_of({})


def test_folder_instead_of_the_file_is_an_error(workdir):
    (workdir / "kubeparcel.yaml").mkdir()
    assert error_of({}).startswith("kubeparcel.yaml cannot be read: ")


def test_schema_describes_every_key():
    schema = Settings.model_json_schema()
    assert schema["additionalProperties"] is False
    assert sorted(schema["properties"]) == sorted([*map(dashed, FIELDS), "go", "packages"])
    defined = schema["$defs"]
    assert sorted(defined["PackageSpec"]["properties"]) == [
        *["arch", "component", "description", "files", "homepage", "license", "relations"],
        *["scripts", "section", "summary", "version"],
    ]
    assert sorted(defined["FileSpec"]["properties"]) == [
        *["binaries", "binary", "config", "dir", "formats", "kubernetes", "layouts", "link"],
        *["mode", "parents", "path", "provenance", "remove", "role", "source", "template", "text"],
    ]


def test_schema_accepts_every_notation():
    schema = Settings.model_json_schema()
    file = schema["$defs"]["FileSpec"]["properties"]
    assert file["kubernetes"]["type"] == "string"
    assert [kind["type"] for kind in file["mode"]["anyOf"]] == ["integer", "string", "null"]
    kinds = {
        name: [kind["type"] for kind in schema["properties"][name]["anyOf"]] for name in ("arch", "format", "revision")
    }
    assert kinds == {"arch": ["string", "array"], "format": ["string", "array"], "revision": ["string", "integer"]}


def references(node: Any) -> Iterator[str]:
    """Yield all `$ref` in a schema."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_in_the_schema_is_defined():
    schema = Settings.model_json_schema()
    refs = set(references(schema))
    assert refs
    assert refs <= {f"#/$defs/{name}" for name in schema["$defs"]}


def test_go_settings_are_requested(write):
    write("go:\n  fips: true\n  amd64: v3\n")
    assert load_settings({}).request().variant == BuildVariant(fips=True, amd64="v3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("go: {fips: maybe}", "kubeparcel.yaml:1: go.fips: expected true or false"),
        ("go: {amd64: v5}", "kubeparcel.yaml:1: go.amd64"),
        ("go: {fip: true}", "go.fip is not a setting"),
        ("go: fips", "kubeparcel.yaml:1: go"),
    ],
)
def test_invalid_go_setting_is_an_error(write, text, message):
    write(f"{text}\n")
    assert message in error_of({})
