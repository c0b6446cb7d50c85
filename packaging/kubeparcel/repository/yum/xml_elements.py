"""The elements of XML metadata one by one, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData

_BLOCK = 1 << 16
_NOWHERE = 1 << 30
_XML_BASE = "http://www.w3.org/XML/1998/namespace}base"


class _Reader:
    """Builds the root, still empty, and each of its children, of what is in these only the `wanted` tags."""

    def __init__(self, name: str, wanted: frozenset[str] | None) -> None:
        self.name = name
        self.complete: list[Element] = []
        self._wanted = wanted if wanted is None else {tag.removeprefix("{") for tag in wanted}
        self._builder: TreeBuilder | None = None
        self._skipped = _NOWHERE
        self._depth = self._elements = self._children = 0
        self._max_elements, self._max_depth = limits.XML_ELEMENTS.maximum, limits.XML_DEPTH.maximum
        self._tags: dict[str, str] = {}
        # The encoding of a document is not its own choice: another one could hide entities.
        self.parser = expat.ParserCreate("utf-8", "}")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._reject
        self.parser.EntityDeclHandler = self._reject
        if wanted is None or wanted:
            self.parser.CharacterDataHandler = self._data

    def _reject(self, *_: object) -> None:
        raise MalformedData("it declares entities")

    def _tag(self, name: str) -> str:
        """Return an expanded name as ElementTree writes it."""
        tag = self._tags.get(name)
        if tag is None:
            tag = self._tags[name] = "{" + name if "}" in name else name
            limits.XML_ELEMENTS.check(len(self._tags), f"{self.name} with all its names")
        return tag

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        depth = self._depth
        self._depth = depth + 1
        if depth > self._max_depth:
            limits.XML_DEPTH.check(depth, self.name)
        if depth > self._skipped:
            return
        if depth > 1 and self._wanted is not None and name not in self._wanted:
            self._skipped = depth
            return
        base = attributes.pop(_XML_BASE, None)
        if base is not None:
            attributes["{" + _XML_BASE] = base
        if depth == 0:
            self.complete.append(Element(self._tag(name), attributes))
            return
        if depth == 1:
            self._builder, self._elements = TreeBuilder(), 0
        self._elements += 1
        if self._elements > self._max_elements:
            limits.XML_ELEMENTS.check(self._elements, f"an entry in {self.name}")
        if self._builder is not None:
            self._builder.start(self._tag(name), attributes)

    def _data(self, text: str) -> None:
        if self._builder is not None and self._skipped is _NOWHERE:
            self._builder.data(text)

    def _end(self, name: str) -> None:
        depth = self._depth = self._depth - 1
        if depth >= self._skipped:
            if depth == self._skipped:
                self._skipped = _NOWHERE
            return
        if self._builder is None:
            return
        self._builder.end(self._tag(name))
        if depth == 1:
            self.complete.append(self._builder.close())
            self._builder = None
            self._children += 1
            limits.INDEX_ENTRIES.check(self._children, self.name)


def iterate_elements(name: str, blocks: Iterable[bytes], wanted: frozenset[str] | None = None) -> Iterator[Element]:
    """Yield the root element, still empty, then its children, with all that they contain, or only the `wanted` tags.

    Raises MalformedData for invalid XML, for entities, and beyond the limits.
    """
    reader = _Reader(name, wanted)
    unfinished = 0
    try:
        for block in blocks:
            for start in range(0, len(block), _BLOCK):
                part = block[start : start + _BLOCK]
                reader.parser.Parse(part, False)
                unfinished += len(part)
                if reader.complete:
                    yield from reader.complete
                    reader.complete.clear()
                    unfinished = 0
                limits.INDEX_ENTRY.check(unfinished, f"an entry in {name}")
        reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise MalformedData(f"{name} is not valid XML ({error})") from None
    yield from reader.complete
