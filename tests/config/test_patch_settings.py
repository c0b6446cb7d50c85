"""The settings `patches` and `version-suffix`: what is accepted, and what is refused with its place and reason."""

import shutil
import subprocess

import pytest

from kubeparcel.config.patch_settings import version_suffix
from kubeparcel.config.settings import load_settings
from kubeparcel.lock_models import Patch
from kubeparcel.model import Version
from kubeparcel.packages.versions import deb_version_key, rpm_version_key
from tests.config.settings_table import error_of

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The SHA-256 of an empty file."""


def test_patches_are_read_with_their_digests(write, workdir):
    (workdir / "fixes").mkdir()
    (workdir / "fixes/one.patch").touch()
    write(
        "version-suffix: +acme.1\n"
        "patches:\n"
        "  kubernetes:\n"
        "    - {file: fixes/one.patch, fuzz: 2}\n"
        '    - {file: fixes/one.patch, versions: ">=1.36.0 <1.37.0"}\n'
        f"    - https://example.org/two.patch#sha256={'a' * 64}\n"
        "  cni: fixes/one.patch\n"
    )
    variant = load_settings({}).request().variant
    assert variant.suffix == "acme.1"
    assert variant.patches == (
        Patch("kubernetes", "fixes/one.patch", EMPTY, fuzz=2),
        Patch("kubernetes", "fixes/one.patch", EMPTY, ">=1.36.0 <1.37.0"),
        Patch("kubernetes", "https://example.org/two.patch", "a" * 64),
        Patch("cni", "fixes/one.patch", EMPTY),
    )
    assert load_settings({}).as_document()["patches"]["cni"] == [{"file": "fixes/one.patch", "versions": "", "fuzz": 0}]


@pytest.mark.parametrize(
    ("patches", "message"),
    [
        ("{kubernetes: [none.patch]}", "patches.kubernetes: {}/none.patch: no such file.\n  Paths are rel"),
        (f"{{kubernetes: [{'a' * 300}]}}", "patches.kubernetes: {}/" + "a" * 300 + ": File name too long."),
        ("{kubernetes: [.]}", "patches.kubernetes: {}: not a file."),
        ("{cri-tools: [/etc/fix.patch]}", "patches.cri-tools.0.file: invalid path '/etc/fix.patch': expected one rel"),
        ("{cni: [https://example.org/a.patch]}", "patches.cni.0.file: a.patch: the digest of the patch is missing"),
        ("{cni: ['https://example.org/a.patch#sha256=12']}", "a.patch: the digest of the patch is missing"),
        (f"{{cni: ['http://example.org/a.patch#sha256={EMPTY}']}}", "expected https://HOST/PATH#sha256=DIGEST"),
        (f"{{cni: ['https://me:key@example.org/a#sha256={EMPTY}']}}", "expected https://HOST/PATH#sha256=DIGEST"),
        ("{etcd: [a.patch]}", "kubeparcel.yaml:2: patches.etcd: etcd is not built.\n  Components of the packages: k"),
        ("{kubelet: [a.patch]}", "kubeparcel.yaml:2: patches.kubelet: kubelet is not built."),
        ("{cni: [{file: a.patch, versions: '1.9'}]}", "patches.cni.0.versions: invalid range '1.9'"),
        ("{cni: [{versions: '<1.9.0'}]}", "patches.cni.0.file: "),
        ("{cni: [{file: a.patch, fuzz: 3}]}", "patches.cni.0.fuzz: "),
        ("{cni: [{file: a.patch, fuzz: true}]}", "patches.cni.0.fuzz: "),
        ("{cni: [{file: a.patch, fuzz: -1}]}", "patches.cni.0.fuzz: "),
        ("[a.patch]", "kubeparcel.yaml:2: patches: "),
        ("{cni: 7}", "kubeparcel.yaml:2: patches.cni: "),
    ],
)
def test_invalid_patch_is_refused_with_its_place(write, workdir, patches, message):
    write(f"version-suffix: +acme.1\npatches: {patches}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.config.settings_table.load_settings", lambda options: load_settings(options).request())
        text = error_of({})
    assert message.format(workdir) in text
    assert "kubeparcel.yaml" in text
    assert "me:key" not in text


def test_patch_of_an_optional_component_needs_its_package(write):
    write("version-suffix: +acme.1\npatches: {etcd: [a.patch]}\npackages: [etcd]\n")
    assert load_settings({}).patches["etcd"][0].file == "a.patch"


def test_suffix_and_patches_need_each_other(write):
    write("patches: {kubernetes: [a.patch]}\n")
    text = error_of({})
    assert text.startswith("kubeparcel.yaml:1: patches: version-suffix is missing.")
    assert "Add for example: version-suffix: +acme.1" in text
    write("version-suffix: +acme.1\n")
    assert error_of({}).startswith("kubeparcel.yaml:1: version-suffix: nothing is patched")


@pytest.mark.parametrize(
    ("suffix", "reason"),
    [
        ("-lts.1", "is a pre-release, which kubeadm takes for older than 1.36.3, and rpm permits no dash"),
        ("~acme1", "~ sorts before the release"),
        ("acme.1", "it would be a part of the number before it"),
        (".1", "or sort after later releases"),
        ("+acme-1", "expected + and at most"),
        ("+acme~1", "expected + and at most"),
        ("+acme^1", "expected + and at most"),
        ("+acme_1", "expected + and at most"),
        ("+acme..1", "expected + and at most"),
        ("+acme.", "expected + and at most"),
        ("+", "expected + and at most"),
        ("++acme", "expected + and at most"),
        ("+acme 1", "expected + and at most"),
        ("+é", "expected + and at most"),
        ("+a\\n", "expected + and at most"),
        (f"+{'a' * 40}", "expected + and at most"),
        ("+acme.01", "dpkg and rpm do not tell 01 from 1"),
        ("+fips.1", "+fips marks binaries with go.fips"),
    ],
)
def test_illegal_suffix_is_refused_with_the_reason(write, suffix, reason):
    write(f'patches: {{kubernetes: [a.patch]}}\nversion-suffix: "{suffix}"\n')
    text = error_of({})
    assert text.startswith("kubeparcel.yaml:2: version-suffix: invalid suffix ")
    assert reason in text


def test_number_as_suffix_needs_quotes(write):
    write("patches: {kubernetes: [a.patch]}\nversion-suffix: +1\n")
    assert 'kubeparcel.yaml:2: version-suffix: write the suffix in quotes, such as "+1"' in error_of({})


SORTED = ["1.36.3~rc.1-1", "1.36.3-1", "1.36.3-9", *(f"1.36.3+acme.{n}-1" for n in (1, 2, 10)), "1.36.4-1"]


def test_suffixes_are_legal_in_semantic_versions():
    for suffix in ("+acme.1", "+1", "+acme", "+Acme2.rc3.10"):
        assert str(Version.parse(f"1.36.3{version_suffix(suffix)}")) == f"1.36.3{suffix}"


def test_patched_versions_sort_after_the_release_and_before_the_next():
    mixed = SORTED[3:] + SORTED[:3]
    for key in (deb_version_key, rpm_version_key):
        assert sorted(mixed, key=key) == SORTED


@pytest.mark.parametrize("suffix", ["+acme.1", "+1", "+acme", "+9z", "+zz.99"])
def test_dpkg_and_rpm_sort_suffixes_as_we_do(suffix):
    assert shutil.which("dpkg"), "dpkg is needed"
    assert shutil.which("rpm"), "rpm is needed"
    patched = f"1.36.3{suffix}"
    for other, operator, order in (("1.36.3", "gt", 1), ("1.36.4", "lt", -1)):
        subprocess.run(["dpkg", "--compare-versions", f"{patched}-1", operator, f"{other}-1"], check=True)
        command = ["rpm", "--eval", f'%{{lua:print(rpm.vercmp("{patched}", "{other}"))}}']
        assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == str(order)
