//! How much is going on and how long it takes: counters since the start, and the same in steps of ten seconds for the last hour, with
//! the latencies of turns. Percentiles come from a histogram whose classes each reach an eighth further than the one before.

use std::collections::VecDeque;
use std::time::Duration;

use raconteur_actors::port::Event;
use raconteur_conversation::effect::Notice;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{DeliveryStatus, Precedence, RowState, Work};
use serde::Serialize;

/// How long a step is.
const STEP_MS: u64 = 10_000;

/// How many steps are remembered.
const STEPS_MAX: usize = 360;

/// Classes of latencies: the last one has everything from about two minutes on.
const CLASSES: usize = 100;

/// The upper end of the first class, and how much further each other one reaches.
const FIRST_MS: f64 = 1.0;
const FURTHER: f64 = 1.125;

/// Counters since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Texts of users.
    pub received: u64,
    /// Turns that were answered.
    pub answered: u64,
    /// Turns that failed.
    pub turns_failed: u64,
    /// Texts of ours that a provider took.
    pub sent: u64,
    /// Texts of ours that were not sent, or of which nobody knows.
    pub send_failed: u64,
    /// Texts of ours that have arrived, by the provider's word.
    pub delivered: u64,
    /// Texts of ours that have not arrived, by the provider's word.
    pub undelivered: u64,
    /// Sessions that were opened.
    pub sessions_started: u64,
    /// Sessions that are over.
    pub sessions_ended: u64,
    /// Users who have stopped our texts.
    pub opted_out: u64,
    /// Users who want them again.
    pub opted_in: u64,
}

/// What went on in the last hour, one entry for each step. A latency is `None` where there was no turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Series {
    /// How long a step is, in seconds.
    pub step_s: u64,
    /// When each step began.
    pub at_ms: Vec<u64>,
    /// Texts of users.
    pub received: Vec<u32>,
    /// Turns that were answered.
    pub answered: Vec<u32>,
    /// Turns that failed.
    pub turns_failed: Vec<u32>,
    /// Texts that a provider took.
    pub sent: Vec<u32>,
    /// Texts that were not sent, or of which nobody knows.
    pub send_failed: Vec<u32>,
    /// From the acceptance of a text to the commit of its answer: half of the turns took no longer.
    pub turn_p50_ms: Vec<Option<u32>>,
    /// The same for 95 of 100.
    pub turn_p95_ms: Vec<Option<u32>>,
    /// The same for 99 of 100.
    pub turn_p99_ms: Vec<Option<u32>>,
}

struct Step {
    number: u64,
    received: u32,
    answered: u32,
    turns_failed: u32,
    sent: u32,
    send_failed: u32,
    took: Box<[u32; CLASSES]>,
}

impl Step {
    fn new(number: u64) -> Self {
        let took = Box::new([0; CLASSES]);
        Self { number, received: 0, answered: 0, turns_failed: 0, sent: 0, send_failed: 0, took }
    }
}

pub(super) struct Figures {
    first: u64,
    totals: Totals,
    /// Steps in which anything went on.
    steps: VecDeque<Step>,
}

impl Figures {
    pub(super) fn new(began: UnixMillis) -> Self {
        Self { first: began.0 / STEP_MS, totals: Totals::default(), steps: VecDeque::new() }
    }

    pub(super) fn count(&mut self, now: UnixMillis, event: &Event<'_>) {
        match event {
            Event::Accepted(_, Work::Message(_)) => {
                self.totals.received += 1;
                self.step(now).received += 1;
            }
            Event::Accepted(..) => {}
            Event::Answered(consumed) => match (consumed.record.work.precedence(), &consumed.error) {
                (Precedence::Control, _) => {}
                (Precedence::InTurn | Precedence::Own, None) => {
                    self.totals.answered += 1;
                    let took = consumed.answered_at.since(consumed.record.accepted_at);
                    let step = self.step(now);
                    step.answered += 1;
                    step.took[class(took)] += u32::from(consumed.asks > 0);
                }
                (Precedence::InTurn | Precedence::Own, Some(_)) => {
                    self.totals.turns_failed += 1;
                    self.step(now).turns_failed += 1;
                }
            },
            Event::Settled(_, RowState::Sent { .. }) => {
                self.totals.sent += 1;
                self.step(now).sent += 1;
            }
            Event::Settled(_, RowState::Failed { .. } | RowState::GivenUp) => {
                self.totals.send_failed += 1;
                self.step(now).send_failed += 1;
            }
            Event::Settled(..) => {}
            Event::Receipt(receipt) if receipt.status == DeliveryStatus::Delivered => self.totals.delivered += 1,
            Event::Receipt(receipt) => self.totals.undelivered += u64::from(receipt.status.is_failure()),
            Event::SessionEnded(_) => self.totals.sessions_ended += 1,
            Event::Noted(Notice::SessionStarted { .. }) => self.totals.sessions_started += 1,
            Event::Noted(Notice::OptedOut { .. }) => self.totals.opted_out += 1,
            Event::Noted(Notice::OptedIn) => self.totals.opted_in += 1,
            Event::Noted(_) => {}
        }
    }

    /// The step that is going on. A clock that has gone back adds to the latest one.
    fn step(&mut self, now: UnixMillis) -> &mut Step {
        let number = now.0 / STEP_MS;
        if self.steps.back().is_none_or(|last| last.number < number) {
            self.steps.push_back(Step::new(number));
        }
        if self.steps.len() > STEPS_MAX {
            self.steps.pop_front();
        }
        self.steps.back_mut().expect("one was just pushed")
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    pub(super) fn series(&self, now: UnixMillis) -> Series {
        let mut series = Series { step_s: STEP_MS / 1_000, ..Series::default() };
        let last = now.0 / STEP_MS;
        let first = last.saturating_sub(STEPS_MAX as u64 - 1).max(self.first.min(last));
        let nothing = Step::new(0);
        let mut steps = self.steps.iter().skip_while(|step| step.number < first).peekable();
        for number in first..=last {
            let step = steps.next_if(|step| step.number == number).unwrap_or(&nothing);
            series.at_ms.push(number * STEP_MS);
            series.received.push(step.received);
            series.answered.push(step.answered);
            series.turns_failed.push(step.turns_failed);
            series.sent.push(step.sent);
            series.send_failed.push(step.send_failed);
            series.turn_p50_ms.push(percentile(&step.took, 50));
            series.turn_p95_ms.push(percentile(&step.took, 95));
            series.turn_p99_ms.push(percentile(&step.took, 99));
        }
        series
    }
}

fn class(took: Duration) -> usize {
    let ms = took.as_secs_f64() * 1_000.0;
    let classes = (ms / FIRST_MS).max(1.0).log(FURTHER).ceil();
    (classes as usize).min(CLASSES - 1)
}

/// So many of a hundred took no longer than this.
fn percentile(took: &[u32; CLASSES], percent: u64) -> Option<u32> {
    let all: u64 = took.iter().map(|count| u64::from(*count)).sum();
    let wanted = (all * percent).div_ceil(100);
    let mut seen = 0;
    let class = took.iter().position(|count| {
        seen += u64::from(*count);
        seen > 0 && seen >= wanted
    })?;
    let exponent = i32::try_from(class).unwrap_or(i32::MAX);
    Some((FIRST_MS * FURTHER.powi(exponent)).round() as u32)
}
