//! The `raconteur` binary: reads the command line, sets up logging, and runs what was asked for. The only place that prints,
//! installs a signal handler and chooses how the process ends.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
#[cfg(unix)]
use std::sync::OnceLock;
use std::time::Duration;

use clap::Parser;
#[cfg(unix)]
use indicatif::{ProgressBar, ProgressStyle};
use raconteur::chat::{self, ChatOptions};
use raconteur::check::{self, Kind, Kinds};
use raconteur::cli::{Cli, Command, HealthArgs, ImportArgs, ImportFrom, ManArgs, ServeArgs, StoreArgs, shell};
use raconteur::config::{self, Config, Problem, StoreKind};
#[cfg(unix)]
use raconteur::load::{LoadArgs, Second};
#[cfg(feature = "sled")]
use raconteur::store_tools::{self, Done};
use raconteur::{Server, ServerError, assistant, health, reporting, telemetry, transport, watchdog};
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long the last traces may take when the gateway has stopped.
const LAST_TRACES_WITHIN: Duration = Duration::from_secs(3);

/// Takes less than half of the memory of others that are as fast, and gives back what is not used any more.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // A worker that has nothing to do lets others go first once before it sleeps: where processors are scarce those mostly have something
    // for it then, and a thread that sleeps often wakes up beside others while a processor is idle. Where one is free it comes back at once.
    runtime.enable_all().on_thread_park(std::thread::yield_now);
    let runtime = match runtime.build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(format_args!("cannot start the runtime: {error}")),
    };
    runtime.block_on(async {
        match cli.command_or_serve() {
            Command::Serve(args) => serve(&cli, &args).await,
            Command::Check => checked(&cli),
            Command::Health(args) => well(&cli, &args).await,
            Command::Completions(args) => {
                write(&shell::completions(args.shell));
                ExitCode::SUCCESS
            }
            Command::Man(args) => manual(&args),
            Command::Import(args) => import(&args),
            Command::Token => token(),
            Command::Store(args) => look_after(&cli, &args).await,
            #[cfg(unix)]
            Command::Load(args) => load(&args).await,
            Command::Chat(args) => {
                let options = ChatOptions {
                    url: args.url,
                    channel: args.channel,
                    tenant: args.to,
                    user: args.from,
                    patience: args.patience,
                };
                match chat::run(options).await {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => fail(format_args!("{error:#}")),
                }
            }
        }
    })
}

async fn serve(cli: &Cli, args: &ServeArgs) -> ExitCode {
    let mut config = match config::load(cli.config.as_deref(), config::environment()) {
        Ok(config) => config,
        Err(problems) => return refuse(&problems),
    };
    args.apply(&mut config);
    let telemetry = match telemetry::start(&config.log, &config.traces) {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(error),
    };
    let summary = config.clone();
    let code = match Server::start(config).await {
        Ok(server) => {
            server.metrics().watch_spans(telemetry.spans());
            run(server, &summary).await
        }
        Err(ServerError::Config(problems)) => refuse(&problems),
        Err(error) => fail(error),
    };
    telemetry.close(LAST_TRACES_WITHIN).await;
    code
}

async fn run(server: Server, config: &Config) -> ExitCode {
    // Before anybody is told that it runs: a supervisor may send its signal as soon as it has read that.
    let mut signals = match StopSignals::listen() {
        Ok(signals) => signals,
        Err(error) => return fail(format_args!("cannot listen to signals: {error}")),
    };
    let patience = config.engine.stall_timeout;
    let stalled = move || leave(format_args!("the gateway's own threads have stalled for {patience:?}"));
    if let Err(error) = watchdog::watch(patience, stalled) {
        return fail(format_args!("cannot start the watchdog: {error}"));
    }
    say(&welcome(config, &server));
    let timeout = config.engine.drain_timeout;
    let stop = async move {
        signals.next().await;
        let seconds = timeout.as_secs();
        say(&format!("Stopping: open turns have {seconds} s to finish; press Ctrl-C again to leave at once.\n"));
        tokio::spawn(async move {
            signals.next().await;
            // Nothing is lost: what was accepted is in the store, and the next start goes on with it.
            std::process::exit(130);
        });
    };
    match server.run(stop).await {
        Ok(()) => {
            say("Stopped. Every conversation is in the store.\n");
            ExitCode::SUCCESS
        }
        Err(error) => leave(format_args!("the gateway cannot go on: {error}")),
    }
}

