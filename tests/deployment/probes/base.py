"""How a story is registered, with the defaults that it shows, and how it is played."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgesim.http import HttpError
from edgesim.journal import Entry, Event
from edgesim.journal.codec import encode
from edgesim.sip import SipError
from tests.clients import desk
from tests.hostile import test_protection
from tests.servers import expressway_lab, im_presence_lab, test_expressway_media, unified_cm_lab

Lines = tuple[bytes, ...]
Story = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A story, how its lab is run, and another value of each default that it shows."""

    story: Story
    play: Callable[..., object]
    values: Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)


PROBES: list[Probe] = []


def im_presence(values: Mapping[str, Any], changes: Mapping[str, Any] | None = None) -> Any:
    """Register a story that plays at an IM and Presence node, told by a client's machine inside."""
    return _registered(im_presence_lab.run, values, changes, {})


def attacked(values: Mapping[str, Any]) -> Any:
    """Register a story of an attacker outside, in a lab that is protected."""
    return _registered(test_protection.play, values, None, {})


def whole(values: Mapping[str, Any], changes: Mapping[str, Any] | None = None, **options: Any) -> Any:
    """Register a story in a whole lab with its clients: the small one, or ``deployment``."""
    return _registered(desk.play, values, changes, options)


def edge(values: Mapping[str, Any], changes: Mapping[str, Any] | None = None, **options: Any) -> Any:
    """Register a story that plays at an edge, with the client outside."""
    return _registered(expressway_lab.run, values, changes, options)


def media(values: Mapping[str, Any], changes: Mapping[str, Any] | None = None) -> Any:
    """Register a story that plays in a lab with a media probe."""
    return _registered(test_expressway_media.play, values, changes, {})


def unified_cm(values: Mapping[str, Any], changes: Mapping[str, Any] | None = None) -> Any:
    """Register a story that plays at a Unified CM node, told by Expressway-C's machine."""
    return _registered(unified_cm_lab.run, values, changes, {})


def _registered(
    play: Callable[..., object],
    values: Mapping[str, Any],
    changes: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> Callable[[Story], Story]:
    def decorate(story: Story) -> Story:
        played = functools.partial(play, **options)
        PROBES.append(Probe(story=story, play=played, values=values, changes=changes or {}))
        return story

    return decorate


def probed(probe: Probe, changes: Mapping[str, Any] | None = None) -> Lines:
    """Return the lines of the journal of a story that plays with some defaults changed."""
    kept: list[Entry[Event]] = []

    async def main(lab: Any) -> None:
        with contextlib.suppress(SipError, HttpError, OSError, EOFError):
            await probe.story(lab)
        kept.extend(lab.journal)

    more = {f"defaults.{path}": value for path, value in (changes or {}).items()}
    probe.play(main, changes={**probe.changes, **more})
    return tuple(encode(entry) for entry in kept)


def paths() -> list[str]:
    """Return the paths of the defaults that a story shows."""
    return [path for probe in PROBES for path in probe.values]
