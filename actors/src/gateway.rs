//! The gateway: builds the parts, starts them in order, drains them in reverse, and ends when one is lost that cannot be
//! started again. Nothing here is global, so several gateways live in one process.

use std::sync::{Arc, Weak};
use std::time::Duration;

use raconteur_conversation::address::{Address, SHARDS, Shard};
use raconteur_conversation::policy::Policy;
use raconteur_storage::{Claim, Store, StoreError};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::control::Control;
use crate::inbox::Inbox;
use crate::lane::{LaneLimits, Traffic};
use crate::port::{Assistant, Clock, Transport};
use crate::residents::Headcount;
use crate::runtime::{Runtime, Settings, Stage};
use crate::shard::{ShardActor, ShardMsg};

mod builder;
mod retention;
mod upkeep;

pub use builder::Builder;

/// How long the gateway's own actor may take to leave, once all others have.
const LAST_ACTOR_WITHIN: Duration = Duration::from_secs(5);

/// A number and what it is wired to, before the gateway runs.
#[derive(Clone, Debug)]
pub struct TenantSpec {
    /// The number.
    pub number: Address,
    /// The name of the channel that carries its texts.
    pub channel: String,
    /// The name of the assistant that answers.
    pub assistant: String,
    /// Its rules. The assistant's name and the transport's limits are filled in from what it is wired to.
    pub policy: Policy,
    /// The limits of its lane.
    pub lane: LaneLimits,
}

/// Why a gateway did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A tenant names a channel that there is not.
    #[error("tenant {number:?} names the channel {channel}, which there is not")]
    NoChannel {
        /// The tenant.
        number: Address,
        /// The missing channel.
        channel: String,
    },
    /// A tenant names an assistant that there is not.
    #[error("tenant {number:?} names the assistant {assistant}, which there is not")]
    NoAssistant {
        /// The tenant.
        number: Address,
        /// The missing assistant.
        assistant: String,
    },
    /// A channel could not be opened.
    #[error("the channel {name} cannot be opened: {reason}")]
    Channel {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// Two tenants have one number.
    #[error("two tenants have the number {0:?}")]
    SameNumber(Address),
    /// The store could not be claimed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The actors could not be started.
    #[error("the gateway's actors could not be started: {0}")]
    Spawn(String),
}

/// Why a running gateway had to end. What was accepted is in the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// The store can no longer be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A part that is not started again was lost.
    #[error("{0} was lost")]
    Lost(String),
}

/// A running gateway.
pub struct Gateway {
    runtime: Arc<Runtime>,
    actor: ActorRef<GatewayMsg>,
    claims: Vec<Claim>,
    upkeep: Vec<JoinHandle<()>>,
}

impl Gateway {
    /// Begins to build a gateway over a store.
    pub fn builder(store: Arc<dyn Store>) -> Builder {
        Builder::new(store)
    }

    /// The door of a channel, for a program that receives texts by itself.
    #[must_use]
    pub fn inbox(&self, channel: &str) -> Inbox {
        Inbox::new(Arc::clone(&self.runtime), channel.into())
    }

    /// The way in for requests from our side, whatever channel carries the texts.
    #[must_use]
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.runtime))
    }

    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.runtime.store
    }

    #[cfg(test)]
    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// How many conversations are in memory.
    #[must_use]
    pub fn residents(&self) -> usize {
        self.runtime.residents.inside()
    }

    /// It takes texts and answers them.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.runtime.stage() == Stage::Running
    }

    /// Something that tells whether it takes texts, and can be kept after the gateway was handed on.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        Readiness { stage: self.runtime.stage.subscribe() }
    }

    /// Something that tells how many conversations are in memory, and can be kept as well.
    #[must_use]
    pub fn headcount(&self) -> Headcount {
        self.runtime.residents.headcount()
    }

    /// Something that tells how much is under way, and can be kept as well.
    #[must_use]
    pub fn lanes(&self) -> Lanes {
        Lanes { runtime: Arc::downgrade(&self.runtime) }
    }

    /// Resolves when the gateway was drained, or can no longer go on.
    ///
    /// # Errors
    /// The reason, when it can no longer go on. The process should then end with a failure and be started again.
    pub async fn wait(&self) -> Result<(), Fatal> {
        self.readiness().ended().await
    }

    /// Stops in good order: takes nothing more, lets every open turn be answered and every text that is with a provider
    /// return, for at most `timeout`, then writes everything out. What is still open then is in the store and goes on after
    /// the next start.
    ///
    /// # Errors
    /// When the store failed before or during it.
    pub async fn drain(mut self, timeout: Duration) -> Result<(), Fatal> {
        self.runtime.stage.send_if_modified(|stage| {
            let running = matches!(stage, Stage::Starting | Stage::Running);
            if running {
                *stage = Stage::Draining;
            }
            running
        });
        let shards = self.runtime.shards.get().map_or(&[][..], Vec::as_slice);
        let drained = shards.iter().map(|shard| shard.call(ShardMsg::Drain, None));
        if tokio::time::timeout(timeout, futures_util::future::join_all(drained)).await.is_err() {
            tracing::warn!(?timeout, "not everything was finished in time; the rest goes on after the next start");
        }
        for task in &mut self.upkeep {
            task.abort();
            let _ = task.await;
        }
        self.actor.stop_children_and_wait(None, None).await;
        // Nothing of the gateway may hold the store when this returns: the next to open it would find it in use.
        let _ = self.actor.drain_and_wait(Some(LAST_ACTOR_WITHIN)).await;
        if let Stage::Failed(fatal) = self.runtime.stage() {
            return Err(fatal);
        }
        // Nobody watches the store any more, and a writer that is stuck would answer nobody.
        tokio::select! {
            biased;
            closed = self.close() => closed?,
            error = self.runtime.store.failed() => return Err(error.into()),
        }
        self.runtime.stage.send_replace(Stage::Stopped);
        Ok(())
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.runtime.store.release(&self.claims).await?;
        self.runtime.store.close().await
    }
}

