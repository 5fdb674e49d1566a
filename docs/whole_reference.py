"""Let the build fail if the reference lacks a public class or function of a module that it names."""

import inspect
import logging
import pkgutil
import re
from typing import Any

_log = logging.getLogger("mkdocs.hooks.whole_reference")  # a strict build ends on what is logged as an error


def on_page_content(html: str, page: Any, **_: object) -> None:
    """Look for the anchor of every name in the page that was made."""
    if page.file.src_uri != "reference.md":
        return
    for name in re.findall(r"^::: ([\w.]+)", page.markdown, re.MULTILINE):
        try:
            found = pkgutil.resolve_name(name)
        except (ImportError, AttributeError):  # of an extra that is not installed: the pages are made without
            continue
        exported = getattr(found, "__all__", ()) if inspect.ismodule(found) and name != "thalweg" else ()
        for each in exported:
            public = getattr(found, each)
            if (inspect.isclass(public) or inspect.isfunction(public)) and f'.{each}"' not in html:
                _log.error("The reference has no %s.%s.", name, each)
