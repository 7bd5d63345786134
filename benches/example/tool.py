"""Starts the example, as the script that an installer makes for an entry point does."""

import sys

from ledger import main

main(sys.argv[1:])
