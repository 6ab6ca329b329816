"""Temporary."""

from importlib import import_module

from methods.base import Method

METHODS = {
    "random": "methods.random_order:RandomOrder",
    "popular": "methods.popular:Popular",
    "recent": "methods.recent:Recent",
    "item-cf": "methods.item_cf:ItemCF",
    "als": "methods.als:ALS",
}


def create(name: str) -> Method:
    """Create."""
    module, _, attr = METHODS.get(name, name).partition(":")
    method: Method = getattr(import_module(module), attr)()
    return method
