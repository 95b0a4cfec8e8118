# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend.training.render`: the renderer without the rest of the command line (also its worker process)."""

import argparse
import sys

from backend.errors import PortraitReliefError
from backend.training.render.cli import add_arguments, run

parser = argparse.ArgumentParser(prog="python -m backend.training.render")
add_arguments(parser)
try:
    sys.exit(run(parser.parse_args()))
except PortraitReliefError as error:
    print(f"{error.message}\n{error.hint}", file=sys.stderr)
    sys.exit(3)
