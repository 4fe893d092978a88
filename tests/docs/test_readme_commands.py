"""What the documents tell a reader to type works, and answers what they say it answers.

A fenced block whose info string ends in ``runnable`` is run, each document's in order and as one shell, in a folder of
its own that holds ``./regulars`` and the home ``shop`` of a server. A ``json answers`` block below it shows the last
line of what it prints: both must have the same fields, with values of the same types.
"""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.sources import ROOT
from tests.support.serving import Serving, make_folder

DOCUMENTS = [
    "README.md",
    "README.zh-TW.md",
    *sorted(f"docs/how-to/{p.name}" for p in (ROOT / "docs/how-to").glob("*.md")),
]
ADDRESS = "127.0.0.1:8080"
SERVE = "./regulars serve --home shop --port 8080"
RUN_SECONDS_MAX = 100
BLOCK = re.compile(r"^```(?P<info>[^\n`]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One block, and the answer that is told below it."""

    text: str
    answer: str | None


def read_steps(document: str) -> list[Step]:
    """What a document tells to run, in order."""
    steps: list[Step] = []
    follows = False
    for block in BLOCK.finditer((ROOT / document).read_text(encoding="utf-8")):
        language, *marks = block["info"].split()
        if marks == ["runnable"]:
            text = block["text"] if language == "sh" else f"python3 - <<'DOCUMENT'\n{block['text']}DOCUMENT\n"
            steps.append(Step(text, None))
        elif marks == ["answers"]:
            assert follows, f"{document}: an answer to nothing:\n{block['text']}"
            steps[-1] = Step(steps[-1].text, block["text"])
        follows = marks == ["runnable"]
    return steps


def shape(value: Any) -> Any:
    """Fields and types of JSON, without its values; a list by its first entry."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in sorted(value.items())}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def write_command(file: Path, *words: str) -> None:
    """A program that runs another one."""
    file.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    file.chmod(0o755)


def run_steps(steps: list[Step], folder: Path, serving: Serving) -> list[str]:
    """What each step printed. The documents' server is the one that runs here."""
    programs = folder / ".bin"
    programs.mkdir()
    write_command(programs / "python3", sys.executable)
    write_command(folder / "regulars", sys.executable, "-m", "regulars")
    (folder / "shop").symlink_to(serving.home)
    (folder / "examples").symlink_to(ROOT / "examples")
    mark = "--- next step ---"
    script = f"set -eu\nPATH={shlex.quote(str(programs))}:$PATH\n" + f"\necho '{mark}'\n".join(s.text for s in steps)
    done = subprocess.run(
        ["sh", "-c", script.replace(ADDRESS, serving.url.removeprefix("http://"))],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )
    printed = done.stdout.split(f"{mark}\n")
    told = f"step {len(printed)} of {len(steps)}:\n{steps[len(printed) - 1].text}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, told
    return printed


@pytest.mark.parametrize("document", [one for one in DOCUMENTS if one != DOCUMENTS[1] and read_steps(one)])
def test_what_is_told_to_type_works(document: str, serving: Serving) -> None:
    steps = read_steps(document)
    with make_folder() as folder:
        printed = run_steps(steps, folder, serving)
    for step, output in zip(steps, printed, strict=True):
        if step.answer is not None:
            last = output.strip().splitlines()[-1]
            assert shape(json.loads(last)) == shape(json.loads(step.answer)), f"{step.text}\nanswers {last}"


def test_documents_that_run_say_how_the_server_is_started() -> None:
    documents = [one for one in DOCUMENTS if "127.0.0.1:8080" in "".join(step.text for step in read_steps(one))]
    assert documents
    for document in documents:
        assert SERVE in (ROOT / document).read_text(encoding="utf-8"), document


def test_both_languages_tell_the_same_commands() -> None:
    english, chinese = (read_steps(one) for one in DOCUMENTS[:2])
    assert english
    assert [step.text for step in chinese] == [step.text for step in english]
