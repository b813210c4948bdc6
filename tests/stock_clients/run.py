"""Clients that other people wrote, against a service that runs: whoever integrates uses one of these.

Usage: run.py READY_FILE, a file with the line of `credenza dev --json`. Run by `.ci/stock-clients`.
"""

import json
import os
import subprocess
import sys
import uuid

# The service runs on this computer, without TLS.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

import jwt
import requests
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session as OauthlibSession

with open(sys.argv[1], encoding="utf-8") as file:
    READY = json.loads(file.readline())
URL = READY["url"]
WITH_KEY = {"X-API-Key": READY["api_key"]}


def get(path, **options):
    answer = requests.get(URL + path, timeout=20, **options)
    answer.raise_for_status()
    return answer.json()


def new_client():
    body = {"name": f"stock client {uuid.uuid4()}", "scopes": ["credentials:read"], "access_token_ttl": 600}
    answer = requests.post(f"{URL}/extra/v2/oauth-clients", json=body, headers=WITH_KEY, timeout=20)
    assert answer.status_code == 201, answer.text
    return answer.json()


def authlib_finds_the_endpoint_and_gets_a_token(client, metadata):
    for method in metadata["token_endpoint_auth_methods_supported"]:
        session = AuthlibSession(
            client["client_id"], client["client_secret"], token_endpoint_auth_method=method, scope="credentials:read"
        )
        token = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        assert token["expires_in"] == 600 and token["scope"] == "credentials:read", token["scope"]
        answer = session.get(f"{URL}/extra/v2/credentials")
        assert answer.status_code == 200, answer.text
        told = session.introspect_token(metadata["introspection_endpoint"], token=token["access_token"]).json()
        assert told["active"] and told["account_id"] == READY["account_id"], told
        assert session.revoke_token(metadata["revocation_endpoint"], token=token["access_token"]).status_code == 200
        assert session.get(f"{URL}/me").status_code == 403


def requests_oauthlib_gets_a_token(client, metadata):
    for in_body in (False, True):
        session = OauthlibSession(client=BackendApplicationClient(client["client_id"]), scope=["credentials:read"])
        session.fetch_token(
            metadata["token_endpoint"],
            client_id=client["client_id"],
            client_secret=client["client_secret"],
            include_client_id=in_body or None,
        )
        answer = session.get(f"{URL}/me")
        assert answer.status_code == 200 and answer.json()["auth_method"] == "oauth2", answer.text


def pyjwt_verifies_a_token_with_our_keys(client, metadata):
    body = {"grant_type": "client_credentials", "client_id": client["client_id"], "client_secret": client["client_secret"]}
    token = requests.post(metadata["token_endpoint"], data=body, timeout=20).json()["access_token"]
    key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token)
    expected = {"audience": metadata["issuer"], "issuer": metadata["issuer"]}
    required = {"require": ["exp", "iat", "iss", "aud", "sub", "jti"]}
    claims = jwt.decode(token, key, algorithms=["RS256"], options=required, **expected)
    assert claims["sub"] == client["client_id"] and claims["exp"] - claims["iat"] == 600, claims
    header, payload, seal = token.split(".")
    spoilt = ".".join([header, payload, ("B" if seal[0] == "A" else "A") + seal[1:]])
    for wrong, options in (
        (spoilt, expected),
        (token, {**expected, "audience": "somebody else"}),
        (token, {**expected, "issuer": "somebody else"}),
    ):
        try:
            jwt.decode(wrong, key, algorithms=["RS256"], **options)
        except jwt.InvalidTokenError:
            continue
        raise AssertionError("a wrong token was accepted")


def curl_sends_the_resellers_form(_client, _metadata):
    body = {"name": "curl", "scopes": ["credentials:read"]}
    answer = requests.post(f"{URL}/extra/v2/api-keys", json=body, headers=WITH_KEY, timeout=20)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    try:
        key = next(value for value in made.values() if isinstance(value, str) and value.startswith("czs_") and "…" not in value)
        # The key goes in by a file, so that it is in no list of processes.
        command = ["curl", "--silent", "--show-error", "--fail", "--config", "-", f"{URL}/me"]
        asked = subprocess.run(
            command, input=f'user = "{made["id"]}:{key}"', capture_output=True, text=True, check=True, timeout=30
        )
        assert json.loads(asked.stdout)["scopes"] == ["credentials:read"], asked.stdout
    finally:
        requests.delete(f"{URL}/extra/v2/api-keys/{made['id']}", headers=WITH_KEY, timeout=20).raise_for_status()


def main():
    metadata = get("/.well-known/oauth-authorization-server")
    assert metadata["issuer"] == URL, (metadata["issuer"], URL)
    client = new_client()
    for check in (
        authlib_finds_the_endpoint_and_gets_a_token,
        requests_oauthlib_gets_a_token,
        pyjwt_verifies_a_token_with_our_keys,
        curl_sends_the_resellers_form,
    ):
        check(client, metadata)
        print(f"ok: {check.__name__.replace('_', ' ')}")


if __name__ == "__main__":
    main()
