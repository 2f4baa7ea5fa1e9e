//! What a phone posts to send a text: `{"from": "+15550199", "to": "+15550100", "text": "hello"}`, where `id` and `media` may be
//! added. Every wrong shape is answered with the field that is wrong and what belongs there.

use bytes::Bytes;
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::words::{Arrival, InboundMessage, Media, Work};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::transport::{Callers, Reply, Webhook, WebhookError};

/// The longest client id, in bytes.
const ID_MAX: usize = 128;

const EXAMPLE: &str = r#"{"from": "+15550199", "to": "+15550100", "text": "hello"}"#;

/// Reads what phones post.
pub(super) struct PhoneWebhook;

impl Webhook for PhoneWebhook {
    fn parse(&self, request: &http::Request<Bytes>) -> Result<Vec<Arrival>, WebhookError> {
        if request.uri().path().rsplit('/').next() != Some("inbound") {
            return Err(WebhookError::NotFound("a phone posts its texts to /channels/{name}/inbound".into()));
        }
        if request.method() != http::Method::POST {
            return Err(WebhookError::Malformed(format!("send a text by POST, as {EXAMPLE}")));
        }
        arrival(request.body()).map(|arrival| vec![arrival]).map_err(WebhookError::Malformed)
    }

    fn acknowledge(&self) -> Reply {
        Reply { content_type: "application/json", body: r#"{"accepted":true}"# }
    }

    fn callers(&self) -> Callers {
        Callers::Anybody
    }
}

fn arrival(body: &[u8]) -> Result<Arrival, String> {
    let value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON ({error}): send {EXAMPLE}"))?;
    let Value::Object(fields) = value else { return Err(format!("the body is not a JSON object: send {EXAMPLE}")) };
    only(&fields, &["from", "to", "text", "id", "media"], "the body")?;
    let key = ConversationKey { tenant: address(&fields, "to")?, user: address(&fields, "from")? };
    let media = media(&fields)?;
    let body = match fields.get("text") {
        None | Some(Value::Null) => String::new(),
        Some(_) => string(&fields, "text", "the text, such as \"hello\"")?.to_owned(),
    };
    if body.trim().is_empty() && media.is_empty() {
        return Err("\"text\" is missing or empty: send the text, such as \"hello\", or some \"media\"".into());
    }
    let id = id(&fields, &key.user)?;
    Ok(Arrival::Work { key, id, work: Work::Message(InboundMessage { body, media, ..InboundMessage::default() }) })
}

/// Ids are unique per tenant, and phones do not know each other's: a client's id counts for its own number only.
fn id(fields: &Map<String, Value>, user: &Address) -> Result<String, String> {
    if fields.get("id").is_none_or(Value::is_null) {
        return Ok(Uuid::new_v4().to_string());
    }
    let id = string(fields, "id", "a string that is new with each text, or leave it out")?;
    if id.is_empty() || id.len() > ID_MAX {
        return Err(format!("\"id\" has {} bytes: send 1 to {ID_MAX}, or leave it out", id.len()));
    }
    Ok(format!("{user}/{id}"))
}

fn media(fields: &Map<String, Value>) -> Result<Vec<Media>, String> {
    const WANTED: &str = r#"send a list such as [{"url": "https://example.com/cat.png", "content_type": "image/png"}]"#;
    match fields.get("media") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(medium).collect(),
        Some(_) => Err(format!("\"media\" is not a list: {WANTED}")),
    }
}

fn medium(value: &Value) -> Result<Media, String> {
    let Value::Object(fields) = value else {
        return Err("\"media\" has an entry that is not an object: send \"url\" and \"content_type\" in each".into());
    };
    only(fields, &["url", "content_type"], "an entry of \"media\"")?;
    let url = string(fields, "url", "where the medium is, such as \"https://example.com/cat.png\"")?.to_owned();
    if url.is_empty() {
        return Err("\"url\" is empty: send where the medium is".into());
    }
    let content_type = match fields.get("content_type") {
        None | Some(Value::Null) => String::new(),
        Some(_) => string(fields, "content_type", "a MIME type such as \"image/png\"")?.to_owned(),
    };
    Ok(Media { url, content_type })
}

fn address(fields: &Map<String, Value>, name: &str) -> Result<Address, String> {
    let text = string(fields, name, "a number such as \"+15550199\"")?;
    Address::parse(text).map_err(|error| format!("\"{name}\": {error}"))
}

fn string<'f>(fields: &'f Map<String, Value>, name: &str, wanted: &str) -> Result<&'f str, String> {
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("\"{name}\" is not a string: send {wanted}")),
        None => Err(format!("\"{name}\" is missing: send {wanted}")),
    }
}