/// Ends the process with a failure, at once: whoever hangs, in a disk that never answers, would have everybody hang who waits for him,
/// and the end of the runtime waits for its threads. Nothing is lost: what was accepted is in the store.
fn leave(error: impl Display) -> ! {
    fail(error);
    std::process::exit(1)
}

fn welcome(config: &Config, server: &Server) -> String {
    let address = server.address();
    let scheme = if config.server.tls.is_some() { "https" } else { "http" };
    let mut text = format!("Raconteur {} is running on {scheme}://{address}\n", env!("CARGO_PKG_VERSION"));
    for tenant in &config.tenants {
        text += &format!("  {} by {}, answered by {}\n", tenant.number, tenant.channel, tenant.assistant);
    }
    text += &match config.store.kind {
        StoreKind::Sled => format!("  conversations are kept in {}\n", config.store.path.display()),
        StoreKind::Memory => "  conversations are kept in memory and lost at the end\n".into(),
    };
    let phone = config.channels.iter().find(|section| section.kind == "phone");
    let tenant = phone.and_then(|phone| config.tenants.iter().find(|tenant| tenant.channel == phone.name));
    if let (Some(phone), Some(tenant)) = (phone, tenant) {
        let mut command = "raconteur chat".to_owned();
        if address.port() != 8080 || config.server.tls.is_some() {
            command += &format!(" --url {scheme}://{address}");
        }
        if phone.name != "phone" {
            command += &format!(" --channel {}", phone.name);
        }
        if tenant.number.as_str() != "+15550100" {
            command += &format!(" --to {}", tenant.number);
        }
        text += &format!("Open it in a browser:  {scheme}://{address}\n");
        text += &format!("Text it from another terminal:  {command}\n");
        text += &format!(
            "or:  curl {scheme}://{address}/channels/{}/inbound -d '{{\"from\":\"+15550199\",\"to\":\"{}\",\"text\":\"hi\"}}'\n",
            phone.name, tenant.number
        );
    }
    text + "Stop it with Ctrl-C.\n"
}

