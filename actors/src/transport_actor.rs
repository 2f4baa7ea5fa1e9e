//! A transport that is an actor of the user's own: the same port, spoken in messages.
//!
//! An [`ActorRef<TransportMsg>`] can be given to the gateway as it is; when that actor ends, its texts wait. A [`TransportActor`]
//! also starts it again, as often as it fails. What was being sent when it failed is in doubt and is treated as after a crash.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use raconteur_conversation::address::Address;
use raconteur_conversation::policy::LoopGuard;
use raconteur_conversation::retry::Backoff;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    LogPage, LogUnreadable, Lookup, OutboundMessage, ProviderId, Received, Repeat, SendError,
};
use ractor::{ActorRef, SpawnErr};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::port::{LogsReceived, Transport, TransportMsg};

/// The waits before a failed actor is started again; one that has run for longer than the longest begins anew.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(30) };

/// What the provider behind an actor takes. `Manners::default()` is a provider that looks for no loops and takes 1,600 UTF-16 code
/// units and ten media with one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manners {
    /// See [`Transport::loop_guard`].
    pub loop_guard: Option<LoopGuard>,
    /// See [`Transport::text_max`].
    pub text_max: usize,
    /// See [`Transport::media_max`].
    pub media_max: usize,
    /// See [`Transport::answers_keywords`].
    pub answers_keywords: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self { loop_guard: None, text_max: 1_600, media_max: 10, answers_keywords: false }
    }
}

/// Keeps an actor running and passes texts on to it.
pub struct TransportActor {
    current: watch::Receiver<Option<ActorRef<TransportMsg>>>,
    keeper: JoinHandle<()>,
    repeat: Repeat,
    manners: Manners,
}

impl TransportActor {
    /// Starts the actor now, and again whenever it ends. `start` is what `Actor::spawn` does:
    /// `move || MyTransport::spawn(None, MyTransport, inbox.clone())`. Must be called within a tokio runtime.
    #[must_use]
    pub fn keep<F, S>(repeat: Repeat, start: S) -> Self
    where
        F: Future<Output = Result<(ActorRef<TransportMsg>, JoinHandle<()>), SpawnErr>> + Send,
        S: Fn() -> F + Send + Sync + 'static,
    {
        let (running, current) = watch::channel(None);
        let keeper = tokio::spawn(async move {
            let mut failures: u32 = 0;
            loop {
                let began = tokio::time::Instant::now();
                match start().await {
                    Ok((actor, ended)) => {
                        running.send_replace(Some(actor));
                        let _ = ended.await;
                        running.send_replace(None);
                        tracing::error!("a transport actor ended and is started again");
                    }
                    Err(error) => tracing::error!(%error, "a transport actor could not be started"),
                }
                failures = if began.elapsed() > BACKOFF.longest { 1 } else { failures.saturating_add(1) };
                tokio::time::sleep(BACKOFF.after(failures, 0)).await;
            }
        });
        Self { current, keeper, repeat, manners: Manners::default() }
    }

    /// Says what the provider takes, where it differs from [`Manners::default`].
    #[must_use]
    pub fn with(mut self, manners: Manners) -> Self {
        self.manners = manners;
        self
    }

    fn actor(&self) -> Option<ActorRef<TransportMsg>> {
        self.current.borrow().clone()
    }
}

/// The actor handles what it was told already and ends with its gateway.
impl Drop for TransportActor {
    fn drop(&mut self) {
        self.keeper.abort();
        if let Some(actor) = self.actor() {
            let _ = actor.drain();
        }
    }
}

#[async_trait]
impl Transport for TransportActor {
    async fn send(&self, message: &OutboundMessage) -> Result<ProviderId, SendError> {
        match self.actor() {
            Some(actor) => actor.send(message).await,
            None => Err(not_running()),
        }
    }

    async fn find(&self, message: &OutboundMessage, since: UnixMillis) -> Lookup {
        match self.actor() {
            Some(actor) => actor.find(message, since).await,
            None => Lookup::Unreadable { reason: "the transport actor is not running".into() },
        }
    }

    fn logs_received(&self) -> LogsReceived {
        LogsReceived::Yes
    }

    async fn received_since(&self, number: &Address, since: UnixMillis, page: Option<&LogPage>) -> Received {
        match self.actor() {
            Some(actor) => actor.received_since(number, since, page).await,
            None => unread("the transport actor is not running"),
        }
    }

    fn repeat(&self) -> Repeat {
        self.repeat
    }

    fn text_max(&self) -> usize {
        self.manners.text_max
    }

    fn media_max(&self) -> usize {
        self.manners.media_max
    }

    fn answers_keywords(&self) -> bool {
        self.manners.answers_keywords
    }

    fn loop_guard(&self) -> Option<LoopGuard> {
        self.manners.loop_guard
    }
}

fn unread(reason: &str) -> Received {
    Received::Unreadable(LogUnreadable { reason: reason.into(), after: None })
}

fn not_running() -> SendError {
    SendError::Retry { after: None, reason: "the transport actor is not running".into() }
}

