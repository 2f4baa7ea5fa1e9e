//! Twilio: texts go out through its REST API, texts and receipts come in as signed webhooks.
//!
//! This file makes the channel from its settings; each of the modules below does one thing. Nothing here retries, waits or
//! remembers: the caller has the timeouts, the store has the rest. Voice, TwiML replies and messaging services are not spoken.

mod find;
mod form;
mod log;
mod media;
mod message;
mod receipt;
mod received;
mod rest;
mod send;
mod settings;
mod signature;
mod verdict;
mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use raconteur_actors::port::{LogsReceived, Transport};
use raconteur_conversation::address::Address;
use raconteur_conversation::policy::{LoopGuard, MediaCheck};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    LogPage, LogUnreadable, LoggedText, Lookup, Media, MediaVerdict, OutboundMessage, ProviderId, Received, Repeat,
    SendError,
};

pub use settings::Settings;
#[cfg(all(feature = "cli", unix))]
pub(crate) use signature::sign_fields as sign;

use crate::check::Verdict;
use crate::client::Outbound;
use crate::config::{Problem, Section};
use crate::transport::Channel;
use rest::Rest;
use webhook::TwilioWebhook;

/// Twilio refuses a longer body (error 21617).
const TEXT_MAX: usize = 1_600;

/// Twilio refuses more media with one text (error 21623), and never delivers more.
const MEDIA_MAX: usize = 10;

/// Makes the channel `name`: reached at `{public_url}/channels/{name}/inbound`, and for receipts at `…/status`.
///
/// # Errors
/// All that is wrong with the settings, one line each, beginning with the setting's name.
pub fn open(name: &str, settings: &Settings) -> Result<Channel, Vec<String>> {
    let mut problems = settings.problems();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        problems.push(format!("channel {name:?}: it becomes part of a URL: use letters, digits, - and _"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let out = Outbound::ours(settings.connect_timeout).map_err(|error| vec![error.to_string()])?;
    let address = format!("{}/channels/{name}", settings.public_url.trim_end_matches('/'));
    let guarded = || Outbound::guarded(settings.connect_timeout, &settings.outbound);
    let media = settings.media_check.then(guarded).transpose().map_err(|error| vec![error.to_string()])?;
    let logs_received = if settings.catch_up { LogsReceived::Yes } else { LogsReceived::No };
    let (rest, status_url) = (Rest::new(out, settings), format!("{address}/status"));
    let transport = Twilio { rest, status_url, media, loop_guard: settings.loop_guard(), logs_received };
    let webhook = TwilioWebhook::new(address, settings);
    Ok(Channel { transport: Arc::new(transport), webhook: Some(Arc::new(webhook)), routes: None })
}

/// Opens the channel of a section.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn open_section(section: &Section) -> Result<Channel, Vec<Problem>> {
    let settings = Settings { outbound: section.outbound().clone(), ..section.read()? };
    open(&section.name, &settings).map_err(|messages| section.problems(messages))
}

/// Says what is wrong with a section, or what to tell Twilio.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn check(section: &Section) -> Verdict {
    let settings: Settings = section.read()?;
    open(&section.name, &settings).map_err(|messages| section.problems(messages))?;
    let address = format!("{}/channels/{}/inbound", settings.public_url.trim_end_matches('/'), section.name);
    Ok(vec![
        format!("set the number's \"A message comes in\" webhook to POST {address}#rc=5&rp=all"),
        "(the part behind # makes Twilio come again after an error; by default it does not)".into(),
    ])
}

/// Sends, and reads what was sent.
struct Twilio {
    rest: Rest,
    /// Where Twilio is asked to post receipts; each text adds its own id.
    status_url: String,
    /// Looks at media before they are sent, where they are to be looked at.
    media: Option<Outbound>,
    /// Whether its log is read for texts that no webhook has brought.
    logs_received: LogsReceived,
    /// What Twilio takes for a loop (error 14107).
    loop_guard: Option<LoopGuard>,
}

#[async_trait]
impl Transport for Twilio {
    async fn send(&self, message: &OutboundMessage) -> Result<ProviderId, SendError> {
        send::send(&self.rest, &self.status_url, message).await
    }

    async fn find(&self, message: &OutboundMessage, since: UnixMillis) -> Lookup {
        find::find(&self.rest, &message.key, since).await
    }

    fn logs_received(&self) -> LogsReceived {
        self.logs_received
    }

    async fn received_since(&self, number: &Address, since: UnixMillis, page: Option<&LogPage>) -> Received {
        received::received(&self.rest, number, since, page).await
    }

    async fn media_of(&self, text: &LoggedText) -> Result<Vec<Media>, LogUnreadable> {
        received::media(&self.rest, text).await
    }

    fn repeat(&self) -> Repeat {
        // Creating a message has no idempotency key, but the log can be asked.
        Repeat::AskLog
    }

    fn answers_keywords(&self) -> bool {
        // Twilio answers STOP and START by itself and takes nothing for who has stopped, our answer included.
        true
    }

    fn text_max(&self) -> usize {
        TEXT_MAX
    }

    fn media_max(&self) -> usize {
        MEDIA_MAX
    }

    fn loop_guard(&self) -> Option<LoopGuard> {
        self.loop_guard
    }

    fn media_check(&self) -> MediaCheck {
        if self.media.is_some() { MediaCheck::Ask } else { MediaCheck::No }
    }

    async fn judge_media(&self, url: &str) -> MediaVerdict {
        match &self.media {
            Some(out) => media::judge(out, url).await,
            None => MediaVerdict::AsMedia,
        }
    }
}
