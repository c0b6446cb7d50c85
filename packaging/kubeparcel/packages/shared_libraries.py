"""What a binary needs of shared libraries, as each format says it; read from the file itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from kubeparcel.errors import ConfigurationError, ExternalError
from kubeparcel.model import Format

GLIBC = ("libc.so", "libpthread.so", "libdl.so", "libm.so", "librt.so", "libresolv.so", "ld")
"""How the names of the libraries begin that Debian's libc6 holds."""


def library_relations(path: Path, name: str) -> Mapping[str, list[str]]:
    """The relations for each format; empty ones for a static binary, and for what is not ELF.

    Raises ConfigurationError for a library outside glibc: upstream's binaries need none.
    """
    from kubeparcel.packages import elf
    from kubeparcel.packages.errors import MalformedData

    with path.open("rb") as file:
        if file.read(4) != elf.MAGIC:
            return {}
    try:
        facts = elf.read(path)
    except MalformedData as error:
        raise ExternalError(f"{name}: {error}.", "Look at where it came from: inv fetch") from None
    if facts.is_static:
        return {}
    strange = [lib for lib in facts.libraries if not lib.startswith(GLIBC)]
    if strange:
        raise ConfigurationError(
            f"{name} needs {', '.join(strange)}, and nobody said which package has it.",
            "Add the dependency to the package in kubeparcel.yaml, and use a static binary.",
        )
    bound = f" (>= {facts.glibc})" if facts.glibc else ""
    return {
        Format.DEB: [f"libc6{bound}"],
        Format.RPM: list(_rpm(facts.libraries, facts.symbol_versions, facts.bits)),
    }


def _rpm(needed_: Iterable[str], versions: Iterable[tuple[str, str]], bits: int) -> Iterable[str]:
    """As rpm's elfdeps writes them: libc.so.6()(64bit), libc.so.6(GLIBC_2.34)(64bit)."""
    width = "(64bit)" if bits == 64 else ""
    for soname in needed_:
        yield f"{soname}(){width}"
    for soname, version in versions:
        yield f"{soname}({version}){width}"
