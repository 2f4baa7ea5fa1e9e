//! One run: a stand-in for Twilio, users, and the lives of the binary one after the other; at the end the audit.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::audit::{Findings, audit, outbound};
use super::child::{Life, Place, Setup};
use super::dice::Dice;
use super::texts::{BOT, Kind};
use super::user::{User, receipts};
use crate::support::twilio::Twilio;

/// Whoever waits longer for answers looks at what is there.
const PATIENCE: Duration = Duration::from_secs(60);

/// A number that the environment may set.
pub(crate) fn number_from_environment<N: std::str::FromStr>(name: &str, default: N) -> N {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number")),
        Err(_) => default,
    }
}

/// See the module.
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) place: Place,
    tenant: String,
    pub(crate) users: Vec<User>,
    talking: Vec<JoinHandle<User>>,
    twilio: Arc<Twilio>,
    address: watch::Sender<Option<SocketAddr>>,
    stop: watch::Sender<bool>,
    /// The stand-in answers every create in time from now on.
    prompt: Arc<AtomicBool>,
    receipts: JoinHandle<()>,
    ready: Vec<Duration>,
    began: Instant,
}

impl Run {
    pub(crate) async fn start(tenant: &str, session_timeout: &str) -> Self {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
        let seed = number_from_environment("RACONTEUR_CRASH_SEED", u64::from(clock.subsec_nanos()));
        let prompt = Arc::new(AtomicBool::new(false));
        let twilio = Arc::new(Twilio::start_at(pace(Dice::new(seed, 3), Arc::clone(&prompt))).await);
        let setup = Setup { tenant, session_timeout, twilio: twilio.base_url() };
        let place = Place::new(&setup, BOT, seed);
        let (address, gateway) = watch::channel(None);
        let receipts = tokio::spawn(receipts(Arc::clone(&twilio), Dice::new(seed, 4), gateway));
        Self {
            seed,
            place,
            tenant: tenant.into(),
            users: Vec::new(),
            talking: Vec::new(),
            twilio,
            address,
            stop: watch::Sender::new(false),
            prompt,
            receipts,
            ready: Vec::new(),
            began: Instant::now(),
        }
    }

    pub(crate) fn add_users(&mut self, count: usize) {
        self.users.extend((0..count).map(|which| User::new(&self.tenant, which)));
    }

    /// Users who talk by themselves, until the run finishes.
    pub(crate) fn let_users_talk(&mut self, count: usize) {
        for which in 0..count {
            let dice = Dice::new(self.seed, 1_000 + u64::try_from(which).expect("few users"));
            let user = User::new(&self.tenant, which);
            self.talking.push(tokio::spawn(user.talk(dice, self.address.subscribe(), self.stop.subscribe())));
        }
    }

    /// A life that users can reach. Whoever ends it says so with [`Run::end`].
    pub(crate) async fn begin(&mut self) -> Life {
        let (life, address) = self.place.start().await;
        self.ready.push(life.born.elapsed());
        self.address.send_replace(Some(address));
        life
    }

    pub(crate) fn end(&self) {
        self.address.send_replace(None);
    }

    /// A life that is killed so long after it was ready. Users notice by their broken connections.
    pub(crate) async fn live(&mut self, span: Duration) {
        let life = self.begin().await;
        tokio::time::sleep(span).await;
        life.kill().await;
        self.end();
    }

    /// A life that is killed so long after its birth, ready or not. No user reaches it.
    pub(crate) async fn live_shortly(&mut self, span: Duration) {
        let life = self.place.spawn();
        tokio::time::sleep(span).await;
        life.kill().await;
    }

    /// One user says something; returns when it is acknowledged.
    pub(crate) async fn says(&mut self, user: usize, kind: Kind) {
        self.users[user].say(kind, &mut self.address.subscribe()).await;
    }

    pub(crate) async fn everybody_says(&mut self, kind: Kind) {
        for user in &mut self.users {
            user.say(kind, &mut self.address.subscribe()).await;
        }
    }

