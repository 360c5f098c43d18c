"""Renderers: every kind through every view, whatever its bytes; and ladders that people can read."""

from __future__ import annotations

import random
import re
from io import StringIO
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from edgesim.journal import Entry, events, junit, ladder, ladder_mermaid, ladder_svg, ladder_text
from edgesim.journal.entry import Direction
from edgesim.journal.visible import payload_lines, visible, wrap
from tests.each import holds_for_each
from tests.fuzz import fuzzed
from tests.journal import sample
from tests.journal.kinds import entry_of, event_of

NASTY = [
    *["\x1b[31m", "\x1b]0;x\x07", "\x9b31m", "\r", "\n", "\0", "\x7f", "\u2028", "\u202e", "\u200b", "\u00a0", " "],
    *["-->", "->>", ";", "#", "%%", "end", "Note over p1:", "style x:y#z;", "wrap:", "participant", "{%", "`", "\\"],
    *["<b>&'\"", "]]>", "<secret>", "好", "🙂", "e\u0301", "\ufe0f", "\ud800", "\udcff", "\uffff", "\U000e0001"],
]
TEXTS = st.lists(st.sampled_from(NASTY) | st.text(max_size=6), max_size=8).map("".join)


def picture(entries: list[Entry[events.Event]], **options: object) -> ladder.Ladder:
    return ladder.build(entries, **options)


def check_text(text: str, width: int) -> None:
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        assert line.isprintable() or not line
        assert cell_len(line) <= width
        assert not re.search(r"[\u200b-\u200f\u202a-\u202e\u2066-\u2069]", line)


def check_svg(text: str) -> Element:
    root: Element = fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names <= {"svg", "style", "rect", "text", "tspan", "path", "g", "title", "circle"}
    for element in root.iter():
        assert not any(name.startswith("on") or "href" in name for name in element.attrib)
    for line in text.split("\n"):
        assert line.isprintable() or not line
    return root


PARTICIPANT = re.compile(r"    participant p\d+ as (?P<text>.+)")
STATEMENT = re.compile(r"    (?:p\d+(?:->>|-->>|-\)|-x)p\d+|Note over p\d+(?:,p\d+)?): (?P<text>.+)")
SAFE = re.compile(r"(?:[A-Za-z0-9 ._/(),?:=@+×→-]|#\d+;)+")


def check_mermaid(text: str) -> None:
    lines = text.split("\n")
    assert lines[0] == "sequenceDiagram"
    assert lines[-1] == ""
    for line in lines[1:-1]:
        found = PARTICIPANT.fullmatch(line) or STATEMENT.fullmatch(line) or re.fullmatch("    title (?P<text>.+)", line)
        assert found, line
        label = found["text"].replace("<br/>", " ", 1)
        assert SAFE.fullmatch(label), line
        assert "--" not in label


def test_every_kind_through_every_view() -> None:
    def check(kind: str) -> None:
        texts = iter(NASTY * 10)
        ways: list[tuple[Direction, str | None]]
        ways = [("in", "alice"), ("out", "192.0.2.1:1"), ("-", "alice"), ("-", None), ("in", None), ("in", "expe")]
        entries = [
            entry_of(
                event_of(kind, lambda: next(texts)), number=number, direction=way, peer=peer, payload=b"<x>\x1b\xff"
            )
            for number, (way, peer) in enumerate(ways, 1)
        ]
        for folding in (True, False):
            made = picture(entries, folding=folding, roles={"expe": NASTY[0]}, title="".join(NASTY))
            check_svg(ladder_svg.render(made))
            check_mermaid(ladder_mermaid.render(made))
            for width in (50, 80, 120, 200):
                check_text(ladder_text.render(made, width), width)
            assert ladder_text.render(made, 100, ascii=True).isascii()
            assert len(made.rows) >= (1 if folding else 6)

    holds_for_each(check, ((kind,) for kind in sorted(events.KINDS)))


