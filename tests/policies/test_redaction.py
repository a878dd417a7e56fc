"""Secrets leave text, and nothing else does."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbeit.policies.redaction import KeepAll, SecretPatterns

redact = SecretPatterns().redact
quick = settings(max_examples=300, deadline=None, derandomize=True, database=None)

# Put together here, so that no scanner of code takes this file for a leak. None of them was ever valid.
ALNUM = "Zk3xQ9vB7mN2pL5rT8wY1cF4hJ6dS0gA"
HEX = "9f86d081884c7d659a2feaa0c55ad015"
BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"


def pem(kind: str, body: str = f"{BODY}\n{BODY[:21]}=\n") -> str:
    return f"{'-' * 5}BEGIN {kind}{'-' * 5}\n{body}{'-' * 5}END {kind}{'-' * 5}"


JWT = ".".join(
    ("eyJ" + "hbGciOiJFUzI1NiJ9", "eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0", "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c")
)
TOKENS = [
    ("aws key", "AKI" + "AIOSFODNN7EXAMPL2"),
    ("aws key", "ASI" + "AY34FZKBOKMUTVV7A"),
    ("github token", "gh" + "p_" + ALNUM + "aBcD"),
    ("github token", "gh" + "o_" + ALNUM + "aBcD"),
    ("github token", "gh" + "s_" + ALNUM + "aBcD"),
    ("github token", "gh" + "u_" + ALNUM + "aBcD"),
    ("github token", "gh" + "r_" + ALNUM + "aBcD" * 9),
    ("github token", "github" + "_pat_" + "11ABCDEFG0" + ALNUM[:12] + "_" + ALNUM + ALNUM[:27]),
    ("gitlab token", "gl" + "pat-" + "x1Y2z3-A4b5C6_d7E8f9"),
    ("gitlab token", "gl" + "pat-" + ALNUM[:27] + ".01.0a1b2c3d4"),
    ("slack token", "xox" + "b-123456789012-1234567890123-" + ALNUM[:24]),
    ("slack token", "xox" + "p-123456789012-123456789012-123456789012-" + HEX),
    ("slack token", "xoxe." + "xoxp-1-" + ALNUM * 3),
    ("slack token", "xap" + "p-1-A012BCDEFGH-1234567890123-" + HEX * 2),
    ("openai key", "s" + "k-" + ALNUM[:20] + "T3BlbkFJ" + ALNUM[:20]),
    ("openai key", "s" + "k-proj-" + ALNUM + "_" + ALNUM + "-" + ALNUM),
    ("openai key", "s" + "k-svcacct-" + ALNUM * 3),
    ("anthropic key", "s" + "k-ant-api03-" + ALNUM + "-" + ALNUM + "_AA"),
    ("google key", "AI" + "zaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY"),
    ("stripe key", "sk_" + "live_" + ALNUM[:24]),
    ("stripe key", "rk_" + "live_" + ALNUM[:24]),
    ("stripe key", "sk_" + "test_" + ALNUM[:24]),
    ("npm token", "np" + "m_" + ALNUM + "aBcD"),
    ("pypi token", "py" + "pi-AgEIcHlwaS5vcmcC" + "JDZlN2FhYmM0LTQ3ZmQtNGQ4Yi1hZjQ5" * 3 + "-_x"),
    ("huggingface token", "h" + "f_" + ALNUM + "xy"),
    ("jwt", JWT),
    (
        "jwt",
        "eyJ" + "hbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0" + "..48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYI.XFBoMYUZodetZdvT",
    ),
    ("private key", pem("PRIVATE " + "KEY")),
    ("private key", pem("RSA PRIVATE " + "KEY", f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{HEX}\n\n{BODY}\n")),
    ("private key", pem("OPENSSH PRIVATE " + "KEY")),
    ("private key", pem("PGP PRIVATE " + "KEY BLOCK", f"Version: 1\n\n{BODY}\n=abcd\n")),
    ("private key", pem("EC PRIVATE " + "KEY").replace("\n", "\\n")),
]
IDS = [f"{kind}-{at}" for at, (kind, _) in enumerate(TOKENS)]

IN_PLACE = [
    ("postgres://team:{}@db.local:5432/app?sslmode=require", "hunter2"),
    ("postgresql+asyncpg://team:{}@db/app", "p%40ss:w0rd!"),
    ("redis://:{}@cache:6379/0", "x"),
    ("amqps://guest:{}@[::1]:5671//", "ab" * 30),
    ("mongodb+srv://u:{}@a.example,b.example/?w=majority", "with@sign"),
    ("set DATABASE_URL='mysql://root:{}@127.0.0.1/x' and go on", "toor-toor-toor"),
    ("aws_secret_access_key = {}", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ("export AWS_SECRET_ACCESS_KEY={}", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ('{{"secretAccessKey": "{}"}}', "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ("AccountName=x;AccountKey={};EndpointSuffix=core", ALNUM * 2 + "aBcDeFgHiJkLmNoPqRsTuV=="),
    ("Endpoint=sb://x/;SharedAccessKey={}", ALNUM + "aBcDeFgHiJk="),
    ("Authorization: Bearer {}", "0a1b2c3d"),
    ("authorization: basic {}", "dXNlcjpwYXNz"),
    ('-H "Authorization: token {}" -v', HEX),
    ("{{'Authorization': 'Bearer {}'}}", "ya29." + ALNUM),
    ("I sent bearer {} again", "v2.local~" + ALNUM),
]

ORDINARY = [
    "",
    "Fix the flaky test: CI is red twice a day, see https://ci.example.com/runs/123 and ask bob@example.com.",
    "commit b56cdf4f0f3a9c1b5d7e9f1a3b5c7d9e1f3a5b7c reverts 99bcd45",
    "sha256:" + HEX * 2,
    "sha512-" + "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
    "550e8400-e29b-41d4-a716-446655440000 tkt-0a1b2c3d4e lea-zzzzzzzzzz 01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "/usr/lib/python3.11/site-packages/risk-analysis-of-everything/task-0123456789abcdef0123/hf_hub.py",
    "npm_config_registry npm_package_json npm_lifecycle_event pypi-AgEs ghp_short glpat-short hf_hub_download",
    'url = f"postgres://{user}:{password}@{host}:{port}/{name}"',
    "postgres://user:${PASSWORD}@host and $USER://x:$PASSWORD@host, 'redis://:%s@h', 'a://u:%(pw)s@h', ftp://u:***@h",
    "http://localhost:8080/@scope/package https://example.com:8443/users/ann@example.com ssh://git@host:22/repo",
    "git@github.com:team/repo.git registry:5000/image@sha256:" + HEX,
    "docker://registry:5000/image@sha256:" + HEX,
    "Authorization: Bearer <token>, Authorization: Bearer $TOKEN, Authorization: Bearer {token}",
    "Authorization: Bearer YOUR_TOKEN, authorization: basic",
    "Authorization: bearer authentication is what RFC 6750 says; the bearer of-unquestionable-responsibility signs",
    "xoxo-with-love-and-kisses-from-everybody sk-fading-circle sk-proj-template-for-new-people",
    "AKIA is a prefix, ASIA a place",
    "ASIAPACIFICHEADQUARTERS AKIAIOSFODNN7EXAMPLEX AIza eyJ eyJhbGciOiJFUzI1NiJ9 eyJoZWxsbyI6IndvcmxkIn0=",
    "-----BEGIN CERTIFICATE-----\n" + BODY + "\n-----END CERTIFICATE-----",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJf0vE6Ykq8a9e1CkT6XwQy1yTzC3fE4u6E0mUeX9kQ2 ann@laptop",
    "look for '-----BEGIN PRIVATE KEY-----' in the file",
    "secret_access_key = os.environ['AWS_SECRET_ACCESS_KEY']; AccountKey=short; password = getpass()",
    "for x in range(10): print(f'{x=}')  # sk_live_ and rk_live_ keys are refused",
    "Straße, 東京, 🎉: " + "ü" * 40,
]


@pytest.mark.parametrize(("kind", "secret"), TOKENS, ids=IDS)
@pytest.mark.parametrize(
    "around", ["{}", "key={}", '"{}"', "It is {}.", "a {}, b", "({})", "x:{}\nnext", "https://h/?k={}&b=1"]
)
def test_a_token_becomes_the_name_of_its_kind(kind: str, secret: str, around: str) -> None:
    assert redact(around.format(secret)) == around.format(f"[redacted: {kind}]")


@pytest.mark.parametrize(("text", "secret"), IN_PLACE)
def test_only_the_secret_part_of_what_names_it_is_taken_out(text: str, secret: str) -> None:
    before, _, after = text.format("\0").partition("\0")
    found = redact(text.format(secret))
    assert found.startswith(before)
    assert found.endswith(after)
    assert secret not in found[len(before) : len(found) - len(after)]


def test_a_password_is_named_where_there_is_room_for_the_name() -> None:
    hidden = [redact(f"db://u:{'p' * length}@h") for length in (1, 3, 9, 10, 19, 20, 50)]
    shown = ["*", "***", "***", "[redacted]", "[redacted]", "[redacted: password]", "[redacted: password]"]
    assert hidden == [f"db://u:{text}@h" for text in shown]


def test_a_user_name_that_is_a_token_is_taken_out_too() -> None:
    kind, token = TOKENS[2]
    assert (
        redact(f"https://{token}:x-oauth-basic@github.com/a/b")
        == f"https://[redacted: {kind}]:[redacted]@github.com/a/b"
    )


def test_a_private_key_that_was_cut_off_is_taken_out() -> None:
    whole = pem("RSA PRIVATE " + "KEY", f"{BODY}\n{BODY}\n{BODY}\n")
    for end in range(45 + len(BODY), len(whole) - 40):
        assert BODY[:20] not in redact(whole[:end])
        assert redact(whole[:end]).startswith("[redacted: private key]")
    assert redact(f"{whole[:-36]}\n\nThen I ran the tests.").endswith("Then I ran the tests.")


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_keep_all_keeps_all() -> None:
    assert KeepAll().redact(TOKENS[0][1]) == TOKENS[0][1]


SECRET = st.sampled_from([secret for _, secret in TOKENS])
PIECES = st.one_of(
    SECRET,
    SECRET.flatmap(lambda secret: st.integers(1, len(secret)).map(lambda end: secret[:end])),
    st.sampled_from([text.format(secret) for text, secret in IN_PLACE]),
    st.sampled_from([text.partition("{}")[0] for text, _ in IN_PLACE]),
    st.sampled_from(
        ["a://u:", "://", "@h/", "@", ":", "/", "-", "_", ".", " ", "\n", "=", "'", "[", "]", "*", "***", "[redacted]"]
    ),
    st.sampled_from(
        ["-----", "sk-", "sk-proj-", "eyJ", "Bearer ", "[redacted: password]", "AKIA", "0", "aB", "x" * 40]
    ),
    st.text(max_size=12),
)


@quick
@given(st.lists(PIECES, max_size=12).map("".join))
def test_redacting_twice_changes_nothing_more_and_nothing_grows(text: str) -> None:
    once = redact(text)
    assert redact(once) == once
    assert len(once) <= len(text)
    assert len(once.encode("utf-8", "surrogatepass")) <= len(text.encode("utf-8", "surrogatepass"))


@quick
@given(
    st.lists(st.tuples(st.sampled_from(["", "so ", "key: ", "\n", '"', "tried ü "]), SECRET), min_size=1, max_size=6),
    st.sampled_from([" ", "\n", '" ', ", ", ") "]),
)
def test_no_secret_survives_among_others(parts: list[tuple[str, str]], between: str) -> None:
    found = redact(between.join(before + secret for before, secret in parts))
    assert [secret for _, secret in parts if secret in found] == []
    assert found.count("[redacted: ") == len(parts)


@quick
@given(st.text(st.characters(exclude_characters='/"<>`@', exclude_categories=["Z", "C"]), min_size=4, max_size=60))
def test_no_password_of_a_url_survives(password: str) -> None:
    found = redact(f"see pg://user:{password}@host/db")
    if not password.startswith(("$", "{", "%", "*")) and password not in "[redacted: password]":
        assert password not in found
    assert found.startswith("see pg://user:")
    assert found.endswith("@host/db")


HOSTILE = [
    "eyJaaaaaaaaa-", "eyJaaaaaaaaa.", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "sk-proj-", "sk-ant-", "xoxb-",
    "a://a:", "a:@", "://", "Authorization: Bearer ", "bearer ", "bearer aaaa", "secret_access_key=", "AccountKey=",
    "glpat-", "ghp_", "A" * 39 + "\n", "Authorization:" + " " * 8, "github_pat_",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_costs_no_more_than_its_length(piece: str) -> None:
    # A quadratic pattern would need tens of seconds of processor time here; a linear one a few hundredths.
    text = "-----BEGIN PRIVATE KEY-----" + piece * (256 * 1024 // len(piece))
    before = time.process_time()
    redact(text)
    assert time.process_time() - before < 5
