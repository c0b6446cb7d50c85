"""What diff finds in two packages: scripts, files, attributes, relations, metadata."""

import re
import time
from collections import Counter

import pytest

from tests.diff.conftest import Entry, brief, write_deb, write_rpm
from tests.support.archive_builders import File


def test_equal_packages_give_no_differences_and_exit_code_0(run_diff, old, new):
    for folder in (old, new):
        write_deb(folder, {"/etc/x": Entry()})
    code, out, err = run_diff(old, new)
    assert (code, err) == (0, "")
    assert "No differences · 1 of 1 package with the same bytes" in out


def test_changed_script_is_shown_with_its_lines(diff, run_diff, old, new):
    write_deb(old, postinst="#!/bin/sh\nset -e\n", prerm="#!/bin/sh\n")
    write_deb(new, postinst="#!/bin/sh\nset -e\nsystemctl stop kubelet\n", postrm="#!/bin/sh\n")
    code, document = diff(old, new)
    assert code == 1
    changes = {change["subject"]: (change["action"], change["diff"]) for change in document["changes"]}
    assert changes["prerm"][0] == "removed"
    assert changes["postrm"][0] == "added"
    assert changes["postinst"] == ("changed", ["@@ -2 +2,2 @@", " set -e", "+systemctl stop kubelet"])
    assert "      +systemctl stop kubelet\n" in run_diff(old, new)[1]


def test_interpreters_of_scripts_are_compared(diff, old, new):
    write_rpm(old, tag_1024="true", tag_1086="/bin/sh")
    write_rpm(new, tag_1024="true", tag_1086="<lua>")
    assert brief(diff(old, new)[1]) == [("scripts", "post", "interpreter", "/bin/sh", "<lua>")]


def test_files_that_were_removed_added_and_moved_are_listed(diff, old, new):
    write_deb(old, {"/usr/bin/a": Entry(mode=0o755), "/usr/share/x/one": Entry("1\n"), "/etc/gone": Entry("2\n")})
    write_deb(new, {"/usr/bin/a": Entry(mode=0o755), "/usr/share/y/one": Entry("1\n"), "/etc/came": Entry("3\n")})
    assert brief(diff(old, new)[1]) == [
        ("files", "/usr/share/x/one", "moved", "/usr/share/x/one", "/usr/share/y/one"),
        ("files", "/etc/gone", "removed", "file", ""),
        ("files", "/etc/came", "added", "", "file"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "attribute", "values"),
    [
        (Entry(mode=0o755), Entry(mode=0o4755), "mode", ("0755", "4755")),
        (Entry(), Entry(owner="kube"), "owner", ("root:root", "kube:root")),
        (Entry(link="a"), Entry(link="b"), "target", ("a", "b")),
    ],
)
def test_attributes_of_a_file_are_compared(diff, old, new, before, after, attribute, values):
    write_deb(old, {"/usr/bin/a": before})
    write_deb(new, {"/usr/bin/a": after})
    assert brief(diff(old, new)[1]) == [("attributes", "/usr/bin/a", attribute, *values)]


def test_file_that_became_a_link_is_one_difference_of_type_and_target(diff, old, new):
    write_deb(old, {"/usr/bin/a": Entry()})
    write_deb(new, {"/usr/bin/a": Entry(link="/bin/sh")})
    assert [change[2:] for change in brief(diff(old, new)[1])] == [
        ("type", "file", "symlink"),
        ("target", "none", "/bin/sh"),
    ]


def test_conffile_that_became_an_ordinary_file_is_a_difference(diff, old, new):
    write_deb(old, {"/etc/x": Entry()}, conffiles="/etc/x\n")
    write_deb(new, {"/etc/x": Entry()})
    assert brief(diff(old, new)[1]) == [("conffiles", "/etc/x", "flags", "config", "none")]


def test_configuration_of_an_rpm_that_upgrades_replace_is_a_difference(diff, old, new):
    write_rpm(old, File("/etc/x", flags=1 | 16))
    write_rpm(new, File("/etc/x", flags=1))
    assert brief(diff(old, new)[1]) == [("conffiles", "/etc/x", "flags", "config, noreplace", "config")]


def test_relations_are_compared_as_sets_with_versions(diff, old, new):
    write_deb(old, fields="Depends: b (>= 1.2), a, gone\nConflicts: x\n")
    write_deb(new, fields="Depends: a, b(>=1.3), c | d\nConflicts: x\n")
    assert brief(diff(old, new)[1]) == [
        ("relations", "depends", "relation", "b (>= 1.2)", "b (>= 1.3)"),
        ("relations", "depends", "relation", "gone", ""),
        ("relations", "depends", "relation", "", "c | d"),
    ]


def test_contents_are_compared_by_line_or_digest(diff, old, new):
    write_deb(old, {"/etc/x": Entry("a\nb\n"), "/usr/share/y": Entry(b"\0" * 70_000)})
    write_deb(new, {"/etc/x": Entry("a\nc\n"), "/usr/share/y": Entry(b"\1" * 70_000)})
    text, other = diff(old, new)[1]["changes"]
    assert (text["topic"], text["diff"]) == ("contents", ["@@ -1,2 +1,2 @@", " a", "-b", "+c"])
    assert re.fullmatch(r"70\.0 kB, sha256 [0-9a-f]{12}", other["old"])
    assert other["old"] != other["new"]


