"""A flat apt repository made by hand, whose index can claim anything; signed with gpg."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path

from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.digest import hash_file
from tests.acceptance.doctor_peers import GpgSigner


def write_flat(
    root: Path,
    signer: GpgSigner,
    *,
    edit: tuple[str, str] = ("", ""),
    fields: str = "",
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write the indexes of the debs below `root`; `edit` replaces a text in Packages, `fields` are added to Release.

    `files` are other forms of Packages than Packages.gz.
    """
    text = "\n".join(stanza(root, deb) for deb in sorted(root.rglob("*.deb")))
    assert edit[0] in text
    text = text.replace(*edit) if edit[0] else text
    listed = {"Packages.gz": gzip.compress(text.encode(), mtime=0)} if files is None else files
    for path in root.glob("Packages*"):
        path.unlink()
    lines = [f"Date: {formatdate(usegmt=True)}", *fields.splitlines(), "SHA256:"]
    for name, data in listed.items():
        (root / name).write_bytes(data)
        lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}")
    (root / "Release").write_text("\n".join(lines) + "\n")
    signer.sign_release(root)
    return root


def stanza(root: Path, deb: Path) -> str:
    """Return the entry of a deb in Packages."""
    content = hash_file(str(deb), deb_metadata.head_length)
    control = deb_metadata.control_text(content.head, content.size)
    return deb_metadata.index_stanza(control, f"./{deb.relative_to(root)}", content.size, content.sha256)
