//! What the binary does when its store cannot be used or stops working: it says so in words that help, ends with a failure, and
//! whatever it had acknowledged is still there.

#![cfg(all(target_os = "linux", feature = "cli", feature = "sled", feature = "script"))]

#[path = "support/binary.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod binary;
#[path = "support/shim.rs"]
mod shim;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use binary::{Ended, Gateway, Site, copy, ended};
use raconteur_storage::engine::sled::SledEngine;
use raconteur_storage::engine::{Batch, Engine};

const SERVE: &[&str] = &["serve"];

#[track_caller]
fn refused(command: Command, words: &str) {
    let Ended { code, out, log } = ended(command);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{log}");
    assert!(log.lines().last().is_some_and(|line| line.contains(words)), "{words:?} is not what it says last:\n{log}");
}

fn snapshot(store: &Path) -> PathBuf {
    let is_snapshot = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("snap."));
    let mut entries = fs::read_dir(store).expect("it is there").map(|entry| entry.expect("it can be read").path());
    entries.find(is_snapshot).expect("there is a snapshot")
}

/// Texts the gateway until it takes no more. Returns what it acknowledged, and how it ended.
fn text_until_it_ends(gateway: Gateway) -> (BTreeSet<String>, Ended) {
    let mut accepted = BTreeSet::new();
    for number in 0.. {
        match gateway.text(number) {
            Ok(id) => drop(accepted.insert(id)),
            Err(_) => break,
        }
        assert!(number < 5_000, "there is no end to it");
    }
    (accepted, gateway.end())
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_a_batch_ends_the_process_and_loses_nothing_that_was_acknowledged() {
    for room in [200_000, 350_321, 700_000, 1_500_007] {
        let site = Site::new();
        let mut command = site.command(SERVE);
        shim::between(&mut command, &site.store());
        command.env("SHIM_FULL_AFTER", room.to_string());
        let (accepted, Ended { code, log, .. }) = text_until_it_ends(Gateway::start(command));
        assert_eq!(code, Some(1), "{log}");
        assert!(log.contains("No space left on device") && log.contains("free some space on its disk"), "{log}");
        let kept = site.kept();
        assert!(accepted.is_subset(&kept), "with room for {room} bytes: {:?} are lost", accepted.difference(&kept));
        assert!(!accepted.is_empty(), "there was room for a few");
        let again = Gateway::start(site.command(SERVE));
        again.text(10_000).expect("with room again it goes on");
        assert_eq!(again.stop().code, Some(0));
    }
}

#[test]
fn a_store_that_may_grow_no_more_ends_the_process_and_loses_nothing_that_was_acknowledged() {
    let site = Site::new();
    // In blocks of 1,024 bytes; a process that does not ignore the signal would die of it without a word.
    let script = format!("trap '' XFSZ; ulimit -f 400; exec {} serve", env!("CARGO_BIN_EXE_raconteur"));
    let (accepted, Ended { code, log, .. }) =
        text_until_it_ends(Gateway::start(site.command_of("bash", &["-c", &script])));
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("File too large") && log.contains("the gateway cannot go on"), "{log}");
    assert!(!accepted.is_empty() && accepted.is_subset(&site.kept()));
}

/// Root may do everything, unless it gives that away.
fn without_privileges(site: &Site, arguments: &[&str]) -> Command {
    let id = Command::new("id").arg("-u").output().expect("there is an id").stdout;
    if id == b"0\n" {
        let given_away = ["--bounding-set", "-all", "--inh-caps", "-all", "--", env!("CARGO_BIN_EXE_raconteur")];
        site.command_of("setpriv", &[&given_away[..], arguments].concat())
    } else {
        site.command(arguments)
    }
}

#[test]
fn a_directory_and_files_that_may_not_be_written_are_explained_and_stay_as_they_are() {
    let words = "give this user the right to read and write the directory and the files in it";
    let site = Site::new();
    let accepted = site.furnish(3);
    let may = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for file in ["db", "lock", "watermark"] {
        may(&site.store().join(file), 0o400);
        refused(without_privileges(&site, SERVE), words);
        may(&site.store().join(file), 0o600);
    }
    fs::remove_file(site.store().join("lock")).unwrap();
    may(&site.store(), 0o500);
    refused(without_privileges(&site, SERVE), words);
    may(&site.store(), 0o700);
    let parent = site.path("closed");
    fs::create_dir(&parent).unwrap();
    may(&parent, 0o500);
    refused(without_privileges(&site, &["serve", "--store", "closed/data"]), words);
    may(&parent, 0o700);
    assert_eq!(site.kept(), accepted);
}

#[test]
fn a_store_of_a_newer_version_is_left_to_that() {
    let site = Site::new();
    let accepted = site.furnish(3);
    let write_format = |format: u32| {
        let engine = SledEngine::open(&site.store(), 16 << 20).unwrap();
        engine.apply(Batch::from([(b"mformat".to_vec(), Some(format.to_be_bytes().to_vec()))])).unwrap();
        engine.sync().unwrap();
    };
    write_format(5);
    refused(site.command(SERVE), "was written in format 5, this version knows formats up to 4: run the version");
    write_format(4);
    assert_eq!(site.kept(), accepted);
}

#[test]
fn a_directory_that_is_no_store_is_left_alone() {
    let site = Site::new();
    fs::create_dir(site.path("photos")).unwrap();
    fs::write(site.path("photos/cat.jpg"), "a cat").unwrap();
    let command = site.command(&["serve", "--store", "photos"]);
    refused(command, "photos holds other things and no store: name a new or empty directory");
    assert_eq!(fs::read_dir(site.path("photos")).unwrap().count(), 1);
}

