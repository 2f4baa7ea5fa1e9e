//! A phone against a transcript that is made up here.

use raconteur_actors::inbox::Refused;
use std::sync::{Mutex, PoisonError};

use super::*;
use crate::transport::phone::live::{BEHIND_MAX, Live};
use raconteur_conversation::address::Address;
use raconteur_conversation::words::{InboundMessage, OutboundRow, ProviderId};
use raconteur_storage::record::TranscriptRow;

/// A transcript in memory.
#[derive(Default)]
pub(in crate::transport::phone) struct FakeLog {
    pub(in crate::transport::phone) turns: Mutex<Vec<TranscriptTurn>>,
    pub(in crate::transport::phone) delivered: Mutex<Vec<String>>,
    /// Shown while the transcript is read, as in a race.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl FakeLog {
    pub(in crate::transport::phone) fn with(turns: Vec<TranscriptTurn>) -> Arc<Self> {
        Arc::new(Self { turns: Mutex::new(turns), ..Self::default() })
    }

    fn delivered(&self) -> Vec<String> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Log for FakeLog {
    async fn page(
        &self,
        _: &ConversationKey,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Vec<TranscriptTurn>, Refused> {
        if let Some(meanwhile) = self.meanwhile.lock().unwrap().take() {
            meanwhile();
        }
        let turns = self.turns.lock().unwrap();
        let older = turns.iter().rev().filter(|turn| before.is_none_or(|before| turn.sequence < before));
        Ok(older.take(limit).cloned().collect())
    }

    fn delivered(&self, _: &ConversationKey, id: OutboundId) {
        self.delivered.lock().unwrap().push(id.to_string());
    }
}

pub(in crate::transport::phone) fn key() -> ConversationKey {
    ConversationKey { tenant: Address::parse("+15550100").unwrap(), user: Address::parse("+15550199").unwrap() }
}

fn id(turn: u64, part: u16) -> OutboundId {
    OutboundId { turn: Sequence(turn), part }
}

pub(in crate::transport::phone) fn turn(sequence: u64, parts: u16) -> TranscriptTurn {
    let sent = RowState::Sent { provider_id: ProviderId(String::new()) };
    let row = |part| TranscriptRow {
        row: OutboundRow {
            id: id(sequence, part),
            body: format!("answer {sequence}-{part}"),
            media: Vec::new(),
            expires_at: UnixMillis(u64::MAX),
            unasked: false,
            state: sent.clone(),
        },
        delivery: None,
        sent_at: None,
    };
    TranscriptTurn {
        sequence: Sequence(sequence),
        session: None,
        work: Work::Message(InboundMessage { body: format!("question {sequence}"), ..InboundMessage::default() }),
        accepted_at: UnixMillis(sequence * 10),
        asked_at: None,
        commands: Vec::new(),
        answered_at: UnixMillis(sequence * 10 + 5),
        asks: 1,
        answered_with: None,
        error: None,
        rows: (0..parts).map(row).collect(),
    }
}

fn text(turn: u64, part: u16) -> Text {
    Text { id: id(turn, part), body: format!("answer {turn}-{part}"), media: Vec::new(), at: UnixMillis(0) }
}

async fn open(live: &Arc<Live>, log: &Arc<FakeLog>, from: Since) -> Feed {
    let listener = Live::listen(live, &key()).unwrap();
    Feed::open(key(), from, listener, (Arc::clone(log) as Arc<dyn Log>, 60)).await.unwrap()
}

/// Everything up to `live`, then `more` events.
async fn told(feed: &mut Feed, more: usize) -> Vec<String> {
    let mut told = Vec::new();
    let mut after = None;
    while after != Some(more) {
        let event = feed.next().await.unwrap();
        told.push(match event {
            PhoneEvent::Text(text) => text.id.to_string(),
            PhoneEvent::Inbound(said) => format!("<{}", said.turn),
            PhoneEvent::Live => "live".to_owned(),
        });
        after = match after {
            Some(count) => Some(count + 1),
            None => (told.last().unwrap() == "live").then_some(0),
        };
    }
    told
}

#[tokio::test]
async fn a_new_phone_gets_the_latest_turns_and_then_what_comes() {
    let (live, log) = (Arc::new(Live::new(9)), FakeLog::with(vec![turn(1, 1), turn(2, 0), turn(3, 2)]));
    let mut feed = open(&live, &log, Since::Latest).await;
    live.show(&key(), || text(4, 0));
    assert_eq!(told(&mut feed, 1).await, ["<1", "1-0", "<2", "<3", "3-0", "3-1", "live", "4-0"]);
}

#[tokio::test]
async fn history_is_read_in_pages_and_is_bounded() {
    let log = FakeLog::with((1..=200).map(|n| turn(n, 1)).collect());
    let mut feed = open(&Arc::new(Live::new(9)), &log, Since::Latest).await;
    let told = told(&mut feed, 0).await;
    assert_eq!((told.len(), told[0].as_str(), told[119].as_str()), (121, "<141", "200-0"));
}

#[tokio::test]
async fn a_phone_that_comes_back_gets_only_the_texts_after_its_last() {
    let log = FakeLog::with(vec![turn(1, 1), turn(2, 3), turn(3, 1)]);
    let mut feed = open(&Arc::new(Live::new(9)), &log, Since::After(id(2, 0))).await;
    assert_eq!(told(&mut feed, 0).await, ["2-1", "2-2", "3-0", "live"]);
}

#[tokio::test]
async fn a_text_that_was_overtaken_is_not_forgotten() {
    let mut overtaken = turn(5, 1);
    overtaken.answered_at = UnixMillis(900);
    let log = FakeLog::with(vec![turn(4, 1), overtaken, turn(7, 1)]);
    let mut feed = open(&Arc::new(Live::new(9)), &log, Since::After(id(7, 0))).await;
    assert_eq!(told(&mut feed, 0).await, ["5-0", "live"]);
}

#[tokio::test]
async fn what_is_shown_while_the_past_is_read_comes_once() {
    let (live, log) = (Arc::new(Live::new(9)), FakeLog::with(vec![turn(1, 1), turn(2, 1)]));
    let shown = Arc::clone(&live);
    *log.meanwhile.lock().unwrap() = Some(Box::new(move || {
        shown.show(&key(), || text(2, 0));
        shown.show(&key(), || text(3, 0));
    }));
    let mut feed = open(&live, &log, Since::After(id(1, 0))).await;
    assert_eq!(told(&mut feed, 1).await, ["2-0", "live", "3-0"]);
}

#[tokio::test]
async fn a_text_that_is_sent_again_is_shown_once() {
    let (live, log) = (Arc::new(Live::new(9)), FakeLog::with(Vec::new()));
    let mut feed = open(&live, &log, Since::Latest).await;
    for turn in [1, 1, 2, 1, 3] {
        live.show(&key(), || text(turn, 0));
    }
    assert_eq!(told(&mut feed, 3).await, ["live", "1-0", "2-0", "3-0"]);
}

#[tokio::test]
async fn a_phone_that_fell_behind_reads_the_transcript() {
    let (live, log) = (Arc::new(Live::new(9)), FakeLog::with(Vec::new()));
    let mut feed = open(&live, &log, Since::Latest).await;
    live.show(&key(), || text(1, 0));
    assert_eq!(told(&mut feed, 1).await, ["live", "1-0"]);
    let behind = u64::try_from(BEHIND_MAX).unwrap() + 20;
    *log.turns.lock().unwrap() = (1..=behind).map(|n| turn(n, 1)).collect();
    for n in 2..=behind {
        live.show(&key(), || text(n, 0));
    }
    let mut ids = Vec::new();
    while ids.len() < 59 {
        let Some(PhoneEvent::Text(text)) = feed.next().await else { panic!("hung up after {ids:?}") };
        ids.push(text.id.turn.0);
    }
    // 60 turns are all that this phone may read at once: the newest.
    assert_eq!(ids, (behind - 59..behind).collect::<Vec<_>>());
}

#[tokio::test]
async fn texts_that_failed_are_not_shown() {
    let mut failed = turn(1, 2);
    failed.rows[0].row.state = RowState::Failed { code: "expired".into(), reason: String::new() };
    failed.rows[1].row.state = RowState::Queued;
    let mut feed = open(&Arc::new(Live::new(9)), &FakeLog::with(vec![failed]), Since::Latest).await;
    assert_eq!(told(&mut feed, 0).await, ["<1", "1-1", "live"]);
}

#[tokio::test]
async fn a_receipt_goes_in_when_a_live_text_was_taken_and_not_before() {
    let (live, log) = (Arc::new(Live::new(9)), FakeLog::with(vec![turn(1, 1)]));
    let mut feed = open(&live, &log, Since::Latest).await;
    live.show(&key(), || text(2, 0));
    live.show(&key(), || text(3, 0));
    assert_eq!(told(&mut feed, 1).await, ["<1", "1-0", "live", "2-0"]);
    assert_eq!(log.delivered(), [""; 0]);
    assert!(feed.next().await.is_some());
    assert_eq!(log.delivered(), ["2-0"]);
}

#[tokio::test]
async fn a_phone_is_hung_up_when_the_channel_closes() {
    let (live, log) = (Arc::new(Live::new(9)), FakeLog::with(Vec::new()));
    let mut feed = open(&live, &log, Since::Latest).await;
    assert_eq!(told(&mut feed, 0).await, ["live"]);
    live.close();
    assert_eq!(feed.next().await, None);
}
