"""Starting a project, and showing its settings."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kubeparcel.config.releases import load_releases
from kubeparcel.config.settings import Settings, load_settings
from tests.support.checkout import ROOT
from tests.test_project_files import check_schema


def test_init_writes_a_configuration_with_the_default_settings(kubeparcel, workdir):
    code, out, _ = kubeparcel("init")
    assert code == 0
    assert "Wrote kubeparcel.yaml\nWrote kubeparcel.schema.json\n" in out
    assert load_settings({}) == Settings()
    assert sorted(path.name for path in workdir.iterdir()) == [
        ".gitignore",
        "kubeparcel.schema.json",
        "kubeparcel.yaml",
    ]


def test_init_excludes_the_output_folder_from_git_but_not_the_lock(kubeparcel, workdir):
    kubeparcel("init")
    assert ignored_by_git(workdir) == ["dist/deb/kubelet.deb"]


def test_init_keeps_an_existing_gitignore(kubeparcel, workdir):
    (workdir / ".gitignore").write_text("mine\n")
    assert kubeparcel("init")[0] == 0
    assert (workdir / ".gitignore").read_text() == "mine\n"


def test_gitignore_of_this_repository_does_not_exclude_the_lock(workdir):
    shutil.copy(ROOT / ".gitignore", workdir)
    assert ignored_by_git(workdir) == ["dist/deb/kubelet.deb"]


def ignored_by_git(folder: Path) -> list[str]:
    """Return which files of a project git would ignore."""
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    names = ["kubeparcel.yaml", "kubeparcel.lock", "kubeparcel.schema.json", "dist/deb/kubelet.deb"]
    command = ["git", "check-ignore", *names]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout.split()


def test_init_writes_the_schema_that_the_first_line_names(kubeparcel, workdir):
    kubeparcel("init")
    first = (workdir / "kubeparcel.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=./kubeparcel.schema.json"
    schema = json.loads((workdir / "kubeparcel.schema.json").read_text())
    assert schema == json.loads(kubeparcel("config", "--schema")[1])
    assert all(key["description"] for key in schema["properties"].values())
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", "kubeparcel.schema.json"]
    subprocess.run([*command, "kubeparcel.yaml"], cwd=workdir, check=True, capture_output=True)


def test_init_explains_every_setting_with_a_valid_example(kubeparcel, workdir):
    kubeparcel("init")
    file = workdir / "kubeparcel.yaml"
    lines = []
    for line in file.read_text().splitlines():
        example = line.removeprefix("# ")
        key = example.split(":")[0].strip(" -")
        is_example = line.startswith("#  ") or (
            ":" in example and key in {"cri-tools", *Settings().model_dump(by_alias=True)}
        )
        lines.append(example if is_example else line)
    file.write_text("\n".join(lines))
    keys = {field.alias or name for name, field in Settings.model_fields.items()}
    assert set(yaml.safe_load(file.read_text())) == {key.replace("_", "-") for key in keys}
    assert load_settings({}).packages["kubelet"].files[0].config


@pytest.mark.parametrize(
    ("service", "name"), [("github", ".github/workflows/packages.yml"), ("gitlab", ".gitlab-ci.yml")]
)
def test_init_writes_a_ci_file_that_builds_and_verifies(kubeparcel, workdir, service, name):
    assert kubeparcel("init", "project", "--ci", service)[0] == 0
    file = workdir / "project" / name
    check_schema({"github": "github-workflows", "gitlab": "gitlab-ci"}[service], file)
    text = file.read_text()
    assert "kubeparcel build\n" in text
    assert "kubeparcel verify " in text
    assert "{{ version" not in text


def test_init_never_overwrites_a_file(kubeparcel, workdir):
    (workdir / ".gitlab-ci.yml").write_text("mine")
    code, out, err = kubeparcel("init", "--ci", "gitlab")
    assert (code, out) == (2, "")
    assert f"{workdir}/.gitlab-ci.yml already exists; nothing was written." in err
    assert (workdir / ".gitlab-ci.yml").read_text() == "mine"
    assert not (workdir / "kubeparcel.yaml").exists()


def test_init_rejects_an_unknown_ci_service(kubeparcel, workdir):
    code, _, err = kubeparcel("init", "--ci", "jenkins")
    assert (code, err) == (2, "Invalid --ci 'jenkins': use github or gitlab.\n")
    assert not list(workdir.iterdir())


def test_invalid_file_is_a_configuration_error(kubeparcel, workdir):
    (workdir / "kubeparcel.yaml").write_text("layut: etc\n")
    code, _, err = kubeparcel("config")
    assert code == 2
    assert err.startswith("kubeparcel.yaml:1: ")
    assert "layut" in err


def test_config_shows_the_settings_as_yaml_and_json(kubeparcel, workdir):
    (workdir / "kubeparcel.yaml").write_text("layout: official\n")
    code, out, _ = kubeparcel("config")
    assert code == 0
    assert "layout: official\n" in out
    code, out, _ = kubeparcel("config", "--json")
    assert (code, json.loads(out)["layout"]) == (0, "official")


CUSTOMIZED = """\
layout: official
revision: 2
kubelet-extra-args: --v=2 --node-labels=a=b # c
packages:
  kubelet:
    files:
      - {path: /etc/x, text: "a\\nb: #c\\n", mode: 0640, config: true, kubernetes: ">=1.28.0 <1.40.0"}
      - {path: /var/lib/x, dir: true, mode: "0700", kubernetes: <1.99.0, formats: [deb]}
    relations: [{depends: chrony, layouts: [official]}]
  site-settings:
    {version: 1.0.0, arch: all, summary: Settings, files: [{path: /etc/y, source: y}],
     scripts: [{at: postinstall, template: z}]}
