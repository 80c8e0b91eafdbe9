"""`python -m cinn_hub` is `cinn-hub`."""

import sys

from cinn_hub.cli import main

if __name__ == "__main__":
    sys.exit(main())
