"""Entry point of the command `arbeit`: words in, an exit code out, and never a traceback."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from arbeit_cli.failing import INTERRUPTED, OK, PIPE_CLOSED, REFUSED, USAGE, RefusedError, exit_code
from arbeit_cli.screen import Screen, UnwrittenError

_HEARD = "What was asked for may have been done: look before you ask again."


_OBJECTS = 50_000
"""How many objects are made before garbage is looked for: a usual call makes half of that, and needs nearly all."""


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line (None: this process's, which does nothing else), and return its exit code."""
    if words is not None:
        return _command(list(words))
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
    try:
        return _command(sys.argv[1:])
    finally:
        # What is left goes with the process: the interpreter's last look for garbage need not walk all of it.
        gc.freeze()


def _command(words: list[str]) -> int:
    """Run a command line, flush what it prints, and return its exit code."""
    screen = Screen(json="--json" in words, no_color="--no-color" in words)
    try:
        code = _guarded(words, screen)
        screen.flush()
    except BrokenPipeError:
        _silence()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except UnwrittenError as error:
        _silence()
        screen.error("STORE_UNAVAILABLE", f"the answer could not be written: {error}", [_HEARD])
        return REFUSED
    return code


def _guarded(words: Sequence[str], screen: Screen) -> int:
    """Run a command line, and show what went wrong."""
    from arbeit_cli.parsing import UsageError  # noqa: PLC0415 - an import that fails is an error to be shown, too

    try:
        return _run(words, screen)
    except UsageError as error:
        screen.error("INVALID_INPUT", error.message, error.suggestions, usage=error.usage)
        return USAGE
    except RefusedError as error:
        screen.error(error.code, error.message, error.suggestions, data=error.data)
        return exit_code(error.code)
    except (BrokenPipeError, KeyboardInterrupt, UnwrittenError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its reader gets a line and not a traceback
        return _unexpected(error, screen)


def _run(words: Sequence[str], screen: Screen) -> int:
    from arbeit_cli import parsing  # noqa: PLC0415 - see above

    name, others = parsing.split(words)
    if name is None:
        return _about(others, screen)
    parser, run = parsing.build(name)
    args = parsing.parse(parser, others)
    # Only now is it known which words were options, and which an option's value.
    screen.settle(json=args.json, no_color=args.no_color)
    if args.help:
        screen.say(parser.format_help().rstrip("\n"))
        return OK
    from arbeit_cli.cli import Cli  # noqa: PLC0415 - not for help

    with Cli(args, screen) as cli:
        return run(cli, args)


def _about(words: Sequence[str], screen: Screen) -> int:
    from arbeit_cli import parsing  # noqa: PLC0415 - see above

    if words and parsing.is_family(words[0]):
        screen.say(parsing.family(words[0]).rstrip("\n"))
        return OK
    if "--version" in words:
        from arbeit import __version__  # noqa: PLC0415 - see above

        screen.say(f"arbeit {__version__}")
        return OK
    unknown = [word for word in words if word.startswith("-") and word not in parsing.GLOBAL]
    if unknown:
        raise parsing.UsageError(
            f"there is no option {unknown[0]}", "arbeit --help lists them.", usage="arbeit [options] COMMAND"
        )
    if "--json" in words and not {"-h", "--help"} & {*words}:
        # A program that asked for JSON gets no page for people.
        raise parsing.UsageError(
            "there is no command", "arbeit --help lists the commands.", usage="arbeit [options] COMMAND"
        )
    screen.say(parsing.overview().rstrip("\n"))
    return OK


def _unexpected(error: Exception, screen: Screen) -> int:
    code = getattr(error, "code", None)
    if code is not None and hasattr(error, "suggestions") and hasattr(error, "message"):  # an ArbeitError, not imported
        screen.error(str(code), error.message, error.suggestions, data=getattr(error, "data", None))
        return exit_code(str(code))
    if os.environ.get("ARBEIT_DEBUG"):
        import traceback  # noqa: PLC0415 - asked for

        traceback.print_exception(error, file=screen.err)
    hint = "ARBEIT_DEBUG=1 shows where; please report it as a defect."
    screen.error("INTERNAL", f"{type(error).__name__}: {error}", [hint])
    return REFUSED


def _silence() -> None:
    """Turn to nowhere what standard output did not take: the interpreter's own flush at exit would complain again."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):
        os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


if __name__ == "__main__":
    sys.exit(main())
