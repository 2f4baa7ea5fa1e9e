use std::fs;
use std::ops::ControlFlow;

use super::base::{open_once, snapshots};
use super::*;
use crate::engine::journal::SEGMENT_FILES;
use crate::engine::journal::watermark::{self, Watermark};

const CACHE: u64 = 16 << 20;

fn open(path: &Path) -> Result<SledEngine, StoreError> {
    SledEngine::open(path, CACHE)
}

/// Writes `keys` entries in small batches, then closes.
fn fill(path: &Path, keys: u32) {
    let engine = open(path).unwrap();
    for first in (0..keys).step_by(100) {
        let batch = (first..keys.min(first + 100)).map(|n| (n.to_be_bytes().to_vec(), Some(vec![1; 500])));
        engine.apply(batch.collect()).unwrap();
    }
    engine.sync().unwrap();
}

fn count(engine: &SledEngine, order: Order) -> Result<usize, StoreError> {
    let mut seen = 0;
    let mut visit = |_: &[u8], _: &[u8]| {
        seen += 1;
        ControlFlow::Continue(())
    };
    engine.scan(&(Vec::new()..vec![255]), order, &mut visit)?;
    Ok(seen)
}

fn overwrite(file: &Path, range: Range<usize>) {
    let mut bytes = fs::read(file).unwrap();
    let end = range.end.min(bytes.len());
    bytes[range.start..end].fill(0x5a);
    fs::write(file, bytes).unwrap();
}

fn only_snapshot(path: &Path) -> PathBuf {
    let found = snapshots(path).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn what_was_applied_is_there_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path(), 1_000);
    let engine = open(directory.path()).unwrap();
    assert_eq!(engine.get(&7_u32.to_be_bytes()), Ok(Some(vec![1; 500])));
    assert_eq!(count(&engine, Order::Ascending), Ok(1_000));
    assert_eq!(count(&engine, Order::Descending), Ok(1_000));
    engine.apply(Batch::from([(7_u32.to_be_bytes().to_vec(), None)])).unwrap();
    assert_eq!(engine.get(&7_u32.to_be_bytes()), Ok(None));
    assert!(engine.free_bytes().is_some_and(|free| free > 0));
}

#[test]
fn a_second_opening_is_told_that_the_store_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    let path = directory.path().display().to_string();
    assert_eq!(open(directory.path()).err(), Some(StoreError::Locked { path }));
    drop(first);
    assert!(open(directory.path()).is_ok());
}

#[test]
fn the_lock_of_sled_itself_is_told_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let config = sled::Config::new().path(directory.path());
    let _other = config.open().unwrap();
    let path = directory.path().display().to_string();
    assert_eq!(open_once(&config, directory.path()).err(), Some(StoreError::Locked { path }));
}

#[test]
fn a_snapshot_that_was_being_written_is_taken_away() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path(), 1_000);
    let left_over = directory.path().join("snap.FFFFFFFFFFFFFFFF.generating");
    fs::write(&left_over, b"half").unwrap();
    assert_eq!(count(&open(directory.path()).unwrap(), Order::Ascending), Ok(1_000));
    assert!(!left_over.exists());
    assert!(!directory.path().join(DAMAGED_DIRECTORY).exists());
}

#[test]
fn a_truncated_snapshot_is_set_aside_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path(), 1_000);
    drop(open(directory.path()).unwrap());
    let snapshot = only_snapshot(directory.path());
    let bytes = fs::read(&snapshot).unwrap();
    fs::write(&snapshot, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(count(&open(directory.path()).unwrap(), Order::Ascending), Ok(1_000));
    let aside = directory.path().join(DAMAGED_DIRECTORY).join(snapshot.file_name().unwrap());
    assert_eq!(fs::read(aside).unwrap(), &bytes[..bytes.len() / 2]);
}

#[test]
fn a_data_file_full_of_garbage_is_damage_and_not_an_empty_store() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path(), 1_000);
    overwrite(&directory.path().join(DATA_FILE), 0..usize::MAX);
    for _ in 0..2 {
        let error = open(directory.path()).err().unwrap();
        assert!(matches!(&error, StoreError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("backup"), "{error}");
    }
}

