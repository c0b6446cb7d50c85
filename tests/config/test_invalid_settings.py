"""Invalid settings are reported together, with their place and valid values."""

import pytest

from kubeparcel.config.settings import load_settings
from kubeparcel.errors import UsageError
from tests.config.settings_table import error_of


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
        ("source", "git", "--source: invalid source 'git': use auto, upstream, go or tree:DIR"),
        ("source", "upsteam", "--source: invalid source 'upsteam': use auto, upstream, go or tree:DIR. Did you mean"),
        ("source", "tree:", "--source: invalid source 'tree:'"),
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


@pytest.mark.parametrize("name", ["../kubelet", "a/b", ".hidden", "two words", "a@v1"])
def test_binary_has_the_name_of_a_file(write, name):
    """It becomes a part of URLs, and kubeparcel.lock records it."""
    write(f"packages: {{tool: {{summary: x, component: kubernetes, files: [{{path: /usr/bin/x, binary: {name}}}]}}}}\n")
    assert error_of({}).startswith(
        f"kubeparcel.yaml:1: packages.tool.files.0.binary: invalid value '{name}': expected "
    )


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
            'kubeparcel.yaml:1: kubernetes: write the version in quotes: "1.36" (YAML reads 1.30 as 1.3)',
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
        ("{summary: x, component: flannel}", "packages.site.component: unknown component 'flannel'."),
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
