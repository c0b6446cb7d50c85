"""Settings: precedence of options, variables and the file, and their notations."""

from __future__ import annotations

from typing import Any

import pytest

from kubeparcel.config.settings import Settings, load_settings
from kubeparcel.lock_models import BuildVariant
from tests.config.settings_table import FIELDS, dashed, error_of


def plain(value: Any) -> Any:
    """Return a value as text, with commas."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else value


def test_table_has_every_field():
    assert {*FIELDS, "components", "go", "packages", "patches", "releases", "trees", "version_suffix"} == set(
        Settings.model_fields
    )


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
