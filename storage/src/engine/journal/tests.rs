use std::collections::BTreeMap;
use std::fs;
use std::sync::Condvar;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A map that keeps what was synced apart, and waits or fails when it is told to.
#[derive(Default)]
struct Map {
    live: Mutex<Pairs>,
    synced: Mutex<Pairs>,
    /// So many changes of the checkpoint thread pass; those that follow wait.
    gate: (Mutex<Option<usize>>, Condvar),
    fails: Mutex<bool>,
    puts: AtomicUsize,
}

impl Map {
    fn holding(pairs: &Pairs) -> Arc<Self> {
        Arc::new(Self { live: Mutex::new(pairs.clone()), synced: Mutex::new(pairs.clone()), ..Self::default() })
    }

    fn let_pass(&self, changes: Option<usize>) {
        *self.gate.0.lock().unwrap() = changes;
        self.gate.1.notify_all();
    }
}

impl Base for Arc<Map> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.live.lock().unwrap().get(key).cloned())
    }

    fn scan(&self, range: &Range<Vec<u8>>, order: Order, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let pairs: Vec<_> =
            self.live.lock().unwrap().range(range.clone()).map(|(k, v)| (k.clone(), v.clone())).collect();
        let visited: &mut dyn Iterator<Item = _> = match order {
            Order::Ascending => &mut pairs.iter(),
            Order::Descending => &mut pairs.iter().rev(),
        };
        for (key, value) in visited {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn put(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        if thread::current().name() == Some("checkpoint") {
            let gate = self.gate.0.lock().unwrap();
            let mut gate = self.gate.1.wait_while(gate, |gate| *gate == Some(0)).unwrap();
            *gate = gate.map(|left| left - 1);
        }
        self.puts.fetch_add(1, Ordering::Relaxed);
        let mut live = self.live.lock().unwrap();
        match value {
            Some(value) => live.insert(key.to_vec(), value.to_vec()),
            None => live.remove(key),
        };
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        if *self.fails.lock().unwrap() {
            return Err(StoreError::Unusable("the disk is gone".into()));
        }
        *self.synced.lock().unwrap() = self.live.lock().unwrap().clone();
        Ok(())
    }

    fn failure(&self, error: &io::Error) -> StoreError {
        StoreError::Unusable(error.to_string())
    }
}

/// Returns once a checkpoint waits at the gate, or has come through. Whether it waits.
fn held_or_settled(journal: &Journal<Arc<Map>>, base: &Map) -> bool {
    while journal.checkpoints.may_begin(false) == Ok(false) {
        if *base.gate.0.lock().unwrap() == Some(0) {
            return true;
        }
        thread::yield_now();
    }
    false
}

fn open(directory: &Path, base: &Arc<Map>, segment_bytes: u64) -> Journal<Arc<Map>> {
    Journal::open(directory, Arc::clone(base), (segment_bytes, Loss::Refuse)).unwrap().0
}

/// The pairs of a range, without the engine's own.
fn pairs(journal: &Journal<Arc<Map>>, range: &Range<Vec<u8>>, order: Order) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    journal
        .scan(range, order, &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    found
}

fn everything() -> Range<Vec<u8>> {
    Vec::new()..vec![0xff]
}

fn is_as(journal: &Journal<Arc<Map>>, model: &Pairs) {
    let mut expected: Vec<_> = model.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    assert_eq!(pairs(journal, &everything(), Order::Ascending), expected);
    expected.reverse();
    assert_eq!(pairs(journal, &everything(), Order::Descending), expected);
}

fn copy(directory: &Path) -> tempfile::TempDir {
    let copied = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), copied.path().join(entry.file_name())).unwrap();
    }
    copied
}

/// Numbers that look like chance and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn batch(&mut self, model: &mut Pairs) -> Batch {
        let mut batch = Batch::new();
        for _ in 0..1 + self.below(6) {
            let key = vec![b'k', u8::try_from(self.below(250)).unwrap()];
            let value = (self.below(3) > 0).then(|| vec![1; usize::try_from(self.below(40)).unwrap()]);
            match &value {
                Some(value) => drop(model.insert(key.clone(), value.clone())),
                None => drop(model.remove(&key)),
            }
            batch.insert(key, value);
        }
        batch
    }
}

