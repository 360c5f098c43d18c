"""An entry as one line of JSON, and back. docs/journal.md describes the fields, schema.json defines them.

Equal entries give equal octets: keys come in a fixed order, without spaces, in ASCII. A payload is a JSON string where
it is UTF-8 (``payload``) and base64 where it is not (``payload_base64``), so that reading gives back the same octets.
Where it is only the beginning of what was decoded, ``payload_octets`` and ``payload_sha256`` say what that was.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final

from edgesim.journal.entry import Entry, Whole
from edgesim.journal.events import KINDS, Event
from edgesim.journal.keys import Key
from edgesim.journal.masking import Aliases, present

VERSION: Final = 2
"""Version of the schema; it grows when a reader of the old one would misread the new one.

Version 2 has payloads of which only the beginning is there, and files in parts.
"""
READABLE: Final = (1, VERSION)

_encode = json.JSONEncoder(check_circular=False, allow_nan=False, separators=(",", ":")).encode
_text = json.encoder.encode_basestring_ascii
_NAMES: dict[type[Event], tuple[str, ...]] = {}
_REQUIRED: dict[type[Event], frozenset[str]] = {}


class JournalFormatError(ValueError):
    """A line is not a journal entry, or the file is not a journal that this version reads. ``line`` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line of a file: of which world and seed its entries are, and whether secrets show.

    ``epoch_ns`` is Unix time, in nanoseconds, at lab time zero. ``part`` is the number of the part, from 1, of a file
    that is written in parts, else 0; ``first`` is then the position of the part's first entry.
    """

    world: str
    seed: int
    epoch_ns: int
    secrets: bool = False
    version: int = VERSION
    part: int = 0
    first: int = 0

    def encode(self) -> bytes:
        """Return the line, with its line feed."""
        line = {
            "edgesim": "journal",
            "version": self.version,
            "world": self.world,
            "seed": self.seed,
            "epoch_ns": self.epoch_ns,
            "secrets": "shown" if self.secrets else "masked",
            **({"part": self.part, "first": self.first} if self.part else {}),
        }
        return (_encode(line) + "\n").encode("ascii")

    @classmethod
    def decode(cls, line: bytes) -> Header:
        """Read the first line. Raises `JournalFormatError`."""
        try:
            values = json.loads(line)
            if not isinstance(values, dict) or values.get("edgesim") != "journal":
                raise JournalFormatError(1, 'not an edgesim journal: the first line lacks "edgesim":"journal"')
            if values.get("version") not in READABLE:
                raise JournalFormatError(1, f"schema version {values.get('version')!r}; this edgesim reads {VERSION}")
            return cls(
                world=str(values["world"]),
                seed=int(values["seed"]),
                epoch_ns=int(values["epoch_ns"]),
                secrets=values["secrets"] == "shown",
                version=int(values["version"]),
                part=int(values.get("part", 0)),
                first=int(values.get("first", 0)),
            )
        except JournalFormatError:
            raise
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise JournalFormatError(1, f"not an edgesim journal ({_reason(error)})") from None


def encode(entry: Entry[Event], *, secrets: bool = False, aliases: Aliases | None = None) -> bytes:
    """Return the entry as a line of ASCII JSON, with its line feed. Secrets are masked unless ``secrets``."""
    if entry.secrets or entry.keys:
        entry = present(entry, secrets=secrets, aliases=aliases)
    event = entry.event
    names = _NAMES.get(type(event)) or _names(type(event))
    # Put together by hand: a general encoder takes twice as long, and every entry of every run comes by here.
    peer = f',"peer":{_text(entry.peer)}' if entry.peer is not None else ""
    line = [
        f'{{"order":{entry.order},"node":{_text(entry.node)},"incarnation":{entry.incarnation},'
        f'"sequence":{entry.sequence},"at_ns":{entry.at_ns},"host_ns":{entry.host_ns},'
        f'"direction":"{entry.direction}"{peer},"kind":"{event.kind}","event":{{',
        ",".join(
            [
                f'"{name}":{_text(value) if type(value := getattr(event, name)) is str else _encode(value)}'
                for name in names
            ]
        ),
        "}",
    ]
    if entry.keys:
        line.append(f',"keys":[{",".join([_text(key) for key in entry.keys])}]')
    if entry.payload:
        try:
            line.append(f',"payload":{_text(entry.payload.decode("utf-8"))}')
        except UnicodeDecodeError:
            line.append(f',"payload_base64":"{base64.b64encode(entry.payload).decode("ascii")}"')
    if entry.whole is not None:
        line.append(f',"payload_octets":{entry.whole.octets},"payload_sha256":"{entry.whole.sha256}"')
    if entry.secrets:
        line.append(f',"secrets":[{",".join([f"[{start},{end}]" for start, end in entry.secrets])}]')
    line.append("}\n")
    return "".join(line).encode("ascii")


def decode(line: bytes, number: int = 0) -> Entry[Event]:
    """Read one line back. Raises `JournalFormatError` with ``number`` as the line's number."""
    try:
        values = json.loads(line)
        if not isinstance(values, dict):
            raise JournalFormatError(number, "not a JSON object")
        cls = KINDS.get(values["kind"])
        if cls is None:
            raise JournalFormatError(number, f"unknown kind of entry {values['kind']!r}")
        if "payload" in values:
            payload = values["payload"].encode("utf-8")
        else:
            payload = base64.b64decode(values.get("payload_base64", ""), validate=True)
        return Entry(
            order=values["order"],
            node=values["node"],
            incarnation=values["incarnation"],
            sequence=values["sequence"],
            at_ns=values["at_ns"],
            host_ns=values["host_ns"],
            direction=values["direction"],
            peer=values.get("peer"),
            event=_event(cls, values["event"], number),
            payload=payload,
            keys=tuple(map(Key, values.get("keys", ()))),
            secrets=tuple((start, end) for start, end in values.get("secrets", ())),
            whole=_whole(values),
        )
    except JournalFormatError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise JournalFormatError(number, f"not an entry ({_reason(error)})") from None


def _whole(values: dict[str, Any]) -> Whole | None:
    octets = values.get("payload_octets")
    return None if octets is None else Whole(octets, values["payload_sha256"])


def _reason(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)


def _names(cls: type[Event]) -> tuple[str, ...]:
    names = _NAMES[cls] = tuple(f.name for f in fields(cls))
    return names


def _event(cls: type[Event], values: dict[str, Any], number: int) -> Event:
    names = _NAMES.get(cls) or _names(cls)
    required = _REQUIRED.get(cls)
    if required is None:
        required = _REQUIRED[cls] = frozenset(
            f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING
        )
    unknown = [name for name in values if name not in names]
    missing = [name for name in names if name in required and name not in values]
    if unknown or missing:
        raise JournalFormatError(number, f"{cls.kind}: unknown fields {unknown}, missing fields {missing}")
    return cls(**{name: _tuples(value) if type(value) is list else value for name, value in values.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
