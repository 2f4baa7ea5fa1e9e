//! A whole configured gateway: store, channels, assistants and tenants from a [`Config`], with its HTTP side. What the binary
//! runs, and what a program that embeds a configured gateway runs.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use raconteur_actors::gateway::{Builder, Readiness};
use raconteur_actors::{Fatal, Gateway, Settings, StartError, TenantSpec};
use raconteur_storage::engine::Engine;
use raconteur_storage::figures::Watch;
use raconteur_storage::{KvStore, Store, StoreError, engine};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::board::Board;
use crate::config::{Config, Problem, Section, ServerConfig, StoreConfig, StoreKind};
use crate::http::{self, Connections, Crowded, Door, Limits, Mount, Refusals};
use crate::metrics::{Ceilings, Metrics, Sources};
use crate::pipe::WebhookForwarder;
use crate::reporting::{self, Reporting};
use crate::tls::Tls;
use crate::transport::{self, Channel};
use crate::{Inbox, assistant};

/// How long connections may stay open when the gateway has stopped.
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// How long the last reports may take when the gateway has stopped; the rest is sent after the next start.
const LAST_REPORTS_WITHIN: Duration = Duration::from_secs(3);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The configuration is wrong; every problem has its place.
    #[error("the configuration has {} problem(s):\n{}", .0.len(), listed(.0))]
    Config(Vec<Problem>),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The gateway cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; is something else running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error("{0}")]
    Tls(String),
    /// Nothing can be asked by HTTP.
    #[error("{0}")]
    Client(String),
    /// The store of this kind is not built in.
    #[error("this build has no store of kind sled: build it with the feature `sled`, or set kind = \"memory\"")]
    NoSled,
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  {problem}\n")).collect()
}

/// A running gateway with its HTTP side.
pub struct Server {
    gateway: Gateway,
    address: SocketAddr,
    drain_timeout: Duration,
    metrics: Arc<Metrics>,
    reporting: Arc<Reporting>,
    close: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Starts everything that a configuration describes. When this returns, texts are taken.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration; a store that cannot be opened; an address that is taken.
    pub async fn start(config: Config) -> Result<Self, ServerError> {
        Self::start_with(config, |builder| builder).await
    }

