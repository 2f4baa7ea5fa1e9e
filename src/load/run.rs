//! One load from its beginning to its report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Client;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::books::Books;
use super::figures::{Figures, Totals};
use super::gateway::{Gateway, PUBLIC_URL};
use super::people::People;
use super::process::Cost;
use super::report::{Outcome, Report};
use super::standin::{self, Delivered, Listening, Provider};
use super::wire::phone::Ear;
use super::wire::{Line, Receipts, Signer};
use super::{LoadOptions, Second, Target, Wire};
use crate::client;

/// How many receipts may wait to be posted.
const RECEIPTS_MAX: usize = 100_000;

/// How many phones connect at once.
const CONNECTING: usize = 64;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A gateway of our own did not start, or failed.
    #[error("the gateway did not run well; the end of its log:\n{0}")]
    Gateway(String),
    /// Files could not be written, or a process not be started.
    #[error("{0}")]
    Files(std::io::Error),
    /// A stand-in could not listen.
    #[error("a stand-in cannot listen at {0}: {1}")]
    StandIn(std::net::SocketAddr, std::io::Error),
    /// Nothing can be asked by HTTP.
    #[error("{0}")]
    Client(String),
    /// A phone did not get its line.
    #[error(
        "the gateway gave no line to a phone: is the channel of kind phone, and phones_max at least the number of texters?"
    )]
    NoLine,
    /// The address is no address.
    #[error("{0} is not the address of a gateway: write it as http://127.0.0.1:8080")]
    Address(String),
}

/// Puts a gateway under load and tells how it went.
///
/// # Errors
/// When nothing could be measured.
pub async fn run(options: LoadOptions) -> Result<Report, LoadError> {
    if let Target::Running { url, .. } = &options.target
        && !reqwest::Url::parse(url).is_ok_and(|url| url.has_host())
    {
        return Err(LoadError::Address(url.clone()));
    }
    raise_file_limit();
    let figures = Arc::new(Figures::default());
    let books = Arc::new(Books::new(options.crowd.texters, options.answers, Arc::clone(&figures)));
    let client = client::client(Duration::from_secs(10)).map_err(|error| LoadError::Client(error.to_string()))?;
    let (receipts, delivered) = mpsc::channel(RECEIPTS_MAX);
    let rules = options.standins.clone();
    let listen = |address, app| async move {
        Listening::at(address, app).await.map_err(|error| LoadError::StandIn(address, error))
    };
    let assistant = listen(rules.assistant_listen, standin::assistant(Arc::clone(&books), rules.clone())).await?;
    let provider = Provider { books: Arc::clone(&books), rules: rules.clone(), receipts };
    let provider = listen(rules.provider_listen, standin::provider(provider)).await?;
    books.have_said(options.crowd.waiting);
    let gateway = Gateway::of(&options, &assistant.url(), &provider.url()).await?;
    let mut tasks = JoinSet::new();
    match &options.wire {
        Wire::Phone => connect(&options, (&gateway.url, &client), &books, &mut tasks).await?,
        Wire::Twilio { .. } => post_receipts(&options, (&gateway, &client), &books, (&mut tasks, delivered)),
    }
    let measured = measure(&options, &gateway, (&books, client)).await;
    tasks.shutdown().await;
    gateway.stop().await?;
    Ok(Report::of(&options, &figures, measured))
}