#[test]
fn whatever_is_on_its_way_reads_are_as_if_everything_were_in_the_map() {
    let mut chance = Chance(7);
    for round in 0..12 {
        let (directory, base) = (tempfile::tempdir().unwrap(), Map::holding(&Pairs::new()));
        let journal = open(directory.path(), &base, 8_000);
        let mut model = Pairs::new();
        // Some checkpoints stop half-way for a while; so many that the writer would have to wait for them are not written.
        for step in 0..180 {
            journal.apply(chance.batch(&mut model)).unwrap();
            journal.sync().unwrap();
            match step % 60 {
                20 => base.let_pass(Some(usize::try_from(chance.below(80)).unwrap())),
                40 => base.let_pass(None),
                _ => {}
            }
            if step % 9 == 0 {
                is_as(&journal, &model);
                let (one, other) = (chance.below(250), chance.below(250));
                let key = |n: u64| vec![b'k', u8::try_from(n).unwrap()];
                let range = key(one.min(other))..key(one.max(other));
                let expected: Vec<_> = model.range(range.clone()).map(|(k, v)| (k.clone(), v.clone())).collect();
                assert_eq!(pairs(&journal, &range, Order::Ascending), expected, "round {round}");
                assert_eq!(journal.get(&key(one)), Ok(model.get(&key(one)).cloned()));
            }
        }
        base.let_pass(None);
        drop(journal);
        let in_map: Pairs =
            base.synced.lock().unwrap().clone().into_iter().filter(|(key, _)| key != NUMBER_KEY).collect();
        assert_eq!(in_map, model, "when it is closed the map has everything");
    }
}

#[test]
fn after_a_hard_stop_at_any_moment_everything_that_was_synced_is_there() {
    let mut chance = Chance(11);
    let (mut directory, mut base) = (tempfile::tempdir().unwrap(), Map::holding(&Pairs::new()));
    let mut model = Pairs::new();
    let mut stopped_in_a_checkpoint = 0;
    for life in 0..40 {
        let journal = open(directory.path(), &base, 6_000);
        is_as(&journal, &model);
        for step in 0..chance.below(80) {
            if step == 30 {
                base.let_pass(Some(usize::try_from(chance.below(120)).unwrap()));
            }
            journal.apply(chance.batch(&mut model)).unwrap();
            journal.sync().unwrap();
            if chance.below(2) == 0 {
                journal.tidy().unwrap();
            }
        }
        stopped_in_a_checkpoint += usize::from(held_or_settled(&journal, &base));
        let after = copy(directory.path());
        // What was put into the map since its last sync may be there or not.
        let kept = if life % 2 == 0 { base.live.lock().unwrap().clone() } else { base.synced.lock().unwrap().clone() };
        base.let_pass(None);
        drop(journal);
        (directory, base) = (after, Map::holding(&kept));
    }
    assert!(stopped_in_a_checkpoint > 5, "{stopped_in_a_checkpoint}");
}

#[test]
fn what_died_before_a_checkpoint_is_there_at_once_and_again_after_a_second_death() {
    let mut chance = Chance(5);
    let mut model = Pairs::new();
    let (mut directory, mut base) = (tempfile::tempdir().unwrap(), Map::holding(&Pairs::new()));
    let mut brought = Vec::new();
    for _ in 0..7 {
        // No checkpoint ever gets anywhere.
        base.let_pass(Some(0));
        let journal = open(directory.path(), &base, 1_000);
        brought.push(base.puts.load(Ordering::Relaxed) > 0);
        is_as(&journal, &model);
        for _ in 0..20 {
            journal.apply(chance.batch(&mut model)).unwrap();
            journal.sync().unwrap();
        }
        is_as(&journal, &model);
        let (after, kept) = (copy(directory.path()), base.synced.lock().unwrap().clone());
        base.let_pass(None);
        drop(journal);
        (directory, base) = (after, Map::holding(&kept));
    }
    // The first life has filled two segments and the second a third one; only then what they hold had to come first.
    assert_eq!(brought, [false, false, true, false, true, false, true]);
}

#[test]
fn who_waits_for_a_checkpoint_does_not_wait_for_its_rests() {
    let (directory, base) = (tempfile::tempdir().unwrap(), Map::holding(&Pairs::new()));
    // After each change it would rest for longer than anybody waits.
    let pace = Pace { stride: 1, rest: u32::MAX };
    let (journal, _) = Journal::open_at(directory.path(), base, (500, Loss::Refuse), pace).unwrap();
    let mut chance = Chance(9);
    let mut model = Pairs::new();
    for _ in 0..500 {
        journal.apply(chance.batch(&mut model)).unwrap();
        journal.sync().unwrap();
    }
    is_as(&journal, &model);
}

