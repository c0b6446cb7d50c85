"""A machine to run the install script on, with stand-ins for package managers that record how they are called."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from kubeparcel.bundle import model
from kubeparcel.bundle.contents import render_installer
from kubeparcel.bundle.model import Manifest
from kubeparcel.console import QuietLog
from kubeparcel.repository.signing.signer import open_signer
from tests.bundle.conftest import read_members
from tests.support.programs import write_program

TOOLS = (
    *("sh", "sed", "grep", "awk", "cut", "tr", "base64", "sha256sum", "mktemp", "rm", "cat", "wc", "dirname", "mkdir"),
    *("comm", "sort", "gpgv", "sleep", "head"),
)
RECORD = '#!/bin/sh\necho "${0##*/} $*" >>"$CALLS"\n'
STUBS = {
    "id": "#!/bin/sh\necho 0\n",
    "uname": "#!/bin/sh\necho x86_64\n",
    "apt-get": RECORD,
    "dpkg": RECORD,
    "dpkg-query": '#!/bin/sh\nfor name in "$@"; do :; done\necho "ii $name 1.0-1"\n',
    "dnf": RECORD,
    "rpm": RECORD
    + "case $2 in gpg-pubkey) [ ! -f $CALLS.new ] || echo gpg-pubkey-new; : >$CALLS.new ;; *) echo x 1 ;; esac\n",
    "ctr": RECORD,
    "podman": RECORD,
}


class Machine:
    """An unpacked bundle, and a PATH with little more than the stand-ins."""

    def __init__(self, folder: Path, archive: Path) -> None:
        self.top, self.bin, self.calls_file = folder / model.TOP, folder / "bin", folder / "calls"
        for name, data in read_members(archive).items():
            (self.top / name).parent.mkdir(parents=True, exist_ok=True)
            (self.top / name).write_bytes(data)
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        for name in STUBS.keys() - {"ctr", "podman"}:
            self.stub(name)

    def stub(self, name: str, text: str = "") -> None:
        """Put a stand-in on the PATH, or replace it."""
        (self.bin / name).unlink(missing_ok=True)
        write_program(self.bin / name, text or STUBS[name])

    def render(self, manifest: Manifest) -> None:
        """Write the script for another manifest, and sign the bundle again."""
        (self.top / model.INSTALLER).write_text(render_installer(manifest, "A" * 40))
        self.sign()

    def install(self, *options: str, code: int = 0, host: str = "trixie") -> str:
        """Run the script, and return its output; fails if it ends with another code or leaves temporary files."""
        hosts = ("--host", host) if host else ()
        result = subprocess.run(
            ["sh", self.top / "install.sh", *hosts, *options],
            env={"PATH": str(self.bin), "CALLS": str(self.calls_file), "TMPDIR": str(self.top.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == code, result.stdout + result.stderr
        assert not list(self.top.parent.glob("tmp.*"))
        return result.stdout + result.stderr

    def add_images(self) -> None:
        """Add an archive of images to the bundle, and sign it again."""
        (self.top / model.IMAGES).parent.mkdir()
        (self.top / model.IMAGES).write_bytes(b"images")
        self.sign()

    @property
    def calls(self) -> list[str]:
        """The commands that package managers and other stand-ins were called with."""
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    def sign(self, key: str = "") -> None:
        """Write checksums again, and sign them."""
        own = {self.top / model.SUMS, self.top / model.SIGNATURE}
        files = [path for path in self.top.rglob("*") if path.is_file() and path not in own]
        sums = "".join(f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.relative_to(self.top)}\n" for f in files)
        (self.top / model.SUMS).write_text(sums)
        with open_signer(key, QuietLog()) as signer:
            (self.top / model.SIGNATURE).write_bytes(signer.sign_detached(sums.encode()))
