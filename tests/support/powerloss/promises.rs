//! What a process had promised by some point of its trace, and whether a store that was found afterwards keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::{InboundMessage, Work};
use raconteur_storage::engine::sled::SledEngine;
use raconteur_storage::{Accepted, KvStore, NewWork, Options, Store, dump};
use serde_json::Value;

use super::talk::{ACCEPTED, TENANT, Talk, Token};
use super::trace::Deed;

const CACHE: u64 = 16 << 20;

/// Grows along the trace.
#[derive(Default)]
pub(crate) struct Promises {
    acknowledgements: BTreeMap<u16, usize>,
    /// Texts that were acknowledged: they are never lost.
    pub(crate) accepted: BTreeSet<Token>,
    /// Texts whose answer was sent: the turn is committed and never taken again from the beginning.
    pub(crate) answered: BTreeSet<Token>,
}

impl Promises {
    pub(crate) fn hear(&mut self, talk: &Talk, deed: &Deed) {
        let Deed::Send { port, bytes } = deed else { return };
        if let Some(posted) = talk.posted.get(port) {
            for _ in bytes.windows(ACCEPTED.len()).filter(|part| *part == ACCEPTED) {
                let heard = self.acknowledgements.entry(*port).or_default();
                self.accepted.insert(posted[*heard]);
                *heard += 1;
            }
        }
        let text = String::from_utf8_lossy(bytes);
        for said in text.split("\"body\":\"").skip(1) {
            let answer = said.split_once('"').and_then(|(answer, _)| answer.split_once(' '));
            if let Some((number, word)) = answer
                && number.parse::<usize>().is_ok()
                && word.len() == 7
            {
                self.answered.extend(Token::read(word));
            }
        }
    }

    /// Opens the store and says what is missing or wrong; nothing, if all is well.
    pub(crate) fn broken_by(&self, store: &Path) -> Vec<String> {
        let mut found = match Found::read(store) {
            Ok(found) => found,
            Err(error) => return vec![format!("it cannot be opened: {error}")],
        };
        let mut broken = std::mem::take(&mut found.wrong);
        for token in &self.accepted {
            let kept = found.unread.contains(token) || found.pages.contains_key(token);
            if !kept || !found.ids.contains(&token.id()) {
                broken.push(format!("{} was acknowledged and is gone", token.word()));
            }
        }
        for token in &self.answered {
            if !found.pages.contains_key(token) {
                broken.push(format!("the turn of {} was answered and is not there", token.word()));
            }
        }
        for (token, answer) in &found.pages {
            if found.unread.contains(token) {
                broken.push(format!("{} is answered and unread", token.word()));
            }
            if *answer != format!("{} {}", token.number, token.word()) {
                broken.push(format!("the turn of {} came from another context: {answer}", token.word()));
            }
        }
        broken
    }
}

/// What is in a store.
#[derive(Default)]
struct Found {
    ids: BTreeSet<String>,
    unread: BTreeSet<Token>,
    /// Turns, each with its answer.
    pages: BTreeMap<Token, String>,
    wrong: Vec<String>,
}

impl Found {
    fn read(store: &Path) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let engine = SledEngine::open(store, CACHE).map_err(|error| told(&error))?;
        let mut out = Vec::new();
        let mut found = Self::default();
        match dump::export(&engine, &mut out) {
            // Nothing was ever promised there.
            Err(dump::DumpError::Empty { .. }) => {}
            exported => drop(exported.map_err(|error| told(&error))?),
        }
        for line in out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            found.take(&serde_json::from_slice(line).map_err(|error| told(&error))?);
        }
        found.goes_on(engine)?;
        Ok(found)
    }

    fn take(&mut self, line: &Value) {
        let token = |value: &Value| value["message"]["body"].as_str().and_then(Token::read);
        let marks = line["duplicates"]["marks"].as_array().into_iter().flatten();
        self.ids.extend(marks.filter_map(|mark| mark["id"].as_str().map(str::to_owned)));
        self.unread.extend(token(&line["unread"]["work"]));
        let turn = &line["page"]["turn"];
        if let Some(token) = token(&turn["work"]) {
            let answer = turn["rows"][0]["body"].as_str().unwrap_or("none").to_owned();
            self.pages.insert(token, answer);
        }
        if line.get("damaged").is_some() {
            self.wrong.push(format!("a record is damaged: {line}"));
        }
    }

    /// It is good for more than being read.
    fn goes_on(&mut self, engine: SledEngine) -> Result<(), String> {
        let store =
            KvStore::open(engine, Options { min_free: 0, ..Options::default() }).map_err(|error| error.to_string())?;
        let number = |text: &str| Address::parse(text).expect("it is a number");
        let new = NewWork {
            key: ConversationKey { tenant: number(TENANT), user: number("+15550299") },
            id: "afterwards".into(),
            accepted_at: UnixMillis(1),
            seed: 1,
            content: None,
            work: Work::Message(InboundMessage { body: "afterwards".into(), ..InboundMessage::default() }),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
        match runtime.block_on(store.accept(new)) {
            Ok(Accepted::Fresh { .. }) => Ok(()),
            other => Err(format!("it takes nothing more: {other:?}")),
        }
    }
}
