"""The 49 messages of RFC 4475, and what the RFC says of each.

The octets are those of the RFC, written out from its text: folded lines of the document joined, ``<hex>`` and
``<repeat>`` expanded. Two bodies are stand-ins of the length that the RFC gives: the binary part of ``mpart01``, and
the last line of ``multi01``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Torture:
    """One message.

    ``section`` is that of the RFC; ``answers`` are the statuses by which the RFC lets an element refuse it, empty where
    it has to be processed. ``ua`` and ``proxy`` are such statuses for a user agent, or a proxy, alone. ``framing``:
    what becomes of a stream, ``kept``, ``lost`` or ``waits`` for octets that do not come.
    """

    name: str
    section: str
    answers: tuple[int, ...] = ()
    ua: tuple[int, ...] = ()
    proxy: tuple[int, ...] = ()
    framing: Literal["kept", "lost", "waits"] = "kept"
    response: bool = False

    @property
    def octets(self) -> bytes:
        """The message as sent on the wire."""
        return (FOLDER / f"{self.name}.sip").read_bytes()


MESSAGES = (
    # 3.1.1, valid
    Torture(name="wsinv", section="3.1.1.1"),
    Torture(name="intmeth", section="3.1.1.2", ua=(501,), proxy=(404, 501)),
    Torture(name="esc01", section="3.1.1.3"),
    Torture(name="escnull", section="3.1.1.4"),
    Torture(name="esc02", section="3.1.1.5", ua=(501,), proxy=(501,)),
    Torture(name="lwsdisp", section="3.1.1.6"),
    Torture(name="longreq", section="3.1.1.7"),
    Torture(name="dblreq", section="3.1.1.8"),
    Torture(name="semiuri", section="3.1.1.9"),
    Torture(name="transports", section="3.1.1.10"),
    Torture(name="mpart01", section="3.1.1.11"),
    Torture(name="unreason", section="3.1.1.12", response=True),
    Torture(name="noreason", section="3.1.1.13", response=True),
    # 3.1.2, invalid
    Torture(name="badinv01", section="3.1.2.1", answers=(400,)),
    Torture(name="clerr", section="3.1.2.2", answers=(400,), framing="waits"),
    Torture(name="ncl", section="3.1.2.3", answers=(400,), framing="lost"),
    Torture(name="scalar02", section="3.1.2.4", answers=(400,)),
    Torture(name="scalarlg", section="3.1.2.5", response=True),
    Torture(name="quotbal", section="3.1.2.6", answers=(400,)),
    Torture(name="ltgtruri", section="3.1.2.7", answers=(400,)),
    Torture(name="lwsruri", section="3.1.2.8", answers=(400,)),
    Torture(name="lwsstart", section="3.1.2.9", answers=(400,)),
    Torture(name="trws", section="3.1.2.10", answers=(400,)),
    Torture(name="escruri", section="3.1.2.11", answers=(400,)),
    Torture(name="baddate", section="3.1.2.12"),  # Date has no effect here, and then should not be refused
    Torture(name="regbadct", section="3.1.2.13", answers=(400,)),
    Torture(name="badaspec", section="3.1.2.14", answers=(400,)),
    Torture(name="baddn", section="3.1.2.15", answers=(400,)),
    Torture(name="badvers", section="3.1.2.16", answers=(505,)),
    Torture(name="mismatch01", section="3.1.2.17", answers=(400,)),
    Torture(name="mismatch02", section="3.1.2.18", answers=(501, 400)),
    Torture(name="bigcode", section="3.1.2.19", response=True),
    # 3.2, transaction layer
    Torture(name="badbranch", section="3.2.1"),
    # 3.3, application layer
    Torture(name="insuf", section="3.3.1", answers=(400,)),
    Torture(name="unkscm", section="3.3.2", answers=(416,)),
    Torture(name="novelsc", section="3.3.3", answers=(416,)),
    Torture(name="unksm2", section="3.3.4", answers=(400,)),
    Torture(name="bext01", section="3.3.5", answers=(420,)),
    Torture(name="invut", section="3.3.6", answers=(415, 405)),  # 405 where no INVITE is taken
    Torture(name="regaut01", section="3.3.7"),
    Torture(name="multi01", section="3.3.8", answers=(400,)),
    Torture(name="mcl01", section="3.3.9", answers=(400,), framing="lost"),
    Torture(name="bcast", section="3.3.10", response=True),
    Torture(name="zeromf", section="3.3.11", proxy=(483,)),
    Torture(name="cparam01", section="3.3.12"),
    Torture(name="cparam02", section="3.3.13"),
    Torture(name="regescrt", section="3.3.14"),
    Torture(name="sdp01", section="3.3.15", answers=(406, 488, 405)),  # 405 where no INVITE is taken
    # 3.4, backward compatibility
    Torture(name="inv2543", section="3.4.1", framing="lost"),  # RFC 2543 knew no Content-Length on a stream
)
