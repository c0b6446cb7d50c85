"""A small git tree, and its export as an artifact of a lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel.lock_models import Artifact, Checkout
from kubeparcel.model import Arch
from kubeparcel.sources.tree_export import export_tree
from tests.support.git_trees import GitTree

FILES = {"a.go": "package a\n", "sub/b.go": "package b\n", ".gitignore": "ignored*\n"}


@pytest.fixture
def tree(tmp_path) -> GitTree:
    return GitTree(tmp_path / "tree", FILES)


def export(tree: GitTree, checkout: Checkout, target: Path) -> int:
    return export_tree(tree.folder, artifact(checkout), target)


def artifact(checkout: Checkout) -> Artifact:
    return Artifact("cni", "cni", Arch.AMD64, "example.com/a@v1.0.0", checkout.digest, commit=checkout.commit)
