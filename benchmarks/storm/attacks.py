"""The attacks of a storm, as a process of its own: ``python -m benchmarks.storm.attacks TARGET``, TARGET in JSON.

Only loopback addresses are attacked, at the rates given, for the seconds given; then everything is closed, the counts
are printed as one line of JSON, and the process ends. Each connection of a stranger comes from another address. No
code is shared with what is attacked.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from dataclasses import dataclass

from benchmarks.storm.ground import Target, Victim
from benchmarks.storm.insiders import Insiders
from benchmarks.storm.strangers import Strangers

STRANGERS: dict[str, float] = {
    "idle_tls": 10,
    "half_handshakes": 10,
    "half_messages": 10,
    "slow_loris": 3,
    "pipelining": 10,
    "unread": 2,
    "fragments": 2,
    "big_posts": 2,
    "malformed": 20,
    "stranger_datagrams": 200,
    "stranger_connections": 20,
    "guessing": 10,
    "password_guessing": 5,
    "odd_users": 5,
    "xmpp_openings": 5,
}
INSIDERS: dict[str, float] = {
    "zone_backlog": 20,
    "hijacking": 2,
    "foreign_lines": 2,
    "wrong_proofs": 5,
    "service_spoofing": 5,
    "forged_servers": 2,
    "chat_flood": 20,
    "subscription_flood": 10,
}
RATES: dict[str, float] = STRANGERS | INSIDERS
"""Attacks a second: connections, batches of 500 requests, guesses, messages. The names are those of methods."""


@dataclass(slots=True)
class Storm(Strangers, Insiders):
    """All attacks on one target."""

    async def run(self) -> None:
        """Run every attack at its rate, and let everything go in the end."""
        until = asyncio.get_running_loop().time() + self.target.seconds
        only = self.target.only or tuple(RATES)
        attacks = [self.at_rate(name, getattr(self, name), until) for name in STRANGERS if name in only]
        attacks += [self.lasting(name, getattr(self, name), until) for name in INSIDERS if name in only]
        await asyncio.gather(*attacks)
        self.let_all_go()
        await asyncio.sleep(0.5)


async def _main(target: Target) -> None:
    logging.disable()
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # what is cut while it is written
    storm = Storm(target, RATES)
    await storm.run()
    print(json.dumps({"done": storm.done, "failed": storm.failed}), flush=True)


if __name__ == "__main__":
    reported = json.loads(sys.argv[1])
    reported["victims"] = tuple(Victim(**each) for each in reported["victims"])
    given = Target(**reported)
    if not (given.network.startswith("127.") and given.edge.startswith("127.") and given.inside.startswith("127.")):
        sys.exit("only loopback addresses are attacked")
    asyncio.run(_main(given))
