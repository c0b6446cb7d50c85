"""The commands that the index page shows."""

from __future__ import annotations

from html.parser import HTMLParser


class _Blocks(HTMLParser):
    """The text of each `pre`, by the heading above it."""

    def __init__(self) -> None:
        super().__init__()
        self.heading, self.inside = "", ""
        self.texts: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.inside = tag
        if tag in ("h2", "h3"):
            self.heading = ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside in ("h2", "h3"):
            self.heading += data
        elif self.inside == "pre":
            self.texts[self.heading] = self.texts.get(self.heading, "") + data


def commands(html: str, heading: str) -> str:
    """Return the commands under a heading of the page; fails if there are none."""
    reader = _Blocks()
    reader.feed(html)
    assert heading in reader.texts, sorted(reader.texts)
    return reader.texts[heading]
