use super::*;

/// 2026-03-08T00:00:00Z; New York's clocks go forward that day at 07:00Z, from 02:00 to 03:00.
const SPRING: u64 = 1_772_928_000_000;
/// 2026-11-01T00:00:00Z; they go back at 06:00Z, from 02:00 to 01:00.
const AUTUMN: u64 = 1_793_491_200_000;

const HOUR: u64 = 3_600_000;

fn new_york(from: u16, to: u16) -> QuietHours {
    let offset = |from, hours: i32| Offset { from: UnixMillis(from), seconds: hours * 3_600 };
    let offsets = vec![offset(0, -5), offset(SPRING + 7 * HOUR, -4), offset(AUTUMN + 6 * HOUR, -5)];
    QuietHours { from, to, offsets }
}

fn utc(from: u16, to: u16) -> QuietHours {
    QuietHours { from, to, offsets: Vec::new() }
}

fn hours(n: u64) -> Duration {
    Duration::from_millis(n * HOUR)
}

/// When it stops being quiet, by the hour behind `day` in UTC; `None` where it is not quiet.
fn until(quiet: &QuietHours, day: u64, hour: f64) -> Option<f64> {
    let at = UnixMillis(day + Duration::from_secs_f64(hour * 3_600.0).as_millis() as u64);
    quiet.until(at).map(|until| until.since(UnixMillis(day)).as_secs_f64() / 3_600.0)
}

#[test]
fn quiet_hours_begin_with_their_first_minute_and_end_with_their_last() {
    let quiet = utc(9 * 60, 17 * 60 + 30);
    assert_eq!(until(&quiet, 0, 8.999), None);
    assert_eq!(until(&quiet, 0, 9.0), Some(17.5));
    assert_eq!(until(&quiet, 0, 17.499), Some(17.5));
    assert_eq!(until(&quiet, 0, 17.5), None);
}

#[test]
fn quiet_hours_go_over_midnight() {
    let quiet = utc(21 * 60, 8 * 60);
    assert_eq!(until(&quiet, 0, 20.99), None);
    assert_eq!(until(&quiet, 0, 21.0), Some(32.0));
    assert_eq!(until(&quiet, 0, 24.0), Some(32.0));
    assert_eq!(until(&quiet, 0, 31.99), Some(32.0));
    assert_eq!(until(&quiet, 0, 32.0), None);
    assert_eq!(until(&utc(21 * 60, 0), 0, 23.0), Some(24.0));
}

#[test]
fn they_are_those_of_the_wall_clock_and_not_of_utc() {
    let quiet = new_york(21 * 60, 8 * 60);
    let winter = SPRING - 40 * 24 * HOUR;
    assert_eq!(until(&quiet, winter, 1.99), None);
    assert_eq!(until(&quiet, winter, 2.0), Some(13.0));
    let summer = SPRING + 40 * 24 * HOUR;
    assert_eq!(until(&quiet, summer, 0.99), None);
    assert_eq!(until(&quiet, summer, 1.0), Some(12.0));
}

#[test]
fn a_night_in_which_the_clocks_change_is_an_hour_shorter_or_longer() {
    let quiet = new_york(21 * 60, 8 * 60);
    assert_eq!(until(&quiet, SPRING, 2.0), Some(12.0));
    assert_eq!(until(&quiet, AUTUMN, 1.0), Some(13.0));
}

#[test]
fn an_end_that_a_change_skips_is_the_change_itself() {
    let quiet = new_york(60, 2 * 60 + 30);
    assert_eq!(until(&quiet, SPRING, 6.5), Some(7.0));
    // A beginning that is skipped: the clock shows a quiet time from the change on.
    let quiet = new_york(2 * 60 + 30, 4 * 60);
    assert_eq!(until(&quiet, SPRING, 6.99), None);
    assert_eq!(until(&quiet, SPRING, 7.0), Some(8.0));
}

#[test]
fn what_a_change_repeats_is_quiet_twice() {
    let quiet = new_york(60, 90);
    assert_eq!(until(&quiet, AUTUMN, 5.25), Some(5.5));
    assert_eq!(until(&quiet, AUTUMN, 5.75), None);
    assert_eq!(until(&quiet, AUTUMN, 6.25), Some(6.5));
    // The clock goes back out of the quiet time: that ends it for an hour.
    let quiet = new_york(110, 130);
    assert_eq!(until(&quiet, AUTUMN, 5.9), Some(6.0));
    assert_eq!(until(&quiet, AUTUMN, 6.5), None);
}

#[test]
fn hours_that_begin_and_end_together_are_none() {
    let quiet = utc(60, 60);
    assert!((0..48).all(|half| until(&quiet, 0, f64::from(half) / 2.0).is_none()));
    assert_eq!(quiet.after(UnixMillis(0), hours(100)), UnixMillis(100 * HOUR));
}

#[test]
fn the_time_that_counts_stands_still_while_it_is_quiet() {
    let quiet = utc(21 * 60, 8 * 60);
    let after = |from: u64, span| quiet.after(UnixMillis(from * HOUR), hours(span)).0 / HOUR;
    assert_eq!(after(12, 4), 16);
    assert_eq!(after(20, 4), 35);
    assert_eq!(after(22, 4), 36);
    assert_eq!(after(8, 13), 21);
    assert_eq!(after(8, 14), 33);
    assert_eq!(after(8, 7 * 13), 6 * 24 + 21);
}

#[test]
fn no_time_that_counts_takes_longer_than_it_may() {
    for (from, to) in [(0, 1), (110, 130), (1_260, 480), (60, 58), (300, 300)] {
        let quiet = new_york(from, to);
        for span in [1, 60, 600, 4 * 60, 24 * 60, 7 * 24 * 60].map(|minutes| Duration::from_secs(minutes * 60)) {
            for hour in 0..48 {
                let at = UnixMillis(AUTUMN + hour * HOUR);
                assert!(
                    quiet.after(at, span).since(at) <= quiet.longest(span),
                    "{from} to {to}, {span:?}, hour {hour}"
                );
            }
        }
    }
}

#[test]
fn no_time_is_too_far_off() {
    for quiet in [utc(0, 1_439), utc(1_439, 0), new_york(21 * 60, 8 * 60)] {
        for at in [0, 1, u64::MAX - 1, u64::MAX] {
            let at = UnixMillis(at);
            assert!(quiet.until(at).is_none_or(|until| until >= at));
            assert!(quiet.after(at, hours(24 * 7)) >= at);
        }
    }
}

/// Whatever the hours and the changes: it is quiet up to the end and not from it on.
#[test]
fn the_end_is_the_first_moment_that_is_not_quiet() {
    for (from, to) in [(0, 1), (90, 150), (110, 130), (150, 60), (1_260, 480), (1_439, 0), (60, 1_439)] {
        let quiet = new_york(from, to);
        for day in [SPRING, AUTUMN] {
            for minute in 0..48 * 60 {
                let at = UnixMillis(day + minute * 60_000 + 1);
                let Some(until) = quiet.until(at) else { continue };
                assert!(quiet.until(until).is_none(), "{from} to {to}, minute {minute}");
                let before = UnixMillis(until.0 - 1);
                assert!(quiet.until(before).is_some(), "{from} to {to}, minute {minute}");
                assert!(until.since(at) <= hours(25), "{from} to {to}, minute {minute}");
            }
        }
    }
}
