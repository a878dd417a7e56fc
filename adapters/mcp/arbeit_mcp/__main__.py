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
    # Nothing but the protocol may come out on standard output, and little enough on the error stream.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("arbeit").setLevel(logging.INFO if options.verbose else logging.WARNING)
    for name in ("mcp", "uvicorn", "sse_starlette"):
        logging.getLogger(name).setLevel(logging.INFO if options.verbose else logging.CRITICAL)
    import anyio  # noqa: PLC0415 - not for --help

    from arbeit_mcp.serving import serve  # noqa: PLC0415 - as above

    try:
        anyio.run(partial(serve, options))
    except* ArbeitError as group:
        code = _refused(_first(group), FAILED)
    else:
        code = OK
    return code


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
