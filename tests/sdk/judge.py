"""Judges requests with IBM's own software kit: whatever we send must be what the kit itself would send for the same models.

Reads one request a line from standard input, as {"method", "target", "body"}. Each is taken apart into the kit's models, the kit's
own operation is called with them, and what it would have sent is compared: method, path, version and the whole body. A field that
the kit does not know is lost on that way and shows as a difference. Nothing is sent.

The kit's folder is the only argument; the exit status is 1 when anything differs.
"""

import json
import re
import sys
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, sys.argv[1])

from ibm_cloud_sdk_core.authenticators import NoAuthAuthenticator  # noqa: E402
from ibm_watson import AssistantV1, AssistantV2, assistant_v1, assistant_v2  # noqa: E402

V2 = r"^(?P<base>.*)/v2/assistants/(?P<assistant>[^/]+)/environments/(?P<environment>[^/]+)"


def service(kind, base, version):
    made = kind(version=version, authenticator=NoAuthAuthenticator())
    made.set_service_url("http://judge" + base)
    sent = []
    made.send = lambda request, **_: sent.append(request)
    return made, sent


def optional(model, value):
    return None if value is None else model.from_dict(value)


def replay(method, path, version, body):
    """What the kit sends for the same models."""
    known = [
        ("POST", V2 + r"/sessions$", create_session),
        ("DELETE", V2 + r"/sessions/(?P<session>[^/]+)$", delete_session),
        ("POST", V2 + r"/sessions/(?P<session>[^/]+)/message$", message),
        ("POST", V2 + r"/message$", message_stateless),
        ("POST", r"^(?P<base>.*)/v1/workspaces/(?P<workspace>[^/]+)/message$", message_v1),
    ]
    for wanted, pattern, operation in known:
        found = re.match(pattern, path)
        if method == wanted and found:
            return operation(found.groupdict(), version, body)
    raise ValueError("the kit knows no such operation")


def create_session(ids, version, _body):
    made, sent = service(AssistantV2, ids["base"], version)
    made.create_session(ids["assistant"], ids["environment"])
    return sent[0]


def delete_session(ids, version, _body):
    made, sent = service(AssistantV2, ids["base"], version)
    made.delete_session(ids["assistant"], ids["environment"], ids["session"])
    return sent[0]


def message(ids, version, body):
    made, sent = service(AssistantV2, ids["base"], version)
    made.message(
        ids["assistant"],
        ids["environment"],
        ids["session"],
        input=optional(assistant_v2.MessageInput, body.get("input")),
        context=optional(assistant_v2.MessageContext, body.get("context")),
        user_id=body.get("user_id"),
    )
    return sent[0]


def message_stateless(ids, version, body):
    made, sent = service(AssistantV2, ids["base"], version)
    made.message_stateless(
        ids["assistant"],
        ids["environment"],
        input=optional(assistant_v2.StatelessMessageInput, body.get("input")),
        context=optional(assistant_v2.StatelessMessageContext, body.get("context")),
        user_id=body.get("user_id"),
    )
    return sent[0]


def message_v1(ids, version, body):
    made, sent = service(AssistantV1, ids["base"], version)
    made.message(
        ids["workspace"],
        input=optional(assistant_v1.MessageInput, body.get("input")),
        intents=[assistant_v1.RuntimeIntent.from_dict(intent) for intent in body.get("intents", [])] or None,
        entities=[assistant_v1.RuntimeEntity.from_dict(entity) for entity in body.get("entities", [])] or None,
        alternate_intents=body.get("alternate_intents"),
        context=optional(assistant_v1.Context, body.get("context")),
        user_id=body.get("user_id"),
    )
    return sent[0]


def sent_body(request):
    data = request.get("data")
    if not data:
        return {}
    return json.loads(data)


def differences(line):
    asked = json.loads(line)
    url = urlsplit(asked["target"])
    version = parse_qs(url.query).get("version", [""])[0]
    body = asked.get("body") or {}
    try:
        request = replay(asked["method"], url.path, version, body)
    except Exception as error:  # whatever the kit thinks of it is the verdict
        return ["%s: %s" % (type(error).__name__, error)]
    found = []
    theirs = urlsplit(request["url"])
    if theirs.path != url.path:
        found.append("the kit's path is %s" % theirs.path)
    if request["params"].get("version") != version or not version:
        found.append("the kit's version is %r" % request["params"].get("version"))
    if sent_body(request) != body:
        found.append("the kit's body is %s" % json.dumps(sent_body(request), sort_keys=True))
    return found


def main():
    judged = wrong = 0
    for line in sys.stdin:
        judged += 1
        for found in differences(line):
            wrong += 1
            print("request %d: %s\n  ours: %s" % (judged, found, line.strip()))
    print("judged %d, wrong %d" % (judged, wrong))
    sys.exit(1 if wrong or not judged else 0)


main()
