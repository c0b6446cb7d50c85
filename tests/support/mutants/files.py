"""Mutants of files: missing, undeclared, of the wrong kind, mode, owner or time."""

from __future__ import annotations

from tests.support.elf_files import elf
from tests.support.mutants.mutant import (
    ENV_FILES,
    PRESENT,
    PROVENANCE,
    STRAY,
    UNIT_PATH,
    Mutant,
    call,
    change_env_file,
    go_build,
)
from tests.support.sample_packages import PackageDraft


def _link(draft: PackageDraft) -> None:
    row = draft.entry("/usr/bin/kubeadm")
    row.update(type="symlink", src="/usr/lib/kubeadm")


def _no_conffile(draft: PackageDraft) -> None:
    draft.entry(ENV_FILES[draft.format]).pop("type")


def _elsewhere(draft: PackageDraft) -> None:
    for row in draft.config["contents"]:
        row["dst"] = row["dst"].replace("/opt/cni/bin", "/usr/lib/cni")


FILES = (
    Mutant("no environment file", "kubelet", change_env_file(PackageDraft.remove), "files-present"),
    Mutant(
        "no binary",
        "kubectl",
        call("remove", "/usr/bin/kubectl"),
        "files-present",
        also_fails=PROVENANCE,
    ),
    Mutant(
        "plugins in another folder", "kubernetes-cni", _elsewhere, "files-present", also_fails=STRAY
    ),
    Mutant(
        "an undeclared file",
        "kubelet",
        call("add_file", "/etc/kubernetes/manifests/x.yaml", kind="config|noreplace"),
        "no-stray-files",
    ),
    Mutant(
        "a licence among the plugins",
        "kubernetes-cni",
        call("add_file", "/opt/cni/bin/LICENSE"),
        "no-stray-files",
    ),
    Mutant("a link instead of the binary", "kubeadm", _link, "file-types", also_fails=PROVENANCE),
    Mutant(
        "a unit only root can read", "kubelet", call("set_info", UNIT_PATH, mode=0o600), "modes"
    ),
    Mutant(
        "a directory for the group",
        "kubelet",
        call("set_info", "/etc/kubernetes/manifests", mode=0o775),
        "modes",
    ),
    Mutant(
        "a binary that does not run",
        "kubectl",
        call("set_info", "/usr/bin/kubectl", mode=0o644),
        "modes",
    ),
    Mutant(
        "a file of someone else's",
        "kubelet",
        call("set_info", UNIT_PATH, owner="kube"),
        "owner-root",
    ),
    Mutant(
        "a file of another group",
        "kubectl",
        call("set_info", "/usr/bin/kubectl", group="docker"),
        "owner-root",
    ),
    Mutant("setuid", "kubectl", call("set_info", "/usr/bin/kubectl", mode=0o4755), "no-privileges"),
    Mutant(
        "writable by everyone",
        "kubelet",
        call("set_info", UNIT_PATH, mode=0o666),
        "not-world-writable",
        also_fails=frozenset({"modes"}),
    ),
    Mutant("an environment file that is no conffile", "kubelet", _no_conffile, "config-files"),
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
        "a drop-in folder of nobody",
        "kubeadm",
        call("remove", "/kubelet.service.d"),
        "owned-directories",
        ("rpm",),
        PRESENT,
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
