//! How something comes in from outside: again and again, until it is acknowledged, as providers and careful callers do.

use std::sync::Arc;

use raconteur_conversation::words::{Arrival, Sequence};

use super::scenario::{Delivery, What};
use super::world::World;
use crate::control::{Control, Request};
use crate::inbox::{Inbox, Outcome, Refused};

/// What is delivered comes again when it is not acknowledged, also when the process dies meanwhile.
struct Courier {
    world: Arc<World>,
    number: u64,
    delivery: Option<Delivery>,
}

impl Courier {
    fn new(world: Arc<World>, delivery: Delivery) -> Self {
        let number = world.state().next_courier();
        Self { world, number, delivery: Some(delivery) }
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.world.state().courier_returns(self.number, self.delivery.take());
    }
}

/// Delivers something to a process. The courier is on his way when this returns: the process may die before it has seen him.
pub(super) fn deliver(
    world: Arc<World>,
    process: u32,
    doors: (Inbox, Control),
    delivery: Delivery,
) -> impl Future<Output = ()> {
    let courier = Courier::new(Arc::clone(&world), delivery.clone());
    hand_over(world, process, doors, (courier, delivery))
}

async fn hand_over(
    world: Arc<World>,
    process: u32,
    (inbox, control): (Inbox, Control),
    (mut courier, delivery): (Courier, Delivery),
) {
    let Delivery { key, id, what } = delivery.clone();
    let outcome = match what {
        What::Text(work) => inbox.accept(Arrival::Work { key, id, work }).await,
        What::Receipt(receipt) => inbox.accept(Arrival::Receipt { key, receipt }).await,
        What::Stray(receipt, of) => {
            courier.delivery = None;
            if of == process {
                inbox.accept(Arrival::Receipt { key, receipt }).await
            } else {
                return;
            }
        }
        What::Request(work) => match control.request(Request { key, id: Some(id), content: 0, work }).await {
            Ok(taken) if taken.repeated => Ok(Outcome::Duplicate(taken.sequence)),
            Ok(taken) => Ok(Outcome::Accepted(taken.sequence)),
            Err(refused) => Err(refused),
        },
    };
    // An answer of a process that has died reaches nobody.
    if !world.is_dead(process) && take_note(&world, &delivery, &outcome) {
        courier.delivery = None;
    }
}

/// Writes down what was acknowledged; returns whether it was.
fn take_note(world: &World, delivery: &Delivery, outcome: &Result<Outcome, Refused>) -> bool {
    let mut state = world.state();
    let Delivery { key, id, what } = delivery;
    state.log(|| format!("{} {id}: {outcome:?}", key.user));
    if let (What::Receipt(receipt) | What::Stray(receipt, _), Ok(_)) = (what, outcome) {
        let told = state.provider.told.entry(receipt.outbound).or_insert(receipt.status);
        if receipt.status.rank() > told.rank() {
            *told = receipt.status;
        }
    }
    let id = match what {
        What::Receipt(receipt) | What::Stray(receipt, _) => format!("failed:{}", receipt.outbound),
        What::Text(_) | What::Request(_) => id.clone(),
    };
    let is_fresh = matches!(outcome, Ok(Outcome::Accepted(_)));
    match outcome {
        Ok(Outcome::Accepted(turn) | Outcome::Duplicate(turn)) => {
            let known: Option<Sequence> = state.acknowledged.insert((key.clone(), id.clone()), *turn);
            if known.is_some_and(|known| known != *turn || is_fresh) {
                state.violate(|| format!("{}: {id} was acknowledged as {known:?} and again as {turn}", key.user));
            }
            true
        }
        Ok(Outcome::Noted) => true,
        Ok(Outcome::Unknown) => {
            state.violate(|| format!("{}: a receipt {id} is for a text that nobody knows", key.user));
            true
        }
        Err(_) => false,
    }
}
