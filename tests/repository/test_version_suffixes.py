"""Packages of variants, whose versions have a `+`, in repositories of folders, web servers and buckets."""

from tests.support import client_view
from tests.support.package_builders import five
from tests.support.repository_fixtures import publish_folder
from tests.support.web_server import serve_folder


def test_variant_is_published_beside_the_release(publish, run, repo, tmp_path):
    publish()
    publish(five(tmp_path / "fips", "1.36.3+fips"))
    suites = client_view.read_repository(repo)
    kubelets = sorted(name for name in suites["apt v1.36"] if name.startswith("kubelet"))
    assert kubelets == ["kubelet_1.36.3+fips-1_amd64.deb", "kubelet_1.36.3-1_amd64.deb"]
    assert "kubelet-1.36.3+fips-1.x86_64.rpm" in suites["yum v1.36"]
    with serve_folder(repo) as web:
        for location in (str(repo), web.address):
            code, output, _ = run("doctor", location)
            assert code == 0, output


def test_variant_is_published_to_a_bucket(bucket, run, tmp_path):
    publish_folder(five(tmp_path / "fips", "1.36.3+fips"), bucket)
    code, output, _ = run("doctor", bucket)
    assert code == 0, output
