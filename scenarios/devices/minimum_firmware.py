"""Which devices can use MRA at all: the least firmware of each kind, on both sides, and the models left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.people import Device
from edgesim.scenario import ClientState, Lab, Registered, Setting, containing, matching, scenario, seconds

MINIMA = (
    ("8845", "10.9(1)", "11.0(1)"),
    ("7821", "10.9(1)", "11.0(1)"),
    ("8832", "12.0(1)", "12.1(1)"),
    ("7832", "12.0(1)", "12.1(1)"),
    ("DX650", "10.2.4(98)", "10.2.4(99)"),
    ("EX60", "TC7.0.2", "TC7.1"),
    ("DX70", "CE8.1.1", "CE8.2"),
    ("SX20", "CE8.1.1", "CE8.2"),
)
"""Model, a release that is too old, and the least one."""
LEAST = [*((model, least) for model, _, least in MINIMA), ("Room Kit", "CE9.0")]
"""Each with its least release, and one that any CE release suits."""
BELOW = [*((model, old) for model, old, _ in MINIMA), *((model, "11.0(3)") for model in ("8821", "8821-EX", "8831"))]
"""Each with one that is too old, and the models left out, which no release helps."""
WHY = matching(r"supports MRA from \S+ on, and runs \S+$|does not support MRA$")
"""What is told of a device that MRA does not support."""


def household(models: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return a deployment's people with one device each, of this model and firmware, at home."""
    names = [f"SEP00005E0054{number:02d}" for number, _ in enumerate(models)]
    return {
        "users": [
            {"id": f"user{number}", "password": f"secret-{number}", "numbers": [f"20{number:02d}"], "devices": [name]}
            for number, name in enumerate(names)
        ],
        "devices": [
            {"name": name, "type": model, "firmware": firmware}
            for name, (model, firmware) in zip(names, models, strict=True)
        ],
        "clients": [
            {"name": f"device-{number}", "address": f"198.51.100.{100 + number}", "device": name}
            for number, name in enumerate(names)
        ],
    }


def one_with(number: int, models: Sequence[tuple[str, str]], firmware: str) -> Setting:
    """Return the mutation under which one device of a household has another firmware."""
    changed = [*models[:number], (models[number][0], firmware), *models[number + 1 :]]
    return Setting("devices", household(changed)["devices"])


async def switch_on(lab: Lab, machine: ClientHost) -> Device:
    """Sign in the device that a machine is."""
    await (lab.phone if machine.platform == "phone" else lab.room)(machine.name).sign_in()
    return lab.deployment.device(machine.device or "")


@scenario(
    shows="EP-04",
    deployment="devices",
    changes=household(LEAST),
    mutations=[one_with(number, LEAST, old) for number, (_, old, _) in enumerate(MINIMA)],
)
async def least_firmware(lab: Lab) -> None:
    """Each kind of device with the least release that MRA supports, and a Room Kit with an early CE: all register."""
    for machine in lab.deployment.clients:
        async with lab.step(f"{machine.name} is switched on, and registers"):
            device = await switch_on(lab, machine)
            model = containing(f'+u.sip!model.ccm.cisco.com="{device.model}"')
            await lab.expect(Registered(device=device.name, contact=model))


@scenario(
    shows="EP-04",
    deployment="devices",
    changes=household(BELOW),
    breaks="EP-04.minimum-release",
    mutations=[
        Setting("defaults.client.unfit_device", "tries"),
        *(one_with(number, BELOW, least) for number, (_, _, least) in enumerate(MINIMA)),
    ],
)
async def firmware_too_old(lab: Lab) -> None:
    """Each with a release just below, and the models left out (8821, 8821-EX, 8831): none ever asks for the edge."""
    lab.never(Registered())
    for machine in lab.deployment.clients:
        async with lab.step(f"{machine.name} is switched on, and knows nothing of MRA"):
            await switch_on(lab, machine)
            await lab.expect(ClientState(node=machine.name, outcome="none", detail=WHY))
    await lab.symptom("EP-04.minimum-release")
    await lab.wait(seconds(20))
