"""Small scenarios for tests of the command line, written to a folder of their own."""

from __future__ import annotations

from pathlib import Path

GOOD = '''
from edgesim.scenario import DnsAnswer, Lab, Setting, scenario


@scenario(shows="NET-03", mutations=[Setting("dns.collab_edge", False)])
async def asks(lab: Lab, alice) -> None:
    """Somebody outside asks for the edge."""
    async with lab.step("the question"):
        await alice.sign_in()
        await lab.expect(DnsAnswer(node=alice.machine, rcode="NOERROR", qtype="SRV"))
    lab.report(questions=1)
'''

BAD = '''
from edgesim.scenario import Lab, Registered, scenario


@scenario()
async def never_registers(lab: Lab) -> None:
    """Nobody signs in, so nobody registers."""
    await lab.expect(Registered(device="CSFALICE"), within=2)
'''

GATED = """
from edgesim.scenario import Lab, scenario


@scenario()
async def sides(lab: Lab) -> None:
    lab.report(open=lab.has("no inside srv of the edge domain"))
    lab.check(True, "it runs on either side")
"""
UNSUPPORTED = '''
from edgesim.scenario import Lab, scenario
from edgesim.world import Capability


@scenario(needs=[Capability.EXTERNAL_CLIENTS])
async def needs_programs(lab: Lab) -> None:
    """Real programs connect."""
    lab.check(True, "it ran")
'''

UNSTEADY = '''
import os

from edgesim.scenario import Lab, scenario


@scenario()
async def unsteady(lab: Lab) -> None:
    """What it writes depends on the process."""
    lab.note(f"process {os.getpid()}")
    lab.check(True, "it ran")
'''

SLOW_IN_THE_LAB = """
from edgesim.scenario import Lab, scenario


@scenario()
async def waits(lab: Lab) -> None:
    await lab.wait(400)
    lab.check(True, "it waited")
"""

DELAYED = """
from edgesim.scenario import Lab, scenario
from edgesim.world.faults import Delay, Selector


@scenario()
async def delayed(lab: Lab, alice) -> None:
    async with lab.step("five questions"):
        async with lab.fault(Delay(name="slow", where=Selector(target="dns-outside"), seconds=0.001)):
            for number in range(5):
                await lab.resolve(alice.machine, f"host{number}.example.com")
    lab.check(True, "it waited")
"""

ENDLESS = """
from edgesim.scenario import Lab, scenario


@scenario()
async def endless(lab: Lab) -> None:
    while True:
        lab.check(True, "it goes on")
"""

CANNOT = '''
from edgesim.scenario import Lab, scenario


@scenario(deployment="no-such-deployment")
async def cannot(lab: Lab) -> None:
    """Its deployment is missing."""
    lab.check(True, "it ran")
'''


def write(folder: Path, **stories: str) -> Path:
    """Write scenario files below ``folder/scenarios``; return ``folder``."""
    home = folder / "scenarios"
    home.mkdir(exist_ok=True)
    for name, text in stories.items():
        (home / f"{name}.py").write_text(text, encoding="utf-8")
    return folder
