//! The suite that every [`Store`] must pass: one function per promise of the crate's contract. It asserts outcomes only, and
//! knows nothing of keys, batches or files.
//!
//! A new store implements [`Site`] and calls [`suite`]. Each promise gets a site of its own; a panic names the one that was broken.

mod accepting;
mod committing;
mod erasing;
mod expiring;
mod opening;
mod operating;
mod reading;
mod sending;

use std::fmt::Debug;

use async_trait::async_trait;
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{
    DeliveryStatus, InboundMessage, OutboundId, OutboundRow, ProviderId, Receipt, RowState, Sequence, Work, WorkRecord,
};

use crate::{
    Accepted, Answered, Claim, Loaded, Mark, NewWork, Options, Step, Store, StoreError, TranscriptTurn, Version,
};

pub use accepting::*;
pub use committing::*;
pub use erasing::*;
pub use expiring::*;
pub use opening::*;
pub use operating::*;
pub use reading::*;
pub use sending::*;

/// A place where one store lies.
#[async_trait]
pub trait Site: Send + Sync {
    /// Opens the store, or creates it the first time. The one that was opened before has been dropped.
    async fn open(&self, options: Options) -> Box<dyn Store>;
}

/// Asserts every promise, each on a site of its own.
///
/// # Panics
/// When a promise is broken.
pub async fn suite<S: Site>(fresh: impl Fn() -> S) {
    accepting::all(&fresh).await;
    committing::all(&fresh).await;
    sending::all(&fresh).await;
    erasing::all(&fresh).await;
    expiring::all(&fresh).await;
    reading::all(&fresh).await;
    operating::all(&fresh).await;
    opening::all(&fresh).await;
}

async fn open(site: &dyn Site) -> Box<dyn Store> {
    site.open(Options::default()).await
}

#[track_caller]
fn ok<T>(result: Result<T, StoreError>) -> T {
    result.expect("the store works")
}

fn key(user: u32) -> ConversationKey {
    let address = |text: &str| Address::parse(text).expect("a number");
    ConversationKey { tenant: address("+15550100"), user: address(&format!("+1555{user:07}")) }
}

fn text(key: &ConversationKey, id: &str) -> NewWork {
    let message = InboundMessage { body: format!("body of {id}"), ..InboundMessage::default() };
    let (accepted_at, seed) = (UnixMillis(1_000), u128::MAX - 5);
    NewWork { key: key.clone(), id: id.into(), accepted_at, seed, content: None, work: Work::Message(message) }
}

async fn accept(store: &dyn Store, key: &ConversationKey, id: &str) -> Sequence {
    match ok(store.accept(text(key, id)).await) {
        Accepted::Fresh { sequence, .. } => sequence,
        other @ (Accepted::Duplicate(_) | Accepted::Conflict(_) | Accepted::Full(_)) => {
            panic!("{id} was not accepted: {other:?}")
        }
    }
}

async fn claim(store: &dyn Store, key: &ConversationKey) -> Claim {
    let claims = ok(store.claim(&[key.shard()]).await);
    let [claim] = claims.as_slice() else { panic!("one claim was asked for: {claims:?}") };
    *claim
}

async fn load(store: &dyn Store, claim: Claim, key: &ConversationKey) -> Loaded {
    ok(store.load(claim, key, 100).await)
}

fn sequences(loaded: &Loaded) -> Vec<Sequence> {
    loaded.unread.iter().map(|record| record.sequence).collect()
}

fn states(loaded: &Loaded) -> Vec<RowState> {
    loaded.unsettled.iter().map(|(row, _)| row.state.clone()).collect()
}

fn row(turn: Sequence, part: u16, state: RowState) -> OutboundRow {
    let id = OutboundId { turn, part };
    OutboundRow {
        id,
        body: format!("part {part}"),
        media: Vec::new(),
        expires_at: UnixMillis(9_000_000),
        unasked: false,
        state,
    }
}

fn sending() -> RowState {
    RowState::Sending { since: UnixMillis(2_000) }
}

fn sent(id: &str) -> RowState {
    RowState::Sent { provider_id: ProviderId(id.into()) }
}

/// A page without rows: it gets those of the answer.
fn page(sequence: Sequence) -> TranscriptTurn {
    TranscriptTurn {
        sequence,
        session: None,
        work: Work::Message(InboundMessage { body: format!("turn {sequence}"), ..InboundMessage::default() }),
        accepted_at: UnixMillis(1_000),
        asked_at: None,
        commands: Vec::new(),
        answered_at: UnixMillis(2_000),
        asks: 1,
        answered_with: None,
        error: None,
        rows: Vec::new(),
    }
}

fn answered(sequence: Sequence, states: &[RowState]) -> Answered {
    let rows = (0..).zip(states).map(|(part, state)| row(sequence, part, state.clone())).collect();
    Answered { sequence, rows, transcript: Some(page(sequence)) }
}

/// A step that writes `snapshot` over `version`.
fn step(version: Version, snapshot: &str) -> Step {
    Step { version, snapshot: Some(snapshot.into()), ..Step::default() }
}

/// Accepts a text and answers it with rows in these states. Returns its sequence and the conversation's version.
async fn answer(
    store: &dyn Store,
    claim: Claim,
    key: &ConversationKey,
    (id, states): (&str, &[RowState]),
) -> (Sequence, Version) {
    let sequence = accept(store, key, id).await;
    let version = load(store, claim, key).await.version;
    let step = Step { answered: vec![answered(sequence, states)], ..step(version, id) };
    (sequence, ok(store.commit(claim, key, step).await))
}

fn mark(turn: Sequence, part: u16, state: RowState) -> Mark {
    Mark { id: OutboundId { turn, part }, state }
}

fn receipt(turn: Sequence, part: u16, status: DeliveryStatus) -> Receipt {
    let provider_id = ProviderId("SM-receipt".into());
    Receipt { outbound: OutboundId { turn, part }, provider_id, status, code: String::new(), reason: String::new() }
}

/// What two loads of an unchanged conversation agree in.
fn shown(loaded: &Loaded) -> impl Debug + PartialEq {
    (loaded.version, loaded.snapshot.clone(), format!("{:?}", loaded.unread), loaded.unsettled.clone(), loaded.damaged)
}
