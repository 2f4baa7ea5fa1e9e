//! The scripted assistant: a bot in a few lines of [Rhai](https://rhai.rs), inside this process, with no account and no network.
//!
//! A script defines `fn turn(message)`, which is called once for every text. It answers with `reply("...")`, `choose("Title",
//! ["Boat", "Car"])`, `send_media("https://...")`, `command("name", #{...})`, `end_session()`, `set_response_timeout(ms)`,
//! `answer_after("3s")` and `fail("reason")`, and keeps what it wants to know later in `memory`; `docs/scripting.md` is the guide.
//! It is compiled once, at the start. A run is a function of its message and its memory: there is no clock, chance, file or
//! network, and every limit in [`Settings`] ends a run as [`AskError::Rejected`] with the line. Runs take a thread of their own, a few
//! at once, so that even one that is stopped by its limits holds up few others and no other assistant. Without a file it is the demo bot.

mod api;
mod failure;
mod json;
mod memory;
mod sandbox;
mod turn;

#[cfg(test)]
mod limits;
#[cfg(test)]
mod tour;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use raconteur_actors::port::Assistant;
use raconteur_conversation::words::{Answer, AskError, Question};
use rhai::{AST, CallFnOptions, Dynamic, Engine, EvalAltResult, Scope};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use failure::Failure;
use turn::Running;

/// The demo bot, which doubles as a tour of the gateway.
const DEMO: &str = include_str!("script/demo.rhai");

/// The stack of a run. The deepest calls and the most nested values that [`Settings`] allow take half of it (measured with
/// Rhai optimised). It costs address space, and memory only as far as it is used.
const STACK: usize = 16 * 1024 * 1024;

/// A scripted assistant's section of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The script; without it, the built-in demo bot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// How many operations one turn may take. 100,000 are some 10 ms; an ordinary turn takes a few hundred.
    pub max_operations: u64,
    /// How long one turn may compute: a safety net under `max_operations`, since copying large values is slow.
    #[serde(with = "humantime_serde")]
    pub max_run_time: Duration,
    /// How deep functions may call each other.
    pub max_call_depth: usize,
    /// How deep blocks and expressions may nest in the script.
    pub max_nesting: usize,
    /// The longest text a script may make, in bytes.
    pub max_text_bytes: usize,
    /// How many entries an array or a map may have, counting nested ones.
    pub max_elements: usize,
    /// How much a script may remember, in bytes of JSON.
    pub max_memory_bytes: usize,
    /// How many texts, lists and commands one answer may have.
    pub max_answer_items: usize,
    /// How much one answer may hold, in bytes.
    pub max_answer_bytes: usize,
    /// How long `answer_after` may delay an answer.
    #[serde(with = "humantime_serde")]
    pub max_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            file: None,
            max_operations: 100_000,
            max_run_time: Duration::from_secs(1),
            max_call_depth: 16,
            max_nesting: 32,
            max_text_bytes: 8 * 1024,
            max_elements: 2_000,
            max_memory_bytes: 64 * 1024,
            max_answer_items: 20,
            max_answer_bytes: 64 * 1024,
            max_wait: Duration::from_secs(120),
        }
    }
}

impl Settings {
    /// What is out of range: zero would mean *no limit* to Rhai, and too much depth would overflow [`STACK`].
    fn problems(&self) -> Vec<String> {
        let sizes = [
            ("max_operations", self.max_operations, 1_000, 10_000_000),
            ("max_call_depth", wide(self.max_call_depth), 1, 32),
            ("max_nesting", wide(self.max_nesting), 8, 32),
            ("max_text_bytes", wide(self.max_text_bytes), 160, 64 * 1024),
            ("max_elements", wide(self.max_elements), 10, 4_000),
            ("max_memory_bytes", wide(self.max_memory_bytes), 2, 16 * 1024 * 1024),
            ("max_answer_items", wide(self.max_answer_items), 1, 1_000),
            ("max_answer_bytes", wide(self.max_answer_bytes), 160, 16 * 1024 * 1024),
        ];
        let wrong = sizes.into_iter().filter(|(_, is, min, max)| is < min || is > max);
        let mut problems: Vec<String> =
            wrong.map(|(name, is, min, max)| format!("{name} is {is}: set it from {min} to {max}")).collect();
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.max_run_time) {
            problems.push("max_run_time is out of range: set it from 10ms to 60s".into());
        }
        if self.max_wait > Duration::from_secs(600) {
            problems.push("max_wait is out of range: set it to 10m or less".into());
        }
        problems
    }
}

/// Compiles the script that `settings` name, as the assistant called `name`.
///
/// # Errors
/// All that is wrong with the settings, or that the script cannot be read, has an error (as `file:line:column: what`), or has no
/// `fn turn(message)`.
pub fn open(name: &str, settings: &Settings) -> Result<Arc<dyn Assistant>, Vec<String>> {
    let problems = settings.problems();
    if !problems.is_empty() {
        return Err(problems);
    }
    let (file, source) = match &settings.file {
        None => ("demo.rhai".to_owned(), DEMO.to_owned()),
        Some(path) => {
            let file = path.display().to_string();
            let source = std::fs::read_to_string(path)
                .map_err(|error| vec![format!("{file}: the script cannot be read: {error}")])?;
            (file, source)
        }
    };
    let bot = Bot::compile(name, file, &source, settings).map_err(|problem| vec![problem])?;
    Ok(Arc::new(Scripted::new(bot)))
}

