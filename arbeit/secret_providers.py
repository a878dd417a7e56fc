"""Secrets by reference: where they are kept, and a wrapper that shows them to nobody by accident."""

from __future__ import annotations

import hmac
import os
import re
import stat
from pathlib import Path, PurePosixPath
from typing import NoReturn, final

from arbeit.core.errors import ArbeitError, Code
from arbeit.ports import SecretProvider

SECRET_BYTES = 64 * 1024
_VARIABLE = re.compile(r"[A-Za-z0-9_]{1,128}")
_HIDDEN = "Secret(***)"


@final
class Secret:
    """A secret that was resolved. Only `reveal` shows it: no repr, format, pickle or comparison does."""

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # a hash in a log or a dump could be guessed at

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself: hand it on at once, and keep it out of texts and logs."""
        return self._value

    def __repr__(self) -> str:
        return _HIDDEN

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, spec: str) -> str:
        return format(_HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        """Whether another Secret holds the same, in a time that does not tell where they differ."""
        if not isinstance(other, Secret):
            return NotImplemented
        mine, others = (one.reveal().encode("utf-8", "surrogatepass") for one in (self, other))
        return hmac.compare_digest(mine, others)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled or copied piece by piece."""
        msg = "a Secret is not pickled; send its reference and resolve it there"
        raise TypeError(msg)

    def __getstate__(self) -> NoReturn:
        """As above."""
        self.__reduce_ex__(0)

    def __copy__(self) -> Secret:
        """Itself: it never changes."""
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        """Itself: it never changes."""
        return self


def resolved(provider: SecretProvider, path: str) -> Secret:
    """What a provider has at a path. May block.

    Raises:
        ArbeitError: what the provider raises; STORE_UNAVAILABLE, and retryable, where it fails in another way.
    """
    found = _asked(provider, path)
    if isinstance(found, ArbeitError):
        raise found
    return Secret(found)


def _asked(provider: SecretProvider, path: str) -> str | ArbeitError:
    # Returned, not raised inside `except`: a foreign exception may hold the secret, and would ride along as context.
    try:
        value = provider.resolve(path)
    except ArbeitError as error:
        return error
    except Exception as error:  # noqa: BLE001 - as above
        value, problem = None, type(error).__name__
    else:
        problem = f"it answered with a {type(value).__name__}"
    if isinstance(value, str):
        return value
    return ArbeitError(
        Code.STORE_UNAVAILABLE,
        f"the provider of secrets failed ({problem})",
        suggestions=("See that it can be reached, and that the path is there.",),
        retryable=True,
    )


class EnvSecrets:
    """Secrets in environment variables. The path is the variable's name without the prefix.

    `GITHUB` is read from `ARBEIT_SECRET_GITHUB`; a variable without the prefix cannot be named.
    """

    def __init__(self, prefix: str = "ARBEIT_SECRET_") -> None:
        if not _VARIABLE.fullmatch(prefix):
            raise _bad("the prefix of secrets in the environment must be 1 to 128 letters, digits and underscores")
        self._prefix = prefix

    def resolve(self, path: str) -> str:
        """The variable's value, as it is now.

        Raises:
            ArbeitError: INVALID_INPUT for what is no name of a variable, STORE_UNAVAILABLE where it is not set.
        """
        if not isinstance(path, str) or not _VARIABLE.fullmatch(path):
            raise _bad(
                "a secret of the environment is named by 1 to 128 letters, digits and underscores",
                f"Give the name without its prefix: GITHUB is read from {self._prefix}GITHUB.",
            )
        value = os.environ.get(self._prefix + path)
        if not value:
            raise _absent(
                f"the environment variable {self._prefix}{path} is not set",
                "Set it where this process runs, then try again.",
                *(
                    [f"Leave the prefix out of the path: {path.removeprefix(self._prefix)}."]
                    if path.startswith(self._prefix)
                    else []
                ),
            )
        return value


class FileSecrets:
    """Secrets in the files of one folder, as containers mount them. The path is relative to the folder."""

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        """Without a folder, every secret is refused."""
        self._root = None if root is None else Path(root)

    def resolve(self, path: str) -> str:
        """A file's text, as it is now, without one line end at its end.

        Raises:
            ArbeitError: NOT_INITIALIZED without a folder; INVALID_INPUT for a path that leaves the folder, a file
                that is not UTF-8, or none; LIMIT_EXCEEDED beyond 64 KiB; STORE_UNAVAILABLE where it cannot be read.
        """
        if self._root is None:
            raise ArbeitError(
                Code.NOT_INITIALIZED,
                "no folder of secrets is configured",
                suggestions=('Name one when opening: secrets={"file": FileSecrets("/run/secrets")}.',),
            )
        data = _content(self._place(self._root, path))
        text = _text(data)
        if text is None:
            raise _bad("the file of a secret must hold UTF-8 text")
        return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text

    @staticmethod
    def _place(root: Path, path: str) -> Path:
        """The file, within the folder: links may lead from one of its files to another, and nowhere else."""
        sound = isinstance(path, str) and 0 < len(path) <= 1024 and "\0" not in path and "\\" not in path  # noqa: PLR2004
        if not sound or not _utf8(path) or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise _outside()
        folder, place = Path(os.path.realpath(root)), Path(os.path.realpath(root / path))
        if not place.is_relative_to(folder):
            raise _outside()
        return place


def _utf8(path: str) -> bool:
    """Whether a path has no half of a surrogate pair, which no file is named by."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _content(place: Path) -> bytes:
    # Without O_NONBLOCK, a named pipe would be waited for.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        number = os.open(place, flags)
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise _bad("the path of a secret must lead to a plain file")
            data = file.read(SECRET_BYTES + 1)
    except OSError as error:
        raise _absent(
            f"the file of a secret cannot be read: {error.strerror or type(error).__name__}",
            "See that it is there, and readable by the user of this process.",
        ) from None
    if len(data) > SECRET_BYTES:
        raise ArbeitError(
            Code.LIMIT_EXCEEDED,
            f"the file of a secret is longer than {SECRET_BYTES} bytes",
            suggestions=("Name the file that holds the secret alone.",),
            data={"field": "path", "limit": SECRET_BYTES},
        )
    return data


def _text(data: bytes) -> str | None:
    # None rather than an error raised inside `except`, whose context would hold the bytes of the secret.
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _bad(problem: str, *hints: str) -> ArbeitError:
    hints = hints or ("Ask who runs the project to set the secret anew.",)
    return ArbeitError(Code.INVALID_INPUT, problem, suggestions=hints, data={"field": "path"})


def _outside() -> ArbeitError:
    return _bad("the path of a secret must lead to a file inside the folder of secrets", "Use a relative path, no ..")


def _absent(problem: str, *hints: str) -> ArbeitError:
    hints = hints or ("Ask who runs this process to make the secret available to it.",)
    return ArbeitError(Code.STORE_UNAVAILABLE, problem, suggestions=hints, data={"field": "path"})
