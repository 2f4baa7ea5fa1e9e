//! Stories of what a conversation does without its user: turns that it gives itself, the end of a silent session, pipes, and what
//! observers hear of it all. In virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support {
    #![allow(dead_code, reason = "each test file uses its own part")]
    pub(crate) mod world;
}

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use raconteur_actors::port::{Event, Forwarder, Observer};
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::effect::Notice;
use raconteur_conversation::policy::TimeoutTurn;
use raconteur_conversation::words::{
    Answer, AskError, AskInput, CommandCall, Forward, Item, MediaItem, Pipe, Question, Signal, StartSession, Work,
};
use raconteur_storage::engine::memory::MemoryEngine;
use raconteur_storage::engine::{Batch, Engine, Order};
use serde_json::Value;
use support::world::{Does, World, until};
use tokio::sync::Notify;
use uuid::Uuid;

const ADA: &str = "+15550111";

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

fn says(text: &str, commands: &[&str]) -> Does {
    let command = |name: &&str| CommandCall { name: (*name).into(), parameters: Value::Null };
    let commands = commands.iter().map(command).collect();
    Does::Answers(Box::new(Answer { items: vec![Item::Text(text.into())], commands, ..Answer::default() }))
}

fn is_forced(question: &Question) -> bool {
    matches!(question.input, AskInput::Signal(Signal::NoInput))
}

/// Looks something up by a turn of its own.
fn looks_things_up(question: &Question) -> Does {
    if is_forced(question) { says("Found it.", &[]) } else { says("One moment.", &["smsActForceNoInputTurn"]) }
}

#[tokio::test(start_paused = true)]
async fn a_forced_turn_follows_at_once_and_its_text_comes_before_the_next_answer() {
    let mut world = World::started().await;
    world.bot.does(|question| match question.input.text() {
        "more" => says("More.", &[]),
        _ => looks_things_up(question),
    });
    world.inbound(ADA, "order").await;
    world.inbound(ADA, "more").await;
    world.expects(ADA, &["One moment.", "Found it.", "More."]).await;
    let asked: Vec<String> = world.bot.asked().into_iter().map(|(.., text)| text).collect();
    assert_eq!(asked, ["order", "smsNoInputTurn", "more"]);
}

#[tokio::test(start_paused = true)]
async fn a_forced_turn_survives_the_death_of_the_process_and_happens_once() {
    let mut world = World::started().await;
    world.bot.does(|question| if is_forced(question) { Does::NeverAnswers } else { looks_things_up(question) });
    world.inbound(ADA, "order").await;
    world.expects(ADA, &["One moment."]).await;
    world.bot.was_asked(2).await;
    world.crash().await;
    world.bot.does(looks_things_up);
    world.start().await;
    world.expects(ADA, &["One moment.", "Found it."]).await;
    world.advance(minutes(5)).await;
    world.expects(ADA, &["One moment.", "Found it."]).await;
}

#[tokio::test(start_paused = true)]
async fn forced_turns_end_at_the_limit() {
    let mut world = World::new();
    world.policy.max_chained_turns = 3;
    world.start().await;
    world.bot.does(|_| says("again", &["smsActForceNoInputTurn"]));
    world.inbound(ADA, "loop").await;
    world.expects(ADA, &["again"; 4]).await;
    world.advance(minutes(5)).await;
    world.expects(ADA, &["again"; 4]).await;
}

/// A world in which the assistant is told when the user was silent.
async fn attentive() -> World {
    let mut world = World::new();
    world.policy.timeout_turn = TimeoutTurn::Yes;
    world.start().await;
    world.bot.does(|question| match question.input {
        AskInput::Signal(Signal::SessionTimeout) => says("Are you still there? I'll close this.", &[]),
        AskInput::Text(_) | AskInput::Choice { .. } | AskInput::Start | AskInput::Signal(_) => says("hello", &[]),
    });
    world
}

