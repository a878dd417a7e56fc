"""Takes secrets out of text before it is stored: key formats, tokens, private keys, passwords in URLs.

Every pattern is linear: possessive or exact quantifiers, look-aheads of bounded length. What stands for a secret is
never longer than it, so redacted text keeps every limit that the text kept.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import product

from arbeit.core.declare import frozen

_TOKEN = r"(?<![A-Za-z0-9_])"  # noqa: S105 - where a token may begin, none itself
_END = r"(?![A-Za-z0-9])"
# Opaque credentials have a digit, padding or a small letter before a capital; words of prose have none of them.
_OPAQUE = r"(?=[A-Za-z._~+/-]{0,64}?(?:[0-9=]|[a-z][A-Z]))"
_DIGIT = r"(?=[A-Za-z_%-]{0,64}?[0-9])"
_PEM = (
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[^-]*+(?:-(?!----)[^-]*+)*+-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    # A block without its end was cut off: its full lines, and a broken one if the text ends with it.
    r"|(?:(?:\s|\\[nr])*+[A-Za-z0-9+/=]{40,}+)++(?:(?:\s|\\[nr])++[A-Za-z0-9+/=]++(?=\s*+\Z))?)"
)
_JWT = (
    r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\."
    r"(?:eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]*+|[A-Za-z0-9_-]*+(?:\.[A-Za-z0-9_-]++){3})"
)
_ASSIGNED = r"[\"']?[ \t]{0,8}(?:=>|:=|[=:])[ \t]{0,8}[\"']?"

# In this order: a private key first, for its end may hide the beginning of a token; what follows a name last.
# A pattern begins with its hint where it can, which lets the regular expression engine search for plain text.
_KINDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("private key", _PEM, ("-----BEGIN ",)),
    *(
        ("github token", rf"{hint}(?<![A-Za-z0-9_]{hint})[A-Za-z0-9_]{{36,}}+", (hint,))
        for hint in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")
    ),
    ("github token", r"github_pat_(?<![A-Za-z0-9_]github_pat_)[A-Za-z0-9_]{36,}+", ("github_pat_",)),
    (
        "gitlab token",
        r"glpat-(?<![A-Za-z0-9_]glpat-)[A-Za-z0-9_-]{20,}+(?:\.[0-9a-z]{2}\.[0-9a-z]{9})?" + _END,
        ("glpat-",),
    ),
    *(
        ("aws key", rf"{hint}(?<![A-Za-z0-9_]{hint})[A-Z0-9]{{16}}(?![A-Za-z0-9_])", (hint,))
        for hint in ("AKIA", "ASIA")
    ),
    (
        "slack token",
        r"xox(?<![A-Za-z0-9_]xox)[a-z](?:\.xox[a-z])?-" + _DIGIT + r"[A-Za-z0-9%-]{18,}+",
        ("xox",),
    ),
    ("slack token", r"xapp-(?<![A-Za-z0-9_]xapp-)" + _DIGIT + r"[A-Za-z0-9-]{18,}+", ("xapp-",)),
    ("anthropic key", r"sk-ant-(?<![A-Za-z0-9_]sk-ant-)[A-Za-z0-9_-]{20,}+", ("sk-ant-",)),
    (
        "openai key",
        r"sk-(?<![A-Za-z0-9_]sk-)(?:(?:proj|svcacct|admin|or-v1)-"
        + _DIGIT
        + r"[A-Za-z0-9_-]{20,}+|"
        + _DIGIT
        + r"[A-Za-z0-9]{20,}+)",
        ("sk-",),
    ),
    ("google key", r"AIza(?<![A-Za-z0-9_]AIza)[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])", ("AIza",)),
    *(
        ("stripe key", rf"{hint}(?<![A-Za-z0-9_]{hint})[A-Za-z0-9]{{16,}}+", (hint,))
        for hint in ("sk_live_", "rk_live_", "sk_test_", "rk_test_")
    ),
    ("npm token", r"npm_(?<![A-Za-z0-9_]npm_)[A-Za-z0-9]{36,}+", ("npm_",)),
    ("pypi token", r"pypi-(?<![A-Za-z0-9_]pypi-)AgE[A-Za-z0-9_-]{40,}+", ("pypi-AgE",)),
    ("huggingface token", r"hf_(?<![A-Za-z0-9_]hf_)[A-Za-z0-9]{30,}+", ("hf_",)),
    ("jwt", _JWT, ("eyJ",)),
    (
        "aws secret key",
        r"(?i:secret[_-]?access[_-]?key)" + _ASSIGNED + r"(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        ("cret_access_key", "CRET_ACCESS_KEY", "cretAccessKey", "cret-access-key"),
    ),
    (
        "storage key",
        r"(?:Account|SharedAccess)Key=(?P<secret>[A-Za-z0-9+/]{40,}+={0,2}+)" + _END,
        ("AccountKey=", "SharedAccessKey="),
    ),
    (
        "credentials",
        r"(?i:authorization)" + _ASSIGNED + r"(?i:bearer|basic|token)[ \t]{1,4}(?P<secret>"
        + _OPAQUE
        + r"[A-Za-z0-9._~+/=-]{8,}+)",
        ("uthorization", "UTHORIZATION"),
    ),
    (
        "bearer token",
        _TOKEN + r"(?i:bearer)[ \t]{1,4}(?P<secret>" + _OPAQUE + r"[A-Za-z0-9._~+/=-]{20,}+)",
        ("earer ", "EARER "),
    ),
)  # fmt: skip

_RULES = tuple((hint, pattern, kind) for kind, pattern, hints in _KINDS for hint in hints)
_GATES = "_-="
# Looking for 33 hints costs more than the rest of a short text's way: a text without an underscore has none of those
# with one.
_RULES_OF = {
    present: tuple(
        rule for rule in _RULES if all(each or gate not in rule[0] for gate, each in zip(_GATES, present, strict=True))
    )
    for present in product((False, True), repeat=len(_GATES))
}
_LEAST = 20
"""Characters of the shortest text that can match a rule."""

# What code and manuals write in the place of a password is none: {password}, ${PASSWORD}, $PASSWORD, %s, %(password)s.
_IN_URL = (
    r"://[^\s:@/\"<>`]*+:(?!(?:\$?\{[^{}\s]*+\}|\$[A-Z_]++|%s|%\([a-z_]++\)s|\*++)@)"
    r"(?P<secret>[^\s/\"<>`]+)@"
)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # When first needed: compiling them all would be most of what importing the policies costs.
    return re.compile(pattern)


def _shown(kind: str, length: int) -> str:
    """What stands for a secret of so many characters; never longer than it."""
    for text in (f"[redacted: {kind}]", "[redacted]"):
        if len(text) <= length:
            return text
    return "***"[:length]


def _hide(pattern: str, kind: str, text: str) -> str:
    def hidden(found: re.Match[str]) -> str:
        group = "secret" if found.re.groups else 0
        start, end = found.span(group)
        whole = found.start()
        return found[0][: start - whole] + _shown(kind, end - start) + found[0][end - whole :]

    return _compiled(pattern).sub(hidden, text)


@frozen
class SecretPatterns:
    """Takes out what has the form of a well-known secret; each becomes `[redacted: github token]` or the like."""

    def redact(self, text: str) -> str:
        """The text without secrets, never longer than it was; redacting it again changes nothing."""
        if "://" in text and "@" in text:
            text = _hide(_IN_URL, "password", text)
        if len(text) >= _LEAST:
            for hint, pattern, kind in _RULES_OF["_" in text, "-" in text, "=" in text]:
                if hint in text:
                    text = _hide(pattern, kind, text)
        return text


@frozen
class KeepAll:
    """Keeps every text as it is: for projects whose texts are secrets anyway, or hold none."""

    def redact(self, text: str) -> str:
        """The text itself."""
        return text
