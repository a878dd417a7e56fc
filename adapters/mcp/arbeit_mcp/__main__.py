"""Entry point of the command `arbeit-mcp`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from arbeit import ArbeitError

OK, FAILED, USAGE = range(3)
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells say it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until the client goes or a signal comes; the exit code.

    Args:
        argv: the words of the command line; None: this process's.
    """
    from arbeit_mcp.options import read  # noqa: PLC0415 - an import that fails is an error to be shown, too

    try:
        options = read(sys.argv[1:] if argv is None else argv, os.environ, Path.cwd())
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else USAGE
    except (ArbeitError, OSError) as error:
        return _refused(error, USAGE)
    _log(verbose=options.verbose)
    import anyio  # noqa: PLC0415 - not for --help

    from arbeit_mcp.serving import serve  # noqa: PLC0415 - as above

    try:
        anyio.run(partial(serve, options))
    except* ArbeitError as group:
        code = _refused(_first(group), FAILED)
    except* KeyboardInterrupt:
        code = INTERRUPTED
    else:
        code = OK
    return code


def _log(*, verbose: bool) -> None:
    """Log to the error stream alone, and little of it: standard output is the protocol's."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("arbeit").setLevel(logging.INFO if verbose else logging.WARNING)
    for name in ("mcp", "uvicorn", "sse_starlette"):
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.CRITICAL)


def _first(group: BaseExceptionGroup[ArbeitError]) -> Exception:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, Exception) else RuntimeError(str(error))


def _refused(error: Exception, code: int) -> int:
    message = error.message if isinstance(error, ArbeitError) else str(error)
    hints = error.suggestions if isinstance(error, ArbeitError) else ()
    sys.stderr.write("".join(f"{line}\n" for line in (f"arbeit-mcp: {message}", *hints)))
    return code


if __name__ == "__main__":
    sys.exit(main())
