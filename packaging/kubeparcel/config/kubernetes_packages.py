"""Which packages of the catalog belong together: the Kubernetes core and its companions.

Reads catalog.yaml without validation: `config.catalog` imports pydantic, which takes 0.13 s, as
long as publishing one more package to a repository of 10,000.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubeparcel.model import Version, upstream_notation

CORE_COMPONENT = "kubernetes"
"""The component whose minor version names a suite."""


@dataclass(frozen=True)
class KubernetesPackages:
    """The names of the catalog's packages by their role, without the optional ones.

    `core` packages are built from Kubernetes itself; `node_packages` are those of them that need the `companions`
    (cri-tools, kubernetes-cni). `version_coupled` companions follow the minor versions of Kubernetes.
    """

    core: frozenset[str]
    node_packages: frozenset[str]
    companions: frozenset[str]
    version_coupled: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        return self.core | self.companions


@functools.cache
def kubernetes_packages() -> KubernetesPackages:
    """Return the packages in catalog.yaml."""
    from kubeparcel.config.yaml_file import load_data_file

    catalog = load_data_file("config/catalog.yaml")
    packages: Mapping[str, Mapping[str, Any]] = {
        name: spec for name, spec in catalog["packages"].items() if not spec.get("optional")
    }
    core = {name for name, spec in packages.items() if spec["component"] == CORE_COMPONENT}
    companions = packages.keys() - core
    return KubernetesPackages(
        core=frozenset(core),
        node_packages=frozenset(n for n in core if companions & _dependencies(packages[n])),
        companions=frozenset(companions),
        version_coupled=frozenset(
            name
            for name in companions
            for pair in catalog["components"][packages[name]["component"]].get("pairs", ())
            if pair.get("version") == "minor"
        ),
    )


def _dependencies(package: Mapping[str, Any]) -> set[str]:
    return {str(relation.get("depends", "")).partition(" ")[0] for relation in package.get("relations", ())}


def upstream_version(version: str) -> Version:
    """Return the upstream version of a package version: 1.37.0-rc.1 for `1.37.0~rc.1-1`. Raises UnknownVersion."""
    without_revision = version.rpartition(":")[2].rpartition("-")[0] or version
    return Version.parse(upstream_notation(without_revision))
