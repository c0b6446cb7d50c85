"""Patches of `git diff` and `git format-patch`: applied with every line of context, or refused with their place.

What git writes is made by git itself where a test says so.
"""

from __future__ import annotations

import difflib
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kubeparcel.config.patch_settings import MAX_FUZZ
from kubeparcel.sources.patch_application import ParsedPatch, apply
from kubeparcel.sources.patches import PatchError, parse

MAIN = b"package main\n\nfunc main() {\n\tprintln(1)\n}\n"
CHANGE = b"""\
diff --git a/cmd/main.go b/cmd/main.go
index 111..222 100644
--- a/cmd/main.go
+++ b/cmd/main.go
@@ -2,4 +2,4 @@ package main

 func main() {
-\tprintln(1)
+\tprintln(2)
 }
"""


def parsed(patch: bytes, fuzz: int = 0, name: str = "fix-1.patch") -> ParsedPatch:
    return ParsedPatch(name, parse(patch, name), fuzz)


def applied(
    patch: bytes, files: dict[str, bytes], fuzz: int = 0, remark: Callable[[str], object] = pytest.fail
) -> dict[str, bytes | None]:
    return apply([parsed(patch, fuzz)], "Kubernetes 1.36.3", files.get, remark)


def problem_of(patch: bytes, files: dict[str, bytes] | None = None, fuzz: int = 0) -> str:
    with pytest.raises(PatchError) as caught:
        applied(patch, {"cmd/main.go": MAIN} if files is None else files, fuzz)
    assert caught.value.exit_code == 2
    return str(caught.value)


