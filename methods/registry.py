"""The table of methods. Nothing heavy is imported before a method is created.

A name stands for a class and, where `CONFIGS` has one, a named config; "NAME/TRIAL" is a named trial of it. Other names
are looked up as "package.module:Class", then among the installed entry points of the group `coldrecall.methods`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from functools import partial
from importlib.metadata import entry_points
from typing import Any

from methods.base import Capabilities, Method
from methods.naming import named

GROUP = "coldrecall.methods"

METHODS: dict[str, str] = {
    "random": "methods.random_order:RandomOrder",
    "recent": "methods.recent:Recent",
    "popular": "methods.popular:Popular",
    "popular-all": "methods.popular:Popular",
    "popular-in-category": "methods.popular_in_category:PopularInCategory",
    "item-cf": "methods.item_cf:ItemCF",
    "swing": "methods.swing:Swing",
    "als": "methods.als:ALS",
    "als-wide": "methods.als:ALS",
    "bpr": "methods.bpr:BPR",
    "bpr-wide": "methods.bpr:BPR",
    "ease": "methods.ease:EASE",
    "ease-whole": "methods.ease:EASE",
    "lightgcn": "methods.lightgcn:LightGCN",
    "mf-bpr": "methods.mf_bpr:MFBPR",
    "mf-softmax": "methods.lightgcn:LightGCN",
    "sasrec-bce": "methods.sasrec:SASRec",
    "sasrec-bce-wide": "methods.sasrec:SASRec",
    "sasrec-ce": "methods.sasrec:SASRec",
    "sasrec-ce-wide": "methods.sasrec:SASRec",
    "content-knn": "methods.content_knn:ContentKNN",
    "content-knn-fading": "methods.content_knn:ContentKNN",
    "als-ridge": "methods.als_content:ALSContent",
    "als-knn": "methods.als_content:ALSContent",
    "als-ridge-fading": "methods.als_content:ALSContent",
    "als-knn-fading": "methods.als_content:ALSContent",
    "content-minilm": "methods.content_minilm:ContentMiniLM",
    "two-tower": "methods.two_tower:TwoTower",
    "default-id": "methods.default_id:DefaultID",
    "dropoutnet": "methods.dropoutnet:DropoutNet",
    "heater": "methods.heater:Heater",
    "clcrec": "methods.clcrec:CLCRec",
    "aldi": "methods.aldi:ALDI",
    "look-alike": "methods.look_alike:LookAlike",
    "comirec-sa": "methods.comirec:ComiRec",
    "author-encoder": "methods.author_encoder.method:AuthorEncoder",
    "audience-author": "methods.audience:AuthorAudience",
    "audience-content": "methods.audience:ContentAudience",
    "u2a2a2i-swing": "methods.chains.u2a2a2i:U2A2A2I",
    "u2a2a2i-als-knn": "methods.chains.u2a2a2i:U2A2A2IByText",
    "u2a2a2i-encoder": "methods.chains.u2a2a2i:U2A2A2IByText",
    "i2a2a2u-swing": "methods.chains.i2a2a2u:I2A2A2U",
    "i2a2a2u-als-knn": "methods.chains.i2a2a2u:I2A2A2UByText",
    "i2a2a2u-encoder": "methods.chains.i2a2a2u:I2A2A2UByText",
}

# Other configs of methods that are there already; a run has them only when they are named.
VARIANTS = (
    "als-wide",
    "bpr-wide",
    "ease-whole",
    "mf-bpr",
    "mf-softmax",
    "sasrec-bce-wide",
    "sasrec-ce-wide",
    "content-knn-fading",
    "als-ridge-fading",
    "als-knn-fading",
)

# Minutes to fit where the others take seconds; a run has them only when they are named.
TRAINED = (
    "ease",
    "lightgcn",
    "sasrec-bce",
    "sasrec-ce",
    "content-minilm",
    "two-tower",
    "default-id",
    "dropoutnet",
    "heater",
    "clcrec",
    "aldi",
    "comirec-sa",
    "author-encoder",
    "u2a2a2i-encoder",
    "i2a2a2u-encoder",
)

# What a name means where that is not the class's own default; of swing, als, bpr and content-knn the best logged trial.
CONFIGS: dict[str, str] = {
    "als-wide": "methods.als:WIDE",
    "bpr-wide": "methods.bpr:WIDE",
    "ease-whole": "methods.ease:WHOLE",
    "mf-softmax": "methods.lightgcn:MF",
    "sasrec-bce": "methods.sasrec:BCE",
    "sasrec-bce-wide": "methods.sasrec:BCE_WIDE",
    "sasrec-ce-wide": "methods.sasrec:CE_WIDE",
    "swing": "methods.swing:NORMALISED",
    "als": "methods.als:MIDDLE",
    "bpr": "methods.bpr:SAMPLED",
    "popular-all": "methods.popular:ALL_TIME",
    "content-knn": "methods.content_knn:NEWEST_NOTE",
    "als-ridge": "methods.als_content:RIDGE",
    "als-knn": "methods.als_content:NEIGHBOURS",
    "content-knn-fading": "methods.content_knn:FADING",
    "als-ridge-fading": "methods.als_content:FADING_RIDGE",
    "als-knn-fading": "methods.als_content:FADING_NEIGHBOURS",
    "u2a2a2i-encoder": "methods.chains.encoded:U2A2A2I",
    "i2a2a2u-encoder": "methods.chains.encoded:I2A2A2U",
}

# The configs that `coldrecall tune` tries, a table name -> config beside the method, the same number for every method.
TRIALS: dict[str, str] = {
    "popular": "methods.popular:TRIALS",
    "popular-in-category": "methods.popular_in_category:TRIALS",
    "item-cf": "methods.item_cf:TRIALS",
    "swing": "methods.swing:TRIALS",
    "als": "methods.als:TRIALS",
    "bpr": "methods.bpr:TRIALS",
    "ease": "methods.ease:TRIALS",
    "lightgcn": "methods.lightgcn:TRIALS",
    "sasrec-bce": "methods.sasrec:BCE_TRIALS",
    "sasrec-ce": "methods.sasrec:CE_TRIALS",
    "content-knn": "methods.content_knn:TRIALS",
    "als-ridge": "methods.als_content:RIDGE_TRIALS",
    "als-knn": "methods.als_content:NEIGHBOURS_TRIALS",
    "content-minilm": "methods.content_minilm:TRIALS",
    "two-tower": "methods.two_tower:TRIALS",
    "default-id": "methods.default_id:TRIALS",
    "dropoutnet": "methods.dropoutnet:TRIALS",
    "heater": "methods.heater:TRIALS",
    "clcrec": "methods.clcrec:TRIALS",
    "aldi": "methods.aldi:TRIALS",
    "look-alike": "methods.look_alike:TRIALS",
    "comirec-sa": "methods.comirec:TRIALS",
    "audience-author": "methods.audience:AUTHOR_TRIALS",
    "audience-content": "methods.audience:CONTENT_TRIALS",
    "u2a2a2i-swing": "methods.chains.u2a2a2i:SWING_TRIALS",
    "u2a2a2i-als-knn": "methods.chains.u2a2a2i:ALS_KNN_TRIALS",
    "i2a2a2u-swing": "methods.chains.i2a2a2u:SWING_TRIALS",
    "i2a2a2u-als-knn": "methods.chains.i2a2a2u:ALS_KNN_TRIALS",
}


def create(name: str) -> Method:
    """Return a new method by its name in the table, as a named trial, as "package.module:Class", or by entry point."""
    if name in METHODS:
        config = (_load(CONFIGS[name]),) if name in CONFIGS else ()
        method: Method = _load(METHODS[name])(*config)
        return method
    base, _, trial = name.partition("/")
    if base in TRIALS:
        return _trial(base, trial)
    if ":" in name:
        return _own(name, partial(_load, name))
    for point in entry_points(group=GROUP, name=name):
        return _own(name, point.load)
    raise ValueError(f"method: expected one of {', '.join(known_names())} or package.module:Class, got {name!r}")


def _own(name: str, load: Callable[[], Any]) -> Method:
    """Return a method of a user's class, or say in a line what the class lacks."""
    try:
        method: Method = load()()
    except (ValueError, ModuleNotFoundError):
        raise
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise ValueError(f"method: expected {name} to be imported and made without arguments, got {got}") from error
    if not isinstance(getattr(method, "capabilities", None), Capabilities):
        raise ValueError(f"method: expected {name}.capabilities to be Capabilities, got none")
    if not is_dataclass(getattr(method, "config", None)):
        got = type(getattr(method, "config", None)).__name__
        raise ValueError(f"method: expected {name}.config to be a dataclass, got {got}")
    return method


def _trial(name: str, trial: str) -> Method:
    configs = _load(TRIALS[name])
    if trial not in configs:
        raise ValueError(f"method: expected a trial of {name}, one of {', '.join(configs)}, got {trial!r}")
    method: Method = _load(METHODS[name])(configs[trial])
    return method


def trials_of(name: str) -> dict[str, Method]:
    """Return a new method for each named trial of a method."""
    if name not in TRIALS:
        raise ValueError(f"method: expected one with trials, {', '.join(TRIALS)}, got {name!r}")
    return {trial: _trial(name, trial) for trial in _load(TRIALS[name])}


def known_names() -> list[str]:
    """Return the names of the table and of the installed entry points."""
    return [*METHODS, *sorted(point.name for point in entry_points(group=GROUP) if point.name not in METHODS)]


def _load(place: str) -> Any:
    """Return the attribute at "package.module:attribute"."""
    return named("method", place, kind="Class")
