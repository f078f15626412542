"""The command line explains itself, and docs/cli.md says the same. RUNWRIGHT_WRITE_DOCS=1 writes the help into it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from runwright.cli import cli

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
BOX = re.compile(r"<!-- help: runwright ?([\w-]*) -->\n(?:\n```text\n.*?\n```\n)?", re.DOTALL)
COMMANDS = ["run", "check", "status", "story", "logs", "stop", "rerun", "enqueue", "export", "import-boa"]


def help_of(command: str) -> str:
    result = CliRunner().invoke(cli, [*command.split(), "--help"], prog_name="runwright", terminal_width=80)
    assert result.exit_code == 0
    return result.stdout.rstrip()


def test_the_page_has_the_help_of_every_command():
    def box(match: re.Match[str]) -> str:
        return f"<!-- help: {f'runwright {match[1]}'.rstrip()} -->\n\n```text\n{help_of(match[1])}\n```\n"

    text = PAGE.read_text("utf-8")
    expected = BOX.sub(box, text)
    if os.environ.get("RUNWRIGHT_WRITE_DOCS"):
        PAGE.write_text(expected, "utf-8")
    assert text == expected, "run this test with RUNWRIGHT_WRITE_DOCS=1"
    assert BOX.findall(text) == ["", *COMMANDS]


def test_every_command_of_the_program_is_documented():
    assert list(cli.list_commands(None)) == COMMANDS  # type: ignore[arg-type]  # it needs no context


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_eighty_columns_and_is_not_cut(command):
    lines = help_of(command).splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines[1:] if line.endswith("...")]


def test_the_version():
    from runwright import __version__

    result = CliRunner().invoke(cli, ["--version"])
    assert result.stdout == f"runwright {__version__}\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("nonsense", "there is no command 'nonsense'; they are run, check, status"),
        ("stat", "there is no command 'stat', did you mean 'status'?"),
        ("--nonsense", "No such option '--nonsense'; see runwright --help"),
        ("run", "Missing argument 'FILE'; see runwright run --help"),
        ("run x --trials 0", "Invalid value for '--trials': 0 is not"),
        ("status --nonsense", "see runwright status --help"),
        ("story x one", "Invalid value for 'TRIAL'"),
        ("story x -1", "No such option '-1'; see runwright story --help"),
    ],
)
def test_bad_usage_is_one_line_and_ends_with_status_two(words, sentence):
    result = CliRunner().invoke(cli, words.split(), prog_name="runwright")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_a_word_it_explains_itself():
    result = CliRunner().invoke(cli, [])
    assert "Usage: " in result.output
    assert "Commands:" in result.output


@pytest.mark.slow
def test_help_imports_nothing_heavy():
    program = (
        "import sys\nfrom runwright.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'rich', 'pydantic', 'yaml', 'sqlite3', 'optuna', 'pandas', 'pyarrow', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
