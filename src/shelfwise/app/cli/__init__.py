"""The command line. Data on stdout, progress on stderr; exit codes say who can fix it.

===  =============================================
  0  ok
  1  failed
  2  usage
  3  bad data: the caller can fix it
  4  not found
  5  unavailable: time may fix it
130  interrupted
141  whoever read the output left
===  =============================================
"""

from __future__ import annotations

import errno
import os
import sys

import typer

from shelfwise.app.cli import _admin, _control, _data, _models, _serve, _simulate
from shelfwise.app.cli._common import Root, State, exit_code
from shelfwise.domain import ShelfwiseError

app = typer.Typer(
    name="shelfwise",
    cls=Root,
    help="The product recommendation engine that an online shop runs itself.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(State.from_options)
for group in (_data, _models, _control, _serve, _simulate, _admin):
    group.register(app)


def main() -> None:
    """Run a command; turn what is raised on purpose into one line and an exit code."""
    try:
        app()
    except ShelfwiseError as trouble:
        print(f"shelfwise: {trouble}", file=sys.stderr)
        sys.exit(exit_code(trouble))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing more to say
        sys.exit(141)
    except OSError as trouble:
        print(f"shelfwise: {trouble.filename or 'system'}: {trouble.strerror or trouble}", file=sys.stderr)
        sys.exit(5 if trouble.errno in (errno.ENOSPC, errno.EDQUOT) else 1)
