"""Units are compared as systemd reads them: with drop-ins, resets, and lists without an order."""

from __future__ import annotations

import pytest

from kubeparcel.diff.units import effective_settings
from kubeparcel.verify.systemd_unit import parse_unit
from tests.diff.conftest import Entry, brief, write_deb

UNIT = "/lib/systemd/system/kubelet.service"
DROP_IN = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"


def effective(*texts: str) -> dict[str, tuple[str, ...]]:
    settings = [setting for text in texts for setting in parse_unit(text).settings]
    return {key: value for (_, key), value in effective_settings(settings).items()}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("[Service]\nExecStart=/a\n", "[Service]\nExecStart=\nExecStart=/b  x\n"), {"ExecStart": ("/b x",)}),
        (("[Service]\nExecStart=/a\n", "[Service]\nExecStart=/b\n"), {"ExecStart": ("/a", "/b")}),
        (("[Service]\nRestart=no\nRestart=always\n",), {"Restart": ("always",)}),
        (("[Service]\nRestart=no\nRestart=\n",), {}),
        (("[Unit]\nAfter=b a\n", "[Unit]\nAfter=\nAfter=c\n"), {"After": ("a", "b", "c")}),
        (("[Unit]\nConditionPathExists=/a\nConditionHost=x\n", "[Unit]\nConditionPathExists=\n"), {}),
        (("[Service]\nStartLimitInterval=0\n",), {"StartLimitIntervalSec": ("0",)}),
        (("[Service]\nRestartSec=10s\n",), {"RestartSec": ("10",)}),
        (("[Service]\nEnvironment=A=1\nEnvironment=B=2\n",), {"Environment": ("A=1", "B=2")}),
    ],
)
def test_settings_take_effect_as_in_systemd(texts, expected):
    assert effective(*texts) == expected


def test_equivalent_text_is_no_difference(diff, old, new):
    write_deb(old, {UNIT: Entry("[Unit]\nAfter=a b\n[Service]\nRestart=no\nRestart=always\nRestartSec=10\n")})
    write_deb(new, {UNIT: Entry("# comment\n[Unit]\nAfter=b\nAfter=a\n[Service]\nRestart=always\nRestartSec=10s\n")})
    code, document = diff(old, new)
    assert (code, document["changes"]) == (0, [])
    assert document["incidental"] == 1


def test_drop_in_of_another_package_belongs_to_the_unit(diff, old, new):
    """The unit is in one package, the changed drop-in in another, and the other package did not change."""
    for folder, arguments in ((old, "$KUBELET_EXTRA_ARGS"), (new, "$KUBELET_EXTRA_ARGS --v=9")):
        write_deb(folder, {UNIT: Entry("[Service]\nExecStart=/usr/bin/kubelet\n")}, name="kubelet")
        drop_in = f"[Service]\nExecStart=\nExecStart=/usr/bin/kubelet {arguments}\n"
        write_deb(folder, {DROP_IN: Entry(drop_in)}, name="kubeadm")
    code, document = diff(old, new)
    assert code == 1
    assert brief(document) == [
        (
            "units",
            "kubelet.service",
            "[Service] ExecStart",
            "/usr/bin/kubelet $KUBELET_EXTRA_ARGS",
            "/usr/bin/kubelet $KUBELET_EXTRA_ARGS --v=9",
        )
    ]
    assert [name["package"] for name in document["changes"][0]["packages"]] == ["kubeadm", "kubelet"]


def test_drop_in_that_moves_has_the_same_effect(diff, old, new):
    text = "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --x\n"
    unit = {UNIT: Entry("[Service]\nExecStart=/usr/bin/kubelet\n")}
    write_deb(old, {**unit, DROP_IN: Entry(text)})
    write_deb(new, {**unit, "/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": Entry(text)})
    assert [change[0] for change in brief(diff(old, new)[1])] == ["files"]


def test_etc_hides_the_drop_in_of_the_same_name(diff, old, new):
    files = {
        UNIT: Entry("[Service]\nExecStart=/usr/bin/kubelet\n"),
        "/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": Entry("[Service]\nNice=5\n"),
    }
    write_deb(old, files)
    write_deb(new, {**files, DROP_IN: Entry("[Service]\nNice=6\n")})
    assert ("units", "kubelet.service", "[Service] Nice", "5", "6") in brief(diff(old, new)[1])


def test_masked_unit_is_a_difference(diff, old, new):
    write_deb(old, {UNIT: Entry("[Service]\nExecStart=/usr/bin/kubelet\n")})
    write_deb(new, {UNIT: Entry(link="/dev/null")})
    assert ("units", "kubelet.service", "link", "not set", "/dev/null") in brief(diff(old, new)[1])
