//! What Twilio posts: texts and receipts as forms, with their signatures.
//!
//! The input is the path behind the channel's, with its query, on a line of its own; then the body. Without a body it is a GET. The target
//! signs the request by itself, from what Twilio's documentation says of signatures, so that what lies behind the check is reached.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Method, Request, Uri};
use raconteur::config::secret::Secret;
use raconteur::conversation::address::Address;
use raconteur::conversation::words::{Arrival, Work};
use raconteur::transport::twilio::{Settings, open};
use raconteur::transport::{Webhook, WebhookError};
use sha1::Sha1;

use super::input::{SESAME, is_fit_to_be_told, line};

const ACCOUNT: &str = "AC11111111111111111111111111111111";
const EARLIER: &str = "open-sesame-7d1f-of-last-year";
const CHANNEL: &str = "https://sms.example.com/gw/channels/main";

/// The longest refusal: a sentence or two.
const REFUSAL_MAX: usize = 200;

static WEBHOOK: LazyLock<Arc<dyn Webhook>> = LazyLock::new(|| {
    let settings = Settings {
        account_sid: ACCOUNT.into(),
        auth_token: Secret::new(SESAME),
        previous_auth_token: Some(Secret::new(EARLIER)),
        api_key_sid: None,
        api_key_secret: None,
        public_url: "https://sms.example.com/gw".into(),
        base_url: "https://api.twilio.com".into(),
        connect_timeout: Duration::from_secs(1),
        media_check: false,
        catch_up: false,
        loop_guard_texts: 15,
        loop_guard_within: Duration::from_secs(30),
        outbound: Default::default(),
    };
    let channel = open("main", &settings).expect("the settings are good");
    channel.webhook.expect("Twilio posts")
});

type Read = Result<Vec<Arrival>, WebhookError>;
type Pairs = BTreeSet<(Vec<u8>, Vec<u8>)>;

pub(super) fn run(data: &[u8]) {
    let (path, body) = line(data);
    let Ok(path) = std::str::from_utf8(path) else { return };
    let Ok(uri) = format!("/channels/main{path}").parse::<Uri>() else { return };
    let Some(segment) = uri.path().rsplit('/').next().filter(|last| ["inbound", "status"].contains(last)) else {
        assert!(read(&uri, body, None).is_err(), "nothing is received there");
        return;
    };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let url = format!("{CHANNEL}/{segment}{query}");
    let fields = if is_form(body) { pairs(body) } else { Pairs::new() };
    let signature = sign(SESAME, &url, &fields);

    assert!(is_forbidden(&read(&uri, body, None)), "it was not signed");
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = signature.replacen(&signature[..1], other, 1);
    assert!(is_forbidden(&read(&uri, body, Some(&forged))), "it was not signed by Twilio");
    let signed = read(&uri, body, Some(&signature));
    let earlier = read(&uri, body, Some(&sign(EARLIER, &url, &fields)));
    assert_eq!(format!("{signed:?}"), format!("{earlier:?}"), "either token is good");
    match signed {
        Ok(arrivals) => {
            let said = if body.is_empty() { pairs(uri.query().unwrap_or_default().as_bytes()) } else { fields };
            judge(&arrivals, &said);
        }
        Err(error) => {
            is_fit_to_be_told(&error.to_string(), REFUSAL_MAX);
            assert!(!error.to_string().contains(&signature), "a signature is told");
        }
    }
}

fn read(uri: &Uri, body: &[u8], signature: Option<&str>) -> Read {
    let method = if body.is_empty() { Method::GET } else { Method::POST };
    let mime = if is_form(body) { "application/x-www-form-urlencoded" } else { "application/json" };
    let mut request = Request::builder().method(method).uri(uri.clone()).header("content-type", mime);
    if let Some(signature) = signature {
        request = request.header("x-twilio-signature", signature);
    }
    WEBHOOK.parse(&request.body(Bytes::copy_from_slice(body)).expect("a request"))
}

fn is_form(body: &[u8]) -> bool {
    !body.starts_with(b"{")
}

fn is_forbidden(read: &Read) -> bool {
    matches!(read, Err(WebhookError::Forbidden(_)))
}

/// What a request brings is what its fields say.
fn judge(arrivals: &[Arrival], said: &Pairs) {
    assert!(arrivals.len() <= 1, "one request is about one text");
    let all = |name: &str| -> Vec<&[u8]> {
        said.iter().filter(|(found, _)| found == name.as_bytes()).map(|(_, value)| value.as_slice()).collect()
    };
    let says = |name: &str, value: &str| all(name).iter().all(|found| *found == value.as_bytes());
    assert!(says("AccountSid", ACCOUNT), "it is about another account");
    for arrival in arrivals {
        let (key, ours, theirs) = match arrival {
            Arrival::Work { key, .. } => (key, "To", "From"),
            Arrival::Receipt { key, .. } => (key, "From", "To"),
        };
        assert!(says(ours, key.tenant.as_str()) && says(theirs, key.user.as_str()), "the wrong way round");
        assert_eq!(Address::parse(key.user.as_str()).as_ref(), Ok(&key.user));
        match arrival {
            Arrival::Work { id, work, .. } => {
                let sid = id.strip_prefix(&format!("{ACCOUNT}:")).expect("it is named after the account");
                assert!(says("MessageSid", sid) && !sid.is_empty());
                judge_work(work, &says);
                assert_eq!(all("OptOutType").iter().any(|kind| !kind.is_empty()), matches!(work, Work::Preference(_)));
            }
            Arrival::Receipt { receipt, .. } => {
                assert_eq!(receipt.outbound.to_string().parse(), Ok(receipt.outbound));
                is_fit_to_be_told(&receipt.reason, REFUSAL_MAX);
                assert!(all("ErrorMessage").is_empty() || !receipt.reason.contains(char::is_numeric));
            }
        }
    }
}

fn judge_work(work: &Work, says: &impl Fn(&str, &str) -> bool) {
    match work {
        Work::Message(message) => {
            assert!(says("Body", &message.body), "other words");
            assert!(message.media.len() <= 10, "more media than Twilio has");
            for (number, media) in message.media.iter().enumerate() {
                assert!(!media.url.is_empty() && says(&format!("MediaUrl{number}"), &media.url));
            }
        }
        Work::Preference(_) => {}
        other => panic!("Twilio cannot bring {other:?}"),
    }
}

/// A form's fields, decoded. A set, as they are signed.
fn pairs(form: &[u8]) -> Pairs {
    let halves = |pair: &[u8]| match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (decoded(&pair[..at]), decoded(&pair[at + 1..])),
        None => (decoded(pair), Vec::new()),
    };
    form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(halves).collect()
}

fn decoded(part: &[u8]) -> Vec<u8> {
    let digit = |at: usize| part.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut decoded, mut at) = (Vec::new(), 0);
    while let Some(byte) = part.get(at) {
        let (value, length) = match (byte, digit(at + 1), digit(at + 2)) {
            (b'+', _, _) => (b' ', 1),
            (b'%', Some(high), Some(low)) => ((high * 16 + low) as u8, 3),
            (byte, _, _) => (*byte, 1),
        };
        decoded.push(value);
        at += length;
    }
    decoded
}

fn sign(token: &str, url: &str, fields: &Pairs) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("keys have any length");
    mac.update(url.as_bytes());
    for (name, value) in fields {
        mac.update(name);
        mac.update(value);
    }
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}
