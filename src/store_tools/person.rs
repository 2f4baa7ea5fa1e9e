//! One person's data in a store that nobody is using: written as JSON lines, or deleted, in one conversation or in all.
//!
//! An erasure is a step like one of the gateway's own, committed under a claim; what it hides is deleted before this ends. A store that
//! was not closed in good order is left so: the next start still has to look after that.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use raconteur_conversation::Conversation;
use raconteur_conversation::address::ConversationKey;
use raconteur_conversation::effect::Erasure;
use raconteur_conversation::time::UnixMillis;
use raconteur_conversation::words::Sequence;
use raconteur_storage::dump::{self, DumpError};
use raconteur_storage::engine::sled::SledEngine;
use raconteur_storage::{Erase, KvStore, Options, Step, Store, StoreError, private};

use super::{Done, Place, ToolError, unusable};
use crate::cli::PersonArgs;
use crate::person::Export;

/// How many values are deleted with one write.
const AT_ONCE: usize = 1_000;

impl Place {
    pub(super) async fn export_person(&self, person: &PersonArgs, out: &mut dyn Write) -> Result<Done, ToolError> {
        let engine = self.open()?;
        let places = dump::places(&engine, Some(&person.user))?;
        let mut out = BufWriter::new(out);
        let count = using(engine, async |store| {
            let mut keys = places.conversations;
            for tenant in places.tenants {
                // Of one that was erased it may still be known that the user has stopped our texts.
                let key = ConversationKey { tenant, user: person.user.clone() };
                if store.snapshot(&key).await?.is_some() {
                    keys.insert(key);
                }
            }
            keys.retain(|key| is_meant(key, person));
            for key in &keys {
                write(Export::new(Arc::clone(&store), key.clone(), now()), &mut out).await?;
            }
            out.flush().map_err(DumpError::Output)?;
            Ok(keys.len())
        })
        .await?;
        let path = self.path.display();
        Ok(Self::done(format!("Exported {count} conversation(s) of the user from {path}.\n")))
    }

    pub(super) async fn export_person_to(&self, person: &PersonArgs, file: &Path) -> Result<Done, ToolError> {
        // Before the file is made: a store that cannot be opened leaves no empty export behind.
        drop(self.open()?);
        let mut out = private::create_file(file).map_err(|error| unusable(file, error))?;
        let exported = self.export_person(person, &mut out).await;
        let done = exported.inspect_err(|_| drop(fs::remove_file(file)))?;
        out.sync_all().map_err(|error| unusable(file, error))?;
        Ok(done)
    }

    pub(super) async fn erase_person(&self, person: &PersonArgs) -> Result<Done, ToolError> {
        let engine = self.open()?;
        let mut keys = dump::places(&engine, Some(&person.user))?.conversations;
        keys.retain(|key| is_meant(key, person));
        let count = keys.len();
        using(engine, async |store| {
            for key in keys {
                erase(&*store, &key).await?;
            }
            // Also what an earlier one has left behind.
            while store.remove_erased(AT_ONCE).await? {}
            Ok(())
        })
        .await?;
        let path = self.path.display();
        let text = match count {
            0 => format!("Nothing is kept of the user in {path}.\n"),
            _ => format!(
                "Erased {count} conversation(s) of the user from {path}.\n\
                 Their bytes leave the disk with: raconteur store compact --discard-old --store {path}\n"
            ),
        };
        Ok(Self::done(text))
    }
}

fn is_meant(key: &ConversationKey, person: &PersonArgs) -> bool {
    person.tenant.as_ref().is_none_or(|tenant| key.tenant == *tenant)
}

/// Opens a store for a while.
pub(super) async fn using<T>(
    engine: SledEngine,
    work: impl AsyncFnOnce(Arc<dyn Store>) -> Result<T, ToolError>,
) -> Result<T, ToolError> {
    let store: Arc<dyn Store> = Arc::new(KvStore::open(engine, Options { min_free: 0, ..Options::default() })?);
    let done = work(Arc::clone(&store)).await?;
    if !store.opening().unclean {
        store.close().await?;
    }
    Ok(done)
}

async fn write(mut export: Export, out: &mut impl Write) -> Result<(), ToolError> {
    while let Some(lines) = export.next().await? {
        out.write_all(&lines).map_err(DumpError::Output)?;
    }
    Ok(())
}

async fn erase(store: &dyn Store, key: &ConversationKey) -> Result<(), StoreError> {
    for claim in store.claim(&[key.shard()]).await? {
        let loaded = store.load(claim, key, 1).await?;
        let remains = Conversation::remains(loaded.snapshot.as_deref(), now());
        let erase = Some(Erase { erasure: Erasure { upto: Sequence(u64::MAX), remains }, at: now() });
        store.commit(claim, key, Step { version: loaded.version, erase, ..Step::default() }).await?;
    }
    Ok(())
}

pub(super) fn now() -> UnixMillis {
    UnixMillis(0).plus(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
