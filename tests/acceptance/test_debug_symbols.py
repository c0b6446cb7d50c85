"""Debug symbols of real Go programs: they belong to the stripped program, which they do not change."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from kubeparcel.errors import ExternalError
from kubeparcel.sources.debug_symbols import build_id, write_debug_file

PROGRAM = 'package main\n\nfunc main() {\n\tprintln("x")\n}\n'


def link(folder: Path, arch: str, name: str, flags: str) -> Path:
    (folder / "main.go").write_text(PROGRAM)
    env = {**os.environ, "CGO_ENABLED": "0", "GOARCH": arch, "GO111MODULE": "off", "GOFLAGS": ""}
    command = ["go", "build", "-trimpath", f"-ldflags={flags}", f"-o={name}", "main.go"]
    subprocess.run(command, cwd=folder, env=env, check=True)
    return folder / name


@pytest.mark.parametrize("arch", ["amd64", "s390x"])
def test_debugger_finds_functions_and_lines_by_the_build_id(tmp_path: Path, arch: str) -> None:
    stripped, full = link(tmp_path, arch, "stripped", "-s -w"), link(tmp_path, arch, "full", "")
    before, target = stripped.read_bytes(), tmp_path / "x.debug"
    write_debug_file(stripped, full, target)
    assert stripped.read_bytes() == before
    assert build_id(target) == build_id(stripped) != build_id(full)
    assert len(build_id(target)) == 40
    assert target.stat().st_size < full.stat().st_size * 0.7
    with target.open("rb") as file, stripped.open("rb") as other:
        symbols, program = ELFFile(file), ELFFile(other)
        for section in program.iter_sections():
            if section["sh_flags"] & 2:
                own = symbols.get_section_by_name(section.name)
                assert (own["sh_addr"], own["sh_size"]) == (section["sh_addr"], section["sh_size"])
                assert own["sh_type"] == ("SHT_NOTE" if section["sh_type"] == "SHT_NOTE" else "SHT_NOBITS")
        (main,) = symbols.get_section_by_name(".symtab").get_symbol_by_name("main.main")
        text = program.get_section_by_name(".text")
        assert 0 <= main["st_value"] - text["sh_addr"] < text["sh_size"]
        functions = {
            die.attributes["DW_AT_low_pc"].value
            for unit in symbols.get_dwarf_info().iter_CUs()
            for die in unit.iter_DIEs()
            if die.tag == "DW_TAG_subprogram"
            and die.attributes.get("DW_AT_name", 0)
            and b"main.main" in die.attributes["DW_AT_name"].value
            if "DW_AT_low_pc" in die.attributes
        }
        assert main["st_value"] in functions


def test_symbols_of_another_program_are_refused(tmp_path: Path) -> None:
    stripped, full = link(tmp_path, "amd64", "stripped", "-s -w"), link(tmp_path, "amd64", "full", "")
    data = bytearray(full.read_bytes())
    data[data.index(b"\x7fELF") + 0x1010] ^= 1
    full.write_bytes(data)
    with pytest.raises(ExternalError, match=r"stripped: the linker wrote another \.text"):
        write_debug_file(stripped, full, tmp_path / "x.debug")
