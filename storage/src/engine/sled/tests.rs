use super::*;

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

fn overwrite(path: &Path, range: Range<usize>) {
    let file = path.join(DATA_FILE);
    let mut bytes = fs::read(&file).unwrap();
    let end = range.end.min(bytes.len());
    bytes[range.start..end].fill(0x5a);
    fs::write(&file, bytes).unwrap();
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
    overwrite(directory.path(), 0..usize::MAX);
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
        overwrite(directory.path(), from..from + 100_000);
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
fn a_checksum_is_that_of_zlib() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
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