    /// Waits until there is something at the provider for each text that was acknowledged, or patience ends: then the audit
    /// tells what is missing.
    pub(crate) async fn answers_arrived(&self) {
        let wanted: usize = self.users.iter().map(|user| user.said.len()).sum();
        let arrived = async {
            let (mut turns, mut seen) = (BTreeSet::new(), 0);
            while turns.len() < wanted {
                let creates = self.twilio.creates_from(seen).await;
                seen += creates.len();
                turns.extend(creates.iter().filter_map(outbound).map(|id| id.turn));
            }
        };
        let _ = tokio::time::timeout(PATIENCE, arrived).await;
    }

    /// The answers to one user, in order.
    pub(crate) fn bodies_to(&self, user: usize) -> Vec<String> {
        let number = &self.users[user].number;
        self.twilio.creates().into_iter().filter(|create| create.to == *number).map(|create| create.body).collect()
    }

    /// One more life, in which everything is answered, and which may end in its own time; then the audit.
    ///
    /// Each user says one last, plain text in it. Texts are answered and sent in order, so that when those are answered nothing
    /// that came before can still be open.
    pub(crate) async fn finish(mut self, rounds: usize) {
        let life = self.begin().await;
        self.stop.send_replace(true);
        for user in std::mem::take(&mut self.talking) {
            self.users.push(user.await.expect("users do not fail"));
        }
        self.prompt.store(true, Ordering::Release);
        self.everybody_says(Kind::Plain).await;
        self.answers_arrived().await;
        life.stop().await;
        self.end();
        let findings = audit(&self.users, &self.twilio, &self.place.store()).await;
        self.receipts.abort();
        let summary = self.summary(rounds, &findings);
        tell(&summary);
        let shown = &findings.problems[..findings.problems.len().min(40)];
        assert!(findings.problems.is_empty(), "{summary}\n{}", shown.join("\n"));
    }

    fn summary(&mut self, rounds: usize, findings: &Findings) -> String {
        self.ready.sort_unstable();
        let (half, longest) = (self.ready[self.ready.len() / 2], self.ready[self.ready.len() - 1]);
        let repeats: usize = self.users.iter().map(|user| user.repeats).sum();
        let Findings { acknowledged, answered, lost, doubled, convicted, .. } = findings;
        format!(
            "{rounds} rounds in {:.0?} (seed {}): {acknowledged} texts acknowledged ({repeats} posted again), {answered} answered, \
             {lost} lost, {doubled} doubled, {convicted} convicted; {} creates, {} pages of the log read; \
             ready after {half:.0?} (half), {longest:.0?} (longest)",
            self.began.elapsed(),
            self.seed,
            self.twilio.creates().len(),
            self.twilio.lists().len(),
        )
    }

    pub(crate) fn tell_progress(&self, round: usize, rounds: usize) {
        if round.is_multiple_of(25) {
            let (creates, pages) = (self.twilio.creates().len(), self.twilio.lists().len());
            tell(&format!("round {round} of {rounds}: {creates} creates, {pages} pages of the log read"));
        }
    }
}

#[expect(clippy::print_stdout, reason = "whoever runs this for long wants to see how it gets on")]
fn tell(text: &str) {
    println!("{text}");
}

/// How the stand-in takes its time. One answer in fifty comes after the gateway has stopped waiting for it, so that there are
/// texts in doubt without a crash, too.
fn pace(dice: Dice, prompt: Arc<AtomicBool>) -> crate::support::twilio::Pace {
    let dice = Mutex::new(dice);
    Box::new(move || {
        let mut dice = dice.lock().expect("nobody panics with the dice in hand");
        let late = dice.once_in(50) && !prompt.load(Ordering::Acquire);
        let after = if late { Duration::from_millis(1_200) } else { dice.millis(0..100) };
        (dice.millis(0..10), after)
    })
}