@fuzzed
@given(TEXTS, TEXTS, st.binary(max_size=40), st.integers(0, 2**32))
def test_hostile_text_breaks_no_view(text: str, name: str, payload: bytes, seed: int) -> None:
    dice = random.Random(seed)
    kind = dice.choice(sorted(events.KINDS))
    peer = name or None
    event = event_of(kind, lambda: text)
    raw = payload + text.encode("utf-8", "surrogatepass")
    entry = entry_of(event, peer=peer, direction=dice.choice(["in", "out", "-"]), payload=raw, keys=(text,))
    made = picture([entry], roles={"expe": text}, title=text, marks=[entry.id])
    width = dice.choice([40, 60, 80, 120, 200])
    check_text(ladder_text.render(made, width), width)
    detailed = ladder_text.render(made, width, ascii=dice.random() < 0.5, details=True)
    assert detailed.replace("\n", "").isprintable()
    root = check_svg(ladder_svg.render(made))
    assert len(list(root.iter("{http://www.w3.org/2000/svg}title"))) == 1
    check_mermaid(ladder_mermaid.render(made))
    record = junit.Verdict(name=text, group=name, outcome="failed", message=text, detail=text, output=text,
                           properties={name: text})  # fmt: skip
    fromstring(junit.render([record], name=text))


@fuzzed
@given(TEXTS, st.integers(1, 30), st.integers(1, 4))
def test_wrapped_lines_fit_and_lose_only_spaces_and_the_end(text: str, cells: int, lines: int) -> None:
    shown = visible(text)
    pieces = wrap(shown, cells, lines)
    assert 1 <= len(pieces) <= lines
    assert all(cell_len(piece) <= max(cells, 2) for piece in pieces)
    joined = "".join(pieces).replace(" ", "")
    if not joined.endswith("…"):
        assert joined == shown.replace(" ", "")


def test_visible_text_cannot_act_on_a_terminal() -> None:
    assert visible("a\x1b[31mb\r\n\t\0") == "a\\x1b[31mb\\r\\n\\t\\0"
    assert visible("\u202eabc\u200d\ufe0f") == "\\u202eabc\\u200d\\ufe0f"
    assert visible("\udcff") == "\\xff"
    assert visible("Grüße 你好 e\u0301") == "Grüße 你好 é"
    assert visible("\U000e0041\u00a0") == "\\U000e0041\\xa0"


def test_payloads_are_text_where_they_are_and_octets_where_they_are_not() -> None:
    def lines(payload: bytes) -> list[str]:
        return payload_lines(entry_of(events.Note(text="x"), payload=payload))

    assert lines(b"A: b\r\nC: \xc3\xa4\xff\r\n") == ["A: b", "C: ä\\xff"]
    assert lines(b"\0\x01SIP") == ["0000  00 01 53 49 50                                   ..SIP"]
    assert lines(b"\xff\xfe\xfd") == ["0000  ff fe fd                                         ..."]
    assert lines(b"") == []
    long = payload_lines(entry_of(events.Note(text="x"), payload=b"line\n" * 50), limit=12)
    assert long[:2] == ["line", "line"]
    assert re.fullmatch(r"… 250 octets in all, SHA-256 [0-9a-f]{12}", long[2])


def _sample() -> ladder.Ladder:
    return ladder.build(sample.sign_in(), roles=sample.ROLES, order=sample.ORDER, title="Sign-in of alice")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 200, 250])
def test_the_sample_fits_every_terminal(width: int) -> None:
    made = _sample()
    layouts: tuple[ladder_text.Layout, ...] = ("auto", "narrow")
    for layout in layouts:
        check_text(ladder_text.render(made, width, layout=layout), width)
    assert ladder_text.render(made, width, ascii=True).isascii()


def test_columns_need_room_and_a_list_does_without() -> None:
    made = _sample()
    assert "alice-laptop → expe" in ladder_text.render(made, 80)
    assert "alice-laptop -> expe" in ladder_text.render(made, 80, ascii=True)
    for width in (120, 160):
        wide = ladder_text.render(made, width)
        assert "alice-laptop → expe" not in wide
        assert re.search(r"1\.114410 +│ +│ +│◄╌+┤ +│ +│ +│ +HTTP +200 OK", wide)
        assert re.search(r"0\.020400 +│ +│ +│◄═+┤ +│ +│ +│ +TLS +connect :7001", wide)


