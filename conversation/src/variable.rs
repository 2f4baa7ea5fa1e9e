//! The gateway's context variables, under the names that IBM's gateways gave them (Table 3 of their SMS documentation).
//!
//! This file says which variables there are and what they hold. Where they are placed in a request is the business of the
//! assistant that speaks that wire format.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::address::Address;
use crate::time::UnixMillis;
use crate::words::{Media, OutboundId};

/// The JSON value of `smsError`: the latest text of ours that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmsError {
    /// The provider's error code, or ours in lower case (`expired`, `opted_out`, `unknown`).
    pub code: String,
    /// In plain words.
    pub message: String,
    /// Which text.
    pub outbound: OutboundId,
    /// When we learned of it, in Unix milliseconds.
    pub at: UnixMillis,
}

/// Everything the gateway tells an assistant with a question.
#[derive(Clone, Debug)]
pub struct Variables {
    /// `smsTenantPhoneNumber`: our number.
    pub tenant: Address,
    /// `smsUserPhoneNumber`: the person's number.
    pub user: Address,
    /// `smsSessionID`: the session's GUID.
    pub session: Uuid,
    /// `smsUserData`: what the caller who started the session handed over; absent otherwise.
    pub user_data: Option<Box<RawValue>>,
    /// `smsSessionTimeoutCount`, in seconds: only when a timeout was given at the start of the session.
    pub session_timeout: Option<Duration>,
    /// `smsError`: only when a text of ours failed since the last answered turn.
    pub error: Option<SmsError>,
    /// `smsMedia`: media that came with this text; empty in every other turn.
    pub media: Vec<Media>,
}

impl Variables {
    /// The variables as a JSON object. Those that are not set are left out, but `smsMedia` is always there, so that an assistant
    /// that keeps its context sees it cleared.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        self.each().map(|(name, variable)| (name.to_owned(), json!(variable))).collect()
    }

    /// The same one by one, for whoever writes them at once.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, Variable<'_>)> {
        let data =
            || self.user_data.as_deref().and_then(|raw| serde_json::from_str(raw.get()).ok()).map(Variable::Data);
        let always = [
            ("smsTenantPhoneNumber", Variable::Text(self.tenant.as_str())),
            ("smsUserPhoneNumber", Variable::Text(self.user.as_str())),
            ("smsSessionID", Variable::Id(self.session)),
            ("smsMedia", Variable::Media(&self.media)),
        ];
        let sometimes = [
            ("smsUserData", data()),
            ("smsSessionTimeoutCount", self.session_timeout.map(|timeout| Variable::Seconds(timeout.as_secs()))),
            ("smsError", self.error.as_ref().map(Variable::Error)),
        ];
        let set = sometimes.into_iter().filter_map(|(name, variable)| variable.map(|variable| (name, variable)));
        always.into_iter().chain(set)
    }
}

/// What one variable holds.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Variable<'a> {
    /// A number of a phone.
    Text(&'a str),
    /// An id.
    Id(Uuid),
    /// Media, as IBM's gateways write them.
    #[serde(serialize_with = "media")]
    Media(&'a [Media]),
    /// Whatever a caller has handed over.
    Data(Value),
    /// A span.
    Seconds(u64),
    /// A failure.
    Error(&'a SmsError),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Medium<'a> {
    media_content_type: &'a str,
    #[serde(rename = "mediaURL")]
    media_url: &'a str,
}

fn media<S: Serializer>(media: &[Media], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(media.iter().map(|m| Medium { media_content_type: &m.content_type, media_url: &m.url }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Sequence;

    fn variables() -> Variables {
        Variables {
            tenant: Address::parse("+15550100").unwrap(),
            user: Address::parse("+15550199").unwrap(),
            session: Uuid::nil(),
            user_data: None,
            session_timeout: None,
            error: None,
            media: Vec::new(),
        }
    }

    #[test]
    fn unset_variables_are_left_out_but_media_is_always_there() {
        let shown = Value::Object(variables().to_json());
        let expected = json!({
            "smsTenantPhoneNumber": "+15550100", "smsUserPhoneNumber": "+15550199",
            "smsSessionID": "00000000-0000-0000-0000-000000000000", "smsMedia": []
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn all_variables_have_ibms_names_and_shapes() {
        let all = Variables {
            user_data: Some(RawValue::from_string(r#"{"caseId":"42"}"#.into()).unwrap()),
            session_timeout: Some(Duration::from_secs(600)),
            error: Some(SmsError {
                code: "30003".into(),
                message: "unreachable".into(),
                outbound: OutboundId { turn: Sequence(7), part: 0 },
                at: UnixMillis(5),
            }),
            media: vec![Media { url: "https://m.example/1".into(), content_type: "image/png".into() }],
            ..variables()
        };
        let shown = all.to_json();
        assert_eq!(shown["smsUserData"], json!({"caseId": "42"}));
        assert_eq!(shown["smsSessionTimeoutCount"], json!(600));
        assert_eq!(shown["smsError"], json!({"code": "30003", "message": "unreachable", "outbound": "7-0", "at": 5}));
        assert_eq!(shown["smsMedia"], json!([{"mediaURL": "https://m.example/1", "mediaContentType": "image/png"}]));
    }
}
