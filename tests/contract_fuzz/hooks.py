"""What Schemathesis has to know of the service beside its document."""

import os
import re
import uuid

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

# What the run itself works with: revoking it would end the run, with refusals that look like good answers.
OUR_KEYS = set(os.environ["OUR_KEYS"].split(","))

# What the contract refuses with 400 because of the state, not because of the request.
REFUSED_BY_STATE = {
    "An account can have at most 6 active API keys",
    "An account can have at most 20 OAuth clients",
    "external_customer_id is already in use",
    "expires_at: must be in the future",
    "The client does not have one of these scopes",
    "verify: tries whole pairs: a user name and a password for each environment of the request",
}
# A schema cannot say which parameters exclude each other.
NOT_TOGETHER = "must not be given together with page or page_size"
# The zones of RFC 3339 that XML Schema lacks: its go to fourteen hours.
FAR_ZONE = re.compile(r"(?<=\d)[+-](1[4-9]|2\d):\d\d$")
# As the document has it.
TAGS = re.compile(r'\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*')
CONDITIONS = {"if-match", "if-none-match"}
HALF_A_PAIR = ("because no staging pair is stored yet", "because no production pair is stored yet")

# A schema cannot say what a file to import has in it: files that can be imported, whatever is stored.
BASE = "supplier_code,staging_username,staging_password,production_username,production_password\r\n"
SERVICE = "supplier_code,service,environment,username,password\n"
FILES = [BASE, BASE + "HIT,,,user,pass\r\nPCNA,,,,\r\n", BASE + '"HIT",su,"s,p",,\n', SERVICE]


@schemathesis.serializer("text/csv")
def as_it_is(context, value):
    return str(value).encode(errors="replace")


@schemathesis.hook
def before_call(context, case, **kwargs):
    """What only this installation knows: an account that may be acted for, and a client of OAuth2."""
    for name, value in (case.path_parameters or {}).items():
        if str(value) in OUR_KEYS:
            case.path_parameters[name] = str(uuid.uuid4())
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.headers and "X-Account-Id" in case.headers:
        case.headers["X-Account-Id"] = os.environ["SUBACCOUNT"]
    if case.path.endswith("/credentials/import") and isinstance(case.body, str):
        case.body = FILES[len(case.body) % len(FILES)]
    for name, value in (case.query or {}).items():
        if isinstance(value, str):
            case.query[name] = FAR_ZONE.sub("Z", value)
    # The coverage phase takes `0` for an example of any pattern that it cannot take apart.
    for name in ("If-Match", "If-None-Match"):
        if case.headers and name in case.headers and not TAGS.fullmatch(case.headers[name]):
            case.headers[name] = '"nobodys"'
    # A key that came before gets an answer of before, about what may be gone by now.
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if case.path.startswith("/oauth/") and isinstance(case.body, dict):
        case.body |= {"client_id": os.environ["CLIENT_ID"], "client_secret": os.environ["CLIENT_SECRET"]}


@schemathesis.check
def valid_data_acceptance(ctx, response, case):
    if response.status_code == 400:
        try:
            detail = response.json()["detail"]
        except (ValueError, LookupError):
            detail = ""
        if detail in REFUSED_BY_STATE or detail.endswith((*HALF_A_PAIR, NOT_TOGETHER)):
            return None
    # A condition that the state does not meet.
    if response.status_code in (304, 412) and CONDITIONS & {name.lower() for name in case.headers or {}}:
        return None
    return positive_data_acceptance(ctx, response, case)