/// Lets the crowd text, watching, waits for the last answers, and then for a gateway that comes to rest.
async fn measure(options: &LoadOptions, gateway: &Gateway, (books, client): (&Arc<Books>, Client)) -> Outcome {
    let cost = || gateway.process.and_then(super::process::Process::cost);
    let line = Line::new(options, &gateway.url, &public_url(options, &gateway.url), (client, Arc::clone(books)));
    let people = Arc::new(People::new(options.crowd.texters, Arc::clone(books), line));
    let (began, before) = (Instant::now(), cost());
    let mut measured = Measured { since: began, answers: 0, cost: before };
    let texting = Arc::clone(&people).text(&options.crowd);
    tokio::pin!(texting);
    let mut watch = Watch { began, totals: Totals::default(), cost: before, at: began, seconds: Vec::new() };
    let mut clock = tokio::time::interval_at((began + Duration::from_secs(1)).into(), Duration::from_secs(1));
    let warm = tokio::time::sleep(options.warm_up);
    tokio::pin!(warm);
    let mut is_warm = options.warm_up.is_zero();
    loop {
        tokio::select! {
            () = &mut texting => break,
            () = &mut warm, if !is_warm => {
                is_warm = true;
                books.figures.forget_latencies();
                measured = Measured { since: Instant::now(), answers: books.figures.answers(), cost: cost() };
            }
            _ = clock.tick() => watch.second(options, books, cost()),
        }
    }
    let (lasted, answered_in_time) = (measured.since.elapsed(), books.figures.answers() - measured.answers);
    let spent = cost();
    let mut watch_until = async |is_over: &dyn Fn() -> bool| {
        while !is_over() {
            tokio::select! {
                _ = clock.tick() => watch.second(options, books, cost()),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    };
    let last_call = Instant::now() + options.patience;
    let is_answered = || books.unanswered() == 0 && people.are_silent();
    watch_until(&|| is_answered() || Instant::now() >= last_call).await;
    let cold = Instant::now() + options.cool_down;
    watch_until(&|| Instant::now() >= cold).await;
    Outcome {
        lasted,
        answered_in_time,
        unanswered: books.unanswered(),
        started_in: gateway.started_in,
        before: measured.cost,
        spent,
        after: cost(),
        seconds: watch.seconds,
    }
}

/// From when on it is measured, and what there was by then.
struct Measured {
    since: Instant,
    answers: u64,
    cost: Option<Cost>,
}

struct Watch {
    began: Instant,
    totals: Totals,
    cost: Option<Cost>,
    at: Instant,
    seconds: Vec<Second>,
}

impl Watch {
    fn second(&mut self, options: &LoadOptions, books: &Books, cost: Option<Cost>) {
        let span = self.at.elapsed().as_secs_f64().max(0.001);
        let cpu = cost.zip(self.cost).map(|(now, before)| now.cpu.saturating_sub(before.cpu).as_secs_f64() / span);
        let second = Second {
            second: self.began.elapsed().as_secs(),
            waiting: books.unanswered(),
            cpu,
            memory: cost.map(|cost| cost.memory),
            progress: (self.began.elapsed().as_secs_f64() / options.crowd.duration.as_secs_f64()).min(1.0),
            ..books.figures.second(&mut self.totals)
        };
        (self.cost, self.at) = (cost, Instant::now());
        (options.on_second)(&second);
        self.seconds.push(second);
    }
}

/// The URL that the gateway believes it is reached at.
fn public_url(options: &LoadOptions, gateway: &str) -> String {
    match (&options.wire, &options.target) {
        (Wire::Twilio { public_url: Some(url), .. }, _) => url.trim_end_matches('/').to_owned(),
        (_, Target::Own { .. }) => PUBLIC_URL.to_owned(),
        (_, Target::Running { .. }) => gateway.to_owned(),
    }
}

fn post_receipts(
    options: &LoadOptions,
    (gateway, client): (&Gateway, &Client),
    books: &Arc<Books>,
    (tasks, delivered): (&mut JoinSet<()>, mpsc::Receiver<Delivered>),
) {
    let Wire::Twilio { account_sid, auth_token, .. } = &options.wire else { return };
    let public = public_url(options, &gateway.url);
    let signer = Signer::new(account_sid, auth_token.clone(), public.clone());
    let places = (public, gateway.url.clone());
    let receipts = Receipts { signer, client: client.clone(), places, books: Arc::clone(books) };
    tasks.spawn(Arc::new(receipts).post_all(delivered));
}

/// Every texter gets a line to hear by, before anybody says anything.
async fn connect(
    options: &LoadOptions,
    (gateway, client): (&str, &Client),
    books: &Arc<Books>,
    tasks: &mut JoinSet<()>,
) -> Result<(), LoadError> {
    let ear = Arc::new(Ear {
        client: client.clone(),
        url: format!("{gateway}/channels/{}", options.channel),
        tenant: options.tenant.to_string(),
        books: Arc::clone(books),
    });
    let mut waiting = Vec::new();
    for texter in 0..options.crowd.texters {
        let (ready, is_ready) = oneshot::channel();
        let ear = Arc::clone(&ear);
        tasks.spawn(async move { ear.listen(texter, ready).await });
        waiting.push(is_ready);
        if waiting.len() >= CONNECTING {
            all_ready(&mut waiting).await?;
        }
    }
    all_ready(&mut waiting).await
}

async fn all_ready(waiting: &mut Vec<oneshot::Receiver<()>>) -> Result<(), LoadError> {
    let ready = futures_util::future::join_all(waiting.drain(..));
    let ready = tokio::time::timeout(Duration::from_secs(10), ready).await.map_err(|_| LoadError::NoLine)?;
    if ready.iter().all(Result::is_ok) { Ok(()) } else { Err(LoadError::NoLine) }
}

/// Thousands of texters need as many connections.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