#[tokio::test(start_paused = true)]
async fn a_silent_user_is_told_goodbye_once_and_the_session_ends() {
    let mut world = attentive().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["hello"]).await;
    world.ends(1).await;
    world.expects(ADA, &["hello", "Are you still there? I'll close this."]).await;
    let asked: Vec<String> = world.bot.asked().into_iter().map(|(.., text)| text).collect();
    assert_eq!(asked, ["hi", "smsResponseTimeout"]);
    world.advance(minutes(180)).await;
    assert_eq!((world.bot.ended(), world.provider.seen_by(ADA).len()), (1, 2));
    world.inbound(ADA, "back").await;
    world.expects(ADA, &["hello", "Are you still there? I'll close this.", "hello"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_during_the_goodbye_says_it_after_the_next_start() {
    let mut world = attentive().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["hello"]).await;
    world.bot.does(|_| Does::NeverAnswers);
    world.bot.was_asked(2).await;
    world.crash().await;
    world.bot.does(|_| says("Goodbye.", &[]));
    world.start().await;
    world.ends(1).await;
    world.expects(ADA, &["hello", "Goodbye."]).await;
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_that_would_come_hours_late_is_not_said() {
    let mut world = attentive().await;
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["hello"]).await;
    world.drain(minutes(1)).await;
    world.advance(minutes(300)).await;
    world.start().await;
    world.ends(1).await;
    world.advance(minutes(10)).await;
    world.expects(ADA, &["hello"]).await;
}

#[tokio::test(start_paused = true)]
async fn media_that_the_provider_would_not_take_go_as_links_and_a_judge_that_fails_costs_nothing() {
    let mut world = World::new();
    *world.provider.links.lock().unwrap() = Some(vec!["https://m.example/large".into()]);
    world.start().await;
    world.bot.does(|question| {
        let media = |source: &str| Item::Media(MediaItem { source: source.into(), ..MediaItem::default() });
        let items = question.input.text().split(' ').map(media).collect();
        Does::Answers(Box::new(Answer { items, ..Answer::default() }))
    });
    world.inbound(ADA, "https://m.example/cat https://m.example/large").await;
    world.expects(ADA, &["https://m.example/large"]).await;
    world.inbound(ADA, "https://m.example/panic https://m.example/hang").await;
    world.expects(ADA, &["https://m.example/large", ""]).await;
    let expected = [vec!["https://m.example/cat"], vec!["https://m.example/panic", "https://m.example/hang"]];
    assert_eq!(world.provider.media(), expected);
}

/// A voice gateway that answers as it is told, and keeps what it hears.
#[derive(Default)]
struct Voice {
    next: Mutex<VecDeque<Result<(), AskError>>>,
    heard: Mutex<Vec<(String, u32)>>,
    changed: Notify,
}

#[async_trait]
impl Forwarder for Voice {
    async fn forward(&self, forward: &Forward) -> Result<(), AskError> {
        self.heard.lock().unwrap().push((forward.body.clone(), forward.token.attempt));
        self.changed.notify_waiters();
        assert!(!forward.body.contains("panic"), "the forwarder was told to panic");
        self.next.lock().unwrap().pop_front().unwrap_or(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_in_a_pipe_is_handed_over_once_more_after_a_failure_or_a_crash_and_never_lost() {
    let voice = Arc::new(Voice::default());
    let mut world = World::new();
    let forwarder = Arc::clone(&voice);
    world.parts = Box::new(move |builder| builder.forwarder(Arc::clone(&forwarder) as Arc<dyn Forwarder>));
    world.start().await;
    let pipe = Pipe { id: Uuid::from_u128(1), webhook: "https://voice.example".into(), expires_at: None };
    world.arrives(ADA, Work::OpenPipe(pipe)).await;
    let down = || Err(AskError::Unavailable { after: None, reason: "503".into() });
    voice.next.lock().unwrap().push_back(down());
    world.inbound(ADA, "4711").await;
    let heard = |count: usize| {
        let voice = Arc::clone(&voice);
        async move { until(&voice.changed, || voice.heard.lock().unwrap().len() >= count).await }
    };
    heard(2).await;
    assert_eq!(*voice.heard.lock().unwrap(), [("4711".to_owned(), 1), ("4711".to_owned(), 2)]);
    world.inbound(ADA, "panic").await;
    heard(5).await;
    world.expects(ADA, &["sorry"]).await;
    world.crash().await;
    world.start().await;
    world.inbound(ADA, "after").await;
    heard(6).await;
    assert_eq!(voice.heard.lock().unwrap()[5], ("after".to_owned(), 1));
    assert!(world.bot.asked().is_empty());
}

/// Writes down what it is told.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Observer for Diary {
    fn observe(&self, key: &ConversationKey, event: &Event<'_>) {
        let line = match event {
            Event::Answered(consumed) => format!("answered {} with {}", consumed.record.sequence, consumed.rows.len()),
            Event::Settled(id, state) => format!("settled {id} {}", state.is_settled()),
            Event::SessionEnded(end) => format!("ended {:?}", end.reason),
            Event::Noted(Notice::UnknownCommand { name }) => format!("unknown {name}"),
            Event::Noted(Notice::MalformedCommand { name, .. }) => format!("malformed {name}"),
            Event::Noted(_) | Event::Accepted(..) | Event::Receipt(_) => return,
        };
        self.0.lock().unwrap().push(format!("{} {line}", key.user));
    }
}

#[tokio::test(start_paused = true)]
async fn observers_hear_of_answers_texts_ends_and_of_commands_that_nobody_knows() {
    let diary = Arc::new(Diary::default());
    let mut world = World::new();
    let observer = Arc::clone(&diary);
    world.parts = Box::new(move |builder| builder.observer(Arc::clone(&observer) as Arc<dyn Observer>));
    world.start().await;
    world.bot.does(|_| says("ok", &["dance", "smsActSendMedia", "terminateSession"]));
    world.inbound(ADA, "hi").await;
    world.expects(ADA, &["ok"]).await;
    world.ends(1).await;
    world.advance(minutes(1)).await;
    let expected =
        ["unknown dance", "malformed smsActSendMedia", "answered 8 with 1", "ended Terminated", "settled 8-0 true"];
    assert_eq!(*diary.0.lock().unwrap(), expected.map(|line| format!("{ADA} {line}")));
}

#[tokio::test(start_paused = true)]
async fn an_assistant_that_panics_when_it_is_tried_is_told_of_like_any_other_failure() {
    let world = World::started().await;
    world.bot.does(|_| Does::Panics);
    let number = "+15550100".parse().unwrap();
    let tried = world.gateway().control().try_assistant(&number).await.unwrap();
    assert_eq!(tried.err(), Some(AskError::Panicked));
}

#[tokio::test(start_paused = true)]
async fn a_page_of_open_sessions_is_cut_where_they_are_large() {
    let mut world = World::started().await;
    let users: Vec<String> = (0..100).map(|n| format!("+1555{n:07}")).collect();
    for user in &users {
        let user_data = serde_json::value::to_raw_value(&"x".repeat(60_000)).ok();
        let start = StartSession { user_data, text: Some("hello".into()), ..StartSession::default() };
        world.arrives(user, Work::Start(start)).await;
        world.expects(user, &["hello"]).await;
    }
    let (control, number) = (world.gateway().control(), "+15550100".parse().unwrap());
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = control.sessions(&number, after, 500).await.unwrap();
        seen.extend(page.sessions.into_iter().map(|open| open.key.user.to_string()));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    seen.sort();
    assert_eq!((seen, pages), (users, 2));
}

/// Rewrites what is kept of one conversation, as a newer version might have.
fn modernise(engine: &MemoryEngine, user: &str) {
    let mut found = None;
    let conversations = b"c".to_vec()..b"d".to_vec();
    engine
        .scan(&conversations, Order::Ascending, &mut |key, value| {
            if key.windows(user.len()).any(|part| part == user.as_bytes()) {
                found = Some((key.to_vec(), value.to_vec()));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    let (key, mut value) = found.unwrap();
    value[0] += 1;
    engine.apply(Batch::from([(key, Some(value))])).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_conversation_of_a_newer_version_is_left_out_of_the_list_of_sessions_and_counted() {
    let mut world = World::started().await;
    for user in [ADA, "+15550122"] {
        world.inbound(user, "hi").await;
        world.expects(user, &["1: hi"]).await;
    }
    modernise(&world.engine, ADA);
    let page = world.gateway().control().sessions(&"+15550100".parse().unwrap(), None, 10).await.unwrap();
    let users: Vec<String> = page.sessions.iter().map(|open| open.key.user.to_string()).collect();
    assert_eq!((users, page.unreadable, page.next), (vec!["+15550122".to_owned()], 1, None));
}
