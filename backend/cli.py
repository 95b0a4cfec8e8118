# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line ``portrait-relief``. Results go to files and stdout, progress and errors to stderr.

Nothing heavy is imported before it is known what to do: ``--help`` and mistyped names answer at once.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.doctor import CHECK_NAMES
from backend.driving_commands import DRIVING_COMMANDS
from backend.errors import (
    BackendUnavailable,
    CheckpointError,
    InputError,
    JobCancelled,
    NoFaceError,
    OutOfMemoryError_,
    PortraitReliefError,
)
from backend.photo_commands import PHOTO_COMMANDS, add_model_arguments
from backend.version import VERSION

EXIT_OK, EXIT_USAGE, EXIT_INPUT, EXIT_NO_FACE = 0, 2, 3, 4
EXIT_CHECKPOINT, EXIT_MEMORY, EXIT_BACKEND, EXIT_CANCELLED = 5, 6, 7, 130

_EXIT_BY_CLASS: tuple[tuple[type[PortraitReliefError], int], ...] = (
    (InputError, EXIT_INPUT),
    (NoFaceError, EXIT_NO_FACE),
    (CheckpointError, EXIT_CHECKPOINT),
    (OutOfMemoryError_, EXIT_MEMORY),
    (JobCancelled, EXIT_CANCELLED),
    (BackendUnavailable, EXIT_BACKEND),
)

_EPILOG = """\
exit codes:
  0    done
  2    the command line is wrong
  3    the input is wrong: the photo, an expression's name, a value
  4    no face was found (or not the one asked for)
  5    the checkpoint is missing or damaged
  6    out of memory
  7    the backend failed in another way
  130  cancelled (Ctrl+C); of train: saved and ended
  143  of train: saved and ended after SIGTERM

expressions are ARKit's blendshape names with values from 0 to 1, for example
  portrait-relief generate photo.jpg --expression mouthSmileLeft=0.8 --expression mouthSmileRight=0.8 --out
  result
"""


@dataclass(frozen=True)
class LazyCommand:
    """A command whose module (``add_arguments(parser)``, ``run(args) -> int``) is imported only when it is
    called.

    Attributes:
        variants: second word -> the module that then serves the command.
    """

    module: str
    help: str
    extra: str
    variants: Mapping[str, str] = field(default_factory=dict)


