//! The words in which a wrong configuration is explained. A text that was written is not repeated,
//! except where one of a few words was expected: it may be a secret in the wrong place.

use std::time::Duration;

use serde::de::Unexpected;

/// For a value of the wrong type or out of its type's range. `wanted` is how serde names the type.
pub(super) fn expected(wanted: &str, found: Unexpected<'_>) -> String {
    let quotes = wanted == "a string" && is_scalar(&found);
    let hint = if quotes { ": put it in quotes" } else { "" };
    let wanted = match wanted {
        "a duration" => "a duration in quotes such as \"30s\", \"5m\" or \"12h\"",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, not negative",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list in brackets",
        "a map" => "a section",
        other if other.starts_with("struct ") => "a section",
        other if other.starts_with("enum ") => "one of its values, as a string",
        other => other,
    };
    format!("expected {wanted}, found {}{hint}", kind_of(&found))
}

fn is_scalar(found: &Unexpected<'_>) -> bool {
    matches!(found, Unexpected::Signed(_) | Unexpected::Unsigned(_) | Unexpected::Float(_) | Unexpected::Bool(_))
}

/// serde's enum has more variants than a configuration has kinds of values.
fn kind_of(found: &Unexpected<'_>) -> String {
    if let Unexpected::Signed(number) = found {
        format!("the number {number}")
    } else if let Unexpected::Unsigned(number) = found {
        format!("the number {number}")
    } else if let Unexpected::Float(_) = found {
        "a number with a fraction".into()
    } else if let Unexpected::Bool(flag) = found {
        flag.to_string()
    } else if let Unexpected::Str(_) = found {
        "another string".into()
    } else if let Unexpected::Seq = found {
        "a list".into()
    } else if let Unexpected::Map = found {
        "a section".into()
    } else if let Unexpected::Other(name) = found {
        (*name).to_owned()
    } else {
        "something else".into()
    }
}

/// For a name that nobody knows: the nearest one, or all of them.
pub(super) fn unknown<S: AsRef<str>>(what: &str, found: &str, known: &[S]) -> String {
    if let Some(name) = nearest(found, known) {
        return format!("unknown {what} `{found}`: did you mean `{name}`?");
    }
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    match known.as_slice() {
        [] => format!("unknown {what} `{found}`: none is known here, take it out"),
        [only] => format!("unknown {what} `{found}`: the only one is `{only}`"),
        _ => format!("unknown {what} `{found}`: use one of {}", known.join(", ")),
    }
}

/// The name that was probably meant.
pub(super) fn nearest<'a, S: AsRef<str>>(found: &str, known: &'a [S]) -> Option<&'a str> {
    let nearest = known.iter().map(|name| (distance(found, name.as_ref()), name.as_ref())).min();
    nearest.filter(|(distance, name)| *distance <= name.len().div_ceil(3)).map(|(_, name)| name)
}

/// For a variable that could mean several names.
pub(super) fn ambiguous(found: &str, alike: &[&str]) -> String {
    format!(
        "`{found}` may be any of {}: rename them so that they differ in more than case and dashes",
        alike.join(", ")
    )
}

/// A duration as it is written in the configuration, in the largest unit that divides it.
pub(crate) fn duration(span: Duration) -> String {
    let millis = span.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match units.iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", millis / unit),
        None if span.subsec_nanos().is_multiple_of(1_000_000) => format!("{millis}ms"),
        None => format!("{}ns", span.as_nanos()),
    }
}

/// How many letters must be put in, taken out or changed to make one name of the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, r) in right.iter().enumerate() {
            let changed = diagonal + usize::from(l != *r);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_gets_the_nearest_name_and_anything_else_all_of_them() {
        let known = ["listen", "request_timeout"];
        assert_eq!(unknown("key", "lissten", &known), "unknown key `lissten`: did you mean `listen`?");
        assert_eq!(unknown("key", "paht", &["path", "listen"]), "unknown key `paht`: did you mean `path`?");
        assert_eq!(unknown("key", "port", &known), "unknown key `port`: use one of listen, request_timeout");
        assert_eq!(unknown("key", "port", &known[..1]), "unknown key `port`: the only one is `listen`");
        assert_eq!(unknown("key", "port", &[] as &[&str]), "unknown key `port`: none is known here, take it out");
    }

    #[test]
    fn durations_are_written_in_their_largest_unit() {
        let shown = [0, 250, 1_500, 30_000, 3_600_000, 43_200_000, 86_400_000]
            .map(|millis| duration(Duration::from_millis(millis)));
        assert_eq!(shown, ["0ms", "250ms", "1500ms", "30s", "1h", "12h", "1d"]);
        assert_eq!(duration(Duration::from_micros(1)), "1000ns");
    }
}
