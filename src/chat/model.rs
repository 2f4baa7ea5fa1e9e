//! What the phone knows: the bubbles, what became of each text of its own, and whether it has a line. No drawing and no HTTP: every
//! change is a method, so that whole conversations can be played in tests.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundId, Sequence};
use uuid::Uuid;

use super::wire::Event;

/// How many bubbles are kept; the oldest go first.
const BUBBLES_MAX: usize = 2_000;

/// What has become of a text of the phone's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// On its way to the gateway.
    Sending,
    /// The gateway has it on disk.
    Accepted,
    /// An answer came.
    Answered,
    /// It was not taken, or nobody knows.
    Failed(String),
}

/// One bubble on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bubble {
    /// The phone's own text.
    Ours { ticket: Uuid, text: String, at: UnixMillis, delivery: Delivery },
    /// The gateway's.
    Theirs { text: String, at: UnixMillis },
}

/// A text to be posted. Its ticket is the same when it is sent again, so that it takes effect once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) ticket: Uuid,
    pub(super) text: String,
}

/// Whether there is a line to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Connecting,
    Up,
    Lost { reason: String, again_in: Duration },
}

/// Everything that happens to the phone from outside.
#[derive(Clone, Debug)]
pub(super) enum News {
    Line(Line),
    Event(Event),
    Posted(Uuid, Result<(), String>),
}

/// The phone's memory.
#[derive(Debug)]
pub(super) struct Chat {
    bubbles: VecDeque<Bubble>,
    /// How many bubbles at the front come from the gateway's transcript.
    past: usize,
    /// The transcript was told in full.
    up_to_date: bool,
    shown: BTreeSet<OutboundId>,
    line: Line,
}

impl Chat {
    pub(super) fn new() -> Self {
        Self { bubbles: VecDeque::new(), past: 0, up_to_date: false, shown: BTreeSet::new(), line: Line::Connecting }
    }

