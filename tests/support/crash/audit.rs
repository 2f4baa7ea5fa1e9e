//! What must hold after the last life: at the provider, every acknowledged text has its answer, once, in order, made from the
//! right context; in the store, everything is read and settled and the transcript tells the same story.

use std::collections::BTreeMap;
use std::path::Path;

use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{OutboundId, RowState, Work};
use raconteur_storage::engine::sled::SledEngine;
use raconteur_storage::{KvStore, Options, Store, TranscriptTurn};

use super::texts::FAILED;
use super::user::User;
use crate::support::twilio::{Create, Twilio};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) acknowledged: usize,
    pub(crate) answered: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    /// Texts that were set aside because the process died while they ran alone.
    pub(crate) convicted: usize,
    /// Everything that is wrong, one line each.
    pub(crate) problems: Vec<String>,
}

impl Findings {
    fn expect(&mut self, good: bool, problem: impl FnOnce() -> String) {
        if !good {
            self.problems.push(problem());
        }
    }
}

/// The row that a create was for.
pub(crate) fn outbound(create: &Create) -> Option<OutboundId> {
    create.status_callback.as_deref()?.split_once("?outbound=")?.1.parse().ok()
}

/// Looks through everything. The binary must have stopped.
pub(crate) async fn audit(users: &[User], twilio: &Twilio, store: &Path) -> Findings {
    let mut findings = Findings::default();
    let early = twilio.early_lists();
    findings.expect(early == 0, || {
        format!("the machine is too slow for this test: {early} look-ups came before the stand-in had taken the create")
    });
    let engine = SledEngine::open(store, 64 << 20).expect("the store can be opened");
    let store = KvStore::open(engine, Options::default()).expect("the store can be opened");
    findings.expect(!store.opening().unclean, || "the last life did not close its store".into());
    let left = store.work(UnixMillis(u64::MAX), None, 1_000).await.expect("work can be listed");
    findings.expect(left.keys.is_empty(), || format!("unread or unsettled: {:?}", left.keys));
    let letters = store.dead_letters(None, 1_000).await.expect("dead letters can be listed");
    findings.expect(letters.is_empty(), || format!("dead letters: {letters:?}"));
    let creates = twilio.creates();
    for user in users {
        let key = ConversationKey { tenant: address(&user.tenant), user: address(&user.number) };
        let pages = transcript(&store, &key).await;
        let creates: Vec<&Create> = creates.iter().filter(|create| create.to == user.number).collect();
        audit_user(user, &creates, &pages, &mut findings);
    }
    findings
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("a test's number is one")
}

/// A conversation's whole transcript, oldest first.
pub(crate) async fn transcript(store: &dyn Store, key: &ConversationKey) -> Vec<TranscriptTurn> {
    let mut all = Vec::new();
    loop {
        let before = all.last().map(|turn: &TranscriptTurn| turn.sequence);
        let page = store.transcript(key, before, 500).await.expect("a transcript can be read");
        if page.is_empty() {
            all.reverse();
            return all;
        }
        all.extend(page);
    }
}

fn audit_user(user: &User, creates: &[&Create], pages: &[TranscriptTurn], findings: &mut Findings) {
    let name = &user.number;
    let sent = sent(name, creates, findings);
    let mut answers: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for (id, create) in &sent {
        answers.entry(id.turn.0).or_default().push(&create.body);
    }
    let (said, answered) = (user.said.len(), answers.len());
    findings.acknowledged += said;
    findings.answered += answered;
    findings.lost += said.saturating_sub(answered);
    findings.expect(said == answered, || format!("{name}: {said} texts were acknowledged, {answered} answered"));
    findings.expect(said == pages.len(), || format!("{name}: {said} texts, {} in the transcript", pages.len()));
    let session = pages.first().and_then(|page| page.session);
    for (number, (kind, page)) in (1..).zip(user.said.iter().zip(pages)) {
        let (text, sequence) = (kind.text(number), page.sequence);
        let answer = answers.get(&sequence.0).map(|parts| parts.join(" ")).unwrap_or_default();
        findings.convicted += usize::from(answer == FAILED);
        let wanted = kind.answer(number, &session.map(|id| id.to_string()).unwrap_or_default());
        findings.expect(answer == wanted, || {
            let error = page.error.as_deref().unwrap_or("none");
            let (answer, wanted) = (beginning(&answer), beginning(&wanted));
            format!("{name}: {text:?} ({sequence}) was answered {answer:?}, not {wanted:?}; error: {error}")
        });
        findings.expect(page.session == session, || format!("{name}: {text:?} ({sequence}) fell into another session"));
        let heard = if let Work::Message(message) = &page.work { message.body.as_str() } else { "no text" };
        findings.expect(heard == text, || format!("{name}: {text:?} ({sequence}) stands as {heard:?}"));
        audit_rows(name, page, &sent, findings);
    }
}

/// A user's creates by row, and in the order of the rows; a second one of a row is doubled.
fn sent<'a>(name: &str, creates: &[&'a Create], findings: &mut Findings) -> BTreeMap<OutboundId, &'a Create> {
    let mut sent = BTreeMap::new();
    for create in creates {
        let Some(id) = outbound(create) else {
            findings.problems.push(format!("{name}: a create without an outbound id: {create:?}"));
            continue;
        };
        let latest = sent.last_key_value().map(|(latest, _)| *latest);
        if let Some(first) = sent.insert(id, *create) {
            findings.doubled += 1;
            findings.problems.push(format!("{name}: {id} was sent twice: {first:?} and {create:?}"));
        } else if latest.is_some_and(|latest| latest > id) {
            findings.problems.push(format!("{name}: {id} was sent after {latest:?}"));
        }
    }
    sent
}

/// Each row of the transcript is sent, under the provider's id of the create that was for it.
fn audit_rows(name: &str, page: &TranscriptTurn, sent: &BTreeMap<OutboundId, &Create>, findings: &mut Findings) {
    for row in &page.rows {
        let known =
            if let RowState::Sent { provider_id } = &row.row.state { Some(provider_id.0.as_str()) } else { None };
        let real = sent.get(&row.row.id).and_then(|create| create.sid.as_deref());
        findings.expect(known.is_some() && known == real, || {
            format!("{name}: row {} stands as {:?}, and was sent as {real:?}", row.row.id, row.row.state)
        });
    }
}

/// Enough of a text to know it by.
fn beginning(text: &str) -> String {
    text.chars().take(80).collect()
}
