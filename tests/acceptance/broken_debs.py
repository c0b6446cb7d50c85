"""Debs that are unpacked, broken, and built again under the same names."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """A change to the files of a package; its control files are in DEBIAN."""

    package: str
    apply: Callable[[Path], None]


def wrap_program(package: str, program: str, script: str) -> Fault:
    """Replace a program by a script; the program gets the suffix `.real`."""

    def apply(tree: Path) -> None:
        path = tree / program
        path.rename(path.with_name(f"{path.name}.real"))
        _write(path, script, 0o755)

    return Fault(package, apply)


def edit_file(package: str, path: str, old: str, new: str) -> Fault:
    """Replace text in a file."""

    def apply(tree: Path) -> None:
        text = (tree / path).read_text("utf-8")
        assert old in text, f"{path} has no {old!r}"
        _write(tree / path, text.replace(old, new), 0o644)

    return Fault(package, apply)


def append_to_script(package: str, scriptlet: str, text: str) -> Fault:
    """Append text to a scriptlet, which is created if it is missing."""

    def apply(tree: Path) -> None:
        path = tree / scriptlet
        head = path.read_text("utf-8") if path.exists() else "#!/bin/sh\n"
        _write(path, f"{head}{text}\n", 0o755)

    return Fault(package, apply)


def replace_program(package: str, program: str, other: Path) -> Fault:
    """Replace a program by the one of another deb."""

    def apply(tree: Path) -> None:
        elsewhere = tree.with_name(f"{tree.name}.other")
        _run("dpkg-deb", "--extract", other, elsewhere)
        (tree / program).unlink()
        (elsewhere / program).rename(tree / program)
        shutil.rmtree(elsewhere)

    return Fault(package, apply)


def break_debs(source: Path, faults: Collection[Fault], folder: Path) -> Path:
    """Copy all debs of a folder, apply the faults, and return the new folder."""
    target = folder / "debs"
    target.mkdir(parents=True)
    for deb in sorted(source.glob("*.deb")):
        package_faults = [fault for fault in faults if fault.package == deb.name.partition("_")[0]]
        if not package_faults:
            (target / deb.name).hardlink_to(deb)
            continue
        tree = folder / "tree"
        _run("dpkg-deb", "--raw-extract", deb, tree)
        for fault in package_faults:
            fault.apply(tree)
        _run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", tree, target / deb.name)
        shutil.rmtree(tree)
    return target


def _write(path: Path, text: str, mode: int) -> None:
    path.write_text(text, "utf-8")
    path.chmod(mode)


def _run(*argv: object) -> None:
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)
