"""Scriptlets of the packages, and what they do in each case."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.build.plans import plan
from tests.support.programs import write_program


@pytest.mark.parametrize(
    ("package", "format_", "layout", "scriptlets"),
    [
        ("kubeadm", "deb", "etc", {"postinstall", "postremove"}),
        ("kubeadm", "deb", "official", {"preinstall", "postinstall", "postremove"}),
        ("kubeadm", "rpm", "etc", {"postinstall", "postremove"}),
        ("kubeadm", "rpm", "official", {"postinstall", "postremove"}),
        ("kubelet", "deb", "etc", {"postinstall", "preremove", "postremove"}),
        ("kubelet", "deb", "official", {"postinstall", "preremove", "postremove"}),
        ("kubelet", "rpm", "etc", {"postinstall", "preremove", "postremove"}),
        ("kubectl", "deb", "etc", set()),
        ("kubernetes-cni", "rpm", "etc", set()),
        ("cri-tools", "deb", "official", set()),
    ],
)
def test_packages_have_the_expected_scriptlets(workdir, package, format_, layout, scriptlets):
    assert set(plan(layout=layout)[package, format_].scripts) == scriptlets


@pytest.mark.parametrize("layout", ["etc", "official"])
def test_scriptlets_are_valid_shell_and_only_those_of_debs_have_a_shebang(workdir, layout):
    for (_, format_), package in plan(layout=layout).items():
        for script in package.scripts.values():
            subprocess.run(["sh", "-n"], input=script, text=True, check=True)
            assert script.startswith("#!/bin/sh\nset -e\n") is (format_ == "deb")


@pytest.fixture
def run_scriptlet(workdir: Path) -> Callable[[str, str], list[str]]:
    """Return a function that runs a scriptlet; it returns the calls of a fake systemctl and of dpkg's helper."""
    folder, calls = workdir / "root", workdir / "calls"
    for name in ("systemctl", "dpkg-maintscript-helper"):
        write_program(folder / name, f'#!/bin/sh\necho "$@" >> {calls}\n')
    runtime_folder = folder / "run/systemd/system"
    runtime_folder.mkdir(parents=True)

    def run(script: str, arguments: str) -> list[str]:
        calls.write_text("")
        local_script = script.replace("/run/systemd/system", str(runtime_folder))
        assert local_script.count("/etc/systemd/system/multi-user") in (0, 1)
        local_script = local_script.replace("rm -f /etc", f"rm -f {folder}/etc")
        subprocess.run(
            ["sh", "-c", local_script, "scriptlet", *arguments.split()],
            env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
            check=True,
        )
        return calls.read_text().splitlines()

    return run


PRESET = "preset kubelet.service"
RELOAD = "daemon-reload"
ACTIVE = "--quiet is-active kubelet.service"


@pytest.mark.parametrize(
    ("package", "format_", "script_name", "arguments", "calls"),
    [
        ("kubelet", "deb", "postinstall", "configure", [PRESET, RELOAD]),
        ("kubelet", "deb", "postinstall", "configure 1.36.1-1", [RELOAD, ACTIVE]),
        ("kubelet", "deb", "postinstall", "abort-upgrade 1.36.1-1", []),
        ("kubelet", "deb", "preremove", "remove", ["stop kubelet.service"]),
        ("kubelet", "deb", "preremove", "upgrade 1.36.3-1", []),
        ("kubelet", "deb", "postremove", "remove", [RELOAD]),
        ("kubelet", "deb", "postremove", "purge", [RELOAD]),
        ("kubelet", "rpm", "postinstall", "1", [PRESET, RELOAD]),
        ("kubelet", "rpm", "postinstall", "2", [RELOAD, ACTIVE]),
        ("kubelet", "rpm", "preremove", "0", ["--no-reload disable --now kubelet.service"]),
        ("kubelet", "rpm", "preremove", "1", []),
        ("kubelet", "rpm", "postremove", "0", [RELOAD]),
        ("kubelet", "rpm", "postremove", "1", [RELOAD]),
        ("kubeadm", "deb", "postinstall", "configure", [RELOAD]),
        ("kubeadm", "deb", "postinstall", "configure 1.36.1-1", [RELOAD]),
        ("kubeadm", "deb", "postremove", "remove", [RELOAD]),
        ("kubeadm", "rpm", "postinstall", "1", [RELOAD]),
        ("kubeadm", "rpm", "postinstall", "2", [RELOAD]),
        ("kubeadm", "rpm", "postremove", "0", [RELOAD]),
    ],
)
def test_scriptlets_stop_the_kubelet_on_removal_only_and_never_restart_it(
    run_scriptlet, package, format_, script_name, arguments, calls
):
    assert run_scriptlet(plan()[package, format_].scripts[script_name], arguments) == calls


@pytest.mark.parametrize("script_name", ["preinstall", "postinstall", "postremove"])
def test_kubeadm_in_the_official_layout_removes_the_drop_in_of_the_etc_layout(run_scriptlet, script_name):
    script = plan(layout="official")["kubeadm", "deb"].scripts[script_name]
    first = run_scriptlet(script, "upgrade 1.36.1-1")[0]
    assert first == "rm_conffile /etc/systemd/system/kubelet.service.d/10-kubeadm.conf -- upgrade 1.36.1-1"


@pytest.mark.parametrize("package", ["kubeadm", "kubelet"])
@pytest.mark.parametrize("format_", ["deb", "rpm"])
def test_scriptlets_do_nothing_without_systemd(workdir, package, format_):
    """Such as in a container image, or while an image is being built."""
    for script in plan()[package, format_].scripts.values():
        unbooted = script.replace("/run/systemd/system", "/nowhere").replace("rm -f /etc", "true ")
        for arguments in ("configure", "remove", "purge", "0", "1", "2"):
            if arguments.isdigit() == (format_ == "rpm"):
                process = subprocess.run(
                    ["/bin/sh", "-c", unbooted, "scriptlet", arguments],
                    env={"PATH": "/nowhere"},
                    capture_output=True,
                    check=False,
                )
                assert (process.returncode, process.stdout, process.stderr) == (0, b"", b"")
