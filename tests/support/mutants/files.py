"""Mutants of files: missing, undeclared, of the wrong kind, mode, owner or time."""

from __future__ import annotations

from tests.support.elf_files import elf
from tests.support.mutants.mutant import (
    ENV,
    PRESENT,
    PROVENANCE,
    SERVICE,
    STRAY,
    Mutant,
    env,
    go,
    on,
)
from tests.support.sample_packages import Draft


def _link(draft: Draft) -> None:
    row = draft.row("/usr/bin/kubeadm")
    row.update(type="symlink", src="/usr/lib/kubeadm")


def _no_conffile(draft: Draft) -> None:
    draft.row(ENV[draft.format]).pop("type")


def _elsewhere(draft: Draft) -> None:
    for row in draft.config["contents"]:
        row["dst"] = row["dst"].replace("/opt/cni/bin", "/usr/lib/cni")


FILES = (
    Mutant("no environment file", "kubelet", env(Draft.drop), "files-present"),
    Mutant(
        "no binary", "kubectl", on("drop", "/usr/bin/kubectl"), "files-present", also=PROVENANCE
    ),
    Mutant("plugins in another folder", "kubernetes-cni", _elsewhere, "files-present", also=STRAY),
    Mutant(
        "an undeclared file",
        "kubelet",
        on("add", "/etc/kubernetes/manifests/x.yaml", kind="config|noreplace"),
        "no-stray-files",
    ),
    Mutant(
        "a licence among the plugins",
        "kubernetes-cni",
        on("add", "/opt/cni/bin/LICENSE"),
        "no-stray-files",
    ),
    Mutant("a link instead of the binary", "kubeadm", _link, "file-types", also=PROVENANCE),
    Mutant("a unit only root can read", "kubelet", on("info", SERVICE, mode=0o600), "modes"),
    Mutant(
        "a directory for the group",
        "kubelet",
        on("info", "/etc/kubernetes/manifests", mode=0o775),
        "modes",
    ),
    Mutant(
        "a binary that does not run",
        "kubectl",
        on("info", "/usr/bin/kubectl", mode=0o644),
        "modes",
    ),
    Mutant("a file of someone else's", "kubelet", on("info", SERVICE, owner="kube"), "owner-root"),
    Mutant(
        "a file of another group",
        "kubectl",
        on("info", "/usr/bin/kubectl", group="docker"),
        "owner-root",
    ),
    Mutant("setuid", "kubectl", on("info", "/usr/bin/kubectl", mode=0o4755), "no-privileges"),
    Mutant(
        "writable by everyone",
        "kubelet",
        on("info", SERVICE, mode=0o666),
        "not-world-writable",
        also=frozenset({"modes"}),
    ),
    Mutant("an environment file that is no conffile", "kubelet", _no_conffile, "config-files"),
    Mutant(
        "a unit that is a conffile",
        "kubelet",
        lambda d: d.row(SERVICE).update(type="config|noreplace"),
        "config-files",
    ),
    Mutant(
        "config without noreplace",
        "kubelet",
        env(lambda d, env: d.row(env).update(type="config")),
        "config-files",
        ("rpm",),
    ),
    Mutant(
        "a drop-in folder of nobody",
        "kubeadm",
        on("drop", "/kubelet.service.d"),
        "owned-directories",
        ("rpm",),
        PRESENT,
    ),
    Mutant(
        "a file newer than the release",
        "kubelet",
        on("info", SERVICE, mtime="2030-01-01T00:00:00Z"),
        "timestamps",
    ),
    Mutant(
        "another binary of the same version",
        "kubectl",
        on("put", "/usr/bin/kubectl", elf("rebuilt", go=go())),
        "binary-digests",
        also=frozenset({"provenance"}),
        exact=True,
    ),
    Mutant(
        "another completion",
        "kubectl",
        on("put", "completions/kubectl", "complete\n"),
        "file-contents",
        exact=True,
    ),
)
