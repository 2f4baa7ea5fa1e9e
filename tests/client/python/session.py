"""What an integrator writes in Python against the generated client: a session is started, looked at and ended, and what is wrong is told.

session.py GATEWAY TOKEN: where it listens, and what opens its number.
"""

import sys

from raconteur_client import AuthenticatedClient
from raconteur_client.api.conversations import list_conversations
from raconteur_client.api.sessions import end_session, get_session, start_session
from raconteur_client.models import SessionStart, SessionStartOnOpen, StartSessionResponse409

gateway, token = sys.argv[1:]
client = AuthenticatedClient(base_url=gateway, token=token)
tenant, user = "+15550100", "+15550155"
wanted = SessionStart(user=user, timeout_s=600, on_open=SessionStartOnOpen.REFUSE)

started = start_session.sync(tenant, client=client, body=wanted, idempotency_key="reminder-4712")
assert started.user == user and not started.repeated, started
again = start_session.sync(tenant, client=client, body=wanted, idempotency_key="reminder-4712")
assert again.repeated and again.id == started.id, again
print("did: start a session once, under a key")

session = get_session.sync(tenant, user, client=client)
assert session.user == user and session.ends_at_ms > session.opened_at_ms, session
page = list_conversations.sync(client=client, user=user, limit=10)
assert [one.user for one in page.conversations] == [user] and page.next_ is None, page
print("did: look at it")

refused = start_session.sync(tenant, client=client, body=wanted, idempotency_key="reminder-4713")
assert isinstance(refused, StartSessionResponse409) and refused.code == "session_open", refused
print("did: read what is wrong")

ended = end_session.sync(tenant, user, client=client)
assert not ended.repeated, ended
assert get_session.sync(tenant, user, client=client).code == "no_session"
print("did: end it")
