"""Show <w_j, x_i> of the docstrings as an inner product, which Markdown would take for an HTML tag."""

import re

import griffe


class InnerProducts(griffe.Extension):
    """Replace the angle brackets around two symbols by mathematical ones."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(r"<(\w+, \w+)>", r"⟨\1⟩", obj.docstring.value)
