"""What the index page tells people to type."""

from __future__ import annotations

from html.parser import HTMLParser


class _Blocks(HTMLParser):
    """The text of each `pre`, by the heading above it."""

    def __init__(self) -> None:
        super().__init__()
        self.heading, self.inside = "", ""
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.inside = tag
        if tag == "h3":
            self.heading = ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "h3":
            self.heading += data
        elif self.inside == "pre":
            self.found[self.heading] = self.found.get(self.heading, "") + data


def commands(html: str, heading: str) -> str:
    """The commands under a heading of the page; fails when there are none."""
    reader = _Blocks()
    reader.feed(html)
    assert heading in reader.found, sorted(reader.found)
    return reader.found[heading]
