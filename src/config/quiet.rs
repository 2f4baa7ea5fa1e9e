//! `[tenants.quiet_hours]`: two times of day and the time zone of their clock. The core knows no zones: here the zone becomes a table
//! of its offset changes, from the database that comes with the binary, so that every machine has the same.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use raconteur_conversation::quiet::{Offset, QuietHours};
use raconteur_conversation::time::UnixMillis;
use serde::Deserialize;

use super::checks::Checks;
use super::message;

/// The table begins with 2020 and ends with 2069, in seconds since 1970. Its last offset holds for ever.
const TABLE: (i64, i64) = (1_577_836_800, 3_155_760_000);

/// The keys of the section as they are written.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuietKeys {
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    time_zone: Option<String>,
}

impl QuietKeys {
    /// Notes what is missing and what cannot be understood.
    pub(super) fn check(&self, checks: &mut Checks<'_>) {
        for (key, time) in [("from", &self.from), ("to", &self.to)] {
            let path = format!("quiet_hours.{key}");
            match time.as_deref().map(minute) {
                None => checks.fail("quiet_hours", missing(key)),
                Some(None) => checks.fail(&path, format!("`{path}` is no time of day: write it like \"21:00\"")),
                Some(Some(_)) => {}
            }
        }
        let minutes = [&self.from, &self.to].map(|time| time.as_deref().and_then(minute));
        if minutes[0].is_some() && minutes[0] == minutes[1] {
            let message =
                "`quiet_hours.from` and `quiet_hours.to` are the same: make them two times, or take the section out";
            checks.fail("quiet_hours.to", message);
        }
        match self.time_zone.as_deref().map(zone) {
            None => checks.fail("quiet_hours", missing("time_zone")),
            Some(Err(message)) => checks.fail("quiet_hours.time_zone", message),
            Some(Ok(_)) => {}
        }
    }

    /// The hours, where nothing is wrong with them.
    pub(super) fn into_policy(self) -> Option<QuietHours> {
        let (from, to) = (minute(&self.from?)?, minute(&self.to?)?);
        let offsets = offsets(&zone(&self.time_zone?).ok()?);
        Some(QuietHours { from, to, offsets })
    }
}

fn missing(key: &str) -> String {
    format!("the quiet hours have no `{key}`: they need `from`, `to` and `time_zone`")
}

/// The minute of the day that `HH:MM` names.
fn minute(time: &str) -> Option<u16> {
    let (hour, minute) = time.split_once(':')?;
    let number = |text: &str, below: u16| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| digits && *number < below)
    };
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}

/// The zone of that name, or what to write instead.
fn zone(name: &str) -> Result<TimeZone, String> {
    let database = TimeZoneDatabase::bundled();
    database.get(name).map_err(|_unknown| {
        let names: Vec<String> = database.available().map(|known| known.as_str().to_owned()).collect();
        let instead = message::nearest(name, &names).map_or_else(
            || "write a name of the IANA database, such as \"America/New_York\" or \"Europe/London\"".to_owned(),
            |nearest| format!("did you mean \"{nearest}\"?"),
        );
        format!("`quiet_hours.time_zone` is no time zone that is known: {instead}")
    })
}

fn offsets(zone: &TimeZone) -> Vec<Offset> {
    let [first, last] = [TABLE.0, TABLE.1].map(|second| Timestamp::from_second(second).unwrap_or_default());
    let start = Offset { from: millis(first), seconds: zone.to_offset(first).seconds() };
    let changes = zone.following(first).take_while(|change| change.timestamp() < last);
    let change = |change: jiff::tz::TimeZoneTransition<'_>| Offset {
        from: millis(change.timestamp()),
        seconds: change.offset().seconds(),
    };
    std::iter::once(start).chain(changes.map(change)).collect()
}

