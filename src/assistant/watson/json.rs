//! Walks an answer whose shape nobody guarantees, and says where it stops making sense.
//!
//! Nothing is decoded before it is asked for, so that a large context costs little and what must go back unmodified (an
//! option's `value.input`) keeps its very bytes. Reasons name the place and never quote what stands there: it may be a
//! person's words. `serde`'s own messages do quote, so they are not passed on.

use std::borrow::Cow;
use std::fmt;

use raconteur_conversation::words::AskError;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The deepest nesting that is read. Below `serde_json`'s own limit of 128, so that any part of an answer can be wrapped and
/// decoded again later; raw parts are skipped by it without recursion and without that limit, hence a check of our own.
pub(super) const DEPTH_MAX: usize = 100;

/// One place in an answer: what stands there, and the way to it.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    path: String,
    raw: &'a RawValue,
}

/// The members of an object, `null` ones included.
#[derive(Clone, Debug)]
pub(super) struct Object<'a> {
    path: String,
    members: Members<'a>,
}

/// Names and what stands there, in the order in which they came. A few are looked up, once: a list costs less than a map.
#[derive(Clone, Debug, Default)]
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A name, which is copied only where it is written with escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Members<'a> {
    /// Of several of one name the last one counts.
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(found, _)| found == name).map(|(_, raw)| *raw)
    }
}

impl<'a> IntoIterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a RawValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), raw)) = map.next_entry()? {
                    members.push((name, raw));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// Looks for what stands at the ends of ways, in one pass over what they all lead through: what `found` has of each way's object is
/// the members of these names, and nothing where it has none of them. Fails where a way leads through what is neither an object nor
/// `null`.
struct Look<'l, 'a> {
    /// The rest of each way that leads here, and which of `found` it is. No way is the beginning of another.
    ways: Vec<(&'l [&'l str], usize)>,
    names: &'l [&'l str],
    found: &'l mut [Members<'a>],
}

