"""Where a server listens, and who is let in."""

from __future__ import annotations

import socket

from attrs import field, frozen

from arbeit import ArbeitError, Code

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_UNSPECIFIED = ("0.0.0.0", "::", "")  # noqa: S104 - to tell them from addresses, not to bind to them


@frozen
class Address:
    """Where to listen, and who is let in.

    Attributes:
        host: an address or a name.
        port: 0 takes a free one.
        token: what callers show as a bearer token; None: nothing, which only loopback addresses may do.
        names: names under which the server may be called, beside its address.
    """

    host: str
    port: int
    token: str | None = field(default=None, repr=False)
    names: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse what would let anybody in.

        Raises:
            ArbeitError: INVALID_INPUT.
        """
        if self.host not in LOOPBACK and self.token is None:
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"{self.host or 'every address'} can be reached from other machines, and no token was given",
                suggestions=("Listen on 127.0.0.1, or name the variable that holds a token: --token-env VAR.",),
            )
        if self.host in _UNSPECIFIED and not self.names:
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"{self.host or 'every address'} does not say under which name clients call this server",
                suggestions=("Name it: --allow-host tasks.example.org.",),
            )

    def hosts(self, port: int) -> list[str]:
        """What clients may say in a Host header: a page of another site cannot make a browser speak to this."""
        names = [*(LOOPBACK if self.host in LOOPBACK else (self.host,)), *self.names]
        names = [f"[{name}]" if ":" in name else name for name in names if name not in _UNSPECIFIED]
        return [*(f"{name}:{port}" for name in names), *self.names]

    def shown(self, port: int) -> str:
        """The address with the port that was taken."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"

    def bind(self) -> socket.socket:
        """A socket that listens here.

        Raises:
            ArbeitError: STORE_UNAVAILABLE if the address cannot be had.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, self.port), family=family, backlog=1024)
        except (OSError, OverflowError) as error:
            raise ArbeitError(
                Code.STORE_UNAVAILABLE,
                f"cannot listen on {self.host}:{self.port}: {getattr(error, 'strerror', None) or error}",
                suggestions=("Choose another port; 0 takes a free one.",),
            ) from error
