"""`components:` in kubeparcel.yaml: versions of the catalog's components, and the user's own."""

import pytest

from kubeparcel.config.settings import load_settings
from kubeparcel.errors import UsageError
from tests.config.settings_table import error_of

DIGEST = "a" * 64
OWN = f"""
components:
  hello:
    version: 1.2.0
    binaries: [hello]
    upstream:
      - archive: "http://127.0.0.1/hello-{{version}}-{{arch.rpm}}.tar.gz"
        sha256: {{amd64: {DIGEST}}}
packages:
  hello:
    component: hello
    summary: Says hello
    files: [{{path: /usr/bin/hello, binary: hello}}]
"""


def test_version_of_a_component_is_requested_if_a_package_contains_it(write):
    write("components: {etcd: {version: '3.6'}, helm: {version: v4.3.0}, cni: {version: 1.8.0}}\npackages: [etcd]")
    request = load_settings({}).request()
    assert request.versions == {"cri-tools": "", "cni": "1.8.0", "etcd": "3.6"}
    assert request.components == {}


def test_option_adds_to_the_file_and_overrides_its_versions(write, monkeypatch):
    write("components: {etcd: {version: '3.6'}, cni: {version: 1.8.0}}\npackages: [etcd]")
    monkeypatch.setenv("KUBEPARCEL_COMPONENTS", "cri-tools=1.35.0")
    request = load_settings({"components": "etcd=3.6.8", "cni": "1.9.0"}).request()
    assert request.versions == {"cri-tools": "1.35.0", "cni": "1.9.0", "etcd": "3.6.8"}


def test_own_component_is_requested_with_its_definition(write):
    write(OWN)
    settings = load_settings({})
    request = settings.request()
    assert request.versions["hello"] == "1.2.0"
    row = request.components["hello"]
    assert row["upstream"] == [{"archive": row["upstream"][0]["archive"], "sha256": {"amd64": DIGEST}}]
    assert "version" not in row
    assert settings.as_document()["components"]["hello"] == {"version": "1.2.0", **row}


def test_fields_of_a_catalog_component_are_replaced_on_request(write):
    write("components: {etcd: {override: true, go: {module: example.com/etcd, mains: [server]}}}\npackages: [etcd]")
    settings = load_settings({})
    etcd = settings.catalog().components["etcd"]
    assert (etcd.upstream, etcd.source("upstream")) == ((), "go")  # whose files are not the fork's
    assert (etcd.go.module, etcd.binaries, etcd.title) == ("example.com/etcd", ("etcd",), "etcd")
    assert settings.request().components["etcd"] == {"go": {"module": "example.com/etcd", "mains": ["server"]}}


@pytest.mark.parametrize("text", ["etcd", "etcd=", "=3.6", "etcd=3.6,helm"])
def test_option_without_name_and_version_is_an_error(workdir, text):
    assert "--components: invalid value" in error_of({"components": text}, UsageError)


