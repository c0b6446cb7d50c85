"""Chooses the source of the binaries: upstream, or Go modules if upstream is unreachable."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log
from kubeparcel.errors import ConfigurationError, KubeparcelError, Unreachable
from kubeparcel.lock_models import BuildVariant, Checkout, InputPolicy, Request
from kubeparcel.sanitize import redact_url
from kubeparcel.sources.source import MixedSource, Source

if TYPE_CHECKING:
    from kubeparcel.config.component_models import ComponentSpec


def create_source(
    name: str,
    components: Mapping[str, ComponentSpec],
    mirror: str = "",
    toolchain: str = "",
    policy: InputPolicy | None = None,
    log: Log | None = None,
    variant: BuildVariant | None = None,
    trees: Mapping[str, Path] | None = None,
    checkouts: Mapping[str, Checkout] | None = None,
) -> Source:
    """Return the source `upstream` or `go`, with git `trees` and their state, and the other for what only that has."""

    def create(name: str) -> Source:
        if name == "go":
            from kubeparcel.sources.go_modules import GoModules

            if trees is None:
                return GoModules(components, toolchain, variant)
            from kubeparcel.sources.git_trees import GitTrees

            return GitTrees(components, trees, checkouts, toolchain, variant)
        from kubeparcel.sources.upstream import Upstream

        return Upstream(components, mirror, accepted=policy, log=log)

    others = {spec.source(name) for spec in components.values()} - {name}
    return MixedSource(create(name), create(others.pop()), components) if others else create(name)


def select_source(request: Request, components: Mapping[str, ComponentSpec], log: Log) -> Source:
    """Return the requested source; `auto` is upstream if it can be reached, else Go modules."""
    if request.variant.is_set or request.trees:
        return _source_of_variant(request, components, log)
    if request.source != "auto" or request.mirror:
        name = "go" if request.source == "go" else "upstream"
        warn_of_unused_settings(name, request, log)
        return create_source(name, components, request.mirror, policy=request.policy, log=log)
    upstream = create_source("upstream", components, policy=request.policy, log=log)
    try:
        upstream.probe()
    except Unreachable as error:
        if request.policy.require_signatures:
            raise Unreachable(
                error.message, f"{error.hint}\nGo modules are not used instead: they have no signatures (--source go)."
            ) from None
        upstream_error = error
    else:
        return upstream
    modules = create_source("go", components, policy=request.policy, log=log)
    try:
        modules.probe()
    except KubeparcelError as error:
        raise Unreachable(
            f"No source is available.\n  upstream: {upstream_error.message}\n  go: {error.message}",
            "Set --mirror to a URL or folder with a copy of upstream's files, or install Go.",
        ) from None
    log.info(
        "Source",
        f"{upstream_error.message.rstrip('.')}: building from Go modules instead.\n"
        "The same versions. --source upstream requires downloads.",
    )
    return modules


def _source_of_variant(request: Request, components: Mapping[str, ComponentSpec], log: Log) -> Source:
    """Return the source that compiles; raise ConfigurationError if another one is requested."""
    if request.source == "upstream":
        keys = ", ".join(
            [
                *(f"go.{key}" for key in request.variant.as_document()),
                *(["patches"] if request.variant.patches else []),
                *(["trees"] if request.trees else []),
            ]
        )
        raise ConfigurationError(
            f"{keys}: upstream's binaries are not compiled this way.",
            "Compile them: --source go (source: go in kubeparcel.yaml), or remove the setting.",
        )
    warn_of_unused_settings("go", request, log)
    folders = {name: checkout.folder for name, checkout in request.trees.items()}
    return create_source(
        "go",
        components,
        request.mirror,
        policy=request.policy,
        log=log,
        variant=request.variant,
        trees=folders or None,
        checkouts=request.trees,
    )


def warn_of_unused_settings(source: str, request: Request, log: Log) -> None:
    """Warn if a mirror of upstream's files, or their signatures, are requested of a source that has neither."""
    if source != "go":
        return
    components = catalogs.for_request(request).components
    if request.mirror and not any(components[name].source(source) == "upstream" for name in request.versions):
        log.warn(f"The mirror {redact_url(request.mirror)} is not used: source go takes modules from GOPROXY.")
    if request.policy.require_signatures:
        log.warn("Go modules have no signatures: required ones do not apply to source go.")
