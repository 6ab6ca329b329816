"""What "package.module:attribute" names, imported on demand; a name that is not there is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from simulator.schema import SchemaError


def named(field: str, name: str, *, kind: str) -> Any:
    """Return the attribute; `kind` is the word for it, Class or function.

    Raises SchemaError of `field` for another form, and where module or attribute are not there. What the module itself
    raises on import is passed on.
    """
    module, _, attribute = name.partition(":")
    refused = SchemaError(field, f"package.module:{kind} that can be imported", repr(name))
    if not all(word.isidentifier() for word in (*module.split("."), attribute)):
        raise refused
    try:
        return getattr(import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and not module.startswith(error.name or module):
            raise  # the module is there but something that it needs is not
        raise refused from error


def function_named(field: str, name: str) -> Callable[..., Any]:
    """Return the function; raises SchemaError as `named` does, and for what cannot be called."""
    found: Callable[..., Any] = named(field, name, kind="function")
    if not callable(found):
        raise SchemaError(field, "package.module:function", f"{name!r}, {type(found).__name__}")
    return found
