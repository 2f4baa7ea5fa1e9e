//! What the store keeps beside snapshots: work, pages of the transcript, dead letters; and how their bytes are laid out.
//!
//! A record is a frame (format, number of chunks, hash: see `chunks.rs`), a fixed part, and JSON. Only work has a fixed
//! part: what the committer and the listing of work need to know of a record without reading its JSON.
//!
//! ```text
//! unread     0 | attempts u8 | alone u8 | seed u128 | accepted_at u64 | Work
//! answered   1 | 0           | 0        | seed u128 | due u64         | [OutboundRow]
//! ```

use std::ops::Range;

use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{DeliveryStatus, OutboundRow, RowState, Sequence, Work, WorkRecord};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::chunks::{self, Damage};
use crate::{NewWork, StoreError};

/// One page of a transcript: one work record and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TranscriptTurn {
    /// The work record's sequence.
    pub sequence: Sequence,
    /// The session it belongs to; `None` when there was none (an end request without a session).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Uuid>,
    /// What came in.
    pub work: Work,
    /// When it was accepted.
    pub accepted_at: UnixMillis,
    /// When somebody was first asked for it; `None` where nobody was, or an older version wrote the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<UnixMillis>,
    /// When its answer was committed.
    pub answered_at: UnixMillis,
    /// How often the assistant was asked.
    pub asks: u32,
    /// What it has ordered, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// Why the turn failed, in plain words; `None` when it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The turn that the text was gathered into and is answered with; `None` where it is a turn of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_with: Option<Sequence>,
    /// What went out for it, each with its latest state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<TranscriptRow>,
}

/// One outbound text in a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptRow {
    /// The text and what became of it on our side.
    #[serde(flatten)]
    pub row: OutboundRow,
    /// The provider's latest word on it, and when it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// When the call to the provider began that took it; `None` where it was not taken, or an older version wrote the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<UnixMillis>,
}

/// A provider's latest word on a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// How far it has come.
    pub status: DeliveryStatus,
    /// When we were told.
    pub at: UnixMillis,
    /// The provider's error code; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
}

/// Something that was set aside, with the reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The sequence of the work record, or [`DeadLetter::FRESH`] for a damaged record, which has none.
    pub sequence: Sequence,
    /// Whose conversation; `None` when the record was too damaged to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ConversationKey>,
    /// When it was set aside.
    pub at: UnixMillis,
    /// Why, in plain words.
    pub reason: String,
    /// What it was; `None` for a damaged record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// The bytes of a damaged record, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

impl DeadLetter {
    /// Stands for a sequence that the store draws when the letter is committed.
    pub const FRESH: Sequence = Sequence(0);
}

const UNREAD: u8 = 0;
const ANSWERED: u8 = 1;

/// Bytes of a work record's fixed part.
pub(crate) const WORK_FIXED: usize = 3 + 16 + 8;

/// Where the seed lies in a work record's fixed part.
const SEED: Range<usize> = 3..19;

/// A work record, as far as its fixed part tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkHead {
    pub(crate) kind: WorkKind,
    pub(crate) seed: u128,
    /// How many values it takes.
    pub(crate) chunks: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkKind {
    Unread { attempts: u8, alone: bool, accepted_at: UnixMillis },
    Answered { due: UnixMillis },
}

impl WorkHead {
    /// Reads the first value of a work record.
    pub(crate) fn read(first: &[u8]) -> Result<Self, Damage> {
        let chunks = chunks::frame_count(first)?;
        let fixed: [u8; WORK_FIXED] = chunks::frame_fixed(first)?;
        let (start, rest) = fixed.split_first_chunk::<3>().expect("27 bytes");
        let (seed, time) = rest.split_first_chunk().expect("24 bytes");
        let time = UnixMillis(u64::from_be_bytes(time.try_into().expect("8 bytes")));
        let kind = match *start {
            [UNREAD, attempts, alone @ (0 | 1)] => WorkKind::Unread { attempts, alone: alone == 1, accepted_at: time },
            [ANSWERED, 0, 0] => WorkKind::Answered { due: time },
            other => return Err(Damage::garbage(format_args!("{other:?} is no kind of work record"))),
        };
        Ok(Self { kind, seed: u128::from_be_bytes(*seed), chunks })
    }