    /// As [`Server::start`], with parts of your own: `extend` may add channels and assistants that the configuration's tenants
    /// name, and tenants.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_with(config: Config, extend: impl FnOnce(Builder) -> Builder) -> Result<Self, ServerError> {
        let address = config.server.listen;
        let listener = TcpListener::bind(address).await.map_err(|error| ServerError::Listen { address, error })?;
        let address = listener.local_addr().map_err(|error| ServerError::Listen { address, error })?;
        let parts = Parts::of(&config)?;
        let tls =
            config.server.tls.as_ref().map(Tls::open).transpose().map_err(|(_, problem)| ServerError::Tls(problem))?;
        if let Some(untimely) = tls.as_ref().and_then(|tls| tls.untimely(SystemTime::now())) {
            tracing::warn!("{untimely}");
        }
        let (store, watch) = open_store(&config.store)?;
        let salt = store.opening().salt;
        let metrics = Arc::new(Metrics::new());
        let reporting = Arc::new(Reporting::of(&config, metrics.losses()).map_err(ServerError::Config)?);
        let forwarder = WebhookForwarder::new(salt, &config.server.outbound_allow)
            .map_err(|error| ServerError::Client(error.to_string()))?;
        let (builder, mounts) = parts.build(&config, store);
        let board = Arc::new(Board::default());
        let builder = builder.observer(Arc::clone(&metrics) as _).observer(Arc::clone(&reporting) as _);
        let builder = builder.observer(Arc::clone(&board) as _);
        let gateway = extend(builder.forwarder(Arc::new(forwarder))).start().await?;
        let (heads, lanes) = (gateway.headcount(), gateway.lanes());
        metrics.watch(Sources { heads, lanes, store: Some(watch), limits: ceilings(&config) });
        let limits = Limits {
            body_max_bytes: config.server.body_max_bytes,
            request_timeout: config.server.request_timeout,
            requests_max: config.server.requests_max,
            control_requests_max: config.server.control_requests_max,
        };
        let mounts = std::mem::take(&mut *mounts.lock().unwrap_or_else(PoisonError::into_inner));
        let crowded = crowded(&mounts);
        let access = config.tenants.iter().map(|tenant| (tenant.number.clone(), tenant.control.clone())).collect();
        let refusals = Arc::new(Refusals::new(config.server.refusals_max));
        let [unproven, counters] = doors(&config.server);
        let app = http::app(http::Surface {
            mounts,
            readiness: gateway.readiness(),
            limits,
            refusals: Arc::clone(&refusals),
            unproven,
            control: gateway.control(),
            operating: Some(http::Operating::new(&config, board, gateway.headcount())),
            access,
            aliases: config.server.aliases.clone(),
        });
        let (close, closed) = oneshot::channel::<()>();
        let closed = async move {
            let _ = closed.await;
        };
        let app = app.merge(http::metrics(Arc::clone(&metrics), counters, refusals));
        let serving = tokio::spawn(http::serve(listener, app, (connections(&config.server, crowded), tls), closed));
        let drain_timeout = config.engine.drain_timeout;
        Ok(Self { gateway, address, drain_timeout, metrics, reporting, close, serving })
    }

    /// Where it listens: the port that was taken, where port 0 was configured.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is counted of it.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The gateway behind it.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Runs until `stop` resolves and then drains, or until the gateway can no longer go on.
    ///
    /// # Errors
    /// Why it can no longer go on. What was accepted is in the store; the process should end with a failure and be started again.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), Fatal> {
        let readiness: Readiness = self.gateway.readiness();
        tokio::select! {
            () = stop => {}
            ended = readiness.ended() => {
                self.serving.abort();
                self.reporting.close(LAST_REPORTS_WITHIN).await;
                return ended;
            }
            // A gateway that nobody can reach is no gateway.
            _ = &mut self.serving => {
                self.reporting.close(LAST_REPORTS_WITHIN).await;
                return Err(Fatal::Lost("the HTTP side".into()));
            }
        }
        self.stop().await
    }

    /// Stops in good order. Then the store may be opened again, unless a client held its connection open for longer than a second.
    ///
    /// # Errors
    /// When the store failed before or during it.
    pub async fn stop(mut self) -> Result<(), Fatal> {
        let _ = self.close.send(());
        let drained = self.gateway.drain(self.drain_timeout).await;
        // Every connection holds a part of the gateway, and with it the store.
        if tokio::time::timeout(LAST_ANSWERS_WITHIN, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
        self.reporting.close(LAST_REPORTS_WITHIN).await;
        drained
    }
}

/// The doors of channels that ask nobody who he is, and of the metrics.
fn doors(config: &ServerConfig) -> [Door; 2] {
    let open = if config.open_beyond_loopback { Door::Open } else { Door::Here };
    let counters = config.metrics_token.clone().map_or_else(|| open.clone(), Door::Token);
    [open, counters]
}

/// A provider's connection for which there is no room brings its texts to nobody: where there is a log, they are looked for there.
fn crowded(mounts: &[Mount]) -> Crowded {
    let inboxes: Vec<Inbox> = mounts.iter().map(|mount| mount.inbox.clone()).collect();
    Crowded(Arc::new(move || inboxes.iter().for_each(Inbox::may_have_missed)))
}

fn connections(config: &ServerConfig, crowded: Crowded) -> Connections {
    Connections {
        crowded: Some(crowded),
        most: config.connections_max,
        header_timeout: config.header_timeout,
        header_max_bytes: config.header_max_bytes,
        proxies: config.trusted_proxies.clone(),
    }
}

fn ceilings(config: &Config) -> Ceilings {
    Ceilings {
        conversations: config.engine.max_resident as u64,
        unread: config.store.backlog_max as u64,
        free_bytes: config.store.min_free_bytes,
    }
}

