"""What the catalog says that matters to a repository: which packages belong together.

Read as plain YAML: the catalog's own reader checks everything, which takes longer than a publish.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kubeparcel.model import Version
from kubeparcel.paths import PACKAGE

CORE_COMPONENT = "kubernetes"
"""The component whose minor names a suite."""


@dataclass(frozen=True)
class KubernetesPackages:
    """`leaders` are of Kubernetes itself; `nodes` are those of them that need the `companions`.

    `paired` are companions that follow Kubernetes' minors.
    """

    core: frozenset[str]
    node_packages: frozenset[str]
    companions: frozenset[str]
    version_coupled: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        return self.core | self.companions


@functools.cache
def kubernetes_packages() -> KubernetesPackages:
    """The family, as catalog.yaml has it."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load((PACKAGE / "config/catalog.yaml").read_bytes(), loader)  # noqa: S506 - a safe one
    packages: Mapping[str, Mapping[str, Any]] = document["packages"]
    leaders = frozenset(n for n, row in packages.items() if row["component"] == CORE_COMPONENT)
    companions = frozenset(packages) - leaders
    nodes = frozenset(n for n in leaders if companions & set(_wanted(packages[n])))
    paired = frozenset(n for n in companions if _paired(document, packages[n]["component"]))
    return KubernetesPackages(leaders, nodes, companions, paired)


def _wanted(package: Mapping[str, Any]) -> Iterable[str]:
    return (str(row.get("depends", "")).partition(" ")[0] for row in package.get("relations", ()))


def _paired(document: Mapping[str, Any], component: str) -> bool:
    rows = document["components"][component].get("pairs", ())
    return any(row.get("version") == "minor" for row in rows)


def upstream_version(version: str) -> Version:
    """The upstream version: `1.37.0~rc.1-1` is of 1.37.0-rc.1. Raises UnknownVersion."""
    plain = version.rpartition(":")[2].rpartition("-")[0] or version
    return Version.parse(plain.replace("~", "-", 1))
