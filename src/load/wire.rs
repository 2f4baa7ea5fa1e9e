//! How a texter's text reaches the gateway, by the simulated phone or by Twilio's webhook, and how a refusal is taken: as a provider
//! takes it that tries again.

pub(super) mod phone;
mod twilio;

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, Request, StatusCode};

use super::books::{Books, Text, number};
use super::figures::Fault;
use super::standin::happens;
use super::{LoadOptions, Wire};

pub(super) use twilio::{Receipts, Signer};

/// After so many attempts a text is given up.
const ATTEMPTS: u32 = 20;

/// The wait after a refusal that names none.
const WAIT: Duration = Duration::from_secs(1);

/// What texts go through.
pub(super) struct Line {
    client: Client,
    books: Arc<Books>,
    form: Form,
    url: String,
    tenant: String,
    /// Of a hundred texts, how many are delivered twice.
    repeated: f64,
    /// Part of each text's id: another run must not repeat them.
    run: u64,
}

enum Form {
    Phone,
    Twilio(Signer),
}

impl Line {
    /// The line to the channel at `gateway`, which believes that it is at `public`.
    pub(super) fn new(
        options: &LoadOptions,
        gateway: &str,
        public: &str,
        (client, books): (Client, Arc<Books>),
    ) -> Self {
        let path = format!("/channels/{}/inbound", options.channel);
        let url = format!("{gateway}{path}");
        let form = match &options.wire {
            Wire::Phone => Form::Phone,
            Wire::Twilio { account_sid, auth_token, public_url: _ } => {
                Form::Twilio(Signer::new(account_sid, auth_token.clone(), format!("{public}{path}")))
            }
        };
        let (tenant, repeated) = (options.tenant.to_string(), options.crowd.repeated_percent);
        Self { client, books, form, url, tenant, repeated, run: fastrand::u64(..) }
    }

    /// Sends one text that was due then, until it is acknowledged or nobody would try again.
    pub(super) async fn send(&self, text: Text, due: Instant) {
        self.books.figures.late(due.elapsed());
        for _ in 0..ATTEMPTS {
            match self.attempt(text).await {
                Ok(()) => {
                    self.books.acknowledged(due);
                    if happens(self.repeated) {
                        let _ = self.attempt(text).await;
                    }
                    return;
                }
                Err(Some(wait)) => tokio::time::sleep(wait).await,
                Err(None) => break,
            }
        }
        self.books.given_up(text);
    }

    /// One attempt; the error says after which wait another is worth while.
    async fn attempt(&self, text: Text) -> Result<(), Option<Duration>> {
        let figures = &self.books.figures;
        let Ok(answer) = self.client.execute(self.request(text)).await else {
            figures.fault(Fault::NoConnection);
            return Err(Some(WAIT));
        };
        let status = answer.status();
        let wait = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        // The body must be read, or the connection is not used again.
        let whole = answer.bytes().await;
        if status.is_success() {
            return whole.map(drop).map_err(|_| Some(WAIT));
        }
        if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&status) {
            figures.fault(Fault::Refused);
            return Err(Some(wait.map_or(WAIT, Duration::from_secs)));
        }
        figures.fault(Fault::Rejected);
        Err(None)
    }

    fn request(&self, text: Text) -> Request {
        let id = u128::from(self.run) << 64 | u128::from(text.texter) << 40 | u128::from(text.number);
        let parts = Parts { from: number(text.texter), to: &self.tenant, body: text.body(), id };
        let request = match &self.form {
            Form::Phone => phone::request(&self.client, &self.url, &parts),
            Form::Twilio(signer) => signer.request(&self.client, &self.url, &parts),
        };
        request.build().expect("the URL was checked at the start, and all else is ours")
    }
}

/// What a request says.
struct Parts<'a> {
    from: String,
    to: &'a str,
    body: String,
    id: u128,
}
