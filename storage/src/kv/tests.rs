//! The conformance suite over both engines and both ways to run the committer.

mod crashes;
mod damage;
mod erasing;
mod grouping;
mod marks;
mod overload;
mod showing;

use async_trait::async_trait;

use super::*;
use crate::conformance::{self, Site};
use crate::engine::memory::MemoryEngine;

#[derive(Default)]
struct MemoryTask(MemoryEngine);

#[async_trait]
impl Site for MemoryTask {
    async fn open(&self, options: Options) -> Box<dyn Store> {
        // The task of the store before ends when it is next polled.
        tokio::task::yield_now().await;
        Box::new(KvStore::open_in_task(self.0.clone(), options).unwrap())
    }
}

#[derive(Default)]
struct MemoryThread(MemoryEngine);

#[async_trait]
impl Site for MemoryThread {
    async fn open(&self, options: Options) -> Box<dyn Store> {
        Box::new(KvStore::open(self.0.clone(), options).unwrap())
    }
}

#[tokio::test]
async fn the_store_in_memory_keeps_its_promises_in_a_task() {
    conformance::suite(MemoryTask::default).await;
}

#[tokio::test]
async fn the_store_in_memory_keeps_its_promises_with_a_thread() {
    conformance::suite(MemoryThread::default).await;
}

#[cfg(feature = "sled")]
mod on_disk {
    use super::*;
    use crate::engine::sled::SledEngine;

    pub(super) struct Disk(tempfile::TempDir);

    impl Disk {
        pub(super) fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        pub(super) fn engine(&self) -> Result<SledEngine, StoreError> {
            SledEngine::open(self.0.path(), 16 << 20)
        }
    }

    #[async_trait]
    impl Site for Disk {
        async fn open(&self, options: Options) -> Box<dyn Store> {
            Box::new(KvStore::open(self.engine().unwrap(), options).unwrap())
        }
    }

    #[tokio::test]
    async fn the_store_on_disk_keeps_its_promises() {
        conformance::suite(Disk::new).await;
    }

    #[tokio::test]
    async fn a_store_that_is_open_cannot_be_opened_again() {
        let disk = Disk::new();
        let store = disk.open(Options::default()).await;
        assert!(matches!(disk.engine().err(), Some(StoreError::Locked { .. })));
        drop(store);
        assert!(disk.engine().is_ok());
    }
}