_LAZY_COMMANDS: Mapping[str, LazyCommand] = {
    "render-dataset": LazyCommand(
        "backend.training.render.cli", "render training data with Blender", "blender"
    ),
    "train": LazyCommand("backend.training.train", "train a checkpoint", "train"),
    "evaluate": LazyCommand("backend.training.evaluate", "measure a checkpoint", "train"),
    "ablate": LazyCommand(
        "backend.training.ablate", "measure what each idea of the design is worth", "train"
    ),
    "bench": LazyCommand(
        "backend.bench",
        "time each phase of a job on this machine, or of training (bench train)",
        "train",
        {"train": "backend.training.bench_train"},
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (see the epilog of ``--help``)."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    try:
        arguments = _build_parser(words).parse_args(words)
        _quiet(arguments.debug)
        return arguments.run(arguments)
    except KeyboardInterrupt:
        return _fail(JobCancelled("Cancelled."), words, debug)
    except BrokenPipeError:
        # The reader of stdout (head, less) went away; Python would complain once more while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EXIT_OK
    except Exception as error:
        from backend.server.failures import readable

        if debug:
            traceback.print_exc()
        return _fail(readable(error), words, debug)


def exit_code(error: PortraitReliefError) -> int:
    """The exit code for an error, by its class; 7 for anything without a class of its own."""
    return next((code for cls, code in _EXIT_BY_CLASS if isinstance(error, cls)), EXIT_BACKEND)


def _fail(error: PortraitReliefError, words: Sequence[str], debug: bool) -> int:
    if "--json" in words:
        print(json.dumps({"error": error.to_dict()}))
    print(f"portrait-relief: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"  {error.hint}", file=sys.stderr)
    if error.code == "internal_error" and not debug:
        print("  Run the same command with --debug to see where it happened.", file=sys.stderr)
    return exit_code(error)


def _quiet(debug: bool) -> None:
    """Warnings of libraries are for developers."""
    if debug:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(message)s")
        return
    warnings.simplefilter("ignore")
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="%(message)s")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")


def _build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show tracebacks and log messages")
    parser = argparse.ArgumentParser(
        prog="portrait-relief",
        description="Edits the expression of a portrait photo and estimates its depth: one diffusion model.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"portrait-relief {VERSION}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            parents=[common],
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        return command

    for name, photo_command in {**PHOTO_COMMANDS, **DRIVING_COMMANDS}.items():
        photo_command.add_arguments(add(name, photo_command.help, photo_command.run))
    _add_serve_arguments(add("serve", "run the local backend for the Blender extension", _run_serve))
    doctor = add("doctor", "check installation, device, checkpoint and folders", _run_doctor)
    add_model_arguments(doctor)
    doctor.add_argument(
        "--only", choices=CHECK_NAMES, metavar="CHECK", help=f"one of {', '.join(CHECK_NAMES)}"
    )
    doctor.add_argument("--json", action="store_true", help="print the result as JSON")
    asked = [word for word in words if not word.startswith("-")]
    for name, lazy in _LAZY_COMMANDS.items():
        command = add(name, lazy.help, lambda _arguments: EXIT_USAGE)
        if name in asked[:1]:
            variant = next((word for word in asked[1:2] if word in lazy.variants), None)
            if variant is not None:
                command.add_argument("variant", choices=[variant], help="this command")
            module = _import_lazy(name, lazy, variant)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def _import_lazy(name: str, lazy: LazyCommand, variant: str | None = None) -> Any:
    try:
        return importlib.import_module(lazy.module if variant is None else lazy.variants[variant])
    except ImportError as error:
        raise BackendUnavailable(
            f"The command '{name}' cannot run here ({error}).",
            f"Install what it needs: pip install 'portrait-relief[{lazy.extra}]'.",
            code="missing_package",
        ) from error


def _add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    from backend.server.limits import Deadlines

    add_model_arguments(parser)
    parser.description = (
        "Listens on 127.0.0.1 only. The first line on stdout is JSON: port, protocol, pid, version. "
        "Requests need the token from the environment variable PORTRAIT_RELIEF_TOKEN. "
        "If stdin is a pipe, the end of stdin ends the backend."
    )
    parser.add_argument("--port", type=int, default=0, help="default: 0, any free port")
    parser.add_argument("--no-token", action="store_true", help="answer every program of this machine")
    parser.add_argument("--log-file", type=Path, metavar="FILE", help="rotated; default: stderr")
    parser.add_argument("--temp-dir", type=Path, metavar="DIR", help="where pictures are kept while it runs")
    parser.add_argument(
        "--exit-with-stdin",
        action=argparse.BooleanOptionalAction,
        help="exit when stdin ends (default: if stdin is a pipe or socket)",
    )
    for name, text in (
        ("idle-release", "drop the model after this idle time; 0: never"),
        ("startup-timeout", "longest start of the worker process"),
        ("heartbeat-timeout", "longest silence of the worker process"),
        ("step-timeout", "longest time between two steps of a job"),
    ):
        field = name.replace("-timeout", "").replace("-", "_") + "_s"
        default = getattr(Deadlines, field)
        parser.add_argument(
            f"--{name}", dest=field, type=float, default=default, metavar="S", help=f"{text} ({default:g})"
        )


def _run_serve(arguments: argparse.Namespace) -> int:
    from backend.server.limits import Deadlines
    from backend.server.serve import ServeOptions, serve

    deadlines = Deadlines(
        startup_s=arguments.startup_s,
        heartbeat_s=arguments.heartbeat_s,
        step_s=arguments.step_s,
        idle_release_s=arguments.idle_release_s,
    )
    options = ServeOptions(
        port=arguments.port,
        no_token=arguments.no_token,
        checkpoint=arguments.checkpoint,
        device=arguments.device,
        precision=arguments.precision,
        log_file=arguments.log_file,
        temp_dir=arguments.temp_dir,
        exit_with_stdin=arguments.exit_with_stdin,
        deadlines=deadlines,
    )
    return serve(options)


def _run_doctor(arguments: argparse.Namespace) -> int:
    from backend import doctor

    report = doctor.examine(
        checkpoint=arguments.checkpoint,
        device=arguments.device,
        precision=arguments.precision,
        only=arguments.only,
    )
    print(json.dumps(report.to_dict(), indent=2) if arguments.json else report.to_text())
    if report.ok:
        return EXIT_OK
    return EXIT_CHECKPOINT if report.failed("checkpoint") else EXIT_BACKEND


if __name__ == "__main__":
    sys.exit(main())
