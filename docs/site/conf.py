"""Settings of Sphinx, for `make site`.

The pages are ordinary Markdown that also reads well on a code host, so what only the site
has is added here: the navigation, the API from the docstrings, and the command line from its
commands.
"""

import re
import tomllib
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

import mboxio

ROOT = Path(__file__).parents[2]
PARTS = tomllib.loads((ROOT / "docs/site/navigation.toml").read_text())["part"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GENERATED = ROOT / "docs" / "reference" / "_generated"
MODULE = re.compile(r"^\| `(mboxio[\w.]*)` \|", re.M)
HOMES = {f"mboxio.{home}": names for home, names in mboxio._HOMES.items()}
GIVEN = {f"mboxio.{name}" for name in ("AsyncClient", "Client", "Messages", "Request")}
PAGES = [page for part in PARTS for page in part["pages"]]

project = PROJECT["name"]
author = copyright = "mboxio contributors"
version = release = PROJECT["version"]
root_doc = "docs/index"
include_patterns = [
    *(f"{page}.md" for page in PAGES),
    "docs/index.md",
    "docs/reference/_generated/*",
]
exclude_patterns = [".*", "build", "src", "tests", "benchmarks", "tools"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
]

html_theme = "furo"
html_title = "mboxio"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_additional_pages = {"index": "start.html"}
templates_path = ["templates"]
html_copy_source = html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}

myst_heading_anchors = 3
default_role = "py:obj"
autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True


def write_modules(app: Sphinx) -> None:
    """Give each public module a page of its own."""
    GENERATED.mkdir(exist_ok=True)
    modules = MODULE.findall((ROOT / "docs/reference/api.md").read_text())
    for stale in {*GENERATED.iterdir()} - {GENERATED / f"{module}.md" for module in modules}:
        stale.unlink()
    for module in modules:
        elsewhere = HOMES if module == "mboxio" else {}
        names = [name for home in {*elsewhere} & {*modules} for name in elsewhere[home]]
        also = [f"[`{home}`]({home}.md)" for home in sorted({*elsewhere} & {*modules})]
        text = (
            f"# {module}\n\n```{{eval-rst}}\n.. automodule:: {module}\n"
            + ("   :inherited-members: object\n" if elsewhere else "")
            + (f"   :exclude-members: {', '.join(sorted(names))}\n```\n" if names else "```\n")
            + (
                f"\nThe names of {', '.join(also)} can also be imported from here.\n"
                if also
                else ""
            )
        )
        page = GENERATED / f"{module}.md"
        if not page.exists() or page.read_text() != text:
            page.write_text(text)


def add(app: Sphinx, page: str, source: list[str]) -> None:
    """Add to a page what it has on the site only; leave out what leads to a folder."""
    folder = (ROOT / page).parent
    source[0] = re.sub(
        r"(?<!!)\[([^\[\]]+)\]\(([^)#:]+)\)",
        lambda link: link[1] if (folder / link[2]).is_dir() else link[0],
        source[0],
    )
    if page == root_doc:
        for part in PARTS:
            source[0] += tree([f"/{name}" for name in part["pages"]], caption=part["title"])
    elif page == "docs/reference/api":
        modules = MODULE.findall(source[0])
        source[0] = MODULE.sub(r"| [`\1`](_generated/\1.md) |", source[0])
        source[0] += tree([f"_generated/{module}" for module in modules])
    elif page == "docs/reference/cli":
        source[0] += (
            "\n## Every option\n\n```{eval-rst}\n.. click:: mboxio.cli.app:app\n"
            "   :prog: mboxio\n   :nested: full\n```\n"
        )


def hide_making(
    app: Sphinx, kind: str, name: str, thing: object, options: object, shown: str, result: str
) -> tuple[str, str] | None:
    """Hide how clients and requests are made: programs get them from a connection."""
    return ("", "") if name in GIVEN else None


def mark_options(app: Sphinx, context: object, lines: list[str]) -> None:
    """Have options in the help of a command look like code; else their -- becomes a dash."""
    lines[:] = [
        line if line.startswith("..") else re.sub(r"(?<![\w`-])--[a-z][\w-]*", r"``\g<0>``", line)
        for line in lines
    ]


def tree(pages: list[str], caption: str = "") -> str:
    """Return a part of the navigation."""
    title = f":caption: {caption}\n" if caption else ""
    return (
        "\n\n```{toctree}\n:hidden:\n:maxdepth: 1\n" + title + "\n" + "\n".join(pages) + "\n```\n"
    )


def setup(app: Sphinx) -> None:
    app.add_lexer("mermaid", TextLexer)  # a code host draws it; here it stays text
    app.connect("builder-inited", write_modules)
    app.connect("source-read", add)
    app.connect("autodoc-process-signature", hide_making)
    app.connect("sphinx-click-process-description", mark_options)
    app.connect("sphinx-click-process-options", mark_options)
