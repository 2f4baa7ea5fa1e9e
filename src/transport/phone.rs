//! The simulated phone: a transport without a provider, for trying things out, tests and load.
//!
//! A phone sends texts by posting JSON to the webhook and receives them as server-sent events from `/events`. The channel keeps
//! nothing: what was said is in the transcript, from which a phone that was away catches up. Nobody is asked who he is, so only
//! this machine may, unless `[server] open_beyond_loopback` says otherwise.

mod events;
mod feed;
mod live;
mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use raconteur_actors::inbox::Inbox;
use raconteur_actors::port::Transport;
use raconteur_conversation::words::{OutboundId, OutboundMessage, ProviderId, Repeat, SendError};
use serde::Deserialize;

use crate::check::Verdict;
use crate::config::{Problem, Section};
use crate::transport::Channel;
use feed::GatewayLog;
use live::{Live, Text};
use webhook::PhoneWebhook;

/// A phone channel's section of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many turns of a transcript a phone gets when it connects, at most.
    pub history_max: usize,
    /// How many phones may be connected at once; a further one gets 503.
    pub phones_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { history_max: 100, phones_max: 1_000 }
    }
}

impl Settings {
    fn problems(&self) -> Vec<String> {
        let limits = [
            ("history_max", self.history_max, 10_000, "turns a phone gets when it connects"),
            ("phones_max", self.phones_max, 100_000, "phones that may be connected at once"),
        ];
        limits
            .into_iter()
            .filter(|(_, value, most, _)| !(1..=*most).contains(value))
            .map(|(name, value, most, what)| format!("{name} is {value}: give the number of {what}, from 1 to {most}"))
            .collect()
    }
}

/// Makes a channel of simulated phones.
///
/// # Errors
/// Every setting that is out of range, with the range.
pub fn open(name: &str, settings: &Settings, inbox: Inbox) -> Result<Channel, Vec<String>> {
    let problems = settings.problems();
    if !problems.is_empty() {
        return Err(problems);
    }
    tracing::debug!(channel = name, "opened a channel of simulated phones");
    let live = Arc::new(Live::new(settings.phones_max));
    let log = Arc::new(GatewayLog::new(inbox));
    Ok(Channel {
        transport: Arc::new(Phone { live: Arc::clone(&live) }),
        webhook: Some(Arc::new(PhoneWebhook)),
        routes: Some(events::router(events::Exchange { live, log, history_max: settings.history_max })),
    })
}

/// Opens the channel of a section.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn open_section(section: &Section, inbox: Inbox) -> Result<Channel, Vec<Problem>> {
    open(&section.name, &read(section)?, inbox).map_err(|messages| section.problems(messages))
}

/// Says what is wrong with a section, or how to use it.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn check(section: &Section) -> Verdict {
    read(section)?;
    Ok(vec![format!("a simulated phone: text it with `raconteur chat --channel {}`", section.name)])
}

fn read(section: &Section) -> Result<Settings, Vec<Problem>> {
    let settings: Settings = section.read()?;
    let problems = settings.problems();
    if problems.is_empty() { Ok(settings) } else { Err(section.problems(problems)) }
}

/// Shows texts on the phones that are connected; for those that are not, the transcript has them.
struct Phone {
    live: Arc<Live>,
}

#[async_trait]
impl Transport for Phone {
    async fn send(&self, message: &OutboundMessage) -> Result<ProviderId, SendError> {
        self.live.show(&message.key, || Text::from(message));
        Ok(provider_id(message.id))
    }

    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

impl Drop for Phone {
    /// Without the transport nothing more will come: phones that are still connected are hung up, so that a server can end.
    fn drop(&mut self) {
        self.live.close();
    }
}

fn provider_id(id: OutboundId) -> ProviderId {
    ProviderId(format!("phone-{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use raconteur_conversation::address::{Address, ConversationKey};
    use raconteur_conversation::time::UnixMillis;
    use raconteur_conversation::words::Sequence;

    #[test]
    fn settings_out_of_range_are_reported_together() {
        let problems = Settings { history_max: 0, phones_max: 1_000_000 }.problems();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("history_max is 0: give"), "{problems:?}");
        assert_eq!(Settings::default().problems(), [""; 0]);
    }

    #[tokio::test]
    async fn a_text_is_taken_whether_or_not_a_phone_listens() {
        let key = ConversationKey {
            tenant: Address::parse("+15550100").unwrap(),
            user: Address::parse("+15550199").unwrap(),
        };
        let phone = Phone { live: Arc::new(Live::new(1)) };
        let message = OutboundMessage {
            id: OutboundId { turn: Sequence(7), part: 1 },
            key: key.clone(),
            body: "hello".into(),
            media: vec!["http://example.com/cat.png".into()],
            expires_at: UnixMillis(9),
            began_at: UnixMillis(5),
        };
        assert_eq!(phone.send(&message).await, Ok(ProviderId("phone-7-1".into())));
        let mut listener = Live::listen(&phone.live, &key).unwrap();
        assert_eq!(phone.send(&message).await, Ok(ProviderId("phone-7-1".into())));
        assert_eq!(*listener.heard().await.unwrap(), Text::from(&message));
        drop(phone);
        assert!(listener.heard().await.is_err(), "the line is still open");
    }
}
