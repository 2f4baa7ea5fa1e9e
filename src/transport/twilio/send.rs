//! One text to Twilio.

use form_urlencoded::Serializer;
use raconteur_conversation::words::{OutboundMessage, ProviderId, SendError};

use super::receipt::OUTBOUND;
use super::rest::{NoAnswer, Rest};
use super::verdict::judge;

/// Bytes that the fields of a usual message take beside its text.
const ROOM: usize = 256;

/// What Twilio accepts as `ValidityPeriod`, in seconds (error 21624).
const VALIDITY: (u64, u64) = (1, 36_000);

/// Creates the message. `status_url` is where receipts go; the row's id is added to it.
pub(super) async fn send(rest: &Rest, status_url: &str, message: &OutboundMessage) -> Result<ProviderId, SendError> {
    match rest.create(form(status_url, message)).await {
        Ok(answer) => judge(&answer),
        Err(NoAnswer::NotConnected(reason)) => Err(SendError::Retry { after: None, reason }),
        Err(NoAnswer::Lost(reason)) => Err(SendError::Unknown { reason }),
    }
}

fn form(status_url: &str, message: &OutboundMessage) -> String {
    let validity = message.expires_at.since(message.began_at).as_secs().clamp(VALIDITY.0, VALIDITY.1);
    let mut form = Serializer::new(String::with_capacity(ROOM + 2 * message.body.len()));
    form.append_pair("To", message.key.user.as_str());
    form.append_pair("From", message.key.tenant.as_str());
    if !message.body.is_empty() {
        form.append_pair("Body", &message.body);
    }
    for url in &message.media {
        form.append_pair("MediaUrl", url);
    }
    // An outbound id is digits and a hyphen, so nothing in the URL needs escaping beyond the form itself.
    form.append_pair("StatusCallback", &format!("{status_url}?{OUTBOUND}={}", message.id));
    form.append_pair("ValidityPeriod", &validity.to_string());
    form.finish()
}

#[cfg(test)]
mod tests {
    use raconteur_conversation::address::{Address, ConversationKey};
    use raconteur_conversation::time::UnixMillis;
    use raconteur_conversation::words::{OutboundId, Sequence};

    use super::*;

    fn message(began_at: u64, expires_at: u64) -> OutboundMessage {
        OutboundMessage {
            id: OutboundId { turn: Sequence(12), part: 3 },
            key: ConversationKey {
                tenant: Address::parse("whatsapp:+15550100").unwrap(),
                user: Address::parse("whatsapp:+15550199").unwrap(),
            },
            body: "a&b=ü 😀".into(),
            media: vec!["https://a.example/1?x=1&y=2".into(), "https://a.example/2".into()],
            expires_at: UnixMillis(expires_at),
            began_at: UnixMillis(began_at),
        }
    }

    fn fields(message: &OutboundMessage) -> Vec<(String, String)> {
        form_urlencoded::parse(form("https://h/channels/main/status", message).as_bytes()).into_owned().collect()
    }

    #[test]
    fn the_form_has_exactly_what_twilio_wants() {
        let expected = [
            ("To", "whatsapp:+15550199"),
            ("From", "whatsapp:+15550100"),
            ("Body", "a&b=ü 😀"),
            ("MediaUrl", "https://a.example/1?x=1&y=2"),
            ("MediaUrl", "https://a.example/2"),
            ("StatusCallback", "https://h/channels/main/status?outbound=12-3"),
            ("ValidityPeriod", "60"),
        ];
        assert_eq!(fields(&message(1_000, 61_999)), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_text_of_media_alone_has_no_body() {
        let bare = OutboundMessage { body: String::new(), ..message(0, 1_000) };
        assert!(fields(&bare).iter().all(|(name, _)| name != "Body"));
    }

    #[test]
    fn the_validity_stays_within_what_twilio_takes() {
        let validity = |began, expires| fields(&message(began, expires)).pop().unwrap().1;
        assert_eq!(validity(5_000, 0), "1");
        assert_eq!(validity(0, 999), "1");
        assert_eq!(validity(0, u64::MAX), "36000");
    }
}