#[async_trait]
impl Transport for ActorRef<TransportMsg> {
    async fn send(&self, message: &OutboundMessage) -> Result<ProviderId, SendError> {
        let (reply, answer) = ractor::concurrency::oneshot();
        if self.cast(TransportMsg::Send(message.clone(), reply.into())).is_err() {
            return Err(not_running());
        }
        answer
            .await
            .unwrap_or_else(|_| Err(SendError::Unknown { reason: "the transport actor failed during the send".into() }))
    }

    async fn find(&self, message: &OutboundMessage, since: UnixMillis) -> Lookup {
        let (reply, answer) = ractor::concurrency::oneshot();
        if self.cast(TransportMsg::Find(message.clone(), since, reply.into())).is_err() {
            return Lookup::Unreadable { reason: "the transport actor is not running".into() };
        }
        answer
            .await
            .unwrap_or_else(|_| Lookup::Unreadable { reason: "the transport actor failed during the look-up".into() })
    }

    fn logs_received(&self) -> LogsReceived {
        LogsReceived::Yes
    }

    async fn received_since(&self, number: &Address, since: UnixMillis, page: Option<&LogPage>) -> Received {
        let (reply, answer) = ractor::concurrency::oneshot();
        let ask = TransportMsg::ReceivedSince(number.clone(), since, page.cloned(), reply.into());
        if self.cast(ask).is_err() {
            return unread("the transport actor is not running");
        }
        answer.await.unwrap_or_else(|_| unread("the transport actor failed while it read its log"))
    }

    fn repeat(&self) -> Repeat {
        Repeat::AskLog
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use raconteur_conversation::address::{Address, ConversationKey};
    use raconteur_conversation::words::{OutboundId, Sequence};
    use ractor::{Actor, ActorProcessingErr};

    use super::*;

    /// Fails at the first text of each life but the third.
    struct Fragile;

    impl Actor for Fragile {
        type Msg = TransportMsg;
        type State = u32;
        type Arguments = u32;

        async fn pre_start(&self, _: ActorRef<TransportMsg>, life: u32) -> Result<u32, ActorProcessingErr> {
            Ok(life)
        }

        async fn handle(
            &self,
            _: ActorRef<TransportMsg>,
            message: TransportMsg,
            life: &mut u32,
        ) -> Result<(), ActorProcessingErr> {
            match message {
                TransportMsg::Send(text, reply) => {
                    assert!(*life >= 3, "too young");
                    let _ = reply.send(Ok(ProviderId(format!("{}:{}", *life, text.body))));
                }
                TransportMsg::Find(_, _, reply) => {
                    let _ = reply.send(Lookup::Unsupported);
                }
                TransportMsg::ReceivedSince(_, _, page, reply) => {
                    assert!(page.is_some(), "it fails at the first page");
                    let _ = reply.send(Received::Unsupported);
                }
            }
            Ok(())
        }
    }

    fn message() -> OutboundMessage {
        let number = |text| Address::parse(text).unwrap();
        OutboundMessage {
            id: OutboundId { turn: Sequence(1), part: 0 },
            key: ConversationKey { tenant: number("+15550100"), user: number("+15550199") },
            body: "hi".into(),
            media: Vec::new(),
            expires_at: UnixMillis(9),
            began_at: UnixMillis(1),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_actor_that_fails_is_started_again_and_its_text_is_in_doubt() {
        let lives = Arc::new(AtomicU32::new(0));
        let transport = TransportActor::keep(Repeat::AskLog, move || {
            let life = lives.fetch_add(1, Ordering::Relaxed) + 1;
            Fragile::spawn(None, Fragile, life)
        });
        let mut current = transport.current.clone();
        for _ in 0..2 {
            current.wait_for(Option::is_some).await.unwrap();
            assert!(matches!(transport.send(&message()).await, Err(SendError::Unknown { .. })));
            current.wait_for(Option::is_none).await.unwrap();
            assert!(matches!(transport.send(&message()).await, Err(SendError::Retry { .. })));
        }
        current.wait_for(Option::is_some).await.unwrap();
        assert_eq!(transport.send(&message()).await, Ok(ProviderId("3:hi".into())));
        let (number, page) = (message().key.tenant, LogPage("1".into()));
        assert_eq!(transport.received_since(&number, UnixMillis(1), Some(&page)).await, Received::Unsupported);
        let failed = transport.received_since(&number, UnixMillis(1), None).await;
        assert!(matches!(failed, Received::Unreadable(_)), "{failed:?}");
    }

    #[tokio::test]
    async fn what_the_provider_takes_is_what_was_said_of_it() {
        let start = || Fragile::spawn(None, Fragile, 1);
        let plain = TransportActor::keep(Repeat::Never, start);
        assert_eq!((plain.text_max(), plain.media_max(), plain.loop_guard()), (1_600, 10, None));
        let loop_guard = Some(LoopGuard { texts: 15, within: Duration::from_secs(30) });
        let manners = Manners { loop_guard, text_max: 160, media_max: 0, answers_keywords: true };
        let shy = TransportActor::keep(Repeat::Never, start).with(manners);
        assert_eq!((shy.text_max(), shy.media_max(), shy.loop_guard()), (160, 0, loop_guard));
        assert!(shy.answers_keywords() && !plain.answers_keywords());
    }
}
