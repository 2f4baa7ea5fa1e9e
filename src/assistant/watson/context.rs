//! A context on its way back: what an assistant gave us, with our variables laid over it.
//!
//! A context can have 100 kB, of which one turn changes a few variables. So a [`Tree`] decodes an object only where something is laid into
//! it, one level at a time; everything else goes out byte for byte as it came in, `private_*` members and state included.

use std::borrow::Cow;

use raconteur_conversation::variable::Variable;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::json::Members;

/// An object that is put together from what was kept and what is ours: names in order, each once.
#[derive(Debug, Default)]
pub(super) struct Tree<'a>(Vec<(Cow<'a, str>, Part<'a>)>);

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
    /// What was kept; nothing where that is no object. Of several members of one name the last one counts.
    pub(super) fn kept(raw: &'a RawValue) -> Self {
        let members: Members<'a> = serde_json::from_str(raw.get()).unwrap_or_default();
        let mut tree = Self(members.into_iter().map(|(name, raw)| (name, Part::Kept(raw))).collect());
        tree.put_in_order();
        tree
    }

    /// Of several members of one name the last one stays.
    fn put_in_order(&mut self) {
        self.0.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.0.dedup_by(|later, earlier| {
            let is_same = later.0 == earlier.0;
            if is_same {
                std::mem::swap(later, earlier);
            }
            is_same
        });
    }

    /// Puts values of ours in the place of whatever has their names, however many they are; of several of one name the last one.
    pub(super) fn lay(&mut self, values: impl IntoIterator<Item = (&'a str, Ours<'a>)>) {
        self.0.extend(values.into_iter().map(|(name, value)| (Cow::Borrowed(name), Part::Ours(value))));
        self.put_in_order();
    }

    /// Where a member of this name is, or would be.
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_ref().cmp(name))
    }

    /// Puts a value of ours in the place of whatever has this name.
    pub(super) fn set(&mut self, name: &'a str, value: impl Into<Ours<'a>>) {
        let part = Part::Ours(value.into());
        match self.find(name) {
            Ok(at) => self.0[at].1 = part,
            Err(at) => self.0.insert(at, (Cow::Borrowed(name), part)),
        }
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, name: &str) {
        if let Ok(at) = self.find(name) {
            self.0.remove(at);
        }
    }

    /// Changes the object of this name, which is made where there is none; one that stays empty is not.
    pub(super) fn within(&mut self, name: &'a str, change: impl FnOnce(&mut Self)) {
        let found = self.find(name);
        let part = found.ok().map(|at| std::mem::replace(&mut self.0[at].1, Part::Ours(Ours::Null)));
        let (existed, mut inner) = match part {
            Some(Part::Kept(raw)) => (true, Self::kept(raw)),
            Some(Part::Opened(tree)) => (true, tree),
            Some(Part::Ours(_)) | None => (false, Self::default()),
        };
        change(&mut inner);
        match found {
            Ok(at) if existed || !inner.0.is_empty() => self.0[at].1 = Part::Opened(inner),
            Ok(at) => drop(self.0.remove(at)),
            Err(at) if !inner.0.is_empty() => self.0.insert(at, (Cow::Borrowed(name), Part::Opened(inner))),
            Err(_) => {}
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
        serializer.collect_map(self.0.iter().map(|(name, part)| (name, part)))
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
    fn of_several_members_of_one_name_the_last_one_counts_and_names_are_in_order() {
        let kept = RawValue::from_string(r#"{"b":1,"a":{"x":1},"\u0062":2,"c":0,"a":{"y":2},"b":3}"#.into()).unwrap();
        let value = json!("new");
        let mut tree = Tree::kept(&kept);
        tree.within("a", |a| a.set("x", &value));
        tree.set("d", &value);
        tree.remove("c");
        tree.within("aa", |aa| aa.set("y", &value));
        assert_eq!(raw(&tree).get(), r#"{"a":{"x":"new","y":2},"aa":{"y":"new"},"b":3,"d":"new"}"#);
    }

    #[test]
    fn what_is_no_object_counts_as_nothing() {
        for kept in ["7", "[]", "null", "\"text\""] {
            let kept = RawValue::from_string(kept.into()).unwrap();
            assert_eq!(raw(&Tree::kept(&kept)).get(), "{}");
        }
    }
}