fn open_store(config: &StoreConfig) -> Result<(Arc<dyn Store>, Watch), ServerError> {
    let options = raconteur_storage::Options {
        inbox_max: config.inbox_max,
        backlog_max: config.backlog_max,
        min_free: config.min_free_bytes,
        write_timeout: config.write_timeout,
        ..raconteur_storage::Options::default()
    };
    match config.kind {
        StoreKind::Memory => watched(KvStore::open(engine::memory::MemoryEngine::default(), options)?),
        #[cfg(feature = "sled")]
        StoreKind::Sled => {
            let engine = engine::sled::SledEngine::open_sized(&config.path, config.cache_bytes, config.journal_bytes)?;
            watched(KvStore::open(engine, options)?)
        }
        #[cfg(not(feature = "sled"))]
        StoreKind::Sled => Err(ServerError::NoSled),
    }
}

fn watched<E: Engine>(store: KvStore<E>) -> Result<(Arc<dyn Store>, Watch), ServerError> {
    let watch = store.watch();
    Ok((Arc::new(store), watch))
}

type Mounts = Arc<Mutex<Vec<Mount>>>;

/// The opened parts of a configuration.
struct Parts {
    channels: Vec<(Section, &'static transport::Kind)>,
    assistants: Vec<(String, Arc<dyn crate::Assistant>)>,
}

impl Parts {
    /// Opens what can be opened before the gateway is there, and checks the rest, so that all problems are told together.
    fn of(config: &Config) -> Result<Self, ServerError> {
        let mut problems = Vec::new();
        let mut channels = Vec::new();
        let allowing = |section: &Section| section.allowing(&config.server.outbound_allow);
        for section in config.channels.iter().map(allowing) {
            let section = &section;
            match transport::kind(section) {
                Ok(kind) => match (kind.check)(section) {
                    Ok(_advice) => channels.push((section.clone(), kind)),
                    Err(more) => problems.extend(more),
                },
                Err(problem) => problems.push(problem),
            }
        }
        let mut assistants = Vec::new();
        for section in config.assistants.iter().map(allowing) {
            let section = &section;
            match assistant::kind(section).map_err(|problem| vec![problem]).and_then(|kind| (kind.open)(section)) {
                Ok(assistant) => assistants.push((section.name.clone(), assistant)),
                Err(more) => problems.extend(more),
            }
        }
        problems.extend(config.reports.iter().filter_map(|section| reporting::check(section).err()).flatten());
        if problems.is_empty() { Ok(Self { channels, assistants }) } else { Err(ServerError::Config(problems)) }
    }

    /// Puts the gateway together. The channels' HTTP sides are there once it has started.
    fn build(self, config: &Config, store: Arc<dyn Store>) -> (Builder, Mounts) {
        let mounts = Mounts::default();
        let mut builder = Gateway::builder(store).settings(Settings {
            idle_after: config.engine.idle_after,
            max_resident: config.engine.max_resident,
            sweep_every: config.engine.sweep_every,
            unread_max: config.store.inbox_max,
            remember_duplicates: config.store.duplicates_kept,
            catch_up_after: config.engine.catch_up_after,
            expire_every: config.engine.expire_every,
            ..Settings::default()
        });
        for (section, kind) in self.channels {
            let mounts = Arc::clone(&mounts);
            let name = section.name.clone();
            builder = builder.try_channel(&name, move |inbox| open_channel(&section, kind, inbox, &mounts));
        }
        for (name, assistant) in self.assistants {
            builder = builder.assistant(&name, assistant);
        }
        for tenant in &config.tenants {
            builder = builder.tenant(TenantSpec {
                number: tenant.number.clone(),
                channel: tenant.channel.clone(),
                assistant: tenant.assistant.clone(),
                policy: tenant.policy.clone(),
                lane: tenant.lane.clone(),
            });
        }
        (builder, mounts)
    }
}

fn open_channel(
    section: &Section,
    kind: &transport::Kind,
    inbox: Inbox,
    mounts: &Mounts,
) -> Result<Arc<dyn crate::Transport>, String> {
    let Channel { transport, webhook, routes } =
        (kind.open)(section, inbox.clone()).map_err(|problems| listed(&problems))?;
    let mount = Mount { name: section.name.clone(), webhook, routes, inbox };
    mounts.lock().unwrap_or_else(PoisonError::into_inner).push(mount);
    Ok(transport)
}