    fn fixed(start: [u8; 3], seed: u128, time: UnixMillis) -> [u8; WORK_FIXED] {
        let mut fixed = [0; WORK_FIXED];
        fixed[..3].copy_from_slice(&start);
        fixed[SEED].copy_from_slice(&seed.to_be_bytes());
        fixed[SEED.end..].copy_from_slice(&time.0.to_be_bytes());
        fixed
    }
}

/// The values of a fresh work record.
pub(crate) fn write_unread(new: &NewWork) -> Result<Vec<Vec<u8>>, StoreError> {
    write(&WorkHead::fixed([UNREAD, 0, 0], new.seed, new.accepted_at), &new.work)
}

/// The values of a work record that is not fresh from outside.
pub(crate) fn write_own(record: &WorkRecord) -> Result<Vec<Vec<u8>>, StoreError> {
    write(&WorkHead::fixed([UNREAD, 0, 0], record.seed, record.accepted_at), &record.work)
}

/// Changes the attempt counters in the first value of an unread record. Its other values stay as they are.
pub(crate) fn rewrite_attempts(first: &mut [u8], attempts: u8, alone: bool) {
    if let [_, attempts_byte, alone_byte, ..] = chunks::frame_fixed_mut(first) {
        *attempts_byte = attempts;
        *alone_byte = u8::from(alone);
    }
}

/// Reads an unread record whose values were put together again.
pub(crate) fn read_unread(sequence: Sequence, whole: &[u8]) -> Result<WorkRecord, Damage> {
    let head = WorkHead::read(whole)?;
    match head.kind {
        WorkKind::Unread { attempts, alone, accepted_at } => {
            let work = read_json(whole, WORK_FIXED)?;
            Ok(WorkRecord { sequence, accepted_at, seed: head.seed, attempts, alone, work })
        }
        WorkKind::Answered { .. } => Err(Damage::garbage("it is answered")),
    }
}

/// The values of an answered record: rows that are not settled, and the seed of what they answer.
pub(crate) fn write_answered(rows: &[&OutboundRow], seed: u128) -> Result<Vec<Vec<u8>>, StoreError> {
    let due = rows.iter().map(|row| due(&row.state)).min().unwrap_or_default();
    write(&WorkHead::fixed([ANSWERED, 0, 0], seed, due), &rows)
}

/// As [`write_answered`], of those rows that are not settled; no values where there is none.
pub(crate) fn write_unsettled(rows: &[OutboundRow], seed: u128) -> Result<Vec<Vec<u8>>, StoreError> {
    let unsettled: Vec<&OutboundRow> = rows.iter().filter(|row| !row.state.is_settled()).collect();
    if unsettled.is_empty() { Ok(Vec::new()) } else { write_answered(&unsettled, seed) }
}

/// Changes the seed in the first value of a work record. Its other values stay as they are.
pub(crate) fn rewrite_seed(first: &mut [u8], seed: u128) {
    if let Some(bytes) = chunks::frame_fixed_mut(first).get_mut(SEED) {
        bytes.copy_from_slice(&seed.to_be_bytes());
    }
}

/// Reads the rows of an answered record whose values were put together again.
pub(crate) fn read_answered(whole: &[u8]) -> Result<Vec<OutboundRow>, Damage> {
    match WorkHead::read(whole)?.kind {
        WorkKind::Answered { .. } => read_json(whole, WORK_FIXED),
        WorkKind::Unread { .. } => Err(Damage::garbage("it is unread")),
    }
}

/// The values of a work record whose JSON was written before.
pub(crate) fn write_work(kind: WorkKind, seed: u128, json: &RawValue) -> Result<Vec<Vec<u8>>, StoreError> {
    let (start, time) = match kind {
        WorkKind::Unread { attempts, alone, accepted_at } => ([UNREAD, attempts, u8::from(alone)], accepted_at),
        WorkKind::Answered { due } => ([ANSWERED, 0, 0], due),
    };
    write(&WorkHead::fixed(start, seed, time), &json)
}

/// From when on a row needs somebody.
fn due(state: &RowState) -> UnixMillis {
    match state {
        RowState::Held { until: at, .. } | RowState::Retry { at, .. } => *at,
        RowState::Queued | RowState::Sending { .. } | RowState::Unknown { .. } => UnixMillis(0),
        RowState::Sent { .. } | RowState::Failed { .. } | RowState::GivenUp => UnixMillis(u64::MAX),
    }
}

