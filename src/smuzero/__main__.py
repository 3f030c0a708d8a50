"""`python -m smuzero` is the command `smuzero`."""

import sys

from smuzero.cli.main import main

sys.exit(main())
