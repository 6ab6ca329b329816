"""Pages that need nothing but themselves: layout, style, script and plotly are the same for report and card."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

_HERE = Path(__file__).parent


def fill(template: Path, **content: Any) -> str:
    """Return a template, which may extend `layout.html`, with its content, and with `css`, `script` and `plotly`."""
    environment = Environment(
        loader=FileSystemLoader([template.parent, _HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":")}
    return environment.get_template(template.name).render(
        **content,
        css=Markup((_HERE / "report.css").read_text("utf-8")),
        script=Markup((_HERE / "report.js").read_text("utf-8")),
        plotly=Markup(get_plotlyjs()),
    )


def write_whole(file: Path, text: str) -> Path:
    """Write a text in one piece and return its path."""
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    return temporary.replace(file)
