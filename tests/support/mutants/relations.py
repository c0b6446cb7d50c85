"""Mutants of what a package says about others."""

from __future__ import annotations

from tests.support.mutants.mutant import Mutant, depend
from tests.support.sample_packages import Draft


def _undepend(draft: Draft) -> None:
    kept = [other for other in draft.config["depends"] if not other.startswith("util-linux")]
    draft.config["depends"] = kept


def _no_libc(draft: Draft) -> None:
    draft.config["depends"] = [o for o in draft.config["depends"] if not o.startswith("libc")]


RELATIONS = (
    Mutant("a missing dependency", "kubelet", _undepend, "relations"),
    Mutant("a dependency too many", "kubectl", depend("conntrack"), "relations"),
    Mutant(
        "a weak dependency too many",
        "kubectl",
        depend("socat", relation="recommends"),
        "relations",
    ),
    Mutant(
        "an exact version",
        "kubeadm",
        lambda d: depend("kubelet (= 1.36.3-1)" if d.format == "deb" else "kubelet = 1.36.3")(d),
        "no-exact-bounds",
        also=frozenset({"relations"}),
    ),
    Mutant(
        "a conflict with the distribution's plugins",
        "kubernetes-cni",
        depend("containernetworking-plugins", relation="conflicts"),
        "no-self-conflict",
        also=frozenset({"relations"}),
    ),
    Mutant(
        "a conflict with itself",
        "kubectl",
        depend("kubectl", relation="conflicts"),
        "no-self-conflict",
        also=frozenset({"relations"}),
    ),
    Mutant("no C library for a dynamic binary", "kubelet", _no_libc, "c-library-dependency"),
    Mutant(
        "a C library for static binaries",
        "kubectl",
        lambda d: depend("libc6" if d.format == "deb" else "libc.so.6()(64bit)")(d),
        "c-library-dependency",
    ),
)
