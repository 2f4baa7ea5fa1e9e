//! Twilio's side of a webhook: posts texts and receipts to a gateway, signed as Twilio signs them, or not, as a test wants it.
//!
//! The address that is signed is the public one; the request goes to the local port, as behind a proxy that strips the prefix.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use raconteur::client;
use reqwest::{Method, RequestBuilder, Response};

use super::twilio::{ACCOUNT, Create, TOKEN, signature, signature_of_bytes};

/// Under which address Twilio believes to reach the gateway.
pub(crate) const PUBLIC_URL: &str = "https://sms.example.com/gw";

/// Where texts are posted to.
pub(crate) const INBOUND: &str = "/channels/twilio/inbound";

/// Who posts.
pub(crate) struct Caller {
    http: reqwest::Client,
    gateway: String,
}

/// No two texts have the same id, also when the gateway was started again in between.
static SIDS: AtomicUsize = AtomicUsize::new(1);

/// What the gateway answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Answered {
    /// A refusal in the gateway's own words.
    pub(crate) fn words(status: u16, words: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8".into(), body: format!("{words}\n") }
    }
}

type Fields = Vec<(String, String)>;

/// What Twilio would sign such a post with, if `token` were its auth token.
pub(crate) fn signed_with(token: &str, path: &str, fields: &Fields) -> String {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    signature(token, &format!("{PUBLIC_URL}{path}"), &fields)
}

/// Everything that Twilio says of a text.
pub(crate) fn text_fields(sid: &str, (from, to): (&str, &str), body: &str) -> Fields {
    let fields = [
        ("ToCountry", "US"),
        ("ToState", ""),
        ("SmsMessageSid", sid),
        ("NumMedia", "0"),
        ("ToCity", ""),
        ("FromZip", ""),
        ("SmsSid", sid),
        ("FromState", ""),
        ("SmsStatus", "received"),
        ("FromCity", ""),
        ("Body", body),
        ("FromCountry", "US"),
        ("To", to),
        ("ToZip", ""),
        ("NumSegments", "1"),
        ("MessageSid", sid),
        ("AccountSid", ACCOUNT),
        ("From", from),
        ("ApiVersion", "2010-04-01"),
    ];
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// The same fields with one of them changed, added or, with nothing to put, taken out.
pub(crate) fn with(mut fields: Fields, name: &str, value: Option<&str>) -> Fields {
    fields.retain(|(found, _)| found != name);
    fields.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    fields
}

/// A form as it is written in a body.
pub(crate) fn encoded(fields: &Fields) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

impl Caller {
    pub(crate) fn new(gateway: SocketAddr) -> Self {
        let http = client::client(Duration::from_secs(5)).expect("a client can be made");
        Self { http, gateway: format!("http://{gateway}") }
    }

    /// The gateway's own address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.gateway)
    }

    /// A request that is not signed yet.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    /// A form post with a signature, whatever it is worth.
    pub(crate) async fn post(&self, path: &str, fields: &Fields, signature: &str) -> Answered {
        let request = self
            .request(Method::POST, path)
            .header("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
            .header("X-Twilio-Signature", signature)
            .body(encoded(fields));
        answered(request).await
    }

    /// A form post as Twilio signs it.
    pub(crate) async fn signed(&self, path: &str, fields: &Fields) -> Answered {
        self.post(path, fields, &signed_with(TOKEN, path, fields)).await
    }

    /// A form of one field that need not be text, as Twilio would sign it.
    pub(crate) async fn signed_bytes(&self, path: &str, name: &str, value: &[u8]) -> Answered {
        let fields = [(name.as_bytes(), value)];
        let signature = signature_of_bytes(TOKEN, &format!("{PUBLIC_URL}{path}"), &fields);
        let request = self
            .request(Method::POST, path)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("X-Twilio-Signature", signature)
            .body(format!("{name}={}", percent_encoding::percent_encode(value, percent_encoding::NON_ALPHANUMERIC)));
        answered(request).await
    }

    /// An id that no text of this caller has had.
    pub(crate) fn fresh_sid(&self) -> String {
        format!("SM{:032x}", SIDS.fetch_add(1, Ordering::Relaxed))
    }

    /// A text; anything but 200 is a failure.
    pub(crate) async fn text(&self, (from, to): (&str, &str), body: &str) {
        let answered = self.signed(INBOUND, &text_fields(&self.fresh_sid(), (from, to), body)).await;
        assert_eq!(answered.status, 200, "{answered:?}");
    }

    /// Twilio's word on a text that it took, with an error code or an empty one.
    pub(crate) async fn receipt(&self, create: &Create, status: &str, code: &str) -> Answered {
        let callback = create.status_callback.as_deref().expect("every text asks for receipts");
        let path = callback.strip_prefix(PUBLIC_URL).expect("receipts come to the public address");
        self.signed(path, &receipt_fields(create, status, code)).await
    }
}

/// Everything that Twilio says in a receipt.
pub(crate) fn receipt_fields(create: &Create, status: &str, code: &str) -> Fields {
    let sid = create.sid.as_deref().unwrap_or("SM00000000000000000000000000000000");
    let fields = [
        ("SmsSid", sid),
        ("SmsStatus", status),
        ("MessageStatus", status),
        ("To", &create.to),
        ("MessageSid", sid),
        ("AccountSid", ACCOUNT),
        ("From", &create.from),
        ("ApiVersion", "2010-04-01"),
    ];
    let fields: Fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    if code.is_empty() { fields } else { with(fields, "ErrorCode", Some(code)) }
}

/// Sends a request and reads the whole answer.
pub(crate) async fn answered(request: RequestBuilder) -> Answered {
    let response = request.send().await.expect("the gateway answers");
    let status = response.status().as_u16();
    let content_type = header(&response, "content-type");
    Answered { status, content_type, body: response.text().await.expect("the answer is text") }
}

/// A header of an answer, empty if it is not there.
pub(crate) fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().expect("it is text").to_owned()).unwrap_or_default()
}
