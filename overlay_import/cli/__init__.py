"""The command line: `overlay-import`, the same as `python -m overlay_import`. One module for each command.

`run` starts other people's programs, so this much is imported for it and no more: no argparse.
"""

import sys

from overlay_import.cli._failure import Failure


def main(argv: list[str] | None = None) -> int:
    """Executes the command in `argv`, by default that of the process; gives the exit status.

    0: done; 1: it could not be done for some files; 2: an error, told in one line on standard error. `run` comes back
    only where its program ends by itself: `SystemExit` and all other exceptions of the program pass through.
    """
    arguments = sys.argv[1:] if argv is None else argv
    try:
        if arguments[:1] == ["run"]:
            from overlay_import.cli import run

            return run.execute(arguments[1:])
        from overlay_import.cli import _commands

        return _commands.execute(arguments)
    except Failure as failure:
        print(f"overlay-import: {failure}", file=sys.stderr)
        return 2
