//! Twilio's requests: what was signed is established first, then what it says. Neither the `Host` header nor any
//! `X-Forwarded-*` is ever looked at: the URL that Twilio signed follows from the configuration.

use bytes::Bytes;
use http::{Method, Request, header};
use raconteur_conversation::address::Address;
use raconteur_conversation::words::Arrival;

use super::form::{self, Fields, Pairs};
use super::settings::Settings;
use super::signature::{self, Content};
use super::{message, receipt};
use crate::config::secret::Secret;
use crate::transport::{Alias, Reply, Webhook, WebhookError};

/// An empty TwiML document: Twilio sends nothing to the user because of it.
const NO_REPLY: Reply =
    Reply { content_type: "text/xml", body: "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>" };

/// Reads what Twilio posts to one channel.
pub(super) struct TwilioWebhook {
    public_url: String,
    /// `{public_url}/channels/{name}`.
    address: String,
    account_sid: String,
    tokens: Vec<Secret>,
}

/// What a request is about, by the last segment of its path.
#[derive(Clone, Copy)]
enum Subject {
    Inbound,
    Status,
}

impl TwilioWebhook {
    pub(super) fn new(address: String, settings: &Settings) -> Self {
        let tokens = [Some(&settings.auth_token), settings.previous_auth_token.as_ref()];
        Self {
            public_url: settings.public_url.trim_end_matches('/').to_owned(),
            address,
            account_sid: settings.account_sid.clone(),
            tokens: tokens.into_iter().flatten().cloned().collect(),
        }
    }

    /// The URL as Twilio knows it: from the configuration, with the query string byte for byte as it came.
    fn signed_url(&self, segment: &str, request: &Request<Bytes>) -> String {
        let (mark, query) = request.uri().query().map_or(("", ""), |query| ("?", query));
        match request.extensions().get::<Alias>() {
            Some(Alias(path)) => [&self.public_url, &**path, mark, query].concat(),
            None => [&self.address, "/", segment, mark, query].concat(),
        }
    }

    /// The request's fields, once their signature is good.
    fn fields<'a>(&self, request: &'a Request<Bytes>, url: &str) -> Result<Pairs<'a>, WebhookError> {
        let check = |content: &Content<'_>| signature::check(&self.tokens, request.headers(), url, content);
        let body = request.body();
        match body_kind(request)? {
            BodyKind::Query => {
                check(&Content::None)?;
                Ok(form::decode(request.uri().query().unwrap_or_default().as_bytes()))
            }
            BodyKind::Form => {
                let pairs = form::decode(body);
                check(&Content::Form(&pairs))?;
                Ok(pairs)
            }
            BodyKind::Json => {
                check(&Content::Json(body))?;
                Err(WebhookError::Malformed("the body is JSON: texts and receipts come as forms".into()))
            }
        }
    }
}

impl Webhook for TwilioWebhook {
    fn parse(&self, request: &Request<Bytes>) -> Result<Vec<Arrival>, WebhookError> {
        let (segment, subject) = match request.uri().path().rsplit('/').next() {
            Some("inbound") => ("inbound", Subject::Inbound),
            Some("status") => ("status", Subject::Status),
            Some(_) | None => {
                return Err(WebhookError::Malformed("the path must end in /inbound or /status".into()));
            }
        };
        let query = request.uri().query();
        let fields = Fields::read(self.fields(request, &self.signed_url(segment, request))?)?;
        if fields.required("AccountSid")? != self.account_sid {
            return Err(WebhookError::Forbidden("it is about another account than account_sid".into()));
        }
        match subject {
            Subject::Inbound => message::read(&fields),
            Subject::Status => {
                let query = Fields::read(form::decode(query.unwrap_or_default().as_bytes()))?;
                receipt::read(&fields, &query)
            }
        }
    }

    fn acknowledge(&self) -> Reply {
        NO_REPLY
    }
}

/// Where a request's fields are.
enum BodyKind {
    Query,
    Form,
    Json,
}