fn checked(cli: &Cli) -> ExitCode {
    let reading = config::read(cli.config.as_deref(), config::environment());
    let assistants: Vec<_> = assistant::KINDS
        .iter()
        .map(|kind| (kind.name, |section: &config::Section| (kind.open)(section).map(|_| Vec::new())))
        .collect();
    let assistants: Vec<Kind<'_>> = assistants.iter().map(|(name, check)| Kind { name, check }).collect();
    let channels: Vec<Kind<'_>> =
        transport::KINDS.iter().map(|kind| Kind { name: kind.name, check: &kind.check }).collect();
    let reports: Vec<Kind<'_>> =
        reporting::KINDS.iter().map(|kind| Kind { name: kind.name, check: &kind.check }).collect();
    let kinds = Kinds { channels: &channels, assistants: &assistants, reports: &reports };
    let report = check::report(&reading, kinds);
    say(&report.text);
    if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What else is wrong with the configuration is not asked here: the gateway runs, or does not.
async fn well(cli: &Cli, args: &HealthArgs) -> ExitCode {
    let config::Reading { config, .. } = config::read(cli.config.as_deref(), config::environment());
    match health::ask(args.url.as_deref(), &config, args.timeout).await {
        Ok(()) => {
            say("ready\n");
            ExitCode::SUCCESS
        }
        Err(error) => fail(error),
    }
}

fn manual(args: &ManArgs) -> ExitCode {
    let done = match &args.output {
        None => shell::page().map(|page| write(&page)),
        Some(directory) => shell::pages(directory),
    };
    match (done, &args.output) {
        (Ok(()), _) => ExitCode::SUCCESS,
        (Err(error), Some(directory)) => fail(format_args!("{}: {error}", directory.display())),
        (Err(error), None) => fail(error),
    }
}

fn token() -> ExitCode {
    match config::token::fresh() {
        Ok(token) => {
            let hash = config::token::TokenHash::of(&token);
            say(&format!("token:  {token}\nsha256: {hash}\n"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(error),
    }
}

fn import(args: &ImportArgs) -> ExitCode {
    let ImportFrom::Ibm(args) = &args.from;
    match raconteur::import::run(args, config::environment()) {
        Ok(done) => {
            say(&done.output);
            let _ = io::stderr().write_all(done.report.as_bytes());
            if done.complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => fail(error.trim_end()),
    }
}

/// Puts a gateway under load. With a terminal, a bar shows how far it is.
#[cfg(unix)]
async fn load(args: &LoadArgs) -> ExitCode {
    static BAR: OnceLock<ProgressBar> = OnceLock::new();
    let bar = BAR.get_or_init(|| {
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}").expect("the template is a good one");
        ProgressBar::new(1_000).with_style(style)
    });
    let on_second = |second: &Second| {
        let Some(bar) = BAR.get() else { return };
        bar.set_position((second.progress * 1_000.0) as u64);
        let Second { said, answered, waiting, turn_p99_ms, faults, .. } = second;
        bar.set_message(format!(
            "{said}/s sent, {answered}/s answered, {waiting} waiting, p99 {turn_p99_ms:.1} ms, {faults} faults"
        ));
    };
    let options = match args.options(on_second) {
        Ok(options) => options,
        Err(error) => return fail(error),
    };
    let report = match raconteur::load::run(options).await {
        Ok(report) => report,
        Err(error) => return fail(error),
    };
    bar.finish_and_clear();
    say(&if args.json { report.json() + "\n" } else { report.table() });
    if let Some(file) = &args.report
        && let Err(error) = std::fs::write(file, report.page())
    {
        return fail(format_args!("{}: {error}", file.display()));
    }
    let failures = report.failures(&args.limits());
    failures.iter().for_each(|failure| {
        fail(failure);
    });
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(feature = "sled")]
async fn look_after(cli: &Cli, args: &StoreArgs) -> ExitCode {
    let config::Reading { config, problems, file: _ } = config::read(cli.config.as_deref(), config::environment());
    // Whoever names the directory needs no good configuration: a secret that is not at hand must not be in the way.
    if args.store.is_none() && !problems.is_empty() {
        let code = refuse(&problems);
        say("To look after a store whatever the configuration says, name its directory with --store.\n");
        return code;
    }
    if let Err(error) = telemetry::init(&config.log) {
        return fail(error);
    }
    let Done { text, code } = match store_tools::run(args, &config, &mut io::stdout().lock()).await {
        Ok(done) => done,
        Err(error) => {
            fail(&error);
            return ExitCode::from(error.code());
        }
    };
    // An export may go to standard output: what is said about it must not.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(code)
}

#[cfg(not(feature = "sled"))]
#[expect(clippy::unused_async, reason = "the other one is")]
async fn look_after(_: &Cli, _: &StoreArgs) -> ExitCode {
    fail(ServerError::NoSled)
}

/// Ctrl-C and SIGTERM. From `listen` on neither ends the process by itself.
#[cfg(unix)]
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

#[cfg(unix)]
impl StopSignals {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves at the next of them.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
struct StopSignals;

#[cfg(not(unix))]
impl StopSignals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// Resolves at the next one.
    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

fn refuse(problems: &[Problem]) -> ExitCode {
    let listed: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
    fail(format_args!("{listed}{} problem(s) in the configuration; nothing was started", problems.len()))
}

fn fail(error: impl Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "raconteur: {error}");
    ExitCode::FAILURE
}

fn say(text: &str) {
    write(text.as_bytes());
}

fn write(bytes: &[u8]) {
    let mut out = io::stdout();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}
