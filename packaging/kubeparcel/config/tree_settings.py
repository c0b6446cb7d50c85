"""The settings `source: tree:DIR` and `trees`: git checkouts that components are compiled from, and their versions."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from os.path import normpath
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from kubeparcel.config.patch_settings import version_suffix
from kubeparcel.config.yaml_file import YamlFile
from kubeparcel.errors import ConfigurationError, UnknownVersion, did_you_mean
from kubeparcel.lock_models import BuildVariant, Checkout
from kubeparcel.model import DIRTY, Version
from kubeparcel.paths import user_path

SOURCES = ("auto", "upstream", "go")
"""The values of `source` without a folder."""

TREE = "tree:"
"""The start of a source that is a checkout of Kubernetes."""

COMMIT_DIGITS = 14
"""How many digits of a commit are in a version, as in upstream's."""

_TAG = re.compile(r"v(\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?)(\+.*)?")


def _source(text: str) -> str:
    if text in SOURCES or (text.startswith(TREE) and _is_folder(text.removeprefix(TREE))):
        return text
    suggestion = did_you_mean(text.lower(), SOURCES, quote="'")
    raise ValueError(f"invalid source {text!r}: use auto, upstream, go or tree:DIR.{suggestion}")


def _is_folder(text: str) -> bool:
    return bool(text.strip()) and text.isprintable()


def _tree_folder(text: str) -> str:
    if not _is_folder(text):
        raise ValueError(f"invalid folder {text!r}: expected the top folder of a git clone")
    return text


SourceName = Annotated[
    str,
    AfterValidator(_source),
    WithJsonSchema({"anyOf": [{"enum": list(SOURCES), "type": "string"}, {"pattern": "^tree:.", "type": "string"}]}),
]
TreeFolder = Annotated[str, AfterValidator(_tree_folder)]


def tree_folders(source: str, trees: Mapping[str, str], base: Path) -> dict[str, Path]:
    """Return the absolute folders of trees by component; relative ones start from `base`."""
    kubernetes = {"kubernetes": source.removeprefix(TREE)} if source.startswith(TREE) else {}
    folders = {**trees, **kubernetes}
    return {n: Path(normpath(user_path(f if f.startswith("~") else base / f))) for n, f in folders.items()}


def check_trees(trees: Collection[str], patches: Mapping[str, Collection[object]], file: YamlFile) -> None:
    """Raise ConfigurationError for patches of what is compiled from a tree."""
    for component in trees:
        if patches.get(component):
            raise file.error(
                ("patches", component),
                f"{component} is compiled from a git tree, whose commit would not name them.",
                "Commit the patches into the tree (git am FILE), or compile Go modules: --source go",
            )


def is_version_tag(tag: str) -> bool:
    """Return whether a tag is one of a release or pre-release; others, such as v1.36.3-lts.1, sort wrongly."""
    match = _TAG.fullmatch(tag)
    if not match:
        return False
    try:
        Version.parse(match[1])
        version_suffix(match[2] or "")
    except (ValueError, UnknownVersion):
        return False
    return True


def tree_version(checkout: Checkout, variant: BuildVariant) -> Version:
    """Return the version of a checkout: 1.36.3+5.gCOMMIT for the fifth commit after v1.36.3.

    Upstream's own notation, v1.36.3-5+COMMIT, is a pre-release of 1.36.3. A suffix of the settings replaces the
    number and the commit. Raises UnknownVersion if no tag is known.
    """
    if not checkout.tag or (checkout.shallow and checkout.distance and not variant.suffix):
        options = "--unshallow --tags" if checkout.shallow else "--tags https://URL-OF-UPSTREAM"
        raise UnknownVersion(_unknown_distance(checkout), f"Fetch all commits and tags: git fetch {options}")
    tagged = Version.parse(checkout.tag)
    words = [tagged.build] if tagged.build else []
    if checkout.distance or checkout.changes:
        words += [str(checkout.distance), f"g{checkout.commit[:COMMIT_DIGITS]}"]
    words = ["fips"] * variant.fips + ([variant.suffix] if variant.suffix else words)
    return tagged.with_suffix(".".join(words) + DIRTY * bool(checkout.changes))


def _unknown_distance(checkout: Checkout) -> str:
    commit = checkout.commit[:12]
    if checkout.shallow:
        since = f"how many commits {commit} is after {checkout.tag}" if checkout.tag else f"the tag before {commit}"
        return f"The git tree {checkout.folder} is a shallow clone: {since} is unknown, and so is its version."
    return f"The git tree {checkout.folder} has no version tag, such as v1.36.3, at commit {commit} or before it."


def require_requested(name: str, requested: str, version: Version, checkout: Checkout) -> None:
    """Raise ConfigurationError if another version is requested than a tree has."""
    if requested not in ("", "stable", "latest", version.series, str(version.release), str(version)):
        raise ConfigurationError(
            f"{name}: {requested} is requested, and the git tree {checkout.folder} is at {version}.",
            f"Check out the other version (git switch), or remove the setting {name}.",
        )
