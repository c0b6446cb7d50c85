"""Mutants of files: missing, unexpected, or with a wrong type, mode, owner or time."""

from __future__ import annotations

from tests.support.elf_files import elf
from tests.support.mutants.mutant import (
    MISSING_FILE,
    OTHER_BINARY,
    STRAY_FILE,
    UNIT_PATH,
    Mutant,
    call,
    change_env_file,
    go_build,
)
from tests.support.sample_packages import PackageDraft


def _move_plugins(draft: PackageDraft) -> None:
    for entry in draft.config["contents"]:
        entry["dst"] = entry["dst"].replace("/opt/cni/bin", "/usr/lib/cni")


FILES = (
    Mutant("no environment file", "kubelet", change_env_file(PackageDraft.remove), "files-present"),
    Mutant("no binary", "kubectl", call("remove", "/usr/bin/kubectl"), "files-present", also_fails=OTHER_BINARY),
    Mutant("plugins in another folder", "kubernetes-cni", _move_plugins, "files-present", also_fails=STRAY_FILE),
    Mutant(
        "an unexpected file",
        "kubelet",
        call("add_file", "/etc/kubernetes/manifests/x.yaml", kind="config|noreplace"),
        "no-stray-files",
    ),
    Mutant("a license among the plugins", "kubernetes-cni", call("add_file", "/opt/cni/bin/LICENSE"), "no-stray-files"),
    Mutant(
        "a link instead of the binary",
        "kubeadm",
        lambda d: d.entry("/usr/bin/kubeadm").update(type="symlink", src="/usr/lib/kubeadm"),
        "file-types",
        also_fails=OTHER_BINARY,
    ),
    Mutant(
        "a unit only root can read, unasked", "kubelet", call("set_info", UNIT_PATH, mode=0o600), "modes", exact=True
    ),
    Mutant("a group-writable directory", "kubelet", call("set_info", "/etc/kubernetes/manifests", mode=0o775), "modes"),
    Mutant("a binary that is not executable", "kubectl", call("set_info", "/usr/bin/kubectl", mode=0o644), "modes"),
    Mutant("a file with another owner", "kubelet", call("set_info", UNIT_PATH, owner="kube"), "owner-root"),
    Mutant("a file with another group", "kubectl", call("set_info", "/usr/bin/kubectl", group="docker"), "owner-root"),
    Mutant("setuid", "kubectl", call("set_info", "/usr/bin/kubectl", mode=0o4755), "no-privileges"),
    Mutant(
        "a world-writable file",
        "kubelet",
        call("set_info", UNIT_PATH, mode=0o666),
        "not-world-writable",
        also_fails=frozenset({"modes"}),
    ),
    Mutant(
        "an environment file that is not a conffile",
        "kubelet",
        change_env_file(lambda d, env: d.entry(env).pop("type")),
        "config-files",
    ),
    Mutant(
        "a unit that is a conffile",
        "kubelet",
        lambda d: d.entry(UNIT_PATH).update(type="config|noreplace"),
        "config-files",
    ),
    Mutant(
        "config without noreplace",
        "kubelet",
        change_env_file(lambda d, env: d.entry(env).update(type="config")),
        "config-files",
        ("rpm",),
    ),
    Mutant(
        "a drop-in folder without owner",
        "kubeadm",
        call("remove", "/kubelet.service.d"),
        "owned-directories",
        ("rpm",),
        MISSING_FILE,
    ),
    Mutant(
        "a file newer than the release",
        "kubelet",
        call("set_info", UNIT_PATH, mtime="2030-01-01T00:00:00Z"),
        "timestamps",
    ),
    Mutant(
        "another binary of the same version",
        "kubectl",
        call("replace_content", "/usr/bin/kubectl", elf("rebuilt", go=go_build())),
        "binary-digests",
        also_fails=frozenset({"provenance"}),
        exact=True,
    ),
    Mutant(
        "another completion",
        "kubectl",
        call("replace_content", "completions/kubectl", "complete\n"),
        "file-contents",
        exact=True,
    ),
)
