"""Makes the generated pages of this folder again; run it from the repository: ``python docs/generate.py``.

The pictures are ladders of a real run of ``first_sign_in``. Pages come out the same until what they show
changes; ``tests/test_docs.py`` says when one is out of date.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgesim.catalogue import Catalogue
from edgesim.catalogue.page import page as catalogue_page
from edgesim.cli import drawing
from edgesim.deployment import builtin, json_schema, load
from edgesim.deployment.grounds_table import page as defaults_page
from edgesim.journal import Entry, Event, Selection, events, ladder_svg
from edgesim.readiness import check
from edgesim.readiness.port_page import page as ports_page
from edgesim.readiness.rules import RULES
from edgesim.scenario.discover import find
from edgesim.scenario.proof import Simulated, simulate
from edgesim.scenario.run import Options, run
from edgesim.scenario.verdict import Outcome

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
SCENARIOS = REPOSITORY / "scenarios"
PICTURED = "first_sign_in"
WHOLE = ("service discovery", "edge configuration", "phone registration")
"""Stages of a sign-in that the short picture shows in full."""
BROKEN = DOCS / "examples" / "broken-edge.yaml"
SYMPTOM = "SPDefault.cnf.xml"
"""The file that the broken edge keeps from its clients."""
CHAT = re.compile(r"CISCO-VTG|<auth>|<success>|XMPP success|bind urn|<iq (set|result)>$|bound$")


def pages() -> dict[Path, str]:
    """Return each generated page with the text that it should have."""
    return {
        DOCS / "defaults.md": defaults_page(),
        DOCS / "ports.md": ports_page(),
        DOCS / "deployment.schema.json": json.dumps(json_schema(), ensure_ascii=False, indent=1) + "\n",
        DOCS / "catalogue.md": catalogue_page(Catalogue.collect(find([], home=SCENARIOS), RULES)),
    }


def pictures() -> dict[Path, str]:
    """Return the ladders of a sign-in as SVG: all of it, and a short one. Raises `RuntimeError` if it does not pass."""
    (scenario,) = find([PICTURED], home=SCENARIOS)
    played = run(scenario, Options(seed=1))
    if played.verdict.outcome is not Outcome.PASSED:
        raise RuntimeError(f"{PICTURED} {played.verdict.outcome.word}: {played.verdict.reason}")
    deployment = builtin(scenario.deployment)

    def drawn(entries: list[Entry[Event]], title: str) -> str:
        return ladder_svg.render(drawing.build(entries, deployment, title=title), title_characters=0)

    entries = list(played.journal)
    broken = load(BROKEN)
    symptoms = list(symptomatic(simulate(broken, check(broken))))
    return {
        DOCS / "img" / "broken_edge.svg": ladder_svg.render(
            drawing.build(symptoms, broken, title="A broken edge: signed in, no phone, no chat"), title_characters=0
        ),
        DOCS / "img" / "first_sign_in.svg": drawn(list(story(entries)), scenario.title),
        DOCS / "img" / "ladder.svg": drawn(list(shortened(entries)), "A Jabber outside signs in (shortened)"),
    }


def story(entries: Iterable[Entry[Event]]) -> Iterator[Entry[Event]]:
    """Yield what belongs to alice, and her client's questions to the DNS and its connections."""
    chosen = {entry.id for entry in Selection(stories=("user:alice",), context=False).apply(entries)}
    for entry in entries:
        own = entry.kind.split(".")[0] in ("dns", "tcp", "tls") and "jabber-1" in (entry.node, entry.peer)
        if entry.id in chosen or own or isinstance(entry.event, events.Step):
            yield entry


def shortened(entries: Iterable[Entry[Event]]) -> Iterator[Entry[Event]]:
    """Yield discovery, edge configuration and registration, and of the chat its authentication and the bind."""
    stage: list[Entry[Event]] = []
    for entry in story(entries):
        if not isinstance(entry.event, events.ClientState):
            stage.append(entry)
            continue
        if entry.event.stage in WHOLE:
            yield from stage
        elif entry.event.stage == "chat session":
            for each in stage:
                text = each.event.summary()
                if CHAT.search(text):
                    yield each
                if "<iq result> bind" in text:
                    return
        stage.clear()


def symptomatic(simulated: Simulated) -> Iterator[Entry[Event]]:
    """Yield what a simulated sign-in showed of the findings, and the messages of the client that tell how it fared."""
    seen = {entry.id for proof in simulated.proofs for _, entry in proof.seen if entry is not None}
    for entry in simulated.journal:
        own = "laptop" in (entry.node, entry.peer) and entry.kind.startswith("xmpp.")
        asked = isinstance(entry.event, events.HttpRequest) and SYMPTOM in (entry.event.decoded or entry.event.target)
        if entry.id in seen or own or asked or isinstance(entry.event, events.Step | events.ClientState):
            yield entry
        if own and isinstance(entry.event, events.XmppStream) and entry.event.element == "close":
            return


def main() -> None:
    """Write what has changed."""
    made = pages() | pictures()
    for path, text in made.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"made {path.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
