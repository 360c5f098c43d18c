"""Makes the generated pages of this folder again; run it from the repository: ``python docs/generate.py``.

The picture of the ladder is that of a real run of ``first_sign_in``. Pages come out the same until what they show
changes; ``tests/test_docs.py`` says when one is out of date.
"""

from __future__ import annotations

from pathlib import Path

from edgesim.catalogue import Catalogue
from edgesim.catalogue.page import page as catalogue_page
from edgesim.cli import drawing
from edgesim.deployment import builtin
from edgesim.deployment.grounds_table import page as defaults_page
from edgesim.journal import Selection, ladder_svg
from edgesim.scenario.discover import find
from edgesim.scenario.run import Options, run
from edgesim.scenario.verdict import Outcome

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
SCENARIOS = REPOSITORY / "scenarios"
PICTURED = "first_sign_in"


def pages() -> dict[Path, str]:
    """Return each generated page with the text that it should have."""
    return {
        DOCS / "defaults.md": defaults_page(),
        DOCS / "catalogue.md": catalogue_page(Catalogue.collect(find([], home=SCENARIOS))),
    }


def picture() -> str:
    """Return the ladder of a sign-in as SVG. Raises `RuntimeError` where the scenario does not pass."""
    (scenario,) = find([PICTURED], home=SCENARIOS)[:1]
    played = run(scenario, Options(seed=1))
    if played.verdict.outcome is not Outcome.PASSED:
        raise RuntimeError(f"{PICTURED} {played.verdict.outcome.word}: {played.verdict.reason}")
    drawn = drawing.build(
        played.journal,
        builtin(scenario.deployment),
        select=Selection(stories=("user:alice",)),
        title=scenario.title,
    )
    return ladder_svg.render(drawn, title_characters=0)


def main() -> None:
    """Write what has changed."""
    made = pages() | {DOCS / "img" / "ladder.svg": picture()}
    for path, text in made.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"made {path.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