FILE = f"upstream: [{{archive: 'https://a.example/x', sha256: {{amd64: '{DIGEST}'}}}}]"
UPSTREAM = "upstream: [{archive: 'https://example.com/x-{version}.tar.gz'}]"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("kubernetes: {version: 1.36.3}", "components.kubernetes: Kubernetes itself is not changed here."),
        ("source: {version: 1.0.0, go: {module: a.example/b}}", "components.source: reserved name."),
        ("etdc: {version: 3.6.0}", "components.etdc: unknown component. To define a new one, add go.module or"),
        ("etdc: {version: 3.6.0}", "Did you mean etcd?"),
        (
            "etcd: {version: 3.6.0, go: {module: example.com/etcd}}",
            "components.etcd: the catalog has a component etcd already, whose go this would replace.",
        ),
        ("etcd: {version: 3.6.0, go: {module: example.com/etcd}}", "add `override: true` if that is what you want"),
        ("mine: {override: true, version: 1.0.0, go: {module: a.example/b}}", "the catalog has no component mine."),
        ("mine: {go: {module: a.example/b}}", "components.mine: version is missing."),
        (f"mine: {{version: 1.0.0, {UPSTREAM}}}", "components.mine.upstream.0: digests are missing"),
        (
            f"mine: {{version: 1.0.0, checksums: SHA256SUMS, {UPSTREAM.replace('https', 'http')}}}",
            "components.mine.upstream.0: over http, anyone on the network path could change the file and its checksum.",
        ),
        (
            f"etcd: {{override: true, {UPSTREAM.replace('https', 'http')}}}",
            "components.etcd.upstream.0: over http, anyone on the network path",
        ),
        (
            f"mine: {{version: 1.0.0, {FILE.replace('amd64', 'arm64')}}}",
            "components.mine.upstream.0.sha256: no digest for amd64.",
        ),
        (f"mine: {{version: '1.0', {FILE}}}", "components.mine.version: a minor has several versions"),
        (
            f"mine: {{version: 1.0.0, binaries: [a, b], {FILE.replace('archive', 'binary')}}}",
            "components.mine.upstream.0.sha256: one digest for the files of 2 binaries.",
        ),
        (
            "mine: {version: 1.0.0, checksums: SUMS, upstream: [{binary: 'https://a.example/{name}'}]}",
            "components.mine: binaries is missing",
        ),
        ("mine: {version: 1.0.0, upstream: [{}]}", "expected exactly one of binary, archive"),
        (
            "mine: {upstream: [{archive: 'https://b', versions: <1.0.0}, {binary: 'https://a', versions: '>=1.0.0'}]}",
            "expected binary in all rows, or archive in all rows",
        ),
        ("mine: {upstream: [{archive: 'ftp://a.example/x'}]}", "expected https://HOST/PATH"),
        ("mine: {upstream: [{archive: 'https://me:secret@a.example/x'}]}", "expected no credentials"),
        ("mine: {upstream: [{archive: 'https://a.example/{verson}'}]}", "unknown placeholder in"),
        ("mine: {upstream: [{archive: 'https://a.example/{version.__class__}'}]}", "unknown placeholder in"),
        ("mine: {upstream: [{archive: 'https://a.example/{version'}]}", "unknown placeholder in"),
        ("mine: {upstream: [{archive: 'https://a.example/x', sha256: {amd64: abc}}]}", "the 64 digits that sha256sum"),
        ("mine: {version: 1.x}", "Invalid version '1.x'"),
        ("mine: {version: 1.0.0:2}", "Invalid version '1.0.0:2'"),
        ("mine: {version: 1.0.0+site.1}", "only version-suffix adds build metadata"),
        ("mine: {version: 1.10}", "write the version in quotes"),
        ("mine: {go: {module: 'https://example.com/x'}}", "the path of a Go module"),
        ("mine: {go: {module: a.example/b, mains: [../x]}}", "a folder of the module"),
        ("mine: {go: {module: a.example/b, stamps: {main.x: 'a -X b'}}}", "a value without spaces and quotes"),
        ("mine: {go: {module: a.example/b, stamps: {main.x: '{name}'}}}", "unknown placeholder in '{name}'"),
        ("Mine: {version: 1.0.0}", "a lowercase name like etcd or my-tool"),
        ("mine: {modul: x}", "components.mine.modul is not a setting"),
    ],
)
def test_invalid_component_is_an_error_with_its_line(write, row, message):
    write(f"# settings\ncomponents:\n  {row}\n")
    assert message in (text := error_of({}))
    assert text.startswith("kubeparcel.yaml:3: ")


def test_version_that_is_set_twice_is_an_error(write):
    write("cni: 1.9.1\ncomponents:\n  cni: {version: 1.8.0}\n")
    assert error_of({}).startswith("kubeparcel.yaml:3: the version of cni is also set by `cni:`.")


def test_patches_of_a_component_that_is_only_downloaded_are_an_error(write):
    write(OWN + "patches: {hello: [x.patch]}\nversion-suffix: +acme.1\n")
    assert "patches.hello: hello is downloaded, not compiled." in error_of({})


def test_binary_that_a_component_does_not_have_is_an_error(write):
    write(OWN.replace("binary: hello", "binary: goodbye"))
    assert "hello has no binary goodbye." in error_of({})
