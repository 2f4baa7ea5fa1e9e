//! One record as a line of an export: read from what lies in the engine, and written back to what lies there, byte for byte.
//!
//! The one thing that changes is line breaks between the parts of a JSON value that came from outside: they become spaces.

use raconteur_conversation::address::{Address, ConversationKey, Shard};
use raconteur_conversation::effect::{Kept, Remains};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundRow, Sequence, Work};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::kind::Kind;
use super::marks::{Duplicate, Duplicates};
use super::walk::Raw;
use crate::chunks::{self, Damage, Head, NOT_INDEXED, VALUE_MAX};
use crate::erasure::{Left, Reach};
use crate::keys::{self, Ids, Name, Place, RecordKey};
use crate::record::{self, DeadLetter, TranscriptTurn, WorkHead, WorkKind};
use crate::usage::{Day, Usage};
use crate::{AuditEntry, StoreError, Version, fetch};

/// Keys and values.
pub(super) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// The version of the export itself.
    pub(super) raconteur_store: u32,
    /// The version of the store.
    pub(super) format: u32,
    pub(super) salt: Uuid,
    /// Sequences below this are spent or reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sequence: Option<u64>,
    pub(super) clean: bool,
}

/// Every other line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    Conversation(Conversation),
    Duplicate(Duplicate),
    Duplicates(Duplicates),
    Page(Page),
    Heard { tenant: Address, at: UnixMillis },
    Claim { shard: Shard, epoch: u64 },
    Deadline { at: UnixMillis, tenant: Address, user: Address },
    Usage(UsageOfDay),
    Erasure { tenant: Address, user: Address, upto: Sequence, letters: Sequence },
    Remains(RemainsOf),
    Unread(Unread),
    Answered(Answered),
    DeadLetter(Letter),
    Audit(Audited),
    Damaged(Damaged),
    End { records: u64 },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Conversation {
    tenant: Address,
    user: Address,
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    indexed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot: Option<Box<RawValue>>,
    /// A snapshot that is no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot_hex: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    tenant: Address,
    user: Address,
    sequence: Sequence,
    turn: Box<RawValue>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageOfDay {
    tenant: Address,
    day: Day,
    counters: Usage,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemainsOf {
    /// The keyed hash of the numbers.
    hash: String,
    version: u64,
    at: UnixMillis,
    kept: KeptFor,
    snapshot_hex: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptFor {
    AWhile,
    Ever,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unread {
    tenant: Address,
    user: Address,
    sequence: Sequence,
    accepted_at: UnixMillis,
    seed: Uuid,
    attempts: u8,
    alone: bool,
    work: Box<RawValue>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    tenant: Address,
    user: Address,
    sequence: Sequence,
    seed: Uuid,
    due: UnixMillis,
    rows: Box<RawValue>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Letter {
    sequence: Sequence,
    letter: Box<RawValue>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Audited {
    sequence: Sequence,
    entry: Box<RawValue>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Damaged {
    pub(super) kind: Kind,
    reason: String,
    /// Keys and values, in hexadecimal.
    pairs: Vec<(String, String)>,
}

impl Line {
    /// The record that was found in a store that writes ids in this way; one that does not read well as [`Line::Damaged`].
    pub(super) fn of(raw: &Raw, ids: Option<Ids>) -> Self {
        read(raw, ids).unwrap_or_else(|damage| {
            let reason = match damage {
                Damage::Newer(format) => format!("it is of format {format}, which a newer version wrote"),
                Damage::Garbage(reason) => reason,
            };
            let digits = |(key, value): &(Vec<u8>, Vec<u8>)| (record::hexadecimal(key), record::hexadecimal(value));
            Self::Damaged(Damaged { kind: Kind::of(raw), reason, pairs: raw.pairs.iter().map(digits).collect() })
        })
    }

    /// What lies in the engine for it.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it.
    pub(super) fn into_pairs(self, ids: Option<Ids>) -> Result<Pairs, String> {
        let key = |tenant, user| Place::of(&ConversationKey { tenant, user });
        match self {
            Self::Conversation(line) => line.into_pairs(),
            Self::Duplicate(line) => line.into_pairs(ids),
            Self::Duplicates(line) => line.into_pairs(ids),
            Self::Page(Page { tenant, user, sequence, turn }) => {
                typed::<TranscriptTurn>(&turn, "turn")?;
                chunked(&RecordKey::transcript(&key(tenant, user), sequence), record::write_json(&turn))
            }
            Self::Heard { tenant, at } => Ok(vec![(keys::heard(&tenant), at.0.to_be_bytes().to_vec())]),
            Self::Claim { shard, epoch } => Ok(vec![(keys::shard(shard), epoch.to_be_bytes().to_vec())]),
            Self::Deadline { at, tenant, user } => Ok(vec![(keys::deadline(at, &key(tenant, user)), Vec::new())]),
            Self::Usage(line) => Ok(vec![(keys::usage(&line.tenant, line.day), line.counters.write())]),
            Self::Erasure { tenant, user, upto, letters } => {
                Ok(vec![(keys::erasure(&key(tenant, user)), Reach { upto, letters }.write())])
            }
            Self::Remains(line) => line.into_pairs(),
            Self::Unread(line) => {
                let record = RecordKey::work(&key(line.tenant.clone(), line.user.clone()), line.sequence);
                typed::<Work>(&line.work, "work")?;
                let Unread { attempts, alone, accepted_at, .. } = line;
                let kind = WorkKind::Unread { attempts, alone, accepted_at };
                chunked(&record, record::write_work(kind, line.seed.as_u128(), &line.work))
            }
            Self::Answered(Answered { tenant, user, sequence, seed, due, rows }) => {
                typed::<Vec<OutboundRow>>(&rows, "rows")?;
                let values = record::write_work(WorkKind::Answered { due }, seed.as_u128(), &rows);
                chunked(&RecordKey::work(&key(tenant, user), sequence), values)
            }
            Self::DeadLetter(Letter { sequence, letter }) => {
                typed::<DeadLetter>(&letter, "letter")?;
                chunked(&RecordKey::dead_letter(sequence), record::write_json(&letter))
            }
            Self::Audit(Audited { sequence, entry }) => {
                typed::<AuditEntry>(&entry, "entry")?;
                chunked(&RecordKey::audit(sequence), record::write_json(&entry))
            }
            Self::Damaged(line) => line.into_pairs(),
            Self::End { .. } => Ok(Vec::new()),
        }
    }

    /// The highest sequence that its key names.
    pub(super) fn sequence(&self) -> Option<Sequence> {
        match self {
            Self::Duplicate(Duplicate { sequence, .. })
            | Self::Page(Page { sequence, .. })
            | Self::Unread(Unread { sequence, .. })
            | Self::Answered(Answered { sequence, .. })
            | Self::DeadLetter(Letter { sequence, .. })
            | Self::Audit(Audited { sequence, .. })
            | Self::Erasure { letters: sequence, .. } => Some(*sequence),
            Self::Duplicates(line) => Some(line.last()),
            Self::Conversation(_)
            | Self::Heard { .. }
            | Self::Claim { .. }
            | Self::Deadline { .. }
            | Self::Usage(_)
            | Self::Remains(_)
            | Self::Damaged(_)
            | Self::End { .. } => None,
        }
    }
}

fn read(raw: &Raw, ids: Option<Ids>) -> Result<Line, Damage> {
    let unknown = || Damage::garbage("its key is not one of this format");
    let value = raw.pairs[0].1.as_slice();
    let split = |place: &Place| place.key().map(|key| (key.tenant, key.user)).ok_or_else(unknown);
    match raw.name.as_ref().ok_or_else(unknown)? {
        Name::Conversation(place, _) => conversation(raw, split(place)?),
        Name::Duplicate(..) if ids.is_none() => Err(unknown()),
        Name::Duplicate(tenant, id) => Duplicate::read(tenant, id, value).map(Line::Duplicate),
        Name::Marks(_) if ids.is_some() => Err(unknown()),
        Name::Marks(first) => Duplicates::read(*first, value).map(Line::Duplicates),
        Name::Page(place, sequence, _) => {
            let (tenant, user) = split(place)?;
            let turn = payload::<TranscriptTurn>(&whole(raw)?, 0)?;
            Ok(Line::Page(Page { tenant, user, sequence: *sequence, turn }))
        }
        Name::Heard(tenant) => {
            let at = value.try_into().map_err(|_| Damage::garbage("its value has another length"))?;
            Ok(Line::Heard { tenant: tenant.clone(), at: UnixMillis(u64::from_be_bytes(at)) })
        }
        Name::Claim(shard) => {
            let epoch = value.try_into().map_err(|_| Damage::garbage("its value has another length"))?;
            Ok(Line::Claim { shard: *shard, epoch: u64::from_be_bytes(epoch) })
        }
        Name::Deadline(..) if !value.is_empty() => Err(Damage::garbage("it has a value")),
        Name::Deadline(at, place) => {
            let (tenant, user) = split(place)?;
            Ok(Line::Deadline { at: *at, tenant, user })
        }
        Name::Usage(tenant, day) => {
            let counters = Usage::read(value);
            if counters.write() != value {
                return Err(Damage::garbage("its value has another length"));
            }
            Ok(Line::Usage(UsageOfDay { tenant: tenant.clone(), day: *day, counters }))
        }
        Name::Erasure(place) => {
            let Reach { upto, letters } =
                Reach::read(value).ok_or_else(|| Damage::garbage("its value has another length"))?;
            let (tenant, user) = split(place)?;
            Ok(Line::Erasure { tenant, user, upto, letters })
        }
        Name::Remains(hash) => RemainsOf::read(hash, value).map(Line::Remains),
        Name::Work(place, sequence, _) => work(&whole(raw)?, split(place)?, *sequence),
        Name::DeadLetter(sequence, _) => {
            Ok(Line::DeadLetter(Letter { sequence: *sequence, letter: payload::<DeadLetter>(&whole(raw)?, 0)? }))
        }
        Name::Audit(sequence, _) => {
            Ok(Line::Audit(Audited { sequence: *sequence, entry: payload::<AuditEntry>(&whole(raw)?, 0)? }))
        }
    }
}

/// All values of a framed record, of which there are as many as its first one says.
fn whole(raw: &Raw) -> Result<Vec<u8>, Damage> {
    let whole = raw.whole().ok_or_else(|| Damage::garbage("a chunk is missing"))?;
    let count = chunks::frame_count(&whole)?;
    if usize::from(count) == raw.pairs.len() {
        Ok(whole)
    } else {
        Err(Damage::garbage("it has another number of chunks"))
    }
}

fn work(whole: &[u8], (tenant, user): (Address, Address), sequence: Sequence) -> Result<Line, Damage> {
    let WorkHead { kind, seed, .. } = WorkHead::read(whole)?;
    let seed = Uuid::from_u128(seed);
    match kind {
        WorkKind::Unread { attempts, alone, accepted_at } => {
            let work = payload::<Work>(whole, record::WORK_FIXED)?;
            Ok(Line::Unread(Unread { tenant, user, sequence, accepted_at, seed, attempts, alone, work }))
        }
        WorkKind::Answered { due } => {
            let rows = payload::<Vec<OutboundRow>>(whole, record::WORK_FIXED)?;
            Ok(Line::Answered(Answered { tenant, user, sequence, seed, due, rows }))
        }
    }
}

fn conversation(raw: &Raw, (tenant, user): (Address, Address)) -> Result<Line, Damage> {
    if raw.whole().is_none() {
        return Err(fetch::missing(0));
    }
    let (head, inline) = Head::read(&raw.pairs[0].1)?;
    let mut snapshot = inline.to_vec();
    if head.hashes.len() + 1 != raw.pairs.len() {
        return Err(Damage::garbage("it has another number of chunks"));
    }
    for ((_, chunk), hash) in raw.pairs[1..].iter().zip(&head.hashes) {
        if chunks::hash(chunk) != *hash {
            return Err(Damage::garbage("one of its chunks has changed"));
        }
        snapshot.extend_from_slice(chunk);
    }
    let json = one_line(&snapshot);
    let snapshot_hex = json.is_none().then(|| record::hexadecimal(&snapshot));
    let indexed = (head.indexed != NOT_INDEXED).then_some(head.indexed);
    Ok(Line::Conversation(Conversation { tenant, user, version: head.version, indexed, snapshot: json, snapshot_hex }))
}

/// A framed record's JSON, which must make sense as a `T`.
fn payload<T: DeserializeOwned>(whole: &[u8], fixed: usize) -> Result<Box<RawValue>, Damage> {
    let payload = chunks::frame_payload(whole, fixed)?;
    serde_json::from_slice::<T>(payload).map_err(Damage::garbage)?;
    one_line(payload).ok_or_else(|| Damage::garbage("there is something around its JSON"))
}

/// A JSON value without a line break; `None` where it is no JSON or not only that.
fn one_line(bytes: &[u8]) -> Option<Box<RawValue>> {
    // Inside a string a line break is always escaped, so those that are found lie between the parts and mean nothing.
    let spaced = bytes.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect();
    let text = String::from_utf8(spaced).ok()?;
    let length = text.len();
    RawValue::from_string(text).ok().filter(|value| value.get().len() == length)
}

fn typed<T: DeserializeOwned>(value: &RawValue, what: &str) -> Result<(), String> {
    let read = serde_json::from_str::<T>(value.get()).map(drop);
    read.map_err(|_| format!("`{what}` is not what this version keeps there: take it as it was exported"))
}

fn chunked(record: &RecordKey, values: Result<Vec<Vec<u8>>, StoreError>) -> Result<Pairs, String> {
    let values = values.map_err(|error| error.to_string())?;
    Ok((0..=u16::MAX).zip(values).map(|(index, value)| (record.chunk(index), value)).collect())
}

impl Conversation {
    /// The index entry that its deadline must have.
    pub(super) fn deadline_key(&self) -> Option<Vec<u8>> {
        let key = ConversationKey { tenant: self.tenant.clone(), user: self.user.clone() };
        self.indexed.map(|at| keys::deadline(UnixMillis(at), &Place::of(&key)))
    }

    fn into_pairs(self) -> Result<Pairs, String> {
        let snapshot = match (self.snapshot, self.snapshot_hex) {
            (Some(json), None) => json.get().as_bytes().to_vec(),
            (None, Some(digits)) => from_hexadecimal(&digits)?,
            (Some(_), Some(_)) | (None, None) => return Err("give `snapshot` or `snapshot_hex`, one of them".into()),
        };
        let record = RecordKey::conversation(&Place::of(&ConversationKey { tenant: self.tenant, user: self.user }));
        let changes = chunks::rewrite(&[], self.version, self.indexed.unwrap_or(NOT_INDEXED), &snapshot);
        let mut pairs: Pairs = Vec::new();
        for (index, value) in changes.map_err(|error| error.to_string())? {
            pairs.extend(value.map(|value| (record.chunk(index), value)));
        }
        pairs.sort();
        Ok(pairs)
    }
}

impl RemainsOf {
    fn read(hash: &[u8; 32], value: &[u8]) -> Result<Self, Damage> {
        let Left { version, at, remains } = Left::read(value)?;
        let kept = match remains.kept {
            Kept::ForAWhile => KeptFor::AWhile,
            Kept::Lastingly => KeptFor::Ever,
        };
        let snapshot_hex = record::hexadecimal(&remains.snapshot);
        Ok(Self { hash: record::hexadecimal(hash), version: version.0, at, kept, snapshot_hex })
    }

    fn into_pairs(self) -> Result<Pairs, String> {
        let hash = from_hexadecimal(&self.hash)?.try_into().map_err(|_| "`hash` has another length".to_owned())?;
        let kept = match self.kept {
            KeptFor::AWhile => Kept::ForAWhile,
            KeptFor::Ever => Kept::Lastingly,
        };
        let remains = Remains { snapshot: from_hexadecimal(&self.snapshot_hex)?, kept };
        let left = Left { version: Version(self.version), at: self.at, remains };
        Ok(vec![(keys::remains(&hash), left.write().map_err(|error| error.to_string())?)])
    }
}

impl Answered {
    /// Its rows; it was read before, so they make sense.
    pub(super) fn rows(&self) -> Vec<OutboundRow> {
        serde_json::from_str(self.rows.get()).unwrap_or_default()
    }
}

impl Damaged {
    fn into_pairs(self) -> Result<Pairs, String> {
        let mut pairs = Vec::with_capacity(self.pairs.len());
        for (key, value) in &self.pairs {
            let (key, value) = (from_hexadecimal(key)?, from_hexadecimal(value)?);
            let reserved = key.first().is_none_or(|first| matches!(first, b'm' | 0xff));
            if reserved || value.len() > VALUE_MAX {
                return Err("a pair is none of a record: take it as it was exported".into());
            }
            pairs.push((key, value));
        }
        if pairs.is_empty() { Err("it has no pairs: leave the line out".into()) } else { Ok(pairs) }
    }
}

pub(super) fn from_hexadecimal(digits: &str) -> Result<Vec<u8>, String> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |pair: &[u8]| Some(value(*pair.first()?)? << 4 | value(*pair.get(1)?)?);
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    bytes.ok_or_else(|| "expected pairs of hexadecimal digits".into())
}
