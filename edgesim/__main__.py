"""``python -m edgesim`` is the command ``edgesim``."""

from edgesim.cli import main

main()