/// Where sled puts what differs from run to run, so not every place is in use; but no damage may shorten the history.
#[test]
fn garbage_inside_the_data_file_is_damage_and_never_fewer_records() {
    let mut damaged = 0;
    for from in (0..5_000_000).step_by(250_000) {
        let directory = tempfile::tempdir().unwrap();
        fill(directory.path(), 5_000);
        drop(open(directory.path()).unwrap());
        overwrite(&directory.path().join(DATA_FILE), from..from + 100_000);
        match open(directory.path()).and_then(|engine| count(&engine, Order::Ascending)) {
            Ok(found) => assert_eq!(found, 5_000, "garbage from {from}"),
            Err(error) => {
                assert!(matches!(&error, StoreError::Corrupt { .. }), "garbage from {from}: {error}");
                damaged += 1;
            }
        }
        only_snapshot(directory.path());
        assert!(!directory.path().join(DAMAGED_DIRECTORY).exists());
    }
    assert!(damaged > 0, "nothing was hit");
}

#[test]
fn a_path_that_is_a_file_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = open(&file).err().unwrap().to_string();
    assert!(error.contains("must be a directory"), "{error}");
}

#[test]
fn errors_of_the_disk_say_what_to_do() {
    let told = |kind: ErrorKind| unusable(Path::new("/data"), &io::Error::from(kind)).to_string();
    assert!(told(ErrorKind::StorageFull).contains("free some space"));
    assert!(told(ErrorKind::ReadOnlyFilesystem).contains("mount it writable"));
    assert!(told(ErrorKind::PermissionDenied).contains("right to read and write"));
    assert!(told(ErrorKind::Other).contains("check the disk"));
}

#[cfg(unix)]
#[test]
fn a_new_store_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/data");
    drop(open(&path).unwrap());
    for made in [path.parent().unwrap(), path.as_path()] {
        assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700, "{}", made.display());
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
    drop(open(&path).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o750, "what the operator chose stays");
}

fn batch(number: u32) -> Batch {
    Batch::from([(number.to_be_bytes().to_vec(), Some(vec![2; 500]))])
}

/// The data file as it was some synced batches ago.
fn set_back(path: &Path, batches: u32) {
    let old = tempfile::tempdir().unwrap();
    drop(open(path).unwrap());
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), old.path().join(entry.file_name())).unwrap();
    }
    let engine = open(path).unwrap();
    for number in 0..batches {
        engine.apply(batch(number)).unwrap();
        engine.sync().unwrap();
    }
    drop(engine);
    for snapshot in snapshots(path).unwrap() {
        fs::remove_file(snapshot).unwrap();
    }
    for entry in fs::read_dir(old.path()).unwrap().map(Result::unwrap) {
        if entry.file_name() != watermark::FILE {
            fs::copy(entry.path(), path.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_data_file_that_lost_acknowledged_batches_is_refused_until_the_loss_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path(), 1_000);
    set_back(directory.path(), 3);
    for _ in 0..2 {
        let path = directory.path().display().to_string();
        let error = open(directory.path()).err().unwrap();
        assert_eq!(error, StoreError::Behind { path, missing: 3 });
        assert!(error.to_string().contains("raconteur store accept-loss"), "{error}");
    }
    assert_eq!(SledEngine::accept_loss(directory.path(), CACHE), Ok(3));
    let engine = open(directory.path()).unwrap();
    assert_eq!(count(&engine, Order::Ascending), Ok(1_000));
    engine.apply(batch(1)).unwrap();
    engine.sync().unwrap();
    drop(engine);
    assert!(open(directory.path()).is_ok());
}

/// A store as a hard stop leaves it, without a snapshot of what was written last; and which bytes of a file were written since.
fn stopped_hard(path: &Path, file: &str, segment_bytes: u64) -> (tempfile::TempDir, Vec<usize>) {
    fill(path, 1_000);
    let anything = (Expected::Either, Loss::Refuse);
    let (engine, _) = SledEngine::open_with(path, CACHE, anything, segment_bytes).unwrap();
    let before = fs::read(path.join(file)).unwrap();
    for number in 0..40 {
        engine.apply(batch(5_000 + number)).unwrap();
        engine.sync().unwrap();
        engine.journal.settle();
    }
    let after = fs::read(path.join(file)).unwrap();
    let hard = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), hard.path().join(entry.file_name())).unwrap();
    }
    let changed = (0..after.len()).filter(|at| before.get(*at).is_none_or(|old| *old != after[*at]) && after[*at] != 0);
    (hard, changed.collect())
}

