"""Finished debs taken apart, broken, and put together again under their own names."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """What is done to the files of a package; its control files are in DEBIAN."""

    package: str
    change: Callable[[Path], None]


def wrap_program(package: str, program: str, script: str) -> Fault:
    """A script in a program's place; the program is beside it, `.real` after its name."""

    def change(tree: Path) -> None:
        path = tree / program
        path.rename(path.with_name(f"{path.name}.real"))
        _write(path, script, 0o755)

    return Fault(package, change)


def edit_file(package: str, path: str, old: str, new: str) -> Fault:
    """Another text in a file."""

    def change(tree: Path) -> None:
        text = (tree / path).read_text("utf-8")
        assert old in text, f"{path} has no {old!r}"
        _write(tree / path, text.replace(old, new), 0o644)

    return Fault(package, change)


def append_to_script(package: str, scriptlet: str, text: str) -> Fault:
    """More text at the end of a scriptlet, or a scriptlet that there was not."""

    def change(tree: Path) -> None:
        path = tree / scriptlet
        head = path.read_text("utf-8") if path.exists() else "#!/bin/sh\n"
        _write(path, f"{head}{text}\n", 0o755)

    return Fault(package, change)


def replace_program(package: str, program: str, other: Path) -> Fault:
    """The program of another deb in a program's place."""

    def change(tree: Path) -> None:
        elsewhere = tree.with_name(f"{tree.name}.other")
        _run("dpkg-deb", "--extract", other, elsewhere)
        (tree / program).unlink()
        (elsewhere / program).rename(tree / program)
        shutil.rmtree(elsewhere)

    return Fault(package, change)


def break_debs(whole: Path, faults: Collection[Fault], folder: Path) -> Path:
    """Copies of all debs in a folder, some of them broken; give the folder."""
    target = folder / "debs"
    target.mkdir(parents=True)
    for deb in sorted(whole.glob("*.deb")):
        rows = [fault for fault in faults if fault.package == deb.name.partition("_")[0]]
        if not rows:
            (target / deb.name).hardlink_to(deb)
            continue
        tree = folder / "tree"
        _run("dpkg-deb", "--raw-extract", deb, tree)
        for fault in rows:
            fault.change(tree)
        _run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", tree, target / deb.name)
        shutil.rmtree(tree)
    return target


def _write(path: Path, text: str, mode: int) -> None:
    path.write_text(text, "utf-8")
    path.chmod(mode)


def _run(*argv: object) -> None:
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)
