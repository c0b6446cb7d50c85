"""HTTP sessions use the proxies, credentials and certificates of the environment."""

import base64
import ssl
import subprocess

import pytest

from kubeparcel.errors import ConfigurationError, DownloadError, Unreachable
from tests.support import upstream_site as sites

STABLE = "/dl.k8s.io/release/stable.txt"


@pytest.fixture
def authority(tmp_path):
    """Create a certificate authority, and a certificate for localhost that it signed."""
    folder = tmp_path / "tls"
    folder.mkdir()
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=kubeparcel tests"]
    openssl(folder, "req", "-x509", *key, *name, "-keyout", "ca.key", "-out", "ca.pem")
    ca = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "subjectAltName=DNS:localhost"]
    leaf = ["-addext", "basicConstraints=critical,CA:FALSE", "-subj", "/CN=localhost"]
    openssl(folder, "req", "-x509", *key, *leaf, *ca, "-keyout", "key.pem", "-out", "cert.pem")
    return folder


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def secure(authority):
    """Serve a site with TLS as localhost."""
    with sites.serve_site() as site:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
        site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
        site.url = f"https://localhost:{site.server.server_port}"
        site.publish_marker("stable", "v1.36.3")
        yield site


def test_certificate_of_an_unknown_authority_is_rejected(secure, from_mirror):
    with pytest.raises(Unreachable) as caught:
        from_mirror(secure.url).resolve_kubernetes("stable")
    assert "has an untrusted certificate: " in caught.value.message
    assert "SSL_CERT_FILE" in caught.value.hint


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_authority_in_the_environment_is_trusted(secure, from_mirror, authority, monkeypatch, variable):
    monkeypatch.setenv(variable, str(authority / "ca.pem"))
    assert str(from_mirror(secure.url).resolve_kubernetes("stable")) == "1.36.3"


def test_certificates_of_certifi_are_not_used(secure, from_mirror, authority, monkeypatch):
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(authority / "ca.pem"))
    with pytest.raises(Unreachable, match="untrusted certificate"):
        from_mirror(secure.url).resolve_kubernetes("stable")


def test_missing_certificate_bundle_is_reported(secure, from_mirror, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(ConfigurationError, match=r"/nowhere/ca\.pem"):
        from_mirror(secure.url).resolve_kubernetes("stable")


def test_redirect_from_https_to_http_is_rejected(secure, site, from_mirror, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    secure.faults[STABLE] = [sites.redirect(f"{site.url}{STABLE}")]
    site.publish_marker("stable", "v1.36.3")
    with pytest.raises(DownloadError, match="an address without TLS"):
        from_mirror(secure.url).resolve_kubernetes("stable")


def test_proxy_of_the_environment_is_used(site, from_mirror, monkeypatch):
    site.files[STABLE] = b"v1.36.3"
    monkeypatch.setenv("HTTP_PROXY", site.url)
    assert str(from_mirror("http://mirror.invalid").resolve_kubernetes("stable")) == "1.36.3"
    assert site.requests[0].headers["Host"] == "mirror.invalid"


def test_no_proxy_is_honoured(site, from_mirror, monkeypatch):
    site.publish_marker("stable", "v1.36.3")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(Unreachable, match="cannot be reached: the proxy refused the connection"):
        from_mirror(site.url).resolve_kubernetes("stable")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert str(from_mirror(site.url).resolve_kubernetes("stable")) == "1.36.3"


def test_refusal_of_a_proxy_is_quoted_once(site, from_mirror, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", site.url)
    with pytest.raises(Unreachable) as caught:
        from_mirror("").resolve_kubernetes("stable")
    assert "dl.k8s.io cannot be reached: the proxy failed: " in caught.value.message
    assert "501" in caught.value.message


def test_credentials_of_netrc_are_sent_to_their_host_only(site, from_mirror, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with sites.serve_site("127.0.0.2") as other:
        site.faults[STABLE] = [sites.redirect(f"{other.url}/elsewhere")]
        other.files["/elsewhere"] = b"v1.36.3"
        assert str(from_mirror(site.url).resolve_kubernetes("stable")) == "1.36.3"
        expected = "Basic " + base64.b64encode(b"me:secret").decode()
        assert site.requests[0].headers["Authorization"] == expected
        assert "Authorization" not in other.requests[0].headers


def test_mirror_that_requires_a_password_names_netrc(site, from_mirror):
    site.faults[STABLE] = [sites.status(401)]
    with pytest.raises(DownloadError, match="netrc"):
        from_mirror(site.url).resolve_kubernetes("stable")
