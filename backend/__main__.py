# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m backend`` is the same as the console script ``portrait-relief``."""

import sys

from backend.cli import main

if __name__ == "__main__":
    sys.exit(main())