def test_arrows_point_from_sender_to_receiver() -> None:
    note = events.Note(text="hello")
    entries = [
        entry_of(note, node="b", peer="a"),
        entry_of(note, node="a", peer="c", number=2),
        entry_of(note, node="c", peer="a", number=3),
    ]
    lines = ladder_text.render(picture(entries, order=["a", "b", "c"]), 100).split("\n")
    arrows = [re.sub("─+", "─", line[10:].partition("NOTE")[0]).split() for line in lines if "hello" in line]
    assert arrows == [["├─►│", "│"], ["│◄─┼─┤"], ["├─┼─►│"]]


def test_details_show_identity_and_masked_payload() -> None:
    text = ladder_text.render(_sample(), 120, details=True)
    assert "expe#1/2 " in text
    assert "Authorization: Basic <secret>" in text
    assert sample.PASSWORD not in text


def test_marks_point_at_their_row() -> None:
    entries = sample.sign_in()
    auth = next(entry for entry in entries if entry.kind == "auth")
    made = ladder.build(entries, marks=[auth.id])
    for width in (80, 200):
        (line,) = [line for line in ladder_text.render(made, width).split("\n") if line.startswith("»")]
        assert "basic authentication of alice" in line
    assert ladder_svg.render(made).count('class="row marked"') == 1


def test_colours_are_there_only_when_asked_for() -> None:
    made = _sample()
    assert "\x1b" not in ladder_text.render(made, 120)
    coloured = ladder_text.rich_text(made, 120)
    assert [line.rstrip() for line in coloured.plain.split("\n")] == ladder_text.render(made, 120).split("\n")
    console = Console(width=120, force_terminal=True, color_system="standard", record=True, file=StringIO())
    console.print(coloured, soft_wrap=True)
    assert "\x1b[36m" in console.export_text(styles=True)


def test_the_picture_is_self_contained_and_shows_payloads_on_hovering() -> None:
    text = ladder_svg.render(_sample())
    root = check_svg(text)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)[^<]*\"|@import|url\(", text.split("</style>")[0])
    titles = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any("Authorization: Basic <secret>" in title for title in titles)
    assert "prefers-color-scheme:dark" in text


def test_names_in_mermaid_are_short_and_headed_by_name_and_role() -> None:
    lines = ladder_mermaid.render(_sample()).split("\n")
    assert lines[1] == "    title Sign-in of alice"
    assert "    participant p3 as expe<br/>Expressway-E" in lines
    assert "    p3->>p4: 1.103780 HTTP GET /example.com/get_edge_config?service_name=_cisco-uds" in lines


def test_an_empty_ladder_is_drawn_too() -> None:
    made = ladder.build([])
    check_svg(ladder_svg.render(made))
    check_mermaid(ladder_mermaid.render(made))
    assert ladder_text.render(made, 80) == ""
    step = entry_of(events.Step(text="alone", state="began"), peer=None)
    assert "alone" in ladder_text.render(ladder.build([step]), 80)
    check_mermaid(ladder_mermaid.render(ladder.build([step])))
    check_svg(ladder_svg.render(ladder.build([step])))


def test_long_ladders_repeat_the_names() -> None:
    note = events.Note(text="x")
    entries = [entry_of(note, number=number, at_ns=number * 10**6) for number in range(1, 150)]
    text = ladder_text.render(ladder.build(entries), 100)
    assert text.count("alice") == 3


def test_junit_counts_and_carries_what_ci_needs() -> None:
    records = [
        junit.Verdict(name="signs in", group="sign_in", seconds=0.25, properties={"seed": "7"}),
        junit.Verdict(name="chats", outcome="failed", message="expected <x>", detail="line 1\nline 2", output="ladder"),
        junit.Verdict(name="freezes", outcome="unsupported", message="needs freeze"),
        junit.Verdict(name="breaks", outcome="error", message="boom"),
    ]
    text = junit.render(records)
    assert text == junit.render(records)
    root = fromstring(text)
    assert root.attrib == {
        "name": "edgesim",
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
        "time": "0.250",
    }
    cases = list(root.iter("testcase"))
    assert [case.attrib["name"] for case in cases] == ["signs in", "chats", "freezes", "breaks"]
    assert cases[0].attrib["classname"] == "sign_in"
    assert [[child.tag for child in case] for case in cases] == [
        ["properties"],
        ["failure", "system-out"],
        ["skipped"],
        ["error"],
    ]
    assert cases[1][0].text == "line 1\nline 2"
    assert cases[1][0].attrib["message"] == "expected <x>"
