"""The documents: every link leads somewhere, every command of kubeparcel's is valid."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from kubeparcel import cli
from kubeparcel.cli.task import CommandTask
from kubeparcel.errors import UsageError
from tests.support.checkout import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\[[^]]*\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
COMMAND = re.compile(r"(?:\./inv|\binv|\bkubeparcel) ([a-z][^`\n]*)")


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(document: Path) -> list[str]:
    """Return the lines of a document's code blocks and its code spans."""
    text = document.read_text().replace("\\\n", " ")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.partition(" #")[0] for line in lines] + re.findall(r"`([^`\n]+)`", prose)


def commands() -> list[tuple[str, str]]:
    """Return each command line of kubeparcel's in the documents, with its document."""
    lines = {
        (str(document.relative_to(ROOT)), match[1])
        for document in DOCUMENTS
        for line in code(document)
        for match in COMMAND.finditer(line)
        if "CHANGELOG" not in document.name
    }
    return sorted(lines)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(document):
    for path, anchor in LINK.findall(document.read_text()):
        if "://" in path:
            continue
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{document}: {path} does not exist"
        if anchor:
            assert anchor in anchors(target), f"{document}: {path}#{anchor} does not exist"


def test_documents_contain_commands():
    assert len(commands()) > 50


def all_tasks() -> dict[str, CommandTask]:
    """Return the tasks of a checkout: the program's, and those for working on it."""
    spec = importlib.util.spec_from_file_location("checkout_tasks", ROOT / "tasks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {task.name: task for task in (*cli.TASKS, *module.DEVELOP)}


TASKS = all_tasks()


@pytest.mark.parametrize(("document", "command"), commands())
def test_command_is_parsed_by_its_task(document, command):
    """Short options, values and arguments included; only the work is left out."""
    line = re.split(r" [|>&]|; |[)}]| \(| \[", command)[0]
    task, *words = shlex.split(line.rstrip(".,:"), comments=True)
    assert task in TASKS, f"{document}: unknown task in {command!r}"
    words = [word for word in words if word != "--help"]
    try:
        TASKS[task].make_context(task, words)
    except UsageError as error:
        if not error.message.startswith("Missing "):  # prose names a task without its arguments
            pytest.fail(f"{document}: inv {command}: {error}")
