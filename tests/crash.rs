//! Promises 3 and 4 against the real binary: killed with SIGKILL again and again, while users talk and a stand-in for Twilio
//! writes down what it was asked to send. Nothing accepted is lost, nothing is sent twice, no context goes back.
//!
//! In the suite this takes half a minute. The long run, which prints how it gets on:
//!
//! ```text
//! RACONTEUR_CRASH_ROUNDS=500 cargo test --release --test crash kill -- --nocapture
//! ```
//!
//! `RACONTEUR_CRASH_SEED` repeats a run's own decisions; what the machine does in between cannot be repeated.

#![cfg(all(unix, feature = "cli", feature = "sled", feature = "script"))]

mod support {
    #[allow(dead_code, reason = "each test program uses its own part of the stand-in")]
    pub(crate) mod twilio;
}

#[path = "support/crash"]
mod crash {
    pub(crate) mod audit;
    pub(crate) mod child;
    pub(crate) mod dice;
    pub(crate) mod run;
    pub(crate) mod texts;
    pub(crate) mod user;
}

use std::time::Duration;

use crash::audit;
use crash::dice::Dice;
use crash::run::{Run, number_from_environment};
use crash::texts::Kind;
use raconteur_actors::clock::SystemClock;
use raconteur_actors::port::Clock;
use raconteur_conversation::Conversation;
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::policy::Policy;
use raconteur_conversation::time::UnixMillis;
use raconteur_storage::engine::sled::SledEngine;
use raconteur_storage::{KvStore, Options, Store};

const USERS: usize = 20;

/// How long a session lasts that is to time out.
const SESSION: Duration = Duration::from_secs(1);

/// Rounds in the suite; each takes about a second.
const ROUNDS: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_answered_once_and_in_order_however_often_the_process_is_killed() {
    let rounds = number_from_environment("RACONTEUR_CRASH_ROUNDS", ROUNDS);
    let mut run = Run::start("+15550100", "1h").await;
    run.let_users_talk(USERS);
    let mut dice = Dice::new(run.seed, 1);
    // A text that was under way at three deaths in a row runs alone, and a fourth death convicts it: that is what the rules say
    // of a process that dies at once whenever it starts. Not more than two short lives follow each other, so that every text
    // has had a life that was long enough for it.
    let mut short_lives = 0;
    for round in 1..=rounds {
        if short_lives < 2 && dice.once_in(5) {
            short_lives += 1;
            run.live_shortly(dice.millis(0..120)).await;
        } else {
            short_lives = 0;
            run.live(dice.millis(500..1_500)).await;
        }
        run.tell_progress(round, rounds);
    }
    run.finish(rounds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_while_it_opens_its_store_loses_nothing() {
    let mut run = Run::start("+15550101", "1h").await;
    run.add_users(5);
    let mut dice = Dice::new(run.seed, 2);
    let life = run.begin().await;
    for kind in [Kind::Plain, Kind::Long, Kind::Same, Kind::Same] {
        run.everybody_says(kind).await;
    }
    run.answers_arrived().await;
    // The latest answers are with the provider; that they are, is not yet on disk.
    life.kill().await;
    run.end();
    for _ in 0..30 {
        run.live_shortly(dice.millis(0..60)).await;
    }
    run.finish(31).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_time_ran_out_while_the_process_was_dead_has_ended() {
    let mut run = Run::start("+15550102", &humantime::format_duration(SESSION).to_string()).await;
    run.add_users(2);
    let life = run.begin().await;
    run.everybody_says(Kind::Plain).await;
    run.answers_arrived().await;
    life.kill().await;
    run.end();
    // The clock of the session is the wall's.
    let last = sessions_end(&run).await;
    while SystemClock::default().now() <= last {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    // The first user texts again, the second stays silent.
    let mut gone = false;
    for _ in 0..20 {
        let life = run.begin().await;
        run.says(0, Kind::Plain).await;
        run.answers_arrived().await;
        life.stop().await;
        run.end();
        gone = !has_session(&run, 1).await;
        if gone {
            break;
        }
    }
    assert!(gone, "the session of a user who stays silent ends by itself");

    let store = open(&run);
    let pages = audit::transcript(&store, &key(&run, 0)).await;
    assert_ne!(pages[0].session, pages[1].session, "the second text opened a session of its own");
    let sessions: Vec<String> = pages.iter().map(|page| page.session.expect("it has one").to_string()).collect();
    for (number, (body, session)) in (1..).zip(run.bodies_to(0).iter().zip(&sessions)).take(2) {
        assert_eq!(*body, format!("1 {session} {number} plain"), "each session counts from 1");
    }
}

fn key(run: &Run, user: usize) -> ConversationKey {
    let address = |text: &str| Address::parse(text).expect("a test's number is one");
    ConversationKey { tenant: address(&run.users[user].tenant), user: address(&run.users[user].number) }
}

fn open(run: &Run) -> KvStore<SledEngine> {
    let engine = SledEngine::open(&run.place.store(), 64 << 20).expect("the store can be opened");
    KvStore::open(engine, Options::default()).expect("the store can be opened")
}

/// A user's conversation as the store has it.
async fn conversation(store: &KvStore<SledEngine>, key: ConversationKey) -> Conversation {
    let claims = store.claim(&[key.shard()]).await.expect("nobody else has the store");
    let loaded = store.load(claims[0], &key, 10).await.expect("a conversation can be loaded");
    let (conversation, unreadable) = Conversation::restore(key, loaded.snapshot.as_deref(), Vec::new());
    assert_eq!(unreadable, None, "the snapshot can be read");
    conversation
}

/// Whether the store has a session open for the user.
async fn has_session(run: &Run, user: usize) -> bool {
    let store = open(run);
    let conversation = conversation(&store, key(run, user)).await;
    store.close().await.expect("the store can be closed");
    conversation.session().is_some()
}

/// When the last of all sessions times out, of which each user has one. The store is left as it was found, which is not closed.
async fn sessions_end(run: &Run) -> UnixMillis {
    let (store, policy) = (open(run), Policy { session_timeout: SESSION, ..Policy::default() });
    let mut last = UnixMillis(0);
    for user in 0..run.users.len() {
        let deadline = conversation(&store, key(run, user)).await.deadline(&policy);
        last = last.max(deadline.expect("the user has a session"));
    }
    last
}