/// The data file as it is found after it was cut off somewhere, with and without sled's snapshot of it.
#[test]
fn a_data_file_that_was_cut_off_is_refused_and_never_fewer_texts() {
    let site = Site::new();
    let accepted = site.furnish(600);
    // Once more, so that the data file has everything; and once more, so that there is a snapshot, and the journal is written over.
    assert_eq!(Gateway::start(site.command(SERVE)).stop().code, Some(0));
    Gateway::start(site.command(SERVE)).kill();
    let whole = site.path("whole");
    copy(&site.store(), &whole);
    let length = fs::metadata(whole.join("db")).unwrap().len();
    let mut refusals = 0;
    for cut in [0, 1, 20, length / 4, length / 2, length - length / 4, length - 3_000, length - 100, length - 1] {
        for snapshots in ["kept", "gone"] {
            fs::remove_dir_all(site.store()).unwrap();
            copy(&whole, &site.store());
            OpenOptions::new().write(true).open(site.store().join("db")).unwrap().set_len(cut).unwrap();
            if snapshots == "gone" {
                fs::remove_file(snapshot(&site.store())).unwrap();
            }
            match Gateway::try_start(site.command(SERVE)) {
                Ok(gateway) => {
                    gateway.kill();
                    assert!(accepted.is_subset(&site.kept()), "cut off at {cut}, snapshot {snapshots}");
                }
                Err(Ended { code, log, .. }) => {
                    assert_eq!(code, Some(1), "{log}");
                    let last = log.lines().last().unwrap_or_default();
                    assert!(last.contains("backup"), "cut off at {cut}, snapshot {snapshots}: {log}");
                    refusals += 1;
                }
            }
        }
    }
    assert!(refusals > 8, "most of these are damage: {refusals}");
}

#[test]
fn garbage_at_the_end_of_the_journal_is_refused_until_the_loss_is_accepted() {
    let site = Site::new();
    let accepted = site.furnish(40);
    let journal = site.store().join("journal-0");
    let written = fs::read(&journal).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    // Behind it lie several batches, so that what was lost is more than a write which the kill cut off.
    let file = OpenOptions::new().write(true).open(&journal).unwrap();
    file.write_all_at(&[0x5a; 64], written as u64 * 9 / 10).unwrap();
    refused(site.command(SERVE), "has lost its latest");
    refused(site.command(SERVE), "raconteur store accept-loss --store ./data");
    let Ended { code, log, .. } = site.run(&["store", "check"]);
    assert_eq!(code, Some(2), "{log}");
    let Ended { code, log, .. } = site.run(&["store", "accept-loss", "--store", "./data"]);
    assert!(code == Some(0) && log.contains("is taken as it is, without its latest"), "{log}");
    Gateway::start(site.command(SERVE)).kill();
    let kept = site.kept();
    assert!(kept.is_subset(&accepted) && kept.len() > accepted.len() / 2, "{} are left", kept.len());
}

#[test]
fn a_snapshot_that_is_cut_off_or_garbage_and_a_missing_conf_cost_nothing() {
    let site = Site::new();
    let accepted = site.furnish(20);
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("cut off", |store| {
            let file = OpenOptions::new().write(true).open(snapshot(store)).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("empty", |store| fs::write(snapshot(store), b"").unwrap()),
        ("garbage", |store| fs::write(snapshot(store), [0x5a; 3_000]).unwrap()),
        ("half written", |store| fs::write(store.join("snap.FFFFFFFFFFFFFFFF.generating"), b"half").unwrap()),
        ("without conf", |store| fs::remove_file(store.join("conf")).unwrap()),
    ];
    for (what, damage) in damages {
        // Its opening writes a snapshot.
        Gateway::start(site.command(SERVE)).kill();
        damage(&site.store());
        Gateway::start(site.command(SERVE)).kill();
        assert_eq!(site.kept(), accepted, "{what}");
    }
}

/// A gateway whose disk stops answering when the file that is returned comes to be.
fn on_a_disk_that_may_hang(site: &Site) -> (Gateway, PathBuf) {
    let mut command = site.command(SERVE);
    shim::between(&mut command, &site.store());
    let hang = site.path("hang");
    command.env("SHIM_HANG_WITH", &hang).env("RACONTEUR_STORE__WRITE_TIMEOUT", "1s");
    (Gateway::start(command), hang)
}

#[test]
fn a_disk_that_never_answers_ends_the_process_which_waits_for_nobody_and_has_lost_nothing() {
    let site = Site::new();
    let (gateway, hang) = on_a_disk_that_may_hang(&site);
    let accepted = gateway.text(1).expect("it takes the text");
    fs::write(&hang, "").expect("there is room");
    gateway.text(2).expect_err("nothing is promised that is not on disk");
    let Ended { code, log, .. } = gateway.end();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("its writer is stuck: a batch was not written within 1s"), "{log}");
    assert!(site.kept().contains(&accepted));
}

#[test]
fn a_disk_that_stops_answering_does_not_hold_up_a_shutdown_for_ever() {
    let site = Site::new();
    let (gateway, hang) = on_a_disk_that_may_hang(&site);
    let accepted = gateway.text(1).expect("it takes the text");
    fs::write(&hang, "").expect("there is room");
    let Ended { code, log, .. } = gateway.stop();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("its writer is stuck"), "{log}");
    assert!(site.kept().contains(&accepted));
}
