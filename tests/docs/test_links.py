"""Every relative link in every Markdown file leads somewhere."""

import os
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
NOT_OURS = {"runs", "node_modules", "build", "dist"}
FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1[`~]*\s*?$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(\s*(<[^>]*>|[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+[\"'(][^)]*)?\s*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]^][^\]]*\]:\s+(\S+)", re.MULTILINE)
HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
ANCHOR = re.compile(r"<a\s+(?:id|name)=[\"']([^\"']+)[\"']")
ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:|^//", re.IGNORECASE)


def pages() -> list[Path]:
    """Return the Markdown files of the project."""
    found = []
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [name for name in inner if not name.startswith(".") and name not in NOT_OURS]
        found += [Path(folder, name) for name in files if name.endswith(".md")]
    return sorted(found)


def links(text: str) -> list[str]:
    """Return the targets of all links outside code."""
    prose = CODE.sub("`code`", FENCE.sub("", text))
    return [target.strip("<>") for target in LINK.findall(prose) + REFERENCE.findall(prose)]


def anchors(text: str) -> set[str]:
    """Return the names that a fragment may have, as GitHub makes them from headings."""
    prose = FENCE.sub("", text)
    seen: Counter[str] = Counter()
    names = set(ANCHOR.findall(prose))
    for heading in HEADING.findall(prose):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        names.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


def broken(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere, each with the reason."""
    wrong = []
    for target in links(page.read_text("utf-8")):
        if ELSEWHERE.match(target):
            continue
        path, _, fragment = unquote(target).partition("#")
        goal = page if not path else ROOT / path[1:] if path.startswith("/") else page.parent / path
        if not goal.exists():
            wrong.append(f"{target}: no such file")
        elif fragment and goal.suffix == ".md" and fragment not in anchors(goal.read_text("utf-8")):
            wrong.append(f"{target}: no such heading")
    return wrong


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    assert broken(page) == []


def test_there_are_pages():
    assert ROOT / "README.md" in pages()


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One `word` & more\n## Twice\n## Twice\n[good](#one-word--more) [good](#twice-1) [good](page.md#twice)\n"
        "[gone](gone.md) [bad](#nowhere) [out](https://example.org/x#y) [text](<page.md>)\n"
        '```\n[code](never.md)\n# No heading\n```\n`[code](never.md)` [bad](#no-heading) ![picture](gone.png "title")\n'
        "[reference][1]\n\n[1]: gone.txt\n",
        "utf-8",
    )
    assert broken(page) == [
        "gone.md: no such file",
        "#nowhere: no such heading",
        "#no-heading: no such heading",
        "gone.png: no such file",
        "gone.txt: no such file",
    ]
