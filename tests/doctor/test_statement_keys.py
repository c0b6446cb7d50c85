"""The keys that statements are verified with."""

from __future__ import annotations

from pathlib import Path

from kubeparcel.doctor.keys import certificate_keys
from kubeparcel.repository.signing import gpg, openpgp
from kubeparcel.repository.signing.gpg import GpgHome
from kubeparcel.repository.signing.keyring import list_keys


def exported(home: GpgHome) -> bytes:
    return openpgp.dearmor(home.run("--armor", "--export").stdout.encode())


def test_a_revoked_key_verifies_no_statement():
    with gpg.temporary_home(private_keys=True) as home:
        home.run("--quick-generate-key", "owner", "nistp256", "sign", "1d", passphrase="")
        (key,) = list_keys(home)
        assert [trusted.key_id for trusted in certificate_keys(exported(home))] == [key.fingerprint]
        revocation = (home.folder or Path()) / "openpgp-revocs.d" / f"{key.fingerprint}.rev"
        revocation.write_text(revocation.read_text().replace(":-----BEGIN", "-----BEGIN"))
        home.run("--import", revocation)
        assert certificate_keys(exported(home)) == ()