    pub(super) fn bubbles(&self) -> impl DoubleEndedIterator<Item = &Bubble> {
        self.bubbles.iter()
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Whether the gateway has told all it knew when the phone connected.
    pub(super) fn is_up_to_date(&self) -> bool {
        self.up_to_date
    }

    /// How many texts the gateway has taken and not answered.
    pub(super) fn waiting(&self) -> usize {
        self.count(|delivery| *delivery == Delivery::Accepted)
    }

    /// How many texts are on their way or wait for an answer.
    pub(super) fn open(&self) -> usize {
        self.waiting() + self.count(|delivery| *delivery == Delivery::Sending)
    }

    /// Why the first text that failed did.
    pub(super) fn failure(&self) -> Option<&str> {
        self.bubbles.iter().find_map(|bubble| match bubble {
            Bubble::Ours { delivery: Delivery::Failed(reason), .. } => Some(reason.as_str()),
            Bubble::Ours { .. } | Bubble::Theirs { .. } => None,
        })
    }

    fn count(&self, wanted: impl Fn(&Delivery) -> bool) -> usize {
        let is_wanted = |bubble: &&Bubble| match bubble {
            Bubble::Ours { delivery, .. } => wanted(delivery),
            Bubble::Theirs { .. } => false,
        };
        self.bubbles.iter().filter(is_wanted).count()
    }

    /// The user sends a text.
    pub(super) fn send(&mut self, text: String, ticket: Uuid, at: UnixMillis) -> Outgoing {
        let outgoing = Outgoing { ticket, text: text.clone() };
        self.push(Bubble::Ours { ticket, text, at, delivery: Delivery::Sending });
        outgoing
    }

    /// The user wants every text that failed to be sent again, in order.
    pub(super) fn resend(&mut self) -> Vec<Outgoing> {
        let failed = self.bubbles.iter_mut().filter_map(|bubble| match bubble {
            Bubble::Ours { ticket, text, delivery, .. } if matches!(delivery, Delivery::Failed(_)) => {
                *delivery = Delivery::Sending;
                Some(Outgoing { ticket: *ticket, text: text.clone() })
            }
            Bubble::Ours { .. } | Bubble::Theirs { .. } => None,
        });
        failed.collect()
    }

    /// Something happened. Returns the gateway's text, if it brought one that is new.
    pub(super) fn hear(&mut self, news: News) -> Option<String> {
        match news {
            News::Line(line) => self.line = line,
            News::Posted(ticket, outcome) => self.posted(ticket, outcome),
            News::Event(Event::Live) => self.up_to_date = true,
            News::Event(Event::Inbound { body, at }) => {
                let delivery = Delivery::Answered;
                self.push_past(Bubble::Ours { ticket: Uuid::nil(), text: body, at, delivery });
            }
            News::Event(Event::Text { id, body, at }) => return self.told(id, body, at),
        }
        None
    }

    fn posted(&mut self, posted: Uuid, outcome: Result<(), String>) {
        let found = self.bubbles.iter_mut().rev().find_map(|bubble| match bubble {
            Bubble::Ours { ticket, delivery, .. } if *ticket == posted => Some(delivery),
            Bubble::Ours { .. } | Bubble::Theirs { .. } => None,
        });
        // An answer may overtake the word that the text was accepted.
        if let Some(delivery) = found.filter(|delivery| **delivery == Delivery::Sending) {
            *delivery = outcome.map_or_else(Delivery::Failed, |()| Delivery::Accepted);
        }
    }

    fn told(&mut self, id: OutboundId, text: String, at: UnixMillis) -> Option<String> {
        let first_of_turn = !self.knows_turn(id.turn);
        if !self.shown.insert(id) {
            return None;
        }
        if self.shown.len() > 2 * BUBBLES_MAX {
            self.shown.pop_first();
        }
        let bubble = Bubble::Theirs { text: text.clone(), at };
        if !self.up_to_date {
            self.push_past(bubble);
            return None;
        }
        if first_of_turn {
            self.answer();
        }
        self.push(bubble);
        Some(text)
    }

    fn knows_turn(&self, turn: Sequence) -> bool {
        let (first, last) = (OutboundId { turn, part: 0 }, OutboundId { turn, part: u16::MAX });
        self.shown.range(first..=last).next().is_some()
    }

    /// A turn was answered, and turns go in order: it was that of the earliest text without an answer.
    fn answer(&mut self) {
        for state in [Delivery::Accepted, Delivery::Sending] {
            let found = self.bubbles.iter_mut().find_map(|bubble| match bubble {
                Bubble::Ours { delivery, .. } if *delivery == state => Some(delivery),
                Bubble::Ours { .. } | Bubble::Theirs { .. } => None,
            });
            if let Some(delivery) = found {
                *delivery = Delivery::Answered;
                return;
            }
        }
    }

    fn push(&mut self, bubble: Bubble) {
        self.bubbles.push_back(bubble);
        if self.bubbles.len() > BUBBLES_MAX {
            self.bubbles.pop_front();
            self.past = self.past.saturating_sub(1);
        }
    }

    /// The past goes above what was typed before it came.
    fn push_past(&mut self, bubble: Bubble) {
        if self.bubbles.len() < BUBBLES_MAX {
            self.bubbles.insert(self.past, bubble);
            self.past += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> UnixMillis {
        UnixMillis(millis)
    }

    fn ticket(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn text(id: &str) -> News {
        News::Event(Event::Text { id: id.parse().unwrap(), body: format!("answer {id}"), at: at(1) })
    }

    fn live() -> Chat {
        let mut chat = Chat::new();
        assert_eq!(chat.hear(News::Event(Event::Live)), None);
        chat
    }

    fn deliveries(chat: &Chat) -> Vec<Delivery> {
        let ours = chat.bubbles().filter_map(|bubble| match bubble {
            Bubble::Ours { delivery, .. } => Some(delivery.clone()),
            Bubble::Theirs { .. } => None,
        });
        ours.collect()
    }

    #[test]
    fn a_text_is_sending_then_accepted_then_answered() {
        let mut chat = live();
        assert_eq!(chat.send("hi".into(), ticket(1), at(1)), Outgoing { ticket: ticket(1), text: "hi".into() });
        assert_eq!((deliveries(&chat), chat.waiting(), chat.open()), (vec![Delivery::Sending], 0, 1));
        chat.hear(News::Posted(ticket(1), Ok(())));
        assert_eq!((deliveries(&chat), chat.waiting(), chat.open()), (vec![Delivery::Accepted], 1, 1));
        assert_eq!(chat.hear(text("5-0")), Some("answer 5-0".into()));
        assert_eq!((deliveries(&chat), chat.waiting(), chat.open()), (vec![Delivery::Answered], 0, 0));
    }

    #[test]
    fn each_new_turn_answers_the_earliest_text() {
        let mut chat = live();
        for n in 1..=3 {
            chat.send(format!("text {n}"), ticket(n), at(1));
            chat.hear(News::Posted(ticket(n), Ok(())));
        }
        for id in ["5-0", "5-1", "6-0"] {
            assert!(chat.hear(text(id)).is_some());
        }
        assert_eq!(deliveries(&chat), [Delivery::Answered, Delivery::Answered, Delivery::Accepted]);
    }

    #[test]
    fn an_answer_that_overtakes_the_acceptance_counts() {
        let mut chat = live();
        chat.send("hi".into(), ticket(1), at(1));
        chat.hear(text("5-0"));
        chat.hear(News::Posted(ticket(1), Ok(())));
        assert_eq!(deliveries(&chat), [Delivery::Answered]);
    }

    #[test]
    fn a_text_that_comes_twice_is_one_bubble() {
        let mut chat = live();
        assert!(chat.hear(text("5-0")).is_some());
        assert_eq!(chat.hear(text("5-0")), None);
        assert_eq!(chat.bubbles().count(), 1);
    }

    #[test]
    fn failed_texts_say_why_and_are_sent_again_in_order_under_the_same_tickets() {
        let mut chat = live();
        let sent: Vec<Outgoing> = (1..=3).map(|n| chat.send(format!("text {n}"), ticket(n), at(1))).collect();
        chat.hear(News::Posted(ticket(1), Err("no gateway".into())));
        chat.hear(News::Posted(ticket(2), Ok(())));
        chat.hear(News::Posted(ticket(3), Err("no gateway".into())));
        assert_eq!((chat.failure(), chat.open()), (Some("no gateway"), 1));
        assert_eq!(chat.resend(), [sent[0].clone(), sent[2].clone()]);
        assert_eq!((chat.failure(), chat.open()), (None, 3));
        assert_eq!(chat.resend(), []);
    }

    #[test]
    fn the_past_goes_above_what_was_typed_and_answers_nothing() {
        let mut chat = Chat::new();
        chat.send("now".into(), ticket(1), at(9));
        chat.hear(News::Posted(ticket(1), Ok(())));
        chat.hear(News::Event(Event::Inbound { body: "then".into(), at: at(1) }));
        assert_eq!(chat.hear(text("2-0")), None);
        chat.hear(News::Event(Event::Live));
        let texts: Vec<&str> = chat
            .bubbles()
            .map(|bubble| match bubble {
                Bubble::Ours { text, .. } | Bubble::Theirs { text, .. } => text.as_str(),
            })
            .collect();
        assert_eq!(texts, ["then", "answer 2-0", "now"]);
        assert_eq!(chat.waiting(), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let mut chat = live();
        for n in 0..3 * BUBBLES_MAX {
            chat.hear(text(&format!("{n}-0")));
        }
        assert_eq!(chat.bubbles().count(), BUBBLES_MAX);
        assert!(chat.shown.len() <= 2 * BUBBLES_MAX);
    }
}
