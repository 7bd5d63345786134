"""`python -m overlay_import`: the command line."""

import sys

from overlay_import.cli import main

if __name__ == "__main__":
    sys.exit(main())