def test_metadata_are_compared(diff, old, new):
    write_deb(old, fields="Homepage: https://a.example\n")
    write_deb(new, version="1.1-1", fields="Homepage: https://b.example\nSection: admin\n")
    assert brief(diff(old, new)[1]) == [
        ("metadata", "version", "version", "1.0-1", "1.1-1"),
        ("metadata", "section", "section", "", "admin"),
        ("metadata", "homepage", "homepage", "https://a.example", "https://b.example"),
    ]


def test_noise_is_folded_and_listed_with_all(run_diff, old, new):
    """Times, documentation, and directories that files need are no differences."""
    documentation = {"/usr/share/doc/small/README": Entry("a\n"), "/etc/x": Entry()}
    write_deb(old, documentation)
    write_deb(
        new,
        {
            "/usr/": Entry(folder=True, mode=0o755),
            "/usr/share/doc/small/README": Entry("b\n"),
            "/usr/share/doc/small/new": Entry(),
            "/etc/x": Entry(mtime=1_700_000_000),
        },
    )
    code, out, _ = run_diff(old, new)
    assert code == 0
    assert "Folded: 4 incidental differences (paths, contents, time); --all lists them" in out
    code, out, _ = run_diff(old, new, "--all")
    assert code == 1
    assert "/usr/share/doc/small/README: changed (small)" in out


def test_removed_empty_directory_is_a_difference(diff, old, new):
    write_deb(old, {"/var/lib/kubelet/": Entry(folder=True, mode=0o700)})
    write_deb(new)
    assert brief(diff(old, new)[1]) == [("files", "/var/lib/kubelet/", "removed", "dir", "")]


def test_deb_against_rpm_maps_folders_and_leaves_scripts_out(diff, run_diff, old, new):
    write_deb(
        old,
        {
            "/etc/default/kubelet": Entry("KUBELET_EXTRA_ARGS=\n"),
            "/lib/systemd/system/kubelet.service": Entry("[Service]\nEnvironmentFile=/etc/default/kubelet\n"),
            "/usr/bin/kubelet": Entry("b", mode=0o755),
        },
        conffiles="/etc/default/kubelet\n",
        postinst="#!/bin/sh\n",
    )
    write_rpm(
        new,
        File("/etc/sysconfig/kubelet", b"KUBELET_EXTRA_ARGS=\n", flags=1 | 16),
        File("/usr/lib/systemd/system/kubelet.service", b"[Service]\nEnvironmentFile=/etc/sysconfig/kubelet\n"),
        File("/usr/bin/kubelet", b"b", mode=0o100700),
    )
    changes = [change for change in brief(diff(old, new)[1]) if change[0] != "metadata"]
    assert changes == [("attributes", "/usr/bin/kubelet", "mode", "0755", "0700")]
    assert "Debs are compared with rpms" in run_diff(old, new)[1]


def test_deb_has_its_own_format_before_an_rpm(diff, old, new):
    write_deb(old)
    write_deb(new)
    write_rpm(new)
    code, document = diff(old, new)
    assert (code, document["changes"]) == (1, [])
    assert document["new"]["only"] == [{"package": "small", "version": "1.0-1", "arch": "x86_64", "format": "rpm"}]


def test_packages_are_paired_by_architecture_and_listed_if_only_one_set_has_them(run_diff, old, new):
    write_deb(old)
    write_deb(old, name="gone")
    write_deb(new)
    write_deb(new, arch="arm64")
    code, out, _ = run_diff(old, new)
    assert code == 1
    assert "Only in old\n  gone 1.0-1 amd64 (deb)\n\nOnly in new\n  small 1.0-1 arm64 (deb)\n" in out
    assert run_diff(old, new, "--arch", "x86_64")[1].count("Only in") == 1


def test_hostile_text_is_printed_without_control_characters(run_diff, old, new):
    write_deb(old, postinst="#!/bin/sh\n")
    write_deb(new, {"/etc/a\x1b[31m": Entry("x\n")}, postinst="#!/bin/sh\n\x1b]0;title\x07\u202e\n")
    out = run_diff(old, new)[1]
    assert not {"\x1b", "\x07", "\u202e"} & set(out)


def test_large_packages_are_compared_in_linear_time(diff, old, new):
    """Each of these takes minutes where every line, path or relation is compared with every other."""
    count = 20_000
    folders = {f"/d{number}/": Entry(folder=True) for number in range(count)}
    lines = "".join(f"{number % 40}\n" for number in range(count))
    relations = ", ".join(f"a{number}" for number in range(count))
    write_deb(old, {"/etc/x": Entry(lines[:60_000])}, postinst=lines, fields=f"Depends: {relations}\n")
    other_relations = relations.replace("a", "b")
    write_deb(
        new, folders | {"/etc/x": Entry(lines[7:60_000])}, postinst=lines[3:], fields=f"Depends: {other_relations}\n"
    )
    start = time.process_time()
    code, document = diff(old, new)
    assert time.process_time() - start < 20
    assert code == 1
    topics = Counter(change["topic"] for change in document["changes"])
    assert topics == {"files": count, "relations": 2 * count, "scripts": 1, "contents": 1}