/// A gateway that is dropped without [`Gateway::drain`] stops at once, as if its process had died: nothing is lost, and the
/// next to open the store finds it unclean.
impl Drop for Gateway {
    fn drop(&mut self) {
        for task in &self.upkeep {
            task.abort();
        }
        if self.runtime.stage() != Stage::Stopped {
            self.runtime.fail(Fatal::Lost("the gateway's handle".into()));
            self.actor.kill();
        }
    }
}

/// Tells how much is under way with assistants and providers, over all numbers.
#[derive(Clone)]
pub struct Lanes {
    runtime: Weak<Runtime>,
}

impl Lanes {
    /// What is under way just now; nothing where the gateway is gone.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let Some(runtime) = self.runtime.upgrade() else { return Traffic::default() };
        let mut all = Traffic::default();
        for Traffic { asks, sends, paused } in runtime.directory.all().iter().map(|tenant| tenant.lane.traffic()) {
            (all.asks, all.sends, all.paused) = (all.asks + asks, all.sends + sends, all.paused + paused);
        }
        all
    }
}

/// Tells how a gateway is.
#[derive(Clone)]
pub struct Readiness {
    stage: watch::Receiver<Stage>,
}

impl Readiness {
    /// It takes texts and answers them.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.stage.borrow() == Stage::Running
    }

    /// Resolves when the gateway begins to drain, or has ended.
    pub async fn closing(&mut self) {
        let closing = |stage: &Stage| !matches!(stage, Stage::Starting | Stage::Running);
        let _ = self.stage.wait_for(closing).await;
    }

    /// Resolves when the gateway was drained, or can no longer go on.
    ///
    /// # Errors
    /// The reason, when it can no longer go on.
    pub async fn ended(mut self) -> Result<(), Fatal> {
        let ended = |stage: &Stage| matches!(stage, Stage::Stopped | Stage::Failed(_));
        match self.stage.wait_for(ended).await.as_deref() {
            Ok(Stage::Failed(fatal)) => Err(fatal.clone()),
            Ok(Stage::Starting | Stage::Running | Stage::Draining | Stage::Stopped) | Err(_) => Ok(()),
        }
    }
}

/// The gateway's actor is told nothing: it only supervises.
#[derive(Debug)]
pub(crate) enum GatewayMsg {}

/// The supervisor of the shards. A lost shard is not started again: its conversations' claims and calls would be in the dark.
pub(crate) struct GatewayActor;

impl Actor for GatewayActor {
    type Msg = GatewayMsg;
    type State = Arc<Runtime>;
    type Arguments = (Arc<Runtime>, Vec<Claim>);

    async fn pre_start(
        &self,
        myself: ActorRef<GatewayMsg>,
        (runtime, claims): (Arc<Runtime>, Vec<Claim>),
    ) -> Result<Arc<Runtime>, ActorProcessingErr> {
        let mut shards = Vec::with_capacity(claims.len());
        for claim in claims {
            let start = (Arc::clone(&runtime), claim);
            let (shard, _) = ShardActor::spawn_linked(None, ShardActor, start, myself.get_cell()).await?;
            shards.push(shard);
        }
        let _ = runtime.shards.set(shards);
        Ok(runtime)
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<GatewayMsg>,
        event: SupervisionEvent,
        runtime: &mut Arc<Runtime>,
    ) -> Result<(), ActorProcessingErr> {
        let lost = match event {
            SupervisionEvent::ActorTerminated(..) => Some("a shard".to_owned()),
            SupervisionEvent::ActorFailed(_, error) => Some(format!("a shard ({error})")),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => None,
        };
        if let Some(lost) = lost.filter(|_| runtime.stage() == Stage::Running) {
            runtime.fail(Fatal::Lost(lost));
        }
        Ok(())
    }
}
