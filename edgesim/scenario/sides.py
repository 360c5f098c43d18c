"""On which releases a scenario plays, its mutations included: on which sides of the documented gates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edgesim.deployment import Product, Release
from edgesim.deployment.releases import (
    DEFAULT_EXPRESSWAY,
    DEFAULT_IM_PRESENCE,
    DEFAULT_JABBER,
    DEFAULT_UNIFIED_CM,
    DEFAULT_UNITY_CONNECTION,
    JABBER,
    ReleaseError,
)
from edgesim.scenario.mutations import Mutation

_PRODUCTS: Mapping[str, tuple[Product, ...]] = {
    "expressway": (Product.EXPRESSWAY,),
    "expressway_e": (Product.EXPRESSWAY,),
    "expressway_c": (Product.EXPRESSWAY,),
    "unified_cm": (Product.UNIFIED_CM,),
    "im_presence": (Product.IM_PRESENCE,),
    "unity_connection": (Product.UNITY_CONNECTION,),
    "clients": JABBER,
    "jabber": JABBER,
    "firmware": (Product.PHONE, Product.ROOM_DEVICE),
}
_DEFAULTS: Mapping[Product, Release] = {
    Product.EXPRESSWAY: DEFAULT_EXPRESSWAY,
    Product.UNIFIED_CM: DEFAULT_UNIFIED_CM,
    Product.IM_PRESENCE: DEFAULT_IM_PRESENCE,
    Product.UNITY_CONNECTION: DEFAULT_UNITY_CONNECTION,
    **dict.fromkeys(JABBER, DEFAULT_JABBER),
}
_PATH = re.compile(r"(\w+)\.[^.]+\.release")


def releases_of(
    changes: Mapping[str, Any], mutations: Iterable[Mutation], releases: Iterable[tuple[str, str]]
) -> dict[Product, set[Release]]:
    """Return the releases of each product on which a scenario passes, or turns red by a mutation that changes them.

    ``changes``, ``mutations`` and ``releases`` are the scenario's.
    """
    found: dict[Product, set[Release]] = {}
    written = [*_written(changes), *releases]
    changed = {product for name, _ in written for product in _PRODUCTS.get(name, ())}
    for product, default in _DEFAULTS.items():
        if product not in changed:
            found[product] = {default}
    for mutation in mutations:
        written += _written(mutation.changes())
    for name, text in written:
        for product in _PRODUCTS.get(name, ()):
            try:
                found.setdefault(product, set()).add(Release.parse(text, product))
            except ReleaseError:
                continue  # of the firmware of phones and of room devices, each is written in its own way
    return found


def _written(changes: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [pair for path, value in changes.items() for pair in _in(path, value)]


def _in(path: str, value: Any) -> Iterator[tuple[str, str]]:
    match = _PATH.fullmatch(path)
    if match is not None:
        yield match[1], str(value)
        return
    entries: Iterable[Any] = value if isinstance(value, (list, tuple)) else (value,)
    name = path.partition(".")[0]
    for each in entries:
        if isinstance(each, Mapping) and "release" in each:
            yield name, str(each["release"])
        elif isinstance(each, Mapping) and "firmware" in each:
            yield "firmware", str(each["firmware"])