struct Scripted {
    bot: Arc<Bot>,
    /// Each run holds one: see [`runs_max`].
    runs: Arc<Semaphore>,
}

impl Scripted {
    fn new(bot: Bot) -> Self {
        Self { bot: Arc::new(bot), runs: Arc::new(Semaphore::new(runs_max())) }
    }
}

/// How many runs there are at once; further ones wait for their turn. A run does nothing but compute, so more of them than there are
/// cores get nothing done earlier, and each thread keeps some MiB of the allocator's for itself.
fn runs_max() -> usize {
    std::thread::available_parallelism().map_or(4, |cores| cores.get().saturating_mul(2).max(4))
}

/// A compiled script and what it runs in: the same for all conversations.
struct Bot {
    name: String,
    file: String,
    settings: Settings,
    engine: Engine,
    tracer: OnceLock<Engine>,
    script: AST,
}

impl Bot {
    fn compile(name: &str, file: String, source: &str, settings: &Settings) -> Result<Self, String> {
        let engine = sandbox::engine(settings);
        let mut names = Scope::new();
        names.push("memory", memory::Handle);
        let script = engine.compile_with_scope(&names, source).map_err(|error| failure::syntax(&file, &error))?;
        let turns: Vec<usize> =
            script.iter_functions().filter(|known| known.name == "turn").map(|known| known.params.len()).collect();
        if !turns.contains(&1) {
            let found = if turns.is_empty() { "there is no function turn" } else { "turn must have one parameter" };
            return Err(format!("{file}: {found}: define it as fn turn(message) {{ ... }}"));
        }
        let (name, settings, tracer) = (name.to_owned(), settings.clone(), OnceLock::new());
        Ok(Self { name, file, settings, engine, tracer, script })
    }

    fn answer(&self, question: &Question) -> Result<(Answer, Duration), AskError> {
        let running = Running::new(question, &self.name, &self.settings);
        let run = self.run(&self.engine, question, &running);
        let refusal = running.lock().refusal.take();
        if let Some(reason) = refusal {
            return Err(AskError::Rejected { reason });
        }
        if let Err(error) = run {
            let failure = Failure::new(*error, &self.settings);
            let found = if failure.wants_place() { self.trace(question) } else { rhai::Position::NONE };
            return Err(failure.report(&self.file, found));
        }
        let finished = running.lock().finish(&self.name);
        finished.map_err(|error| AskError::Malformed { reason: error.to_string() })
    }

    fn run(&self, engine: &Engine, question: &Question, running: &Running) -> Result<(), Box<EvalAltResult>> {
        let message = running.lock().message(question);
        let options = CallFnOptions::new().with_tag(running.clone());
        let call =
            || engine.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), &self.script, "turn", (message,));
        sandbox::within(self.settings.max_run_time, call).map(|_| ())
    }

    /// Repeats a run that a limit has stopped, to learn where that was.
    fn trace(&self, question: &Question) -> rhai::Position {
        let tracer = self.tracer.get_or_init(|| sandbox::tracer(&self.settings));
        let running = Running::new(question, &self.name, &self.settings);
        match self.run(tracer, question, &running) {
            Ok(()) => rhai::Position::NONE,
            Err(_) => sandbox::place(),
        }
    }
}

#[async_trait]
impl Assistant for Scripted {
    async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let stopped = AskError::Unavailable { after: None, reason: "the gateway is shutting down".into() };
        let Ok(permit) = Arc::clone(&self.runs).acquire_owned().await else { return Err(stopped) };
        let (bot, question, span) = (Arc::clone(&self.bot), question.clone(), tracing::Span::current());
        let run = move || {
            let answered = span.in_scope(|| on_a_large_stack(bot, question));
            // Also one that nobody waits for any more runs to its end.
            drop(permit);
            answered
        };
        // tokio knows of its blocking tasks only: around a bare thread, a paused clock would run ahead.
        let run = tokio::task::spawn_blocking(run).await;
        let (answer, wait) = run.unwrap_or(Err(stopped))?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(answer)
    }
}

/// Runs the script on a thread of its own, in the caller's span, and waits for it.
fn on_a_large_stack(bot: Arc<Bot>, question: Question) -> Result<(Answer, Duration), AskError> {
    let span = tracing::Span::current();
    let run = move || span.in_scope(|| bot.answer(&question));
    let thread = std::thread::Builder::new().name("script".into()).stack_size(STACK).spawn(run).map_err(|error| {
        AskError::Unavailable { after: None, reason: format!("there is no thread for the script: {error}") }
    })?;
    thread.join().unwrap_or(Err(AskError::Panicked))
}

fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