fn only(fields: &Map<String, Value>, known: &[&str], place: &str) -> Result<(), String> {
    let unknown = fields.keys().find(|name| !known.contains(&name.as_str()));
    unknown.map_or(Ok(()), |name| {
        let name: String = name.chars().take(40).collect();
        Err(format!("{place} has an unknown field {name:?}: there are {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Vec<Arrival>, WebhookError> {
        PhoneWebhook.parse(&http::Request::post("/channels/phone/inbound").body(Bytes::from(body.to_owned())).unwrap())
    }

    fn parsed(body: &str) -> (ConversationKey, String, InboundMessage) {
        let mut arrivals = parse(body).unwrap();
        let Some(Arrival::Work { key, id, work: Work::Message(message) }) = arrivals.pop() else {
            panic!("no text in {body}")
        };
        assert!(arrivals.is_empty());
        (key, id, message)
    }

    #[test]
    fn a_text_is_taken_only_by_post_and_only_at_its_place() {
        let asked = |method: &str, path: &str| {
            let body = Bytes::from_static(br#"{"from": "+15550199", "to": "+15550100", "text": "hi"}"#);
            PhoneWebhook.parse(&http::Request::builder().method(method).uri(path).body(body).unwrap())
        };
        assert!(asked("POST", "/channels/phone/inbound").is_ok());
        for path in ["/channels/phone/%2e%2e/", "/channels/phone/status", "/channels/phone/"] {
            assert!(matches!(asked("POST", path), Err(WebhookError::NotFound(_))), "{path}");
        }
        for method in ["GET", "DELETE", "BREW"] {
            assert!(matches!(asked(method, "/channels/phone/inbound"), Err(WebhookError::Malformed(_))), "{method}");
        }
    }

    #[test]
    fn a_text_is_read_with_its_id_and_media() {
        let (key, id, message) = parsed(
            r#"{"from": "+15550199", "to": "+15550100", "text": " hi ", "id": "a1",
                "media": [{"url": "http://x/1", "content_type": "image/png"}, {"url": "http://x/2"}]}"#,
        );
        assert_eq!((key.tenant.as_str(), key.user.as_str()), ("+15550100", "+15550199"));
        assert_eq!(id, "+15550199/a1");
        let media = [("http://x/1", "image/png"), ("http://x/2", "")]
            .map(|(url, kind)| Media { url: url.into(), content_type: kind.into() });
        assert_eq!(message, InboundMessage { body: " hi ".into(), media: media.into(), from_log: false });
    }

    #[test]
    fn a_text_without_an_id_gets_a_fresh_one() {
        let ids = [EXAMPLE, EXAMPLE].map(|body| parsed(body).1);
        assert_ne!(ids[0], ids[1]);
        assert!(Uuid::parse_str(&ids[0]).is_ok(), "{ids:?}");
    }

    #[test]
    fn media_may_come_without_words() {
        let (.., message) = parsed(r#"{"from": "+15550199", "to": "+15550100", "media": [{"url": "http://x/1"}]}"#);
        assert_eq!((message.body.as_str(), message.media.len()), ("", 1));
    }

    #[test]
    fn every_wrong_shape_is_named_with_what_to_send() {
        let numbers = r#""from": "+15550199", "to": "+15550100""#;
        let wrong = [
            (String::new(), "the body is not JSON"),
            ("from=%2B15550199".into(), "the body is not JSON"),
            ("[".repeat(100_000), "the body is not JSON"),
            ("[]".into(), "the body is not a JSON object"),
            (r#"{"to": "+15550100", "text": "x"}"#.into(), "\"from\" is missing: send a number"),
            (r#"{"from": 15550199, "to": "+15550100", "text": "x"}"#.into(), "\"from\" is not a string"),
            (r#"{"from": "", "to": "+15550100", "text": "x"}"#.into(), "\"from\": the address is empty"),
            (r#"{"from": "+15550199", "to": "+1 555", "text": "x"}"#.into(), "\"to\": the address has a character"),
            (format!("{{{numbers}}}"), "\"text\" is missing or empty"),
            (format!("{{{numbers}, \"text\": \" \"}}"), "\"text\" is missing or empty"),
            (format!("{{{numbers}, \"text\": 5}}"), "\"text\" is not a string"),
            (format!("{{{numbers}, \"txt\": \"x\"}}"), "the body has an unknown field \"txt\": there are from, to"),
            (format!("{{{numbers}, \"text\": \"x\", \"id\": 5}}"), "\"id\" is not a string"),
            (format!("{{{numbers}, \"text\": \"x\", \"id\": \"\"}}"), "\"id\" has 0 bytes"),
            (format!("{{{numbers}, \"text\": \"x\", \"id\": \"{}\"}}", "i".repeat(129)), "\"id\" has 129 bytes"),
            (format!("{{{numbers}, \"media\": \"x\"}}"), "\"media\" is not a list"),
            (format!("{{{numbers}, \"media\": [1]}}"), "\"media\" has an entry that is not an object"),
            (format!("{{{numbers}, \"media\": [{{}}]}}"), "\"url\" is missing"),
            (
                format!("{{{numbers}, \"media\": [{{\"url\": \"x\", \"type\": 1}}]}}"),
                "an entry of \"media\" has an unknown",
            ),
        ];
        for (body, expected) in wrong {
            let shown: String = body.chars().take(80).collect();
            let Err(WebhookError::Malformed(message)) = parse(&body) else { panic!("{shown} was taken") };
            assert!(message.starts_with(expected), "{shown}: {message}");
        }
    }
}
