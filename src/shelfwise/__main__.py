"""``python -m shelfwise`` is the command line."""

from shelfwise.app.cli import main

main()