fn body_kind(request: &Request<Bytes>) -> Result<BodyKind, WebhookError> {
    if *request.method() == Method::GET {
        return Ok(BodyKind::Query);
    }
    if *request.method() != Method::POST {
        return Err(WebhookError::Malformed("the method must be POST or GET".into()));
    }
    let header = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mime = header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match mime.as_str() {
        "application/x-www-form-urlencoded" => Ok(BodyKind::Form),
        "application/json" => Ok(BodyKind::Json),
        // Nothing signs a body of another kind, so it must not be read as if it were signed.
        _ => Err(WebhookError::Forbidden("the body is not a form, so the signature does not cover it".into())),
    }
}

/// Reads a field that holds an address.
pub(super) fn address(fields: &Fields<'_>, name: &str) -> Result<Address, WebhookError> {
    Address::parse(fields.required(name)?).map_err(|error| WebhookError::Malformed(format!("{name}: {error}")))
}

#[cfg(test)]
pub(super) mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine};
    use hmac::{Hmac, KeyInit, Mac};
    use sha1::Sha1;

    use super::super::settings::tests::{ACCOUNT, TOKEN, settings};
    use super::*;

    const MESSAGE: &[(&str, &str)] = &[
        ("AccountSid", ACCOUNT),
        ("From", "+15550199"),
        ("To", "+15550100"),
        ("MessageSid", "SM0123456789abcdef0123456789abcdef"),
        ("Body", "hi"),
        ("SomethingNew", "1"),
    ];

    fn webhook() -> TwilioWebhook {
        TwilioWebhook::new("https://sms.example.com/gw/channels/main".into(), &settings())
    }

    fn sign(text: &[u8]) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
        mac.update(text);
        BASE64_STANDARD.encode(mac.finalize().into_bytes())
    }

    fn encode(fields: &[(&str, &str)]) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
    }

    fn post(path: &str, body: String, signed: &[u8]) -> Request<Bytes> {
        Request::post(path)
            .header("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
            .header("Host", "attacker.example")
            .header("X-Forwarded-Host", "attacker.example")
            .header("X-Twilio-Signature", sign(signed))
            .body(Bytes::from(body))
            .unwrap()
    }

    /// A POST that Twilio would have signed; `path` is what follows `/channels/main`.
    pub(in crate::transport::twilio) fn signed_post(path: &str, fields: &[(&str, &str)]) -> Request<Bytes> {
        let mut sorted = fields.to_vec();
        sorted.sort_unstable();
        let run_together: String = sorted.iter().flat_map(|(name, value)| [*name, *value]).collect();
        let signed = format!("https://sms.example.com/gw/channels/main{path}{run_together}");
        post(&format!("/channels/main{path}"), encode(fields), signed.as_bytes())
    }

    /// What the webhook makes of a signed POST.
    pub(in crate::transport::twilio) fn parse(
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Vec<Arrival>, WebhookError> {
        webhook().parse(&signed_post(path, fields))
    }

    fn forbidden(result: &Result<Vec<Arrival>, WebhookError>) -> bool {
        matches!(result, Err(WebhookError::Forbidden(_)))
    }

    fn malformed(result: &Result<Vec<Arrival>, WebhookError>) -> bool {
        matches!(result, Err(WebhookError::Malformed(_)))
    }

    #[test]
    fn a_signed_text_arrives_whatever_host_the_headers_claim() {
        assert_eq!(parse("/inbound", MESSAGE).unwrap().len(), 1);
        assert_eq!(parse("/inbound?extra=%2f&b=", MESSAGE).unwrap().len(), 1);
    }

    #[test]
    fn a_prefix_that_the_proxy_did_or_did_not_strip_makes_no_difference() {
        let mut request = signed_post("/inbound", MESSAGE);
        *request.uri_mut() = "/gw/channels/main/inbound".parse().unwrap();
        assert_eq!(webhook().parse(&request).unwrap().len(), 1);
    }

    #[test]
    fn a_text_may_come_as_a_get() {
        let query = encode(MESSAGE);
        let request = |query: &str| {
            let signature = sign(format!("https://sms.example.com/gw/channels/main/inbound?{query}").as_bytes());
            let uri = format!("/channels/main/inbound?{query}");
            Request::get(uri).header("X-Twilio-Signature", signature).body(Bytes::new()).unwrap()
        };
        assert_eq!(webhook().parse(&request(&query)).unwrap().len(), 1);
        let mut changed = request(&query);
        *changed.uri_mut() = format!("/channels/main/inbound?{query}&Body=no").parse().unwrap();
        assert!(forbidden(&webhook().parse(&changed)));
    }

    #[test]
    fn unsigned_wrongly_signed_and_altered_requests_are_forbidden() {
        let mut unsigned = signed_post("/inbound", MESSAGE);
        unsigned.headers_mut().remove("X-Twilio-Signature");
        assert!(forbidden(&webhook().parse(&unsigned)));
        let wrong = post("/channels/main/inbound", encode(MESSAGE), b"something else");
        assert!(forbidden(&webhook().parse(&wrong)));
        let mut altered = signed_post("/inbound", MESSAGE);
        *altered.body_mut() = Bytes::from(encode(MESSAGE).replace("hi", "ho"));
        assert!(forbidden(&webhook().parse(&altered)));
    }

    #[test]
    fn a_request_signed_for_one_path_is_forbidden_on_the_other() {
        let mut moved = signed_post("/inbound", MESSAGE);
        *moved.uri_mut() = "/channels/main/status".parse().unwrap();
        assert!(forbidden(&webhook().parse(&moved)));
    }

    #[test]
    fn a_text_that_is_not_utf_8_is_malformed_if_signed_and_forbidden_if_not() {
        let body = format!("{}&Odd=%ff", encode(MESSAGE));
        let mut signed = b"https://sms.example.com/gw/channels/main/inbound".to_vec();
        let mut pairs = form::decode(body.as_bytes());
        pairs.sort_unstable();
        pairs.iter().for_each(|(name, value)| signed.extend(name.iter().chain(value.iter())));
        assert!(malformed(&webhook().parse(&post("/channels/main/inbound", body.clone(), &signed))));
        assert!(forbidden(&webhook().parse(&post("/channels/main/inbound", body, b""))));
    }

    #[test]
    fn another_account_is_forbidden_and_none_is_malformed() {
        let mut fields = MESSAGE.to_vec();
        fields[0].1 = "AC22222222222222222222222222222222";
        assert!(forbidden(&parse("/inbound", &fields)));
        assert!(malformed(&parse("/inbound", &fields[1..])));
    }

    #[test]
    fn bodies_that_no_signature_covers_are_forbidden() {
        for content_type in ["text/plain", "multipart/form-data; boundary=x", ""] {
            let mut request = signed_post("/inbound", MESSAGE);
            request.headers_mut().insert("Content-Type", content_type.parse().unwrap());
            assert!(forbidden(&webhook().parse(&request)), "{content_type}");
            // As good as the signature of a GET, which says nothing of a body.
            let of_the_url = sign(b"https://sms.example.com/gw/channels/main/inbound").parse().unwrap();
            request.headers_mut().insert("X-Twilio-Signature", of_the_url);
            assert!(forbidden(&webhook().parse(&request)), "{content_type}");
        }
    }

    #[test]
    fn json_is_malformed_when_its_hash_is_signed_and_forbidden_otherwise() {
        use sha2::{Digest, Sha256};
        let hash: String = Sha256::digest(b"{}").iter().map(|byte| format!("{byte:02x}")).collect();
        let request = |path: &str| {
            let signed = format!("https://sms.example.com/gw{path}");
            let mut request = post(path, "{}".into(), signed.as_bytes());
            request.headers_mut().insert("Content-Type", "application/json".parse().unwrap());
            request
        };
        let hashed = request(&format!("/channels/main/inbound?bodySHA256={hash}"));
        assert!(malformed(&webhook().parse(&hashed)));
        assert!(forbidden(&webhook().parse(&request("/channels/main/inbound"))));
    }

    #[test]
    fn other_paths_and_methods_are_malformed() {
        assert!(malformed(&parse("/elsewhere", MESSAGE)));
        assert!(malformed(&parse("/inbound/", MESSAGE)));
        let mut put = signed_post("/inbound", MESSAGE);
        *put.method_mut() = Method::PUT;
        assert!(malformed(&webhook().parse(&put)));
    }

    #[test]
    fn the_answer_is_an_empty_document_and_nothing_before_it() {
        let reply = webhook().acknowledge();
        assert_eq!(reply.content_type, "text/xml");
        assert_eq!(reply.body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>");
    }
}