/// The limitation that the watermark is there for: behind the last snapshot sled takes garbage for the end of the log, as it is with
/// the journal.
#[test]
fn garbage_behind_the_last_snapshot_and_in_the_journal_is_noticed() {
    for (file, segment_bytes) in [(DATA_FILE, 2_000), (SEGMENT_FILES[0], SEGMENT_BYTES)] {
        let mut noticed = 0;
        for nth in 1..=4 {
            let directory = tempfile::tempdir().unwrap();
            let (hard, changed) = stopped_hard(directory.path(), file, segment_bytes);
            let from = changed[changed.len() * nth / 5];
            overwrite(&hard.path().join(file), from..from + 16);
            match open(hard.path()).and_then(|engine| count(&engine, Order::Ascending)) {
                Ok(found) => assert_eq!(found, 1_040, "garbage at {from}"),
                Err(StoreError::Behind { missing, .. }) => {
                    assert!((1..=40).contains(&missing), "{missing}");
                    noticed += 1;
                }
                Err(error) => assert!(matches!(error, StoreError::Corrupt { .. }), "{error}"),
            }
        }
        assert!(noticed > 0, "nothing of {file} was hit");
    }
}

#[test]
fn what_only_the_journal_has_is_there_after_a_hard_stop() {
    for segment_bytes in [2_000, SEGMENT_BYTES] {
        let directory = tempfile::tempdir().unwrap();
        let (hard, _) = stopped_hard(directory.path(), SEGMENT_FILES[0], segment_bytes);
        for _ in 0..2 {
            let engine = open(hard.path()).unwrap();
            assert_eq!(count(&engine, Order::Ascending), Ok(1_040));
            assert_eq!(count(&engine, Order::Descending), Ok(1_040));
        }
    }
}

#[test]
fn a_store_without_a_watermark_and_one_with_a_damaged_one_are_opened() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path(), 100);
    let watermark = directory.path().join(watermark::FILE);
    for damage in [None, Some(&b"?"[..]), Some(&[0x5a; 5_000])] {
        fs::remove_file(&watermark).unwrap();
        if let Some(bytes) = damage {
            fs::write(&watermark, bytes).unwrap();
        }
        assert_eq!(count(&open(directory.path()).unwrap(), Order::Ascending), Ok(100));
        assert!(Watermark::read(directory.path()).unwrap().is_some_and(|batches| batches > 0), "it is there again");
    }
}

#[test]
fn a_directory_that_holds_other_things_is_no_store_and_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.txt"), "years of work").unwrap();
    for opened in [open(directory.path()), SledEngine::create(directory.path(), CACHE)] {
        let error = opened.err().unwrap();
        assert!(
            error.to_string().ends_with("holds other things and no store: name a new or empty directory"),
            "{error}"
        );
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn tools_create_no_store_and_an_import_overwrites_none() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    for path in [missing.as_path(), directory.path()] {
        let error = SledEngine::open_existing(path, CACHE).err().unwrap();
        assert!(error.to_string().ends_with("holds no store: name the directory of one"), "{error}");
    }
    assert!(!missing.exists() && fs::read_dir(directory.path()).unwrap().next().is_none());
    fill(directory.path(), 1);
    let error = SledEngine::create(directory.path(), CACHE).err().unwrap();
    assert!(error.to_string().contains("holds a store already"), "{error}");
    assert!(SledEngine::open_existing(directory.path(), CACHE).is_ok());
}

