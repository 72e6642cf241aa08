"""How the documents become a site: Sphinx, the theme Furo, pages in Markdown. `make docs` builds it into `_build`."""

from __future__ import annotations

import re
from typing import Any

import adarena

project = "AdArena"
author = "The AdArena developers"
project_copyright = "The AdArena developers"
version = release = adarena.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4  # links to headings, as on GitHub
myst_links_external_new_tab = False
default_role = "code"
highlight_language = "none"
html_theme = "furo"
html_title = "AdArena"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_use_type_comments = False
python_maximum_signature_line_length = 100

QUOTED = re.compile(r"(`[^`]+`)")
MARKS = re.compile(r"(?<=\w)_(?!\w)|[*|]")


def as_rst(text: str) -> str:
    """A line of a docstring as reStructuredText: code between backticks is code, and nothing else is markup."""
    parts = QUOTED.split(text)
    return "".join(f"`{part}`" if n % 2 else MARKS.sub(r"\\\g<0>", part) for n, part in enumerate(parts))


def docstring(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are prose with code between backticks, as Markdown has it."""
    lines[:] = [line if line.lstrip().startswith(":") else as_rst(line) for line in lines]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", docstring)
