//! Promise 3 against a power cut: the real binary talks to users while everything it does to its files is written down; then the
//! power is taken away at many points of that, what would be left on the disk is put together, and the store is opened on it.
//! Every text that had been acknowledged by then is there, every turn whose answer had been sent is committed, nothing is torn.
//!
//! In the suite at 60 points. The long run, which prints how it gets on:
//!
//! ```text
//! RACONTEUR_POWERLOSS_CUTS=2000 cargo test --test powerloss -- --nocapture
//! ```
//!
//! `RACONTEUR_POWERLOSS_SEED` repeats a run's choice of points; what the process does in between cannot be repeated.

#![cfg(all(target_os = "linux", feature = "cli", feature = "sled", feature = "script"))]

#[path = "support/shim.rs"]
mod shim;

#[path = "support/crash"]
mod crash {
    #[allow(dead_code, reason = "each test program uses its own part of the dice")]
    pub(crate) mod dice;
}

#[path = "support/powerloss"]
mod powerloss {
    pub(crate) mod disk;
    pub(crate) mod promises;
    pub(crate) mod talk;
    pub(crate) mod trace;
}

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use crash::dice::Dice;
use powerloss::disk::{Counts, Disk, Survives};
use powerloss::promises::Promises;
use powerloss::talk::Talk;
use powerloss::trace::Deed;

/// Cuts in the suite.
const CUTS: usize = 60;

/// So many deeds before a cut are told when something is broken.
const DEEDS_TOLD: usize = 30;

static TALK: LazyLock<Talk> = LazyLock::new(Talk::happen);

fn number_from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// Points of the trace, each as the number of deeds before it, in order: every second one right behind something that was sent.
fn points(deeds: &[Deed], count: usize, dice: &mut Dice) -> Vec<usize> {
    let sends: Vec<usize> =
        (1..).zip(deeds).filter(|(_, deed)| matches!(deed, Deed::Send { .. })).map(|(at, _)| at).collect();
    let pick = |dice: &mut Dice, below: usize| usize::try_from(dice.within(0..below as u64)).expect("few");
    let mut points: Vec<usize> = (0..count)
        .map(|n| if n % 2 == 0 { sends[pick(dice, sends.len())] } else { pick(dice, deeds.len() + 1) })
        .collect();
    points.sort_unstable();
    points
}

/// How many bytes were written, and how many of them where something had been before: there sled uses a part of its log again.
fn written(deeds: &[Deed]) -> (usize, usize) {
    let (mut all, mut again) = (0, 0);
    let mut ends: HashMap<u64, usize> = HashMap::new();
    for deed in deeds {
        if let Deed::Write { file, offset, bytes } = deed {
            let end = ends.entry(*file).or_default();
            all += bytes.len();
            again += end.saturating_sub(*offset).min(bytes.len());
            *end = (*end).max(offset + bytes.len());
        }
    }
    (all, again)
}

/// What is broken at each point, with how much survived there.
fn cut(count: usize, counts: Counts, seed: u64) -> Vec<(usize, Survives, Vec<String>)> {
    let talk = &*TALK;
    let mut dice = Dice::new(seed, 1);
    let mut disk = Disk::new(&talk.root, counts);
    let mut promises = Promises::default();
    let mut played = 0;
    let mut broken = Vec::new();
    for (n, point) in points(&talk.deeds, count, &mut dice).into_iter().enumerate() {
        for deed in &talk.deeds[played..point] {
            disk.play(deed);
            promises.hear(talk, deed);
        }
        played = point;
        let survives = match n % 5 {
            0 => Survives::Nothing,
            1 => Survives::Everything,
            2 => Survives::Percent(10),
            3 => Survives::Percent(50),
            _ => Survives::Percent(90),
        };
        let left = tempfile::tempdir().expect("there is room for what is left");
        disk.leave(left.path(), survives, &mut dice);
        broken.push((point, survives, promises.broken_by(&left.path().join("data"))));
    }
    broken
}

#[test]
fn what_was_acknowledged_before_the_power_failed_is_there_and_nothing_is_torn() {
    let cuts = usize::try_from(number_from_environment("RACONTEUR_POWERLOSS_CUTS", CUTS as u64)).expect("few");
    let seed = number_from_environment("RACONTEUR_POWERLOSS_SEED", u64::from(std::process::id()));
    let (talk, began) = (&*TALK, std::time::Instant::now());
    let broken: Vec<_> = cut(cuts, Counts::Both, seed).into_iter().filter(|(.., broken)| !broken.is_empty()).collect();
    let syncs = talk.deeds.iter().filter(|deed| matches!(deed, Deed::Sync { .. } | Deed::SyncData { .. })).count();
    let (written, again) = written(&talk.deeds);
    println!("{cuts} cuts, {} deeds, {syncs} syncs, seed {seed}, {:?}", talk.deeds.len(), began.elapsed());
    println!("{written} bytes written, {again} of them over others");
    if let Some((point, ..)) = broken.first() {
        println!("before the first of them:");
        talk.deeds[point.saturating_sub(DEEDS_TOLD)..*point].iter().for_each(|deed| println!("  {}", deed.in_short()));
    }
    assert!(broken.is_empty(), "seed {seed}, {} of {cuts} cuts: {broken:#?}", broken.len());
    // All of it was promised in the end: otherwise there was nothing to lose.
    let mut promises = Promises::default();
    talk.deeds.iter().for_each(|deed| promises.hear(talk, deed));
    let posted: usize = talk.posted.values().map(Vec::len).sum();
    assert_eq!((promises.accepted.len(), promises.answered.len()), (posted, posted));
}

/// A trace that lacks a single write makes a disk that never was.
#[test]
fn the_trace_tells_all_that_was_done() {
    let talk = &*TALK;
    let mut disk = Disk::new(&talk.root, Counts::Both);
    talk.deeds.iter().for_each(|deed| disk.play(deed));
    let left = tempfile::tempdir().expect("there is room for what is left");
    disk.leave(left.path(), Survives::Everything, &mut Dice::new(1, 1));
    let names = |directory: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(directory.join("data")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(left.path()), names(&talk.root));
    for name in names(left.path()).iter().filter(|name| *name != "blobs") {
        let read = |directory: &Path| fs::read(directory.join("data").join(name)).unwrap();
        assert!(read(left.path()) == read(&talk.root), "{} differs", name.display());
    }
}

/// The same on a disk where `fdatasync` does nothing: if that went unnoticed, the test above would prove nothing.
#[test]
fn a_disk_that_does_not_sync_is_found_out() {
    let broken = cut(10, Counts::FsyncOnly, 1);
    let lost = broken.iter().filter(|(.., broken)| broken.iter().any(|what| what.contains("acknowledged"))).count();
    assert!(lost > 0, "{broken:?}");
}
