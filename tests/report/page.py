"""Reading a page of the report back: tags, charts, tables and texts."""

import json
from html.parser import HTMLParser


class Page(HTMLParser):
    """Tags with their attributes, the charts by title, and every table as rows of text by its label."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.specs, self.charts, self.tables, self.texts = text, [], [], {}, {}, []
        self._label, self._into, self._heading = None, None, ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if tag == "table":
            self.tables[attrs["aria-label"]] = self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
        elif tag == "pre":
            self.texts.append("")
        json_script = tag == "script" and attrs.get("type") == "application/json"
        self._into = "json" if json_script else tag if tag in ("td", "th", "pre", "h3") else self._into

    def handle_endtag(self, tag):
        self._into = None

    def handle_data(self, data):
        if self._into == "json":
            self.specs.append(json.loads(data))
            self.charts[self._heading] = self.specs[-1]
        elif self._into in ("td", "th"):
            self._rows[-1][-1] += data
        elif self._into == "pre":
            self.texts[-1] += data
        elif self._into == "h3":
            self._heading = data

    def of(self, tag):
        """Return the attributes of every tag of a name."""
        return [attrs for name, attrs in self.tags if name == tag]

    def lines(self, title):
        """Return the lines of a chart by name."""
        return {line["name"]: line for line in self.charts[title]["data"]}


def read(path):
    """Read a page."""
    return Page(path.read_text(encoding="utf-8"))
