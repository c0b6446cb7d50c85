"""Trust roots: invalid and missing ones, and the public instance's."""

import pytest

from kubeparcel.errors import ConfigurationError, SignatureError


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"mediaType": 1}', "[" * 60_000])
def test_invalid_trust_root_is_an_error(kubelet, source, tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"The trust root .*bad\.json is invalid"):
        kubelet(source(trust_root=str(path)))


def test_missing_trust_root_is_an_error(kubelet, source):
    with pytest.raises(ConfigurationError, match=r"/nowhere/root\.json cannot be read: No such file"):
        kubelet(source(trust_root="/nowhere/root.json"))


def test_signature_of_a_test_authority_is_not_valid_for_the_public_instance(kubelet, source, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with pytest.raises(SignatureError, match="its certificate was not issued by a trusted authority"):
        kubelet(source(trust_root=""))
