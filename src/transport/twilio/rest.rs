//! One request to Twilio's REST API and what came back. No verdict here: [`super::verdict`] has it.
//!
//! Errors are put in words without their URL, which holds the account and, in a look-up, both numbers.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Uri};
use reqwest::Url;

use super::settings::Settings;
use crate::client::{self, Ask, Outbound, Unanswered};

/// No answer that we can use is longer: a page of the log has 100 messages of at most 1,600 characters.
const ANSWER_MAX: usize = 4 * 1024 * 1024;

/// How many headers a request has, with those that every request of ours has.
const HEADERS: usize = 6;

/// The account's REST API.
pub(super) struct Rest {
    out: Outbound,
    base_url: String,
    /// `/2010-04-01/Accounts/{sid}/Messages.json`.
    path: String,
    /// Where messages are created; `None` where the settings have no address, of which nobody makes a channel.
    messages: Option<Uri>,
    account: String,
    authorization: HeaderValue,
}

/// What Twilio answered.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// As much of the body as arrived: nobody may rely on its being whole.
    pub(super) body: Bytes,
}

/// Twilio did not answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// There was no connection, so it cannot have seen the request.
    NotConnected(String),
    /// It may have seen the request.
    Lost(String),
}

impl Rest {
    pub(super) fn new(out: Outbound, settings: &Settings) -> Self {
        let (user, password) = match (&settings.api_key_sid, &settings.api_key_secret) {
            (Some(sid), Some(secret)) => (sid, secret),
            (Some(_) | None, None) | (None, Some(_)) => (&settings.account_sid, &settings.auth_token),
        };
        let credentials = BASE64_STANDARD.encode(format!("{user}:{}", password.expose()));
        let mut authorization = HeaderValue::from_str(&format!("Basic {credentials}"))
            .expect("base64 has no character that a header may not");
        authorization.set_sensitive(true);
        let base_url = settings.base_url.trim_end_matches('/').to_owned();
        let path = format!("/2010-04-01/Accounts/{}/Messages.json", settings.account_sid);
        let messages = address(&format!("{base_url}{path}"));
        Self { out, base_url, path, messages, account: settings.account_sid.clone(), authorization }
    }

    /// The account whose API it is.
    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// The whole address of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// Where messages are created and listed, below the base URL.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Creates a message from a form.
    pub(super) async fn create(&self, form: String) -> Result<Answered, NoAnswer> {
        let uri = self.messages.clone().ok_or_else(nowhere)?;
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.run(Ask { method: Method::POST, uri, headers, body: form.into() }).await
    }

    /// Reads a page of the log. `path` begins with a slash, so the credentials go nowhere but to the base URL.
    pub(super) async fn read(&self, path: &str) -> Result<Answered, NoAnswer> {
        let uri = address(&format!("{}{path}", self.base_url)).ok_or_else(nowhere)?;
        let headers = HeaderMap::with_capacity(HEADERS);
        self.run(Ask { method: Method::GET, uri, headers, body: Bytes::new() }).await
    }

    async fn run(&self, mut ask: Ask) -> Result<Answered, NoAnswer> {
        ask.headers.insert(AUTHORIZATION, self.authorization.clone());
        let reply = self.out.ask(ask, ANSWER_MAX).await.map_err(|error| match error {
            Unanswered::Refused(refused) => NoAnswer::NotConnected(refused.to_string()),
            Unanswered::NotConnected(words) => NoAnswer::NotConnected(words),
            Unanswered::Lost(words) => NoAnswer::Lost(words),
        })?;
        let retry_after = client::retry_after(&reply.headers);
        Ok(Answered { status: reply.status.as_u16(), retry_after, body: reply.body })
    }
}

fn address(text: &str) -> Option<Uri> {
    Url::parse(text).ok().and_then(|url| client::to_uri(&url))
}

fn nowhere() -> NoAnswer {
    NoAnswer::NotConnected("it is no address that can be asked by HTTP".into())
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::{ACCOUNT, TOKEN, settings};
    use super::*;
    use crate::config::secret::Secret;

    fn rest(settings: &Settings) -> Rest {
        Rest::new(Outbound::ours(settings.connect_timeout).unwrap(), settings)
    }

    fn decoded(rest: &Rest) -> String {
        let header = rest.authorization.to_str().unwrap().strip_prefix("Basic ").unwrap();
        String::from_utf8(BASE64_STANDARD.decode(header).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn an_api_key_takes_the_auth_tokens_place_and_neither_is_printed() {
        assert_eq!(decoded(&rest(&settings())), format!("{ACCOUNT}:{TOKEN}"));
        let key = ACCOUNT.replace("AC", "SK");
        let with_key =
            Settings { api_key_sid: Some(key.clone()), api_key_secret: Some(Secret::new("hush")), ..settings() };
        let rest = rest(&with_key);
        assert_eq!(decoded(&rest), format!("{key}:hush"));
        assert_eq!(format!("{:?}", rest.authorization), "Sensitive");
        assert_eq!(rest.path(), format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
    }

    #[tokio::test]
    async fn a_refused_connection_is_told_from_a_lost_answer_and_names_no_number() {
        // Bound but not listening: the port stays ours, and every connection to it is refused.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let nowhere = Settings { base_url: format!("http://{}", socket.local_addr().unwrap()), ..settings() };
        let Err(NoAnswer::NotConnected(words)) = rest(&nowhere).read("/x?To=%2B15550199").await else {
            panic!("a closed port answered");
        };
        assert!(!words.contains("5550199") && !words.contains(ACCOUNT), "{words}");
    }
}
