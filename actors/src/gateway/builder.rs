//! Puts a gateway together and starts it: store, channels, assistants, tenants, then the actors, then the upkeep.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    Actor, Address, Assistant, Clock, Gateway, GatewayActor, Inbox, SHARDS, Settings, Shard, Stage, StartError, Store,
    TenantSpec, Transport, retention, upkeep,
};
use crate::bells::Bells;
use crate::catch_up::{self, CatchUp};
use crate::clock::SystemClock;
use crate::lane::Lane;
use crate::port::{Forwarder, Observer};
use crate::recovery::Recovery;
use crate::residents::Residents;
use crate::runtime::Runtime;
use crate::tenant::{Directory, Tenant};
use crate::wheel::{self, Wheel};

use std::sync::OnceLock;
use tokio::sync::watch;

type OpenTransport = Box<dyn FnOnce(Inbox) -> Result<Arc<dyn Transport>, String> + Send>;

/// A gateway that does not run yet.
#[must_use]
pub struct Builder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    channels: BTreeMap<String, OpenTransport>,
    assistants: BTreeMap<String, Arc<dyn Assistant>>,
    tenants: Vec<TenantSpec>,
    forwarder: Option<Arc<dyn Forwarder>>,
    observers: Vec<Arc<dyn Observer>>,
}

impl Builder {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            clock: Arc::new(SystemClock::default()),
            settings: Settings::default(),
            channels: BTreeMap::new(),
            assistants: BTreeMap::new(),
            tenants: Vec::new(),
            forwarder: None,
            observers: Vec::new(),
        }
    }

    /// Takes time and randomness from elsewhere than the system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the gateway's limits.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Adds a way for texts to come and go. The closure gets the door for what it receives and returns what sends: an object
    /// that implements [`Transport`], or the [`ractor::ActorRef`] of an actor of your own.
    pub fn channel<T: Transport>(mut self, name: &str, open: impl FnOnce(Inbox) -> T + Send + 'static) -> Self {
        self.channels.insert(name.to_owned(), Box::new(move |inbox| Ok(Arc::new(open(inbox)))));
        self
    }

    /// As [`Builder::channel`], for a transport that is shared already or that may fail to open.
    pub fn try_channel(
        mut self,
        name: &str,
        open: impl FnOnce(Inbox) -> Result<Arc<dyn Transport>, String> + Send + 'static,
    ) -> Self {
        self.channels.insert(name.to_owned(), Box::new(open));
        self
    }

    /// Adds somebody who answers.
    pub fn assistant(mut self, name: &str, assistant: Arc<dyn Assistant>) -> Self {
        self.assistants.insert(name.to_owned(), assistant);
        self
    }

    /// Adds one of our numbers.
    pub fn tenant(mut self, tenant: TenantSpec) -> Self {
        self.tenants.push(tenant);
        self
    }

    /// Hands users' texts to voice gateways that have opened pipes. Without it no pipe is of use.
    pub fn forwarder(mut self, forwarder: Arc<dyn Forwarder>) -> Self {
        self.forwarder = Some(forwarder);
        self
    }

    /// Adds somebody who is told of everything that happens.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Starts the gateway. When this returns it takes texts; what an earlier process left undone is taken up meanwhile.
    ///
    /// # Errors
    /// When the parts do not fit together, or the store cannot be claimed.
    pub async fn start(self) -> Result<Gateway, StartError> {
        let (wheel, arming) = Wheel::new();
        let runtime = Arc::new(Runtime {
            opening: self.store.opening(),
            store: self.store,
            clock: self.clock,
            residents: Residents::new(self.settings.max_resident),
            bells: Bells::default(),
            catch_up: CatchUp::new(self.settings.catch_up_after),
            settings: self.settings,
            directory: Directory::default(),
            forwarder: self.forwarder,
            observers: self.observers,
            recovery: Recovery::default(),
            wheel,
            stage: watch::Sender::new(Stage::Starting),
            shards: OnceLock::new(),
        });
        let open = |(name, open): (String, OpenTransport)| match open(Inbox::new(
            Arc::clone(&runtime),
            name.as_str().into(),
        )) {
            Ok(transport) => Ok((name, transport)),
            Err(reason) => Err(StartError::Channel { name, reason }),
        };
        let channels = self.channels.into_iter().map(open).collect::<Result<BTreeMap<_, _>, _>>()?;
        runtime.residents.shared_by(self.tenants.len());
        runtime.directory.replace(wire(self.tenants, &channels, &self.assistants)?);
        let shards: Vec<Shard> = (0..SHARDS).map(Shard).collect();
        // Before the claims, which are written: so that what is noted here is on disk before anything is accepted.
        catch_up::begin(&runtime).await?;
        let claims = runtime.store.claim(&shards).await?;
        let start = (Arc::clone(&runtime), claims.clone());
        let (actor, _) = GatewayActor::spawn(None, GatewayActor, start)
            .await
            .map_err(|error| StartError::Spawn(error.to_string()))?;
        runtime.stage.send_replace(Stage::Running);
        let upkeep = vec![
            upkeep::spawn(&runtime, "the wheel", wheel::run(Arc::clone(&runtime), arming)),
            upkeep::spawn(&runtime, "the sweep", upkeep::sweep(Arc::clone(&runtime))),
            upkeep::spawn(&runtime, "the tidying", upkeep::tidy(Arc::clone(&runtime))),
            upkeep::spawn(&runtime, "the retention", retention::run(Arc::clone(&runtime))),
            upkeep::spawn(&runtime, "the passivation", upkeep::passivate(Arc::clone(&runtime))),
            upkeep::spawn(&runtime, "the store's watch", upkeep::watch_store(Arc::clone(&runtime))),
            upkeep::spawn(&runtime, "the catching up", catch_up::run(Arc::clone(&runtime))),
        ];
        Ok(Gateway { runtime, actor, claims, upkeep })
    }
}

/// Wires each tenant to its channel and its assistant.
fn wire(
    specs: Vec<TenantSpec>,
    channels: &BTreeMap<String, Arc<dyn Transport>>,
    assistants: &BTreeMap<String, Arc<dyn Assistant>>,
) -> Result<Vec<Tenant>, StartError> {
    let mut numbers: Vec<Address> = Vec::new();
    let mut tenants = Vec::new();
    for TenantSpec { number, channel, assistant, mut policy, lane } in specs {
        if numbers.contains(&number) {
            return Err(StartError::SameNumber(number));
        }
        numbers.push(number.clone());
        let Some(transport) = channels.get(&channel).cloned() else {
            return Err(StartError::NoChannel { number, channel });
        };
        let Some(port) = assistants.get(&assistant).cloned() else {
            return Err(StartError::NoAssistant { number, assistant });
        };
        policy.assistant = assistant;
        policy.send.repeat = transport.repeat();
        policy.send.text_max = transport.text_max();
        policy.send.media_max = transport.media_max();
        policy.send.media_check = transport.media_check();
        policy.send.loop_guard = transport.loop_guard();
        policy.switchable = port.switchable();
        if !transport.answers_keywords() {
            policy.keywords.fill_in();
        }
        let (channel, lane) = (channel.as_str().into(), Lane::new(&lane));
        tenants.push(Tenant { number, channel, policy, transport, assistant: port, lane });
    }
    Ok(tenants)
}
