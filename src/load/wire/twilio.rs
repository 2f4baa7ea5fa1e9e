//! Twilio's webhooks with valid signatures: texts, and receipts for what the stand-in has taken.

use std::sync::Arc;

use reqwest::{Client, RequestBuilder};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;

use super::super::books::Books;
use super::super::figures::Fault;
use super::super::standin::Delivered;
use super::Parts;
use crate::config::secret::Secret;
use crate::transport::twilio_signature;

/// How many receipts are under way at once.
const RECEIPTS_AT_ONCE: usize = 32;

/// Signs as Twilio does.
#[derive(Clone)]
pub(in crate::load) struct Signer {
    account: String,
    token: Secret,
    /// The URL that texts are signed for.
    public: String,
}

impl Signer {
    pub(in crate::load) fn new(account: &str, token: Secret, public: String) -> Self {
        Self { account: account.to_owned(), token, public }
    }

    pub(super) fn request(&self, client: &Client, url: &str, parts: &Parts<'_>) -> RequestBuilder {
        let sid = format!("SM{:032x}", parts.id);
        self.post(
            client,
            (url, &self.public),
            &[
                ("ToCountry", "US"),
                ("SmsMessageSid", &sid),
                ("NumMedia", "0"),
                ("SmsSid", &sid),
                ("SmsStatus", "received"),
                ("Body", &parts.body),
                ("FromCountry", "US"),
                ("To", parts.to),
                ("NumSegments", "1"),
                ("MessageSid", &sid),
                ("AccountSid", &self.account),
                ("From", &parts.from),
                ("ApiVersion", "2010-04-01"),
            ],
        )
    }

    /// A form to `url`, signed for `signed_for`.
    fn post(&self, client: &Client, (url, signed_for): (&str, &str), fields: &[(&str, &str)]) -> RequestBuilder {
        let signature = twilio_signature(&self.token, signed_for, fields);
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        client
            .post(url)
            .header("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
            .header("X-Twilio-Signature", signature)
            .body(form)
    }
}

/// Posts a receipt for every text that the stand-in has taken, until there are no more.
pub(in crate::load) struct Receipts {
    /// Who signs.
    pub(in crate::load) signer: Signer,
    /// How they are posted.
    pub(in crate::load) client: Client,
    /// Where the gateway believes it is reached, and where it is.
    pub(in crate::load) places: (String, String),
    /// Who is told what goes wrong.
    pub(in crate::load) books: Arc<Books>,
}

impl Receipts {
    pub(in crate::load) async fn post_all(self: Arc<Self>, mut delivered: Receiver<Delivered>) {
        let room = Arc::new(Semaphore::new(RECEIPTS_AT_ONCE));
        while let Some(delivered) = delivered.recv().await {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let receipts = Arc::clone(&self);
            tokio::spawn(async move {
                receipts.post(&delivered).await;
                drop(permit);
            });
        }
    }

    async fn post(&self, Delivered { url, sid, to, from }: &Delivered) {
        let (public, gateway) = &self.places;
        let Some(path) = url.strip_prefix(public.trim_end_matches('/')) else { return };
        let place = format!("{}{path}", gateway.trim_end_matches('/'));
        let request = self.signer.post(
            &self.client,
            (&place, url),
            &[
                ("MessageSid", sid),
                ("MessageStatus", "delivered"),
                ("SmsSid", sid),
                ("SmsStatus", "delivered"),
                ("To", to),
                ("From", from),
                ("AccountSid", &self.signer.account),
                ("ApiVersion", "2010-04-01"),
            ],
        );
        match request.send().await {
            Ok(answer) if answer.status().is_success() => {
                let _ = answer.bytes().await;
            }
            Ok(_) => self.books.figures.fault(Fault::Rejected),
            Err(_) => self.books.figures.fault(Fault::NoConnection),
        }
    }
}
