//! What is reported, field by field: docs/reporting.md is the same in prose. A change here that a reader of the old schema would
//! stumble over needs a new [`SCHEMA`].

use raconteur_conversation::address::Address;
use raconteur_conversation::effect::{Consumed, Notice};
use raconteur_conversation::segment;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    DeliveryFailure, InboundMessage, OutboundId, OutboundRow, ProviderId, RowState, Sequence, SessionEnd,
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::notice;
use super::texts::Texts;
use crate::board::Details;
use crate::metrics;

/// The version of the schema, which stands in every JSON batch.
pub const SCHEMA: u32 = 1;

/// Stands for the reason of a failure that may quote what was said.
const WITHHELD: &str = "withheld";

/// One event.
#[derive(Debug, Serialize)]
pub(super) struct ReportEvent {
    #[serde(flatten)]
    pub(super) what: What,
    pub(super) event_id: EventId,
    pub(super) tenant: Address,
    pub(super) at_ms: UnixMillis,
}

/// Names an event for ever: an event that is posted twice has the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventId {
    /// The process that saw it.
    pub(super) instance: Uuid,
    /// Counts the events of that process, from 1.
    pub(super) number: u64,
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}-{}", self.instance, self.number))
    }
}

/// What has happened.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum What {
    /// A text went one way or the other.
    Transcription(Box<Transcription>),
    /// A text of ours came to its end.
    Delivery(Delivery),
    /// Something that an operator may want to know.
    Notice {
        user: Address,
        kind: &'static str,
        #[serde(flatten)]
        details: Map<String, Value>,
    },
    /// A session is over.
    SessionEnded { user: Address, session: Uuid, reason: &'static str },
    /// Something that operators are told of.
    Happened { user: Address, happening: &'static str, data: Details },
    /// How much there was since the last of these.
    Usage(Usage),
}

/// One text.
#[derive(Debug, Serialize)]
pub(super) struct Transcription {
    id: String,
    user: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Uuid>,
    turn: Sequence,
    direction: Direction,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    media: Vec<Medium>,
    segments: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Direction {
    Inbound,
    Outbound,
}

#[derive(Debug, Serialize)]
struct Medium {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
}

/// How a text of ours ended.
#[derive(Debug, Serialize)]
pub(super) struct Delivery {
    id: OutboundId,
    user: Address,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_id: Option<ProviderId>,
}

/// Totals of one tenant in one process.
#[derive(Debug, Serialize)]
pub(super) struct Usage {
    pub(super) instance: Uuid,
    pub(super) from_ms: UnixMillis,
    pub(super) to_ms: UnixMillis,
    pub(super) inbound: u64,
    pub(super) outbound: u64,
    pub(super) failed: u64,
    pub(super) dropped_events: u64,
    pub(super) refused_events: u64,
}

/// The user's text that was answered by `consumed`.
pub(super) fn inbound(user: &Address, consumed: &Consumed, message: &InboundMessage, texts: Texts) -> What {
    let medium = |media: &raconteur_conversation::words::Media| Medium {
        url: address(&media.url, texts),
        content_type: Some(media.content_type.clone()).filter(|kind| !kind.is_empty()),
    };
    let error = consumed.error.as_deref().map(|error| texts.shown(error).unwrap_or_else(|| WITHHELD.into()));
    What::Transcription(Box::new(Transcription {
        id: format!("{}-in", consumed.record.sequence),
        user: user.clone(),
        session: consumed.session,
        turn: consumed.record.sequence,
        direction: Direction::Inbound,
        body: texts.shown(&message.body),
        media: message.media.iter().map(medium).collect(),
        segments: segment::count(&message.body),
        error,
    }))
}

/// A text of ours, as it was committed with its turn.
pub(super) fn outbound(user: &Address, session: Option<Uuid>, row: &OutboundRow, texts: Texts) -> What {
    What::Transcription(Box::new(Transcription {
        id: row.id.to_string(),
        user: user.clone(),
        session,
        turn: row.id.turn,
        direction: Direction::Outbound,
        body: texts.shown(&row.body),
        media: row.media.iter().map(|url| Medium { url: address(url, texts), content_type: None }).collect(),
        segments: segment::count(&row.body),
        error: None,
    }))
}

/// What became of a text of ours; `None` while it is still to be seen.
pub(super) fn delivery(user: &Address, id: OutboundId, state: &RowState) -> Option<What> {
    let (code, provider_id) = match state {
        RowState::Sent { provider_id } => (None, Some(provider_id.clone())),
        RowState::Failed { code, .. } => (Some(code.clone()), None),
        RowState::GivenUp
        | RowState::Queued
        | RowState::Held { .. }
        | RowState::Sending { .. }
        | RowState::Retry { .. }
        | RowState::Unknown { .. } => (None, None),
    };
    let state = metrics::settled(state)?;
    Some(What::Delivery(Delivery { id, user: user.clone(), state, code, provider_id }))
}

/// A receipt says that a text which the provider had taken did not reach the user.
pub(super) fn undelivered(user: &Address, failure: &DeliveryFailure) -> What {
    let code = Some(failure.code.clone()).filter(|code| !code.is_empty());
    What::Delivery(Delivery { id: failure.outbound, user: user.clone(), state: "failed", code, provider_id: None })
}

/// A note of the core.
pub(super) fn noted(user: &Address, noted: &Notice, texts: Texts) -> What {
    What::Notice { user: user.clone(), kind: noted.kind(), details: notice::details(noted, texts) }
}

/// The end of a session.
pub(super) fn session_ended(end: &SessionEnd) -> What {
    let reason = metrics::end_reason(end.reason);
    What::SessionEnded { user: end.key.user.clone(), session: end.session, reason }
}

/// Where a medium lies. The address is not masked: one with holes is of no use to anybody.
fn address(url: &str, texts: Texts) -> Option<String> {
    match texts {
        Texts::Full | Texts::Masked => Some(url.to_owned()),
        Texts::None => None,
    }
}

#[cfg(test)]
mod tests {
    use raconteur_conversation::address::ConversationKey;
    use raconteur_conversation::words::{EndReason, Media, Work, WorkRecord};
    use serde_json::json;

    use super::*;

    const GUID: &str = "00000000-0000-0000-0000-000000000001";

    fn user() -> Address {
        Address::parse("+15550199").unwrap()
    }

    fn message() -> InboundMessage {
        let media = vec![Media { url: "https://m.example/1".into(), content_type: "image/png".into() }];
        InboundMessage { body: "card 4111111111111111".into(), media, ..InboundMessage::default() }
    }

    fn consumed(error: Option<&str>) -> Consumed {
        let record = WorkRecord {
            sequence: Sequence(16),
            accepted_at: UnixMillis(1_000),
            seed: 0,
            attempts: 0,
            alone: false,
            work: Work::Message(message()),
        };
        let session = Some(Uuid::from_u128(1));
        let error = error.map(str::to_owned);
        Consumed {
            record,
            session,
            asked_at: None,
            commands: Vec::new(),
            answered_at: UnixMillis(2_000),
            asks: 1,
            error,
            answered_with: None,
            rows: Vec::new(),
        }
    }

    fn row() -> OutboundRow {
        OutboundRow {
            id: OutboundId { turn: Sequence(16), part: 0 },
            body: "ok".into(),
            media: vec!["https://m.example/2".into()],
            expires_at: UnixMillis(9_000),
            unasked: false,
            state: RowState::Queued,
        }
    }

    fn shown(what: What) -> Value {
        let event_id = EventId { instance: Uuid::from_u128(2), number: 7 };
        let tenant = Address::parse("+15550100").unwrap();
        serde_json::to_value(ReportEvent { what, event_id, tenant, at_ms: UnixMillis(5) }).unwrap()
    }

    #[test]
    fn an_inbound_text_is_told_with_all_its_fields() {
        let expected = json!({
            "type": "transcription", "event_id": "00000000-0000-0000-0000-000000000002-7", "tenant": "+15550100",
            "at_ms": 5, "id": "16-in", "user": "+15550199", "session": GUID, "turn": 16, "direction": "inbound",
            "body": "card 4111111111111111", "media": [{"url": "https://m.example/1", "content_type": "image/png"}],
            "segments": 1, "error": "down",
        });
        assert_eq!(shown(inbound(&user(), &consumed(Some("down")), &message(), Texts::Full)), expected);
    }

    #[test]
    fn masked_and_left_out_texts_still_tell_how_much_there_was() {
        let masked = shown(inbound(&user(), &consumed(Some("code 12345")), &message(), Texts::Masked));
        assert_eq!((&masked["body"], &masked["error"]), (&json!("card ################"), &json!("code #####")));
        let none = shown(inbound(&user(), &consumed(Some("code 12345")), &message(), Texts::None));
        assert_eq!((none.get("body"), &none["error"]), (None, &json!("withheld")));
        assert_eq!((&none["media"], &none["segments"]), (&json!([{"content_type": "image/png"}]), &json!(1)));
        let none = shown(outbound(&user(), None, &row(), Texts::None));
        assert_eq!((none.get("body"), &none["media"], none.get("session")), (None, &json!([{}]), None));
    }

    #[test]
    fn an_outbound_text_and_its_end_have_the_same_id() {
        let text = shown(outbound(&user(), Some(Uuid::from_u128(1)), &row(), Texts::Full));
        assert_eq!(
            (&text["direction"], &text["id"], &text["body"]),
            (&json!("outbound"), &json!("16-0"), &json!("ok"))
        );
        assert_eq!(text["media"], json!([{"url": "https://m.example/2"}]));
        let sent = RowState::Sent { provider_id: ProviderId("SM1".into()) };
        let failed = RowState::Failed { code: "21610".into(), reason: "opted out".into() };
        let table = [
            (sent, json!({"state": "sent", "provider_id": "SM1"})),
            (failed, json!({"state": "failed", "code": "21610"})),
            (RowState::GivenUp, json!({"state": "given_up"})),
        ];
        for (state, more) in table {
            let delivery = shown(delivery(&user(), row().id, &state).unwrap());
            let mut expected = json!({
                "type": "delivery", "event_id": "00000000-0000-0000-0000-000000000002-7", "tenant": "+15550100",
                "at_ms": 5, "id": "16-0", "user": "+15550199",
            });
            expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(delivery, expected);
        }
        assert!(delivery(&user(), row().id, &RowState::Queued).is_none());
    }

    #[test]
    fn a_receipt_that_tells_of_a_failure_is_a_delivery_as_well() {
        let failure = DeliveryFailure { outbound: row().id, code: "30003".into(), reason: "unreachable".into() };
        let told = shown(undelivered(&user(), &failure));
        assert_eq!((&told["id"], &told["state"], &told["code"]), (&json!("16-0"), &json!("failed"), &json!("30003")));
        let without = shown(undelivered(&user(), &DeliveryFailure { code: String::new(), ..failure }));
        assert_eq!(without.get("code"), None);
    }

    #[test]
    fn notices_and_ends_of_sessions_are_told_with_their_user() {
        let notice = shown(noted(&user(), &Notice::UnknownCommand { name: "fly".into() }, Texts::Full));
        let head = (&notice["type"], &notice["kind"], &notice["command"], &notice["user"]);
        assert_eq!(head, (&json!("notice"), &json!("unknown_command"), &json!("fly"), &json!("+15550199")));
        let key = ConversationKey { tenant: Address::parse("+15550100").unwrap(), user: user() };
        let (session, reason) = (Uuid::from_u128(1), EndReason::Terminated);
        let end = shown(session_ended(&SessionEnd { key, session, reason, state: None }));
        let head = (&end["type"], &end["session"], &end["reason"]);
        assert_eq!(head, (&json!("session_ended"), &json!(GUID), &json!("terminated")));
    }
}