fn millis(time: Timestamp) -> UnixMillis {
    UnixMillis(u64::try_from(time.as_millisecond()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{TRIO, good, wrong};
    use super::*;

    fn hours(keys: &str) -> QuietHours {
        let config = good(&format!("{TRIO}[tenants.quiet_hours]\n{keys}\n"), []);
        config.tenants[0].policy.quiet_hours.clone().unwrap()
    }

    fn problems(keys: &str) -> Vec<String> {
        wrong(&format!("{TRIO}[tenants.quiet_hours]\n{keys}\n"), [])
    }

    #[test]
    fn quiet_hours_are_off_unless_they_are_written() {
        assert_eq!(good(TRIO, []).tenants[0].policy.quiet_hours, None);
    }

    #[test]
    fn they_are_read_with_every_change_of_their_clock() {
        let hours = hours("from = \"21:00\"\nto = \"08:30\"\ntime_zone = \"America/New_York\"");
        assert_eq!((hours.from, hours.to, hours.offsets.len()), (1_260, 510, 101));
        // 2026-03-08T07:00Z and 2026-11-01T06:00Z.
        for (from, seconds) in [(1_772_953_200_000, -14_400), (1_793_512_800_000, -18_000)] {
            assert!(hours.offsets.contains(&Offset { from: UnixMillis(from), seconds }), "{:?}", hours.offsets);
        }
        // 2026-07-01T03:00Z is 23:00 there, and the night ends at 12:30Z.
        let night = UnixMillis(1_782_874_800_000);
        assert_eq!(hours.until(night), Some(UnixMillis(1_782_909_000_000)));
        assert!(hours.offsets.is_sorted_by_key(|offset| offset.from));
    }

    #[test]
    fn a_zone_without_changes_has_one_offset_and_names_count_in_any_case() {
        for name in ["Asia/Kolkata", "asia/kolkata"] {
            let hours = hours(&format!("from = \"00:00\"\nto = \"06:00\"\ntime_zone = {name:?}"));
            assert_eq!(hours.offsets.iter().map(|offset| offset.seconds).collect::<Vec<_>>(), [19_800]);
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_a_hint() {
        let cases = [
            (
                "from = \"21:00\"\nto = \"08:00\"\ntime_zone = \"America/NewYork\"",
                "`quiet_hours.time_zone` is no time zone that is known: did you mean \"America/New_York\"?",
            ),
            (
                "from = \"21:00\"\nto = \"08:00\"\ntime_zone = \"hush hush\"",
                "`quiet_hours.time_zone` is no time zone that is known: write a name of the IANA database, such as \"America/New_York\" or \"Europe/London\"",
            ),
            (
                "from = \"21:00\"\ntime_zone = \"UTC\"\nto = \"21:00\"",
                "`quiet_hours.from` and `quiet_hours.to` are the same: make them two times, or take the section out",
            ),
            (
                "from = \"21:00\"\ntime_zone = \"UTC\"\nto = \"24:00\"",
                "`quiet_hours.to` is no time of day: write it like \"21:00\"",
            ),
        ];
        for (keys, expected) in cases {
            let line = TRIO.lines().count() + 4;
            let found = problems(keys);
            assert!(found.len() == 1 && found[0].ends_with(&format!(": {expected}")), "{found:?}");
            assert!(found[0].starts_with(&format!("r.toml:{line}:")), "{found:?}");
        }
        for time in ["9", "9:00", "21.00", "21:60", "-1:00", "+1:00", "21:00:00", "", "2１:00"] {
            let found = problems(&format!("to = \"08:00\"\ntime_zone = \"UTC\"\nfrom = {time:?}"));
            assert!(found.len() == 1 && found[0].contains("`quiet_hours.from` is no time of day"), "{time}: {found:?}");
        }
        let found = problems("from = \"21:00\"");
        let missing = |key| format!(": the quiet hours have no `{key}`: they need `from`, `to` and `time_zone`");
        assert!(found.len() == 2, "{found:?}");
        assert!(found[0].ends_with(&missing("to")) && found[1].ends_with(&missing("time_zone")), "{found:?}");
        let slip = problems("form = \"21:00\"\nto = \"08:00\"\ntime_zone = \"UTC\"");
        assert!(slip.iter().any(|problem| problem.contains("did you mean `from`?")), "{slip:?}");
    }
}