#[test]
fn a_store_whose_data_file_is_gone_is_damaged_and_not_new() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path(), 1);
    fs::remove_file(directory.path().join(DATA_FILE)).unwrap();
    let error = open(directory.path()).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[test]
fn a_store_without_its_conf_or_with_a_torn_one_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path(), 1_000);
    let conf = directory.path().join(CONF_FILE);
    let whole = fs::read(&conf).unwrap();
    for left in [None, Some(Vec::new()), Some(vec![0; whole.len()]), Some(whole[..20].to_vec())] {
        fs::remove_file(&conf).unwrap();
        if let Some(bytes) = left {
            fs::write(&conf, bytes).unwrap();
        }
        assert_eq!(count(&open(directory.path()).unwrap(), Order::Ascending), Ok(1_000));
        assert_eq!(fs::read(&conf).unwrap(), whole);
    }
}

/// A record of the engine's user, so that there is something to compact.
fn begin(path: &Path) -> SledEngine {
    let engine = open(path).unwrap();
    drop(crate::KvStore::open(engine, crate::Options::default()).unwrap());
    open(path).unwrap()
}

#[test]
fn compacting_gives_room_back_and_keeps_everything() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    let engine = begin(&path);
    for round in 0..60_u8 {
        let changes = (0..200_u32).map(|n| (n.to_be_bytes().to_vec(), Some(vec![round; 2_000])));
        engine.apply(changes.collect()).unwrap();
        engine.sync().unwrap();
    }
    drop(engine);
    let done = compact(&path, CACHE, &Old::Keep("now".into())).unwrap();
    assert!(done.after * 2 < done.before, "{done:?}");
    let kept = done.kept.unwrap();
    assert_eq!(kept.file_name().unwrap(), "data.before-compact-now");
    let (new, old) = (open(&path).unwrap(), open(&kept).unwrap());
    assert_eq!(crate::dump::same(&new, &old), Ok(true));
    assert_eq!(new.get(&7_u32.to_be_bytes()), Ok(Some(vec![59; 2_000])));
    drop((new, old));
    let again = compact(&path, CACHE, &Old::Keep("now".into())).err().unwrap();
    assert!(again.to_string().contains("is left from another compaction"), "{again}");
    assert_eq!(compact(&path, CACHE, &Old::Discard).unwrap().kept, None);
    let mut names: Vec<_> = fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["data", "data.before-compact-now"]);
    assert!(open(&path).is_ok());
}

#[test]
fn a_store_in_use_and_one_with_nothing_in_it_are_not_compacted() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    drop(open(&path).unwrap());
    let error = compact(&path, CACHE, &Old::Discard).err().unwrap();
    assert!(error.to_string().contains("nothing to compact"), "{error}");
    let engine = begin(&path);
    assert!(matches!(compact(&path, CACHE, &Old::Discard).err(), Some(StoreError::Locked { .. })));
    drop(engine);
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn no_new_store_is_begun_beside_the_old_one_that_a_compaction_has_moved() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    drop(begin(&path));
    let moved = parent.path().join("data.before-compact-now");
    fs::rename(&path, &moved).unwrap();
    let error = open(&path).err().unwrap();
    assert!(error.to_string().contains("data.before-compact-now does: a compaction was cut off"), "{error}");
    assert!(!path.exists());
    fs::rename(&moved, &path).unwrap();
    assert!(open(&path).is_ok());
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_where_a_file_system_is_mounted_is_known_as_one() {
    assert!(place::is_mounted(Path::new("/proc")).unwrap());
    assert!(!place::is_mounted(tempfile::tempdir().unwrap().path()).unwrap());
}

#[test]
fn a_directory_that_is_not_there_is_not_compacted_and_not_created() {
    let parent = tempfile::tempdir().unwrap();
    let error = compact(&parent.path().join("data"), CACHE, &Old::Discard).err().unwrap();
    assert!(error.to_string().ends_with("holds no store: name the directory of one"), "{error}");
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
}