"""


ROWS = 'releases:\n  - kubernetes: "1.35"\n  - {kubernetes: "1.36", revision: 3}\n'


@pytest.mark.parametrize("rows", ["", ROWS])
def test_config_output_can_be_read_back_as_the_same_configuration(kubeparcel, workdir, rows):
    (workdir / "kubeparcel.yaml").write_text(CUSTOMIZED + rows)
    settings, releases = load_settings({}), load_releases({})
    code, shown, err = kubeparcel("config")
    assert (code, err) == (0, "")
    for text in (shown, kubeparcel("config", "--json")[1], kubeparcel("config", "--origin")[1]):
        (workdir / "kubeparcel.yaml").write_text(text)
        assert (load_settings({}), load_releases({})) == (settings, releases), text
        assert kubeparcel("config") == (0, shown, "")


def test_config_shows_modes_and_ranges_as_people_write_them(kubeparcel, workdir):
    (workdir / "kubeparcel.yaml").write_text(CUSTOMIZED)
    files = yaml.safe_load(kubeparcel("config")[1])["packages"]["kubelet"]["files"]
    assert files[0]["mode"] == "0640"
    assert files[0]["kubernetes"] == ">=1.28.0 <1.40.0"
    assert files[1] == {"path": "/var/lib/x", "dir": True, "mode": "0700", "kubernetes": "<1.99.0", "formats": ["deb"]}


def test_config_shows_the_origin_of_each_setting(kubeparcel, workdir, monkeypatch):
    (workdir / "kubeparcel.yaml").write_text("# ours\n\nlayout: official\narch: s390x\npackages:\n  kubelet: {}\n")
    monkeypatch.setenv("KUBEPARCEL_REVISION", "7")
    monkeypatch.setenv("KUBEPARCEL_ARCH", "arm64")
    arguments = ("config", "--origin", "--arch", "amd64", "--kubernetes", "1.36")
    code, out, _ = kubeparcel(*arguments)
    assert code == 0
    origins = {line.split(":")[0]: line.partition("# ")[2] for line in out.splitlines() if "#" in line}
    assert set(origins) == {name.replace("_", "-") for name in Settings.model_fields if name != "releases"}
    assert origins["layout"] == "kubeparcel.yaml:3"
    assert origins["packages"] == "kubeparcel.yaml:5"
    assert origins["revision"] == "KUBEPARCEL_REVISION"
    assert origins["arch"] == "--arch"
    assert origins["kubernetes"] == "--kubernetes"
    assert origins["cri-tools"] == origins["out"] == "default"
    document = json.loads(kubeparcel(*arguments, "--json")[1])
    assert document["revision"] == {"value": "7", "origin": "KUBEPARCEL_REVISION"}
    assert {name: entry["origin"] for name, entry in document.items()} == origins


def test_config_shows_what_options_would_change(kubeparcel, workdir):
    assert "layout: official\n" in kubeparcel("config", "--layout", "official")[1]
    assert "out: other\n" in kubeparcel("config", "--out", "other")[1]


def test_config_schema_is_a_document(kubeparcel):
    code, out, _ = kubeparcel("config", "--schema")
    assert code == 0
    assert "cri-tools" in json.loads(out)["properties"]
