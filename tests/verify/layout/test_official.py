"""Packages like those of pkgs.k8s.io fail exactly the checks with known faults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kubeparcel.reports.results import Report
from kubeparcel.reports.text import TextStyle, render_text
from kubeparcel.verify.layout import level
from tests.support import repack
from tests.support.sample_packages import GO, PackageDraft, sample_packages

UNIT = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
SCRIPTS = {
    "postinstall": 'if [ "$1" = "configure" ]; then\n  systemctl preset kubelet.service >/dev/null 2>&1 || :\nfi',
    "preremove": 'if [ "$1" = "remove" ]; then\n'
    "  systemctl --no-reload disable kubelet.service >/dev/null 2>&1 || :\n"
    "  systemctl stop kubelet.service >/dev/null 2>&1 || :\nfi",
    "postremove": "systemctl daemon-reload >/dev/null 2>&1 || :",
}
KEEP_FILES = {
    "kubelet": ("/var/lib/kubelet/.kubelet-keep", "/etc/kubernetes/manifests/.kubelet-keep"),
    "kubernetes-cni": ("/etc/cni/net.d/.kubernetes-cni-keep",),
}


def _make_official(draft: PackageDraft) -> None:
    """Change a package to what the official packages for 1.36 contain."""
    config, name, deb = draft.config, draft.config["name"], draft.format == "deb"
    authors = "Kubernetes Authors <dev@kubernetes.io>"
    config.update(maintainer=authors, vendor="obs://build.opensuse.org/isv:kubernetes", scripts={})
    config["rpm"].update(packager=authors, buildhost="old-cirrus3")
    for field in ("changelog", "conflicts", "replaces"):
        config.pop(field, None)
    config["contents"] = [entry for entry in config["contents"] if not entry["dst"].startswith("/usr/share")]
    draft.add_file(f"/usr/share/{'doc' if deb else 'licenses'}/{name}/LICENSE")
    draft.add_file(f"/usr/share/doc/{name}/README.md")
    for entry in config["contents"]:
        if deb and entry.get("type") == "dir" and not entry["dst"].startswith("/opt"):
            entry["file_info"]["mode"] = 0o775
    for path in KEEP_FILES.get(name, ()) if deb else ():
        draft.add_file(path, "")
    if name == "kubernetes-cni":
        draft.add_file("/opt/cni/bin/LICENSE")
        draft.add_file("/opt/cni/bin/README.md")
    if name == "kubelet":
        draft.replace_content("/kubelet.service", UNIT)
        for script, text in SCRIPTS.items() if deb else ():
            draft.append_to_script(script, text)


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("official-like")
    go = {name: replace(build, version="(devel)") for name, build in GO.items()}
    samples = sample_packages(folder, layout="official", revision="1.1", go=go)
    for package in samples.manifests.values():
        file = samples.write(package, _make_official, folder / "out" / package.file_name)
        if file.suffix == ".deb":
            repack.remove_md5sums(file)
    return level.check_paths([folder / "out"])


def test_official_packages_fail_only_checks_with_known_faults(official):
    failed: dict[str, set[str]] = {}
    for check in official.failed:
        name = Path(check.subject).name.partition("_")[0].partition("-1.")[0]
        failed.setdefault(f"{name} {check.subject[-3:]}", set()).add(check.name)
    assert failed == {
        "cri-tools deb": {"verifiable"},
        "kubectl deb": {"verifiable"},
        "kubeadm deb": {"verifiable", "modes", "scripts-reload-systemd"},
        "kubeadm rpm": {"scripts-reload-systemd"},
        "kubelet rpm": {"scripts-reload-systemd"},
        "kubernetes-cni rpm": {"no-stray-files"},
        "kubernetes-cni deb": {"verifiable", "modes", "no-stray-files", "config-files"},
        "kubelet deb": {"verifiable", "modes", "no-stray-files", "config-files"}
        | {"scripts-enable-once", "scripts-reload-systemd"},
    }


def test_official_packages_pass_the_kubelet_contract(official):
    names = {check.name for check in official.checks if check.passed}
    assert {"kubelet-command-line", "drop-in-environment-files", "unit-restart", "static"} <= names


def test_report_names_paths_and_has_no_hint_to_our_settings(official):
    text = render_text([official], TextStyle())
    assert "/opt/cni/bin/LICENSE, /opt/cni/bin/README.md" in text
    assert "an upgrade enables a kubelet that the administrator disabled" in text
    assert "kubeparcel.yaml" not in text
