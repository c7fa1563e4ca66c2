"""The pages that a reader finds: README, CONTRIBUTING, docs/ and examples/, and the fenced blocks in them."""

import dataclasses
import re
import textwrap

from serverless_file import ROOT

PAGES = sorted(
    ["README.md", "CONTRIBUTING.md"]
    + [str(path.relative_to(ROOT)) for folder in ("docs", "examples") for path in (ROOT / folder).glob("*.md")])


@dataclasses.dataclass(frozen=True)
class Block:
    """What stands between two fences. Nothing of a list's indentation is left."""

    page: str
    line: int
    language: str
    text: str


def text_of(page):
    return (ROOT / page).read_text()


def blocks(page):
    text = text_of(page)
    found = []
    for match in re.finditer(r"^( *)```([\w-]*)\n(.*?)^\1```$", text, re.S | re.M):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, match[2], textwrap.dedent(match[3])))
    return found


def without_blocks(page):
    """The prose of a page."""
    return re.sub(r"^( *)```[\w-]*\n.*?^\1```$", "", text_of(page), flags=re.S | re.M)