#[test]
fn what_was_not_synced_does_not_come_back_behind_what_was_written_in_its_place() {
    let (directory, base) = (tempfile::tempdir().unwrap(), Map::holding(&Pairs::new()));
    let put = |key: &str| Batch::from([(key.into(), Some(b"same length".to_vec()))]);
    let journal = open(directory.path(), &base, SEGMENT_BYTES);
    for key in ["a", "b", "c"] {
        journal.apply(put(key)).unwrap();
        journal.sync().unwrap();
    }
    // "b" never reached the disk, "c" did; and neither was acknowledged.
    let torn = copy(directory.path());
    drop(journal);
    let file = torn.path().join(SEGMENT_FILES[0]);
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(12).position(|window| window == b"bsame length").unwrap();
    bytes[at] = 0;
    fs::write(&file, bytes).unwrap();
    fs::remove_file(torn.path().join(watermark::FILE)).unwrap();
    let base = Map::holding(&Pairs::new());
    let journal = open(torn.path(), &base, SEGMENT_BYTES);
    assert_eq!(pairs(&journal, &everything(), Order::Ascending), [(b"a".to_vec(), b"same length".to_vec())]);
    journal.apply(put("d")).unwrap();
    journal.sync().unwrap();
    let (again, kept) = (copy(torn.path()), base.synced.lock().unwrap().clone());
    let journal = open(again.path(), &Map::holding(&kept), SEGMENT_BYTES);
    let keys: Vec<_> = pairs(&journal, &everything(), Order::Ascending).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [b"a", b"d"]);
}

#[test]
fn what_comes_and_goes_between_two_checkpoints_costs_the_map_one_change() {
    let (directory, base) = (tempfile::tempdir().unwrap(), Map::holding(&Pairs::new()));
    let journal = open(directory.path(), &base, SEGMENT_BYTES);
    for n in 0..100_u8 {
        journal.apply(Batch::from([(b"often".to_vec(), Some(vec![n]))])).unwrap();
        journal.sync().unwrap();
    }
    drop(journal);
    assert_eq!(base.puts.load(Ordering::Relaxed), 2, "the value, and the number of the batch");
}

#[test]
fn where_the_map_fails_nothing_more_is_taken_and_nothing_is_lost() {
    let (directory, base) = (tempfile::tempdir().unwrap(), Map::holding(&Pairs::new()));
    let journal = open(directory.path(), &base, 1_000);
    *base.fails.lock().unwrap() = true;
    let mut chance = Chance(3);
    let mut model = Pairs::new();
    let failed = loop {
        let before = model.clone();
        let taken = journal.apply(chance.batch(&mut model));
        if let Err(error) = taken.and_then(|()| journal.sync()) {
            model = before;
            break error;
        }
    };
    assert!(failed.to_string().contains("the disk is gone"), "{failed}");
    assert!(journal.apply(Batch::new()).is_err());
    drop(journal);
    let journal = open(directory.path(), &Map::holding(&base.live.lock().unwrap()), 1_000);
    let found = pairs(&journal, &everything(), Order::Ascending);
    let missing: Vec<_> = model.iter().filter(|(k, v)| !found.contains(&((*k).clone(), (*v).clone()))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_gap_between_the_map_and_the_journal_is_told_and_the_rest_left_alone() {
    let (directory, base) = (tempfile::tempdir().unwrap(), Map::holding(&Pairs::new()));
    let put = |key: &str| Batch::from([(key.into(), Some(vec![1]))]);
    let journal = open(directory.path(), &base, SEGMENT_BYTES);
    journal.apply(put("a")).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let journal = open(directory.path(), &base, SEGMENT_BYTES);
    journal.apply(put("b")).unwrap();
    journal.sync().unwrap();
    journal.tidy().unwrap();
    let left = copy(directory.path());
    let emptied = Map::holding(&Pairs::new());
    let opened = Journal::open(left.path(), Arc::clone(&emptied), (SEGMENT_BYTES, Loss::Refuse));
    assert!(matches!(opened.err(), Some(StoreError::Behind { missing: 2, .. })));
    let (journal, missing) = Journal::open(left.path(), Arc::clone(&emptied), (SEGMENT_BYTES, Loss::Accept)).unwrap();
    assert_eq!((missing, pairs(&journal, &everything(), Order::Ascending)), (2, Vec::new()));
}
