//! A context on its way back: what an assistant gave us, with our variables laid over it.
//!
//! A context can have 100 kB, of which one turn changes a few variables. So a [`Tree`] decodes an object only where something is laid into
//! it, one level at a time; everything else goes out byte for byte as it came in, `private_*` members and state included.

use std::borrow::Cow;
use std::collections::BTreeMap;

use raconteur_conversation::variable::Variable;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::json::Name;

/// An object that is put together from what was kept and what is ours.
#[derive(Debug, Default)]
pub(super) struct Tree<'a>(BTreeMap<Cow<'a, str>, Part<'a>>);

#[derive(Debug)]
enum Part<'a> {
    Kept(&'a RawValue),
    Ours(Ours<'a>),
    Opened(Tree<'a>),
}

/// What is laid into a context.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Ours<'a> {
    /// Any value.
    Value(&'a Value),
    /// A variable of the gateway's.
    Variable(&'a Variable<'a>),
    /// An object.
    #[serde(serialize_with = "object")]
    Object(&'a [(&'static str, Ours<'a>)]),
    /// A text.
    Text(&'a str),
    /// An id.
    Id(Uuid),
    /// What says that there is nothing.
    Null,
}

impl<'a> Tree<'a> {
    /// What was kept; nothing where that is no object.
    pub(super) fn kept(raw: &'a RawValue) -> Self {
        let members: BTreeMap<Name<'a>, &'a RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
        Self(members.into_iter().map(|(Name(name), raw)| (name, Part::Kept(raw))).collect())
    }

    /// Puts a value of ours in the place of whatever has this name.
    pub(super) fn set(&mut self, name: &'a str, value: impl Into<Ours<'a>>) {
        self.0.insert(Cow::Borrowed(name), Part::Ours(value.into()));
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Changes the object of this name, which is made where there is none; one that stays empty is not.
    pub(super) fn within(&mut self, name: &'a str, change: impl FnOnce(&mut Self)) {
        let (existed, mut inner) = match self.0.remove(name) {
            Some(Part::Kept(raw)) => (true, Self::kept(raw)),
            Some(Part::Opened(tree)) => (true, tree),
            Some(Part::Ours(_)) | None => (false, Self::default()),
        };
        change(&mut inner);
        if existed || !inner.0.is_empty() {
            self.0.insert(Cow::Borrowed(name), Part::Opened(inner));
        }
    }
}

fn object<S: Serializer>(members: &[(&str, Ours<'_>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
}

impl<'a> From<&'a Value> for Ours<'a> {
    fn from(value: &'a Value) -> Self {
        Self::Value(value)
    }
}

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(&self.0)
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Kept(raw) => raw.serialize(serializer),
            Self::Ours(value) => value.serialize(serializer),
            Self::Opened(tree) => tree.serialize(serializer),
        }
    }
}

/// Whatever can be written as JSON, written.
pub(super) fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("JSON values with string keys can be written")
}

/// Bytes that a usual question takes.
const ROOM: usize = 2_048;

/// A message as JSON.
pub(super) fn written(message: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ROOM);
    serde_json::to_writer(&mut bytes, message).expect("JSON values with string keys can be written");
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_touched_keeps_its_bytes() {
        let kept =
            RawValue::from_string(r#"{"a":{"x":1e400, "y" : 12345678901234567890123},"b":{"c":{ "d":1 }}}"#.into());
        let (kept, value) = (kept.unwrap(), json!("new"));
        let mut tree = Tree::kept(&kept);
        tree.within("b", |b| b.set("e", &value));
        let expected = r#"{"a":{"x":1e400, "y" : 12345678901234567890123},"b":{"c":{ "d":1 },"e":"new"}}"#;
        assert_eq!(raw(&tree).get(), expected);
    }

    #[test]
    fn ours_goes_before_what_was_kept_and_ways_are_made_where_they_are_missing() {
        let kept = RawValue::from_string(r#"{"a":7,"b":{"c":1,"d":2},"n":null}"#.into()).unwrap();
        let value = json!({"z": 0});
        let mut tree = Tree::kept(&kept);
        tree.within("a", |a| a.set("x", &value));
        tree.within("b", |b| {
            b.set("c", &value);
            b.remove("d");
        });
        tree.within("n", |n| n.within("m", |m| m.set("x", &value)));
        tree.within("absent", |absent| absent.remove("x"));
        assert_eq!(raw(&tree).get(), r#"{"a":{"x":{"z":0}},"b":{"c":{"z":0}},"n":{"m":{"x":{"z":0}}}}"#);
    }

    #[test]
    fn what_is_no_object_counts_as_nothing() {
        for kept in ["7", "[]", "null", "\"text\""] {
            let kept = RawValue::from_string(kept.into()).unwrap();
            assert_eq!(raw(&Tree::kept(&kept)).get(), "{}");
        }
    }
}
