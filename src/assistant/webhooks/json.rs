//! JSON of which only some members are read or changed; the rest keeps its very bytes.
//!
//! What a user chose from a list must go back to the assistant as it came, so nothing is decoded that need not be. Faults name the
//! place and never quote what stands there: it may be a person's words.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::exchange::HookError;

/// The members of an object, `null` ones included.
pub(super) type Members = BTreeMap<String, Box<RawValue>>;

/// Anything of ours as JSON.
pub(super) fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("JSON values with string keys can be written")
}

/// The members of an object; `None` when it is none.
pub(super) fn members(raw: &RawValue) -> Option<Members> {
    serde_json::from_str(raw.get()).ok()
}

/// A member; `None` when it is absent or `null`.
pub(super) fn member<'a>(members: &'a Members, name: &str) -> Option<&'a RawValue> {
    members.get(name).map(AsRef::as_ref).filter(|raw| raw.get() != "null")
}

/// Decodes what is at `path`. Fails where it is nested without end or has numbers that do not exist.
pub(super) fn value(raw: &RawValue, path: &str) -> Result<Value, HookError> {
    serde_json::from_str(raw.get()).map_err(|_| HookError::nonsense(format_args!("{path} cannot be decoded")))
}

/// The object below `way`; `None` when a member on the way is absent. `path` is where `members` are.
pub(super) fn below(members: &Members, path: &str, way: &[&str]) -> Result<Option<Members>, HookError> {
    let (mut here, mut path) = (members.clone(), path.to_owned());
    for name in way {
        let Some(raw) = member(&here, name) else { return Ok(None) };
        path = if name.contains(' ') { format!("{path}[\"{name}\"]") } else { format!("{path}.{name}") };
        let inner = self::members(raw);
        here = inner.ok_or_else(|| HookError::nonsense(format_args!("{path} is not an object")))?;
    }
    Ok(Some(here))
}

/// The `payload` of a reply.
pub(super) fn payload(body: &[u8]) -> Result<Members, HookError> {
    let reply: &RawValue = serde_json::from_slice(body).map_err(|error| {
        HookError::nonsense(format_args!("the body is not JSON (line {}, column {})", error.line(), error.column()))
    })?;
    let reply = members(reply).ok_or_else(|| HookError::nonsense("the body is not an object"))?;
    let payload = member(&reply, "payload").ok_or_else(|| HookError::nonsense("the body has no payload"))?;
    members(payload).ok_or_else(|| HookError::nonsense("payload is not an object"))
}

/// Whether two texts are the same JSON, however they are spaced and ordered.
pub(super) fn same(left: &RawValue, right: &RawValue) -> bool {
    let decoded = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).ok();
    left.get() == right.get() || decoded(left).is_some_and(|left| decoded(right) == Some(left))
}

/// The same JSON with the object at the end of `way` changed; unchanged where the way leads nowhere.
pub(super) fn edit(raw: &RawValue, way: &[&str], change: &dyn Fn(&mut Members)) -> Box<RawValue> {
    let Some(mut members) = members(raw) else { return raw.to_owned() };
    match way {
        [] => change(&mut members),
        [next, rest @ ..] => {
            if let Some(inner) = members.get_mut(*next) {
                *inner = edit(inner, rest, change);
            }
        }
    }
    self::raw(&members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.into()).unwrap()
    }

    #[test]
    fn one_member_is_changed_and_all_others_keep_their_bytes() {
        let before = read(r#"{"a":{"b":{"c":1,"d":1e400}},"e":{"z" : 12345678901234567890123}}"#);
        let after = edit(&before, &["a", "b"], &|members| {
            members.insert("c".into(), read("2"));
        });
        assert_eq!(after.get(), r#"{"a":{"b":{"c":2,"d":1e400}},"e":{"z" : 12345678901234567890123}}"#);
        let nowhere = edit(&before, &["e", "x"], &|_| panic!("there is no such place"));
        assert_eq!(nowhere.get(), r#"{"a":{"b":{"c":1,"d":1e400}},"e":{"z":12345678901234567890123}}"#);
    }

    #[test]
    fn json_is_the_same_however_it_is_spaced_and_ordered() {
        assert!(same(&read(r#"{"a":1,"b":[2]}"#), &read(r#"{ "b": [ 2 ], "a": 1 }"#)));
        assert!(same(&read("1e400"), &read("1e400")));
        assert!(!same(&read(r#"{"a":1}"#), &read(r#"{"a":2}"#)));
        assert!(!same(&read("1e400"), &read("2e400")));
    }

    #[test]
    fn a_reply_that_is_none_is_named_by_its_fault() {
        let table: [(&[u8], &str); 6] = [
            (b"<html>", "the body is not JSON (line 1, column 1)"),
            (b"{\"payload\":", "the body is not JSON (line 1, column 11)"),
            (b"[]", "the body is not an object"),
            (b"{}", "the body has no payload"),
            (b"{\"payload\":null}", "the body has no payload"),
            (b"{\"payload\":[1]}", "payload is not an object"),
        ];
        for (body, expected) in table {
            let fault = payload(body).unwrap_err().to_string();
            assert_eq!(fault, format!("replied what makes no sense: {expected}"));
        }
    }
}
