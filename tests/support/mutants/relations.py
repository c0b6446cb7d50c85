"""Mutants of dependencies and other relations."""

from __future__ import annotations

from tests.support.mutants.mutant import Mutant, add_relations
from tests.support.sample_packages import Mutation, PackageDraft


def _without_dependency(start: str) -> Mutation:
    """Return a change: the package lacks the dependencies that start so."""

    def remove(draft: PackageDraft) -> None:
        draft.config["depends"] = [other for other in draft.config["depends"] if not other.startswith(start)]

    return remove


def _without(relation: str) -> Mutation:
    """Return a change: the package lacks all relations of a kind."""
    return lambda draft: draft.config.pop(relation)


RELATIONS = (
    Mutant("a missing dependency", "kubelet", _without_dependency("util-linux"), "relations"),
    Mutant("an additional dependency", "kubectl", add_relations("conntrack"), "relations"),
    Mutant("an additional weak dependency", "kubectl", add_relations("socat", relation="recommends"), "relations"),
    Mutant("no conflict with the distribution's kubectl", "kubectl", _without("conflicts"), "relations"),
    Mutant("distribution's files not replaced", "kubectl", _without("replaces"), "relations", formats=("deb",)),
    Mutant(
        "distribution's package obsoleted",
        "kubectl",
        add_relations("kubernetes-client", relation="replaces"),
        "relations",
        formats=("rpm",),
    ),
    Mutant(
        "an exact version",
        "kubeadm",
        lambda d: add_relations("kubelet (= 1.36.3-1)" if d.format == "deb" else "kubelet = 1.36.3")(d),
        "no-exact-bounds",
        also_fails=frozenset({"relations"}),
    ),
    Mutant(
        "a conflict with the distribution's plugins",
        "kubernetes-cni",
        add_relations("containernetworking-plugins", relation="conflicts"),
        "no-self-conflict",
        also_fails=frozenset({"relations"}),
    ),
    Mutant(
        "a conflict with itself",
        "kubectl",
        add_relations("kubectl", relation="conflicts"),
        "no-self-conflict",
        also_fails=frozenset({"relations"}),
    ),
    Mutant("no Go modules", "kubectl", _without("provides"), "bundled-modules", formats=("rpm",), exact=True),
    Mutant(
        "a Go module of another version",
        "kubectl",
        lambda d: d.config.update(provides=["bundled(golang(stdlib)) = 1.20"]),
        "bundled-modules",
        formats=("rpm",),
    ),
    Mutant(
        "a Go module that no binary contains",
        "kubectl",
        add_relations("bundled(golang(example.org/x)) = 1.0.0", relation="provides"),
        "bundled-modules",
        formats=("rpm",),
    ),
    Mutant("no C library for a dynamic binary", "kubelet", _without_dependency("libc"), "c-library-dependency"),
    Mutant(
        "a C library for static binaries",
        "kubectl",
        lambda d: add_relations("libc6" if d.format == "deb" else "libc.so.6()(64bit)")(d),
        "c-library-dependency",
    ),
)
