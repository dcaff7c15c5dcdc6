"""Who is let in: Host names, origins, tokens, and the headers of every answer."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from web_ui import security

TOKEN = "right-token"


@pytest.fixture
def client() -> FlaskClient:
    app = Flask(__name__)
    security.only_this_machine(app, TOKEN)
    security.add_headers(app)
    app.add_url_rule("/read", "read", view_func=lambda: "read", methods=["GET"])
    app.add_url_rule("/write", "write", view_func=lambda: "written", methods=["POST", "PUT", "DELETE"])
    return app.test_client()


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:3000", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:3000", "[::1]", "[::1]:65535"]
)
def test_names_of_this_machine_are_served_on_any_port(client: FlaskClient, host: str) -> None:
    assert client.get("/read", headers={"Host": host}).text == "read"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:3000",
        "localhost.evil.example",
        "evil.localhost",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "0.0.0.0",
        "192.168.1.7:3000",
        "::1",
        "[::]",
        "localhost:",
        "localhost:3000a",
        "localhost:٣",
        "localhost, evil.example",
        "localhost:3000\n",
        "user@localhost",
    ],
)
def test_foreign_names_are_refused(client: FlaskClient, host: str) -> None:
    assert not security.is_local_host(host)
    if host.isascii() and host.isprintable():
        assert client.get("/read", headers={"Host": host}).status_code in (400, 403)  # 400: Werkzeug took it for no name
        assert client.get("/no-such-page", headers={"Host": host}).status_code in (400, 403)


def post(client: FlaskClient, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/write", headers={"Host": "localhost:3000", **named}).status_code


def test_our_own_page_may_write(client: FlaskClient) -> None:
    ours = {"Origin": "http://localhost:3000", "Sec_Fetch_Site": "same-origin"}
    assert post(client, **ours, X_GoTorrent_Token=TOKEN) == 200
    assert post(client, X_GoTorrent_Token=TOKEN) == 200, "a program that has the token needs no Origin"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "https://localhost:3000"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": ""},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "http://localhost:3000", "Sec_Fetch_Site": "cross-site"},
    ],
)
def test_other_origins_may_not_write_even_with_the_token(client: FlaskClient, headers: dict[str, str]) -> None:
    assert post(client, **headers, X_GoTorrent_Token=TOKEN) == 403


@pytest.mark.parametrize("token", [None, "", "right-toke", "right-tokenn", "RIGHT-TOKEN", "r\u00efght-token"])
def test_a_wrong_token_may_not_write(client: FlaskClient, token: str | None) -> None:
    headers = {} if token is None else {"X_GoTorrent_Token": token}
    assert post(client, **headers, Origin="http://localhost:3000", Sec_Fetch_Site="same-origin") == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "FOO"])
def test_every_method_that_is_not_a_read_is_checked(client: FlaskClient, method: str) -> None:
    assert client.open("/write", method=method, headers={"Host": "localhost"}).status_code == 403


@pytest.mark.parametrize("path", ["/read", "/no-such-page", "/write"])
def test_every_answer_has_the_headers(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Host": "localhost"})
    for name, value in security.HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["Cache-Control"] == "no-store"
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
