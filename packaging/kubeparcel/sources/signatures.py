"""Upstream's signatures: fetched from next to the files, verified, and recorded in the store."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kubeparcel.console import Log
from kubeparcel.errors import SignatureError
from kubeparcel.lock_models import Artifact, InputPolicy, Signature
from kubeparcel.model import Version
from kubeparcel.sources import signature_verifier
from kubeparcel.sources.fetch import expected_sha256
from kubeparcel.sources.signature_bundle import BUNDLE, HINT, BundleReader
from kubeparcel.sources.signature_verifier import (
    ANOTHER_FILE,
    INSTALL_HINT,
    UNKNOWN_AUTHORITY,
    UNKNOWN_LOG,
    RejectedSignature,
    SignatureVerifier,
)
from kubeparcel.sources.transport import Transport
from kubeparcel.store import Store
from kubeparcel.threads import CancelToken, parallel_map

if TYPE_CHECKING:
    from kubeparcel.config.component_models import ComponentSpec, SignatureSpec

_RECORDS = "signature"
"""The kind of the store's records of verified signatures."""


@dataclasses.dataclass(frozen=True)
class Signatures:
    """Upstream's signatures, as `transport` has them."""

    components: Mapping[str, ComponentSpec]
    transport: Transport
    policy: InputPolicy
    workers: int = 4

    def sign(
        self, component: str, version: Version, artifacts: Sequence[Artifact], store: Store
    ) -> tuple[tuple[Artifact, ...], tuple[str, ...]]:
        """Return files with their verified signatures, and remarks on missing ones. Raises SignatureError."""
        spec = self.components[component]
        if not spec.signature_of(version):
            self._require_unsigned(spec, version)
            return tuple(artifacts), ()
        outcomes = self._verify(artifacts, store)
        signed = [
            dataclasses.replace(a, signature=outcome if isinstance(outcome, Signature) else None)
            for a, outcome in outcomes.items()
        ]
        reasons = [outcome for outcome in outcomes.values() if isinstance(outcome, str)]
        if not reasons:
            return tuple(signed), ()
        remark = f"Upstream's signatures of {spec.title} {version} were not verified: {reasons[0]}"
        return tuple(signed), (remark,)

    def check(self, artifacts: Sequence[Artifact], store: Store, log: Log) -> None:
        """Verify the signatures of locked files before they are fetched.

        Raises SignatureError for an invalid signature, for another one than the lock has, and for a
        missing one if it is required. Warns if the lock has one that cannot be verified here.
        """
        signed = [artifact for artifact in artifacts if self._spec(artifact)]
        self._require_signed(artifact for artifact in artifacts if artifact not in signed)
        missing: dict[str, list[str]] = {}
        for artifact, outcome in self._verify(signed, store).items():
            if isinstance(outcome, str):
                if artifact.signature:
                    missing.setdefault(outcome, []).append(artifact.label)
            elif artifact.signature not in (None, outcome):
                raise SignatureError(
                    f"{artifact.label}: signed by {outcome}, kubeparcel.lock has {artifact.signature}.",
                    f"{HINT} If upstream signed it again: inv resolve --refresh {artifact.name}",
                )
        for reason, labels in missing.items():
            log.warn(f"The signatures in kubeparcel.lock ({', '.join(labels)}) were not verified here: {reason}")

    def bundle(self, artifact: Artifact, store: Store) -> str | None:
        """Return the bundle of a file as text; None if upstream does not sign the file.

        It is the store's if it was verified before, otherwise unverified. Raises ExternalError if it cannot be had.
        """
        spec = self._spec(artifact)
        if spec is None:
            return None
        record = store.get_record(_RECORDS, self._key(artifact, spec))
        if isinstance(record, dict) and store.has(str(record.get("bundle"))):
            return store.get(record["bundle"], f"the signature of {artifact.label}").read_text("utf-8")
        bundle = self._reader.read(artifact, spec.log, CancelToken())
        if isinstance(bundle, str):
            raise SignatureError(f"{artifact.label}: {bundle}")
        return json.dumps(bundle, sort_keys=True)

    def _require_unsigned(self, spec: ComponentSpec, version: Version) -> None:
        """Raise SignatureError for a version that is not signed, although others are, if signatures are required."""
        if self.policy.require_signatures and spec.signatures:
            raise SignatureError(
                f"{spec.title} {version} is not signed: upstream signs from {spec.signatures[0].versions.since} on.",
                "Choose a later version, or build without --require-signatures (require-signatures).",
            )

    def _require_signed(self, unsigned: Iterable[Artifact]) -> None:
        """Raise SignatureError for a locked file that upstream does not sign, although it signs others."""
        for artifact in unsigned:
            if self.policy.require_signatures and self.components[artifact.component].signatures:
                raise SignatureError(
                    f"{artifact.label}: the signature is required, and upstream does not sign {artifact.origin}.",
                    f"{HINT} If kubeparcel.lock is as you resolved it: inv resolve",
                )

    def _spec(self, artifact: Artifact) -> SignatureSpec | None:
        """Return who signs a file; None if upstream does not."""
        spec = self.components[artifact.component]
        version = spec.version_in(artifact.origin, artifact.name, artifact.arch) if spec.signatures else None
        return spec.signature_of(version) if version else None

    def _verify(self, artifacts: Sequence[Artifact], store: Store) -> dict[Artifact, Signature | str]:
        """Return the signature of each file, or the reason why it was not verified."""
        specs = {artifact: spec for artifact in artifacts if (spec := self._spec(artifact))}
        outcomes: dict[Artifact, Signature | str] = {}
        for artifact, spec in specs.items():
            if recorded := _recorded(store, self._key(artifact, spec)):
                outcomes[artifact] = recorded
        unknown = [artifact for artifact in specs if artifact not in outcomes]
        if unknown and not signature_verifier.is_installed():
            outcomes.update(dict.fromkeys(unknown, f"the library sigstore is not installed.\n{INSTALL_HINT}"))
        else:
            bundles = parallel_map(lambda a, token: self._reader.read(a, specs[a].log, token), unknown, self.workers)
            for artifact, bundle in zip(unknown, bundles, strict=True):
                outcomes[artifact] = (
                    bundle if isinstance(bundle, str) else self._verify_one(artifact, specs[artifact], bundle, store)
                )
        for artifact, outcome in outcomes.items():
            if isinstance(outcome, str) and self.policy.require_signatures:
                problem, _, hint = outcome.partition("\n")
                raise SignatureError(f"{artifact.label}: the signature is required, and {problem}", hint)
        return {artifact: outcomes[artifact] for artifact in specs}

    def _verify_one(self, artifact: Artifact, spec: SignatureSpec, bundle: dict[str, Any], store: Store) -> Signature:
        location = self.transport.location(artifact.origin + BUNDLE)
        try:
            verified = self._verifier.verify(bundle, expected_sha256(artifact), spec.identity, spec.issuer)
        except RejectedSignature as reason:
            message = f"{artifact.label}: the signature was rejected ({location}): {reason}."
            raise SignatureError(message, HINT + _rejection_hint(str(reason), artifact)) from None
        sha256 = store.add_bytes(json.dumps(bundle, sort_keys=True).encode())
        store.put_record(_RECORDS, self._key(artifact, spec), {"bundle": sha256, **dataclasses.asdict(verified)})
        return verified

    @functools.cached_property
    def _reader(self) -> BundleReader:
        return BundleReader(self.transport)

    @functools.cached_property
    def _verifier(self) -> SignatureVerifier:
        return SignatureVerifier(self.policy.trust_root)

    @functools.cached_property
    def _root(self) -> str:
        """The identity of the trust root in records."""
        return signature_verifier.root_digest(self.policy.trust_root)

    def _key(self, artifact: Artifact, spec: SignatureSpec) -> str:
        return json.dumps([artifact.digest, spec.identity, spec.issuer, self._root])


def _rejection_hint(reason: str, artifact: Artifact) -> str:
    """Return a line with the harmless cause that a rejected signature may have."""
    if reason in (UNKNOWN_AUTHORITY, UNKNOWN_LOG):
        return "\nIf Sigstore has new keys: pip install --upgrade sigstore, or --trust-root FILE with the current ones."
    return f"\nIf upstream replaced the file: inv resolve --refresh {artifact.name}" if reason == ANOTHER_FILE else ""


def _recorded(store: Store, key: str) -> Signature | None:
    """Return the signature that was verified before."""
    record = store.get_record(_RECORDS, key)
    try:
        return Signature(str(record["identity"]), str(record["issuer"]), int(record["log_index"]), int(record["time"]))
    except (TypeError, KeyError, ValueError):
        return None