impl<'de> DeserializeSeed<'de> for Look<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            let onward = self.ways.iter().filter(|(way, _)| way.first().is_some_and(|step| *step == name));
            let ways = Vec::from_iter(onward.map(|(way, which)| (&way[1..], *which)));
            if !ways.is_empty() {
                // Of several members of one name the last one counts.
                ways.iter().for_each(|(_, which)| self.found[*which] = Members::default());
                map.next_value_seed(Look { ways, names: self.names, found: &mut *self.found })?;
                continue;
            }
            let here = self.ways.iter().find(|(way, _)| way.is_empty()).filter(|_| self.names.contains(&&*name));
            match here {
                Some((_, which)) => self.found[*which].0.push((name, map.next_value()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Reads a whole body that must be an object.
///
/// # Errors
/// When it is not JSON, nested deeper than [`DEPTH_MAX`], or not an object.
pub(super) fn body(bytes: &[u8]) -> Result<Object<'_>, AskError> {
    if is_deeper_than(DEPTH_MAX, bytes) {
        return Err(malformed("the body", &format!("is nested deeper than {DEPTH_MAX} levels")));
    }
    if let Ok(members) = serde_json::from_slice(bytes) {
        return Ok(Object { path: String::new(), members });
    }
    // It is wrong, and read once more to say how.
    match serde_json::from_slice::<&RawValue>(bytes) {
        Ok(_) => Err(malformed("the body", "is not an object")),
        Err(error) => {
            let place = format!("is not JSON (line {}, column {})", error.line(), error.column());
            Err(malformed("the body", &place))
        }
    }
}

/// Counts brackets outside of strings. Wrong JSON may confuse it; the parser refuses that afterwards.
fn is_deeper_than(limit: usize, bytes: &[u8]) -> bool {
    // Most answers have not so many brackets at all, and that is quickly seen.
    if brackets(bytes) <= limit {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

/// How many brackets open. Counted in small pieces, so that it is done for many bytes at once.
fn brackets(bytes: &[u8]) -> usize {
    let few = |piece: &[u8]| piece.iter().map(|byte| u8::from(matches!(byte, b'{' | b'['))).sum::<u8>();
    bytes.chunks(usize::from(u8::MAX)).map(|piece| usize::from(few(piece))).sum()
}

/// The error for a place that does not hold what it should.
fn malformed(path: &str, fault: &str) -> AskError {
    AskError::Malformed { reason: format!("{path} {fault}") }
}

/// The way to a member.
fn below(path: &str, name: &str) -> String {
    match (path.is_empty(), name.contains(' ')) {
        (true, _) => name.to_owned(),
        (false, false) => [path, ".", name].concat(),
        (false, true) => [path, "[\"", name, "\"]"].concat(),
    }
}

impl<'a> Object<'a> {
    /// A member; `None` when it is absent or `null`, which Watson does not tell apart.
    pub(super) fn get(&self, name: &str) -> Option<Place<'a>> {
        let raw = self.members.get(name).filter(|raw| raw.get() != "null")?;
        Some(Place { path: below(&self.path, name), raw })
    }

    /// A member that must be there.
    pub(super) fn need(&self, name: &str) -> Result<Place<'a>, AskError> {
        let inside = if self.path.is_empty() { "the body" } else { &self.path };
        self.get(name).ok_or_else(|| malformed(inside, &format!("has no {name}")))
    }

    /// With the members of these names only; `None` when it has none of them.
    fn only(mut self, names: &[&str]) -> Option<Self> {
        self.members.0.retain(|(name, _)| names.contains(&&**name));
        (!self.members.0.is_empty()).then_some(self)
    }

    /// The object at the end of a way of members; `None` when one of them is absent.
    pub(super) fn descend(&self, way: &[&str]) -> Result<Option<Self>, AskError> {
        let mut here: Option<Self> = None;
        for name in way {
            let Some(place) = here.as_ref().unwrap_or(self).get(name) else { return Ok(None) };
            here = Some(place.object()?);
        }
        Ok(here)
    }
}

impl<'a> Place<'a> {
    /// The objects at the ends of these ways from here, in one pass: those that have members of these names, with those only. No way
    /// is the beginning of another.
    ///
    /// # Errors
    /// When a way leads through something else than an object.
    pub(super) fn look(&self, ways: &[&[&str]], names: &[&str]) -> Result<Vec<Object<'a>>, AskError> {
        let mut found = vec![Members::default(); ways.len()];
        let begun = ways.iter().enumerate().map(|(which, way)| (*way, which)).collect();
        let look = Look { ways: begun, names, found: &mut found };
        if look.deserialize(&mut serde_json::Deserializer::from_str(self.raw.get())).is_err() {
            // Something is wrong, and every way is gone step by step to say what.
            let here = self.clone().object()?;
            let ends = ways.iter().map(|way| here.descend(way)).collect::<Result<Vec<_>, _>>()?;
            return Ok(ends.into_iter().flatten().filter_map(|end| end.only(names)).collect());
        }
        let ends = found.into_iter().zip(ways).filter(|(members, _)| !members.0.is_empty());
        let path = |way: &&[&str]| way.iter().fold(self.path.clone(), |path, name| below(&path, name));
        Ok(ends.map(|(members, way)| Object { path: path(way), members }).collect())
    }

    /// The object here.
    pub(super) fn object(self) -> Result<Object<'a>, AskError> {
        match serde_json::from_str(self.raw.get()) {
            Ok(members) => Ok(Object { path: self.path, members }),
            Err(_) => Err(malformed(&self.path, "is not an object")),
        }
    }

    /// The elements of the array here.
    pub(super) fn array(&self) -> Result<Vec<Place<'a>>, AskError> {
        let elements: Vec<&'a RawValue> =
            serde_json::from_str(self.raw.get()).map_err(|_| malformed(&self.path, "is not an array"))?;
        let place = |(n, raw)| Place { path: format!("{}[{n}]", self.path), raw };
        Ok(elements.into_iter().enumerate().map(place).collect())
    }

    /// The string here.
    pub(super) fn string(&self) -> Result<String, AskError> {
        serde_json::from_str(self.raw.get()).map_err(|_| malformed(&self.path, "is not a string"))
    }

    /// Whatever is here, decoded.
    pub(super) fn value(&self) -> Result<Value, AskError> {
        serde_json::from_str(self.raw.get()).map_err(|_| malformed(&self.path, "cannot be decoded"))
    }

    /// The object here, byte for byte.
    pub(super) fn raw_object(&self) -> Result<&'a RawValue, AskError> {
        if !self.raw.get().starts_with('{') {
            return Err(malformed(&self.path, "is not an object"));
        }
        Ok(self.raw)
    }

    /// Whether a string stands here.
    pub(super) fn is_string(&self) -> bool {
        self.raw.get().starts_with('"')
    }

    /// Where this is.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason<T: std::fmt::Debug>(result: Result<T, AskError>) -> String {
        let Err(AskError::Malformed { reason }) = result else { panic!("{result:?} is not a malformed answer") };
        reason
    }

    #[test]
    fn a_wrong_shape_is_named_by_its_place_and_never_quoted() {
        let text = br#"{"a":{"main skill":{"b":["x",{"c":"secret words"}]}},"n":null}"#;
        let top = body(text).unwrap();
        let inner = top.descend(&["a", "main skill"]).unwrap().unwrap();
        let elements = inner.need("b").unwrap().array().unwrap();
        assert_eq!(reason(elements[0].clone().object()), r#"a["main skill"].b[0] is not an object"#);
        let c = elements[1].clone().object().unwrap().need("c").unwrap();
        assert_eq!(reason(c.array()), r#"a["main skill"].b[1].c is not an array"#);
        assert_eq!(reason(top.need("n")), "the body has no n");
        assert_eq!(reason(inner.need("z")), r#"a["main skill"] has no z"#);
    }

    #[test]
    fn what_is_not_json_or_not_an_object_is_refused() {
        assert_eq!(reason(body(b"<html>")), "the body is not JSON (line 1, column 1)");
        assert_eq!(reason(body(b"{\"a\":1")), "the body is not JSON (line 1, column 6)");
        assert_eq!(reason(body(b"{} {}")), "the body is not JSON (line 1, column 4)");
        assert_eq!(reason(body(b"[]")), "the body is not an object");
        assert_eq!(reason(body(b"{\"a\":\"\xff\"}")), "the body is not JSON (line 1, column 7)");
    }

    #[test]
    fn depth_is_limited_also_in_parts_that_nobody_reads() {
        let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(body(nested(100).as_bytes()).unwrap().get("a").unwrap().value().is_ok());
        for depth in [101, 10_000] {
            assert_eq!(reason(body(nested(depth).as_bytes())), "the body is nested deeper than 100 levels");
        }
        let brackets_in_a_string = format!("{{\"a\":\"\\\"{}\"}}", "[".repeat(500));
        assert!(body(brackets_in_a_string.as_bytes()).is_ok());
    }

    #[test]
    fn the_last_of_several_members_of_one_name_counts_however_it_is_written() {
        let top = body(br#"{"a":1,"\u0061":2,"b":{"\n":3}}"#).unwrap();
        assert_eq!(top.need("a").unwrap().value().unwrap(), 2);
        let inner = top.descend(&["b"]).unwrap().unwrap();
        assert_eq!(inner.need("\n").unwrap().value().unwrap(), 3);
    }

    #[test]
    fn one_look_finds_what_going_each_way_step_by_step_does() {
        const WAYS: [&[&str]; 2] = [&["s", "m s", "u"], &["s", "a", "v"]];
        const NAMES: [&str; 2] = ["x", "y"];
        fn read<'a>(object: &Object<'a>) -> [Option<(String, &'a str)>; 2] {
            NAMES.map(|name| object.get(name).map(|place| (place.path, place.raw.get())))
        }
        for context in [
            "{}",
            "null",
            r#"{"s":null}"#,
            r#"{"s":{"m s":{"u":null,"w":[1,{"x":2}]},"a":{"v":{}}}}"#,
            r#"{"t":{"x":0},"s":{"x":1,"m s":{"x":2,"u":{"x":3,"z":{"x":4},"y":1e400}},"a":{"v":{"\u0078":"\""}}}}"#,
            r#"{"s":{"m s":{"u":{"x":1}}},"\u0073":{"a":{"v":{"x":1,"x":{"y":2}}}}}"#,
            r#"{"s":{"m s":{"u":{"x":1},"u":{"y":2}},"a":{"v":{"y":1}},"a":null}}"#,
            r#"{"s":7,"s":{"m s":{"u":{"z":1}},"a":{"v":{"z":1,"y":2}}}}"#,
            "7",
            r#"{"s":[]}"#,
            r#"{"s":{"m s":{"u":"x"},"a":{"v":{"x":1}}}}"#,
            r#"{"s":{"m s":{"u":{"x":1}},"a":1e400}}"#,
        ] {
            let text = format!(r#"{{"context":{context}}}"#);
            let top = body(text.as_bytes()).unwrap();
            let Some(place) = top.get("context") else { continue };
            let looked = place.look(&WAYS, &NAMES).map(|found| found.iter().map(read).collect::<Vec<_>>());
            let here = place.object();
            let gone = WAYS.map(|way| Ok(here.clone()?.descend(way)?.as_ref().map(read)));
            let gone = gone.into_iter().collect::<Result<Vec<_>, AskError>>();
            let gone =
                gone.map(|ends| ends.into_iter().flatten().filter(|end| *end != [None, None]).collect::<Vec<_>>());
            assert_eq!(looked, gone, "{context}");
        }
    }

    #[test]
    fn raw_objects_keep_their_bytes() {
        let top = br#"{ "input" : {"z":1e400, "a":12345678901234567890123} }"#;
        let raw = body(top).unwrap().need("input").unwrap().raw_object().unwrap();
        assert_eq!(raw.get(), r#"{"z":1e400, "a":12345678901234567890123}"#);
    }
}