def git(folder: Path, *args: str) -> bytes:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    return subprocess.run(
        ["git", *identity, *args],
        cwd=folder,
        check=True,
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
    ).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with two files and one commit."""
    folder = tmp_path / "repository"
    (folder / "cmd").mkdir(parents=True)
    (folder / "cmd/main.go").write_bytes(MAIN)
    (folder / "last.txt").write_bytes(b"one\ntwo")
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def merged(before: dict[str, bytes], changes: dict[str, bytes | None]) -> dict[str, bytes]:
    return {path: data for path, data in {**before, **changes}.items() if data is not None}


@pytest.mark.parametrize("command", [("diff",), ("format-patch", "--stdout")], ids=["diff", "format-patch"])
def test_patches_of_git_give_what_git_has(repository, command):
    """New, deleted, renamed, copied and empty files, modes, Windows lines, and files without a final newline."""
    before = files_of(repository)
    (repository / "cmd/main.go").write_bytes(b"// first\n" + MAIN.replace(b"1", b"2") + b"// last")
    (repository / "last.txt").write_bytes(b"one\ntwo\nthree\n")
    (repository / "new file.txt").write_bytes(b"a\r\nb\r\nform\x0cfeed\n")
    (repository / "empty").touch()
    git(repository, "add", ".")
    git(repository, "commit", "-m", "second\n\n--- a/not a file\n  @@ -1 +1 @@")
    git(repository, "mv", "last.txt", "moved.txt")
    git(repository, "update-index", "--chmod=+x", "cmd/main.go")
    git(repository, "rm", "-q", "empty")
    git(repository, "commit", "-m", "third")
    patch = git(repository, *command, "HEAD~2")
    assert merged(before, applied(patch, before)) == files_of(repository)


def test_patches_apply_one_after_the_other(repository):
    second = (
        CHANGE.replace(b"println(1)", b"println(3)")
        .replace(b"-\tprintln(3)", b"-\tprintln(2)")
        .replace(b"+\tprintln(2)", b"+\tprintln(3)")
    )
    changed = apply([parsed(CHANGE), parsed(second)], "x", {"cmd/main.go": MAIN}.get, pytest.fail)
    assert changed == {"cmd/main.go": MAIN.replace(b"1", b"3")}


def test_lines_that_moved_are_found_if_they_are_unique():
    moved = b"// added\n// by others\n" + MAIN
    assert applied(CHANGE, {"cmd/main.go": moved}) == {"cmd/main.go": moved.replace(b"1", b"2")}
    assert "hunk 1" in problem_of(CHANGE, {"cmd/main.go": b"//\n" + MAIN + MAIN})


def test_patch_that_does_not_apply_names_file_hunk_and_release():
    text = problem_of(CHANGE, {"cmd/main.go": MAIN.replace(b"println(1)", b"println(7)")})
    assert text.startswith(
        "fix-1.patch does not apply to Kubernetes 1.36.3: cmd/main.go, hunk 1 (line 5 of the patch): its lines are not "
        "those of the file at line 2.\n"
    )
    assert "fuzz" not in text


OTHER_CONTEXT = MAIN.replace(b"}\n", b"} // end\n")


def test_context_is_ignored_only_if_fuzz_is_allowed():
    text = problem_of(CHANGE, {"cmd/main.go": OTHER_CONTEXT})
    assert "cmd/main.go, hunk 1 (line 5 of the patch): its lines are not those of the file at line 2" in text
    assert "read the file at line 2, and if the change is right there, set `fuzz: 2` for this patch" in text
    remarks = []
    changed = applied(CHANGE, {"cmd/main.go": OTHER_CONTEXT}, 2, remarks.append)
    assert changed == {"cmd/main.go": OTHER_CONTEXT.replace(b"1", b"2")}
    assert remarks == [
        "fix-1.patch: cmd/main.go, hunk 1 (line 5 of the patch) applied to Kubernetes 1.36.3 with fuzz 2."
    ]


def test_changed_lines_have_to_match_even_with_fuzz():
    assert "hunk 1" in problem_of(CHANGE, {"cmd/main.go": MAIN.replace(b"println(1)", b"println(7)")}, fuzz=2)
    assert "hunk 1" in problem_of(CHANGE, {"cmd/main.go": b"//\n" + OTHER_CONTEXT * 2}, fuzz=2)


def edited(lines: list[str], texts: tuple[str, ...], choose: random.Random) -> list[str]:
    """Return lines of which one or two are replaced by other texts."""
    changed = list(lines)
    for place in choose.sample(range(len(lines)), choose.choice((1, 2))):
        changed[place] = choose.choice(texts)
    return "".join(changed).splitlines(keepends=True)


def test_patches_with_fuzz_give_what_gnu_patch_gives(tmp_path):
    """Lines around a change differ, are added or removed: what we apply, GNU patch applies in the same way."""
    assert shutil.which("patch"), "patch is needed"
    choose, file, used = random.Random(1), tmp_path / "x", []
    while len(used) < 150:
        lines = [f"line {number}\n" for number in range(12)]
        diff = "".join(difflib.unified_diff(lines, edited(lines, ("", "new\n", "a\nb\n"), choose), "a/x", "b/x"))
        patch = f"diff --git a/x b/x\n{diff}".encode()
        before, fuzz = (
            "".join(edited(lines, ("", "other\n", "one\ntwo\n"), choose)).encode(),
            choose.randint(1, MAX_FUZZ),
        )
        file.write_bytes(before)
        remarks: list[str] = []
        try:
            ours = applied(patch, {"x": before}, fuzz, remarks.append)["x"]
        except PatchError:
            continue
        command = ["patch", "--batch", "--no-backup-if-mismatch", f"--fuzz={fuzz}", "--reject-file=-", str(file)]
        result = subprocess.run(command, input=patch, capture_output=True, check=False)
        assert (result.returncode, file.read_bytes()) == (0, ours), (result.stdout, patch, before)
        assert bool(remarks) == (b"with fuzz" in result.stdout)
        used += remarks
    assert any("fuzz 2" in remark for remark in used)


def test_lines_without_context_are_not_added(repository):
    """Their place cannot be checked: `git apply` refuses them too."""
    before = files_of(repository)
    (repository / "cmd/main.go").write_bytes(MAIN.replace(b"\tprintln", b"\tcheck()\n\tprintln"))
    patch = git(repository, "diff", "-U0")
    assert "@@ -3,0 +4 @@" in patch.decode()
    text = problem_of(patch, {**before, "cmd/main.go": b"// another\n" + MAIN})
    assert "cmd/main.go, hunk 1 (line 5 of the patch): it adds lines without context" in text


def test_change_that_the_release_already_has_is_reported():
    assert "seems to contain the change" in problem_of(CHANGE, {"cmd/main.go": MAIN.replace(b"1", b"2")})


def test_missing_and_existing_files_are_named():
    assert "cmd/main.go does not exist" in problem_of(CHANGE, {})
    new = b"diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+1\n"
    assert "x exists already" in problem_of(new, {"x": b"1\n"})
    assert applied(new, {}) == {"x": b"1\n"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"cmd/main.go", b"../main.go", "line 4: the path '../main.go' is not one of a file in the repository"),
        (b"cmd/main.go", b"/etc/passwd", "line 4: the path '/etc/passwd' is not"),
        (b"cmd/main.go", b"cmd/../../x", "is not one of a file"),
        (b"cmd/main.go", b".git/config", "is not one of a file"),
        (b"cmd/main.go", b"cmd/\x1b[31m", "has characters that are not supported"),
        (b"cmd/main.go", b"cmd/\xff", "not UTF-8"),
        (b"100644", b"120000", "line 2: file mode 120000: symbolic links and submodules"),
        (b"index 111..222 100644", b"new file mode 160000", "file mode 160000"),
        (b"@@ -2,4 +2,4", b"@@ -2,5 +2,5", "the patch ends early"),
        (b"@@ -2,4 +2,4", b"@@ -2,4 +2,3", "the hunk has other numbers of lines"),
        (b"@@ -2,4 +2,4 @@", b"@@ broken", "line 5: invalid hunk"),
        (b"-\tprintln(1)", b"println(1)", "line 8: expected a line that begins with a space"),
        (b"diff --git a/cmd/main.go b/cmd/main.go\n", b"", "line 3: a change without a line `diff --git"),
        (b"--- a/cmd/main.go", b"--- a/cmd/other.go", "is not the file of the line `diff --git`"),
        (b"--- a/cmd/main.go", b"--- cmd/main.go", "it does not begin with a/"),
        (b"--- a/cmd/main.go", b"--- /dev/null", "/dev/null without"),
        (b" b/cmd/main.go\nindex", b" b/cmd/b.go\nindex", "the names of the file are missing, or differ"),
        (b"b/cmd/main.go", b"b/cmd/b.go", "differ without a rename"),
        (b"index 111..222 100644", b"garbage", "line 2: unexpected text 'garbage'"),
        (CHANGE, b"", "fix-1.patch contains no changes"),
        (CHANGE[CHANGE.index(b"---") :], b"Binary files a/x and b/x differ\n", "binary files cannot be patched"),
        (CHANGE[CHANGE.index(b"---") :], b"GIT binary patch\nliteral 3\n", "binary files cannot be patched"),
    ],
)
def test_invalid_patch_is_refused_with_its_line(old, new, problem):
    assert old in CHANGE
    text = problem_of(CHANGE.replace(old, new))
    assert "fix-1.patch" in text
    assert problem in text


@pytest.mark.parametrize("names", [b"a/x b/y", b"x", b"a/x b/y\nsimilarity index 90%\nrename from x"])
def test_header_without_the_names_of_the_file_is_refused(names):
    text = problem_of(b"diff --git " + names + b"\n@@ -1 +1 @@\n-1\n+2\n")
    assert "the names of the file are missing, or differ without a rename" in text


def test_git_refuses_or_applies_the_same(repository):
    """Git is stricter than GNU patch, and never uses fuzz either."""
    (repository / "p").write_bytes(CHANGE)
    git(repository, "apply", "p")
    assert (repository / "cmd/main.go").read_bytes() == applied(CHANGE, {"cmd/main.go": MAIN})["cmd/main.go"]