/// The values of a record that is all JSON.
pub(crate) fn write_json<T: Serialize>(value: &T) -> Result<Vec<Vec<u8>>, StoreError> {
    write(&[], value)
}

/// Reads a record with `fixed` bytes before its JSON, whose values were put together again.
pub(crate) fn read_json<T: DeserializeOwned>(whole: &[u8], fixed: usize) -> Result<T, Damage> {
    serde_json::from_slice(chunks::frame_payload(whole, fixed)?).map_err(Damage::garbage)
}

fn write<T: Serialize>(fixed: &[u8], value: &T) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut bytes = chunks::begin();
    bytes.extend_from_slice(fixed);
    serde_json::to_writer(&mut bytes, value)
        .map_err(|error| StoreError::Unusable(format!("a record cannot be written as JSON: {error}")))?;
    chunks::finish(bytes, fixed.len())
}

/// The bytes of a damaged record as a dead letter shows them.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use raconteur_conversation::address::Address;
    use raconteur_conversation::words::{
        InboundMessage, OnOpen, OutboundId, Pipe, ProviderId, SendText, StartSession, Within,
    };

    use super::*;

    fn new(work: Work) -> NewWork {
        let address = |text| Address::parse(text).unwrap();
        let key = ConversationKey { tenant: address("12345"), user: address("+15550100") };
        NewWork { key, id: "SM1".into(), accepted_at: UnixMillis(0x0102), seed: 0x0a0b, content: None, work }
    }

    fn text(body: &str) -> Work {
        Work::Message(InboundMessage { body: body.into(), ..InboundMessage::default() })
    }

    fn row(part: u16, state: RowState) -> OutboundRow {
        let id = OutboundId { turn: Sequence(7), part };
        OutboundRow { id, body: "Hi".into(), media: Vec::new(), expires_at: UnixMillis(9), unasked: false, state }
    }

    #[test]
    fn golden_unread_record() {
        let values = write_unread(&new(text("hi"))).unwrap();
        let expected = [
            &b"\x01\0\x01"[..],
            &0x250e_2f4a_30a1_dc79_u64.to_be_bytes(),
            b"\0\0\0",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\x0b",
            b"\0\0\0\0\0\0\x01\x02",
            br#"{"message":{"body":"hi"}}"#,
        ];
        assert_eq!(values, [expected.concat()]);
    }

    #[test]
    fn golden_answered_record() {
        let values = write_answered(&[&row(0, RowState::Retry { at: UnixMillis(5), tries: 2 })], 3).unwrap();
        let expected = [
            &b"\x01\0\x01"[..],
            &0x7c9e_66d4_60c5_9244_u64.to_be_bytes(),
            b"\x01\0\0",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03",
            b"\0\0\0\0\0\0\0\x05",
            br#"[{"id":"7-0","body":"Hi","expires_at":9,"state":"retry","at":5,"tries":2}]"#,
        ];
        assert_eq!(values, [expected.concat()]);
    }

    #[test]
    fn golden_row_that_rests_in_quiet_hours() {
        let resting = |tries| OutboundRow { unasked: true, ..row(0, RowState::Held { until: UnixMillis(5), tries }) };
        for (tries, rest) in [(0, ""), (2, r#","tries":2"#)] {
            let json =
                format!(r#"{{"id":"7-0","body":"Hi","expires_at":9,"unasked":true,"state":"held","until":5{rest}}}"#);
            assert_eq!(serde_json::to_string(&resting(tries)).unwrap(), json);
            assert_eq!(serde_json::from_str::<OutboundRow>(&json).unwrap(), resting(tries));
        }
    }

    #[test]
    fn golden_transcript_row() {
        let row = TranscriptRow {
            row: row(1, RowState::Sent { provider_id: ProviderId("SM9".into()) }),
            delivery: Some(Delivery { status: DeliveryStatus::Delivered, at: UnixMillis(11), code: String::new() }),
            sent_at: None,
        };
        let json = r#"{"id":"7-1","body":"Hi","expires_at":9,"state":"sent","provider_id":"SM9","delivery":{"status":"delivered","at":11}}"#;
        assert_eq!(serde_json::to_string(&row).unwrap(), json);
        assert_eq!(serde_json::from_str::<TranscriptRow>(json).unwrap(), row);
        let timed = TranscriptRow { delivery: None, sent_at: Some(UnixMillis(10)), ..row };
        let json = r#"{"id":"7-1","body":"Hi","expires_at":9,"state":"sent","provider_id":"SM9","sent_at":10}"#;
        assert_eq!(serde_json::to_string(&timed).unwrap(), json);
        assert_eq!(serde_json::from_str::<TranscriptRow>(json).unwrap(), timed);
    }

    #[test]
    fn every_kind_of_work_is_read_back() {
        let user_data = serde_json::value::to_raw_value(&serde_json::json!({"a": [1, 2.50]})).unwrap();
        let works = [
            text("héllo"),
            Work::Start(StartSession {
                user_data: Some(user_data),
                timeout: Some(std::time::Duration::from_secs(90)),
                text: Some("Hello".into()),
                on_open: OnOpen::Refuse,
            }),
            Work::End,
            Work::Send(SendText {
                body: "b".into(),
                media: vec!["https://m".into()],
                within: Within::Pipe(Uuid::nil()),
            }),
            Work::OpenPipe(Pipe { id: Uuid::nil(), webhook: "https://v".into(), expires_at: Some(UnixMillis(5)) }),
            Work::ClosePipe { id: Uuid::nil() },
            Work::Erase,
            Work::NoInput { session: Uuid::nil() },
            Work::TimedOut { session: Uuid::nil() },
            text(&"x".repeat(20_000)),
        ];
        for work in works {
            let shown = format!("{work:?}");
            let values = write_unread(&new(work)).unwrap();
            let record = read_unread(Sequence(4), &values.concat()).unwrap();
            assert_eq!(format!("{:?}", record.work), shown);
            assert_eq!((record.sequence, record.seed, record.accepted_at), (Sequence(4), 0x0a0b, UnixMillis(0x0102)));
        }
    }

    #[test]
    fn attempts_are_changed_in_place() {
        let mut values = write_unread(&new(text("hi"))).unwrap();
        rewrite_attempts(&mut values[0], 3, true);
        let record = read_unread(Sequence(1), &values[0]).unwrap();
        assert_eq!((record.attempts, record.alone), (3, true));
    }

    #[test]
    fn a_seed_is_filled_in_later_and_settled_rows_are_left_out() {
        let sent = row(1, RowState::Sent { provider_id: ProviderId("SM9".into()) });
        let rows = [row(0, RowState::Queued), sent.clone()];
        let mut values = write_unsettled(&rows, 0).unwrap();
        assert_ne!(values, write_answered(&[&rows[0]], 3).unwrap());
        rewrite_seed(&mut values[0], 3);
        assert_eq!(values, write_answered(&[&rows[0]], 3).unwrap());
        assert!(write_unsettled(&[sent], 3).unwrap().is_empty());
    }

    #[test]
    fn an_answered_record_is_due_with_its_first_row() {
        let retry = |at| row(0, RowState::Retry { at: UnixMillis(at), tries: 1 });
        let due = |rows: &[&OutboundRow]| match WorkHead::read(&write_answered(rows, 0).unwrap()[0]).unwrap().kind {
            WorkKind::Answered { due } => due,
            WorkKind::Unread { .. } => unreachable!("it was answered"),
        };
        assert_eq!(due(&[&retry(9), &retry(5)]), UnixMillis(5));
        assert_eq!(due(&[&retry(9), &row(1, RowState::Held { until: UnixMillis(7), tries: 0 })]), UnixMillis(7));
        assert_eq!(due(&[&retry(9), &row(1, RowState::Queued)]), UnixMillis(0));
    }

    #[test]
    fn garbage_and_the_wrong_kind_are_told_and_a_newer_format_apart() {
        let unread = write_unread(&new(text("hi"))).unwrap().concat();
        assert!(matches!(read_answered(&unread), Err(Damage::Garbage(_))));
        let mut newer = unread.clone();
        newer[0] = 2;
        assert_eq!(read_unread(Sequence(1), &newer).unwrap_err(), Damage::Newer(2));
        let mut kind = unread.clone();
        kind[11] = 9;
        assert!(matches!(WorkHead::read(&kind), Err(Damage::Garbage(_))));
        for length in 0..unread.len() {
            assert!(matches!(read_unread(Sequence(1), &unread[..length]), Err(Damage::Garbage(_))), "{length}");
        }
    }

    #[test]
    fn hexadecimal_digits() {
        assert_eq!(hexadecimal(&[0, 0x7f, 0xff]), "007fff");
    }
}
