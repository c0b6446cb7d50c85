"""Values of each setting, and kubeparcel.yaml with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError, KubeparcelError

# Each field: its default and three other values, as text.
FIELDS: Mapping[str, tuple[Any, str, str, str]] = {
    "kubernetes": ("stable", "1.34.2", "1.35", "1.36.3"),
    "cri_tools": ("", "1.34.0", "1.35.0", "1.36.0"),
    "cni": ("", "1.7.1", "1.8.0", "1.9.1"),
    "arch": (("amd64",), "arm64", "ppc64le,s390x", "s390x"),
    "format": (("deb", "rpm"), "deb", "rpm", "rpm,deb"),
    "source": ("auto", "go", "upstream", "go"),
    "require_signatures": (False, "true", "false", "true"),
    "accept_sha1": (False, "true", "false", "true"),
    "trust_root": ("", "one.json", "/two.json", "three.json"),
    "cache_remote": ("", "/srv/cache", "s3://cache/kubeparcel", "cache"),
    "workers": ("", "dask:local:2", "dask:tcp://10.0.0.1:8786", "dask:tls://scheduler:8786"),
    "workers_tls": ("", "/etc/tls", "tls", "/tls"),
    "mirror": ("", "https://a.example", "/srv/mirror", "mirror"),
    "layout": ("etc", "official", "etc", "official"),
    "revision": ("1", "2", "3.el9", "4~rc1"),
    "compression": ("balanced", "fast", "small", "balanced"),
    "out": ("dist", "one", "two", "/three"),
    "sbom": (True, "false", "true", "false"),
    "vulnerability_database": ("", "/srv/vulndb", "https://a.example/db", "vulndb"),
    "vex": ((), "one.json", "one.json,two.json", "three.json"),
    "audit_fail_on": ("any", "called", "imported", "none"),
    "maintainer": ("kubeparcel <noreply@kubeparcel.invalid>", "A <a@x>", "B <b@x>", "C <c@x>"),
    "vendor": ("kubeparcel", "A", "B", "C"),
    "cni_bin_dir": ("/opt/cni/bin", "/usr/lib/cni", "/srv/cni", "/usr/libexec/cni"),
    "kubelet_extra_args": ("", "--v=1", "--v=2", "--v=3 --node-ip=::1"),
}


def dashed(field: str) -> str:
    return field.replace("_", "-")


def error_of(options: Mapping[str, Any], kind: type[KubeparcelError] = ConfigurationError) -> str:
    """Return the error message of invalid settings."""
    with pytest.raises(kind) as caught:
        load_settings(options)
    assert type(caught.value) is kind
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.fixture
def write(workdir: Path) -> Iterator[Any]:
    """Return a function that writes kubeparcel.yaml."""

    def text(content: str) -> None:
        (workdir / "kubeparcel.yaml").write_text(content)

    return text
