//! Between JSON and what a script holds.
//!
//! Both directions are total: JSON that a script cannot hold exactly (integers beyond 64 bits) becomes a float, and a value that
//! JSON cannot hold (a function, a range, infinity) is an error that names it. Depth is bounded, so that nothing here can
//! exhaust the stack and what is written can be read again. Used for messages, choices, commands and memory.

use rhai::{Dynamic, Map};
use serde_json::{Number, Value};

/// How deep arrays and maps may nest in what leaves a script: far below the 128 at which reading gives up.
const MAX_NESTING: usize = 32;

/// What a script sees of a JSON value.
pub(super) fn to_script(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(bool) => (*bool).into(),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| number.as_f64().unwrap_or(f64::NAN).into(), Dynamic::from)
        }
        Value::String(text) => text.into(),
        Value::Array(entries) => entries.iter().map(to_script).collect::<Vec<_>>().into(),
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| (key.as_str().into(), to_script(value))).collect::<Map>().into()
        }
    }
}

/// The JSON of a script's value.
///
/// # Errors
/// In the author's words, when the value has no JSON or nests too deep.
pub(super) fn from_script(value: &Dynamic) -> Result<Value, String> {
    nested(value, 0)
}

fn nested(value: &Dynamic, depth: usize) -> Result<Value, String> {
    if depth > MAX_NESTING {
        return Err(format!("a value nests deeper than {MAX_NESTING} levels: make it flatter"));
    }
    if let Ok(entries) = value.as_array_ref() {
        return entries.iter().map(|entry| nested(entry, depth + 1)).collect();
    }
    if let Ok(entries) = value.as_map_ref() {
        return entries.iter().map(|(key, value)| Ok((key.to_string(), nested(value, depth + 1)?))).collect();
    }
    simple(value)
}

fn simple(value: &Dynamic) -> Result<Value, String> {
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(bool) = value.as_bool() {
        return Ok(bool.into());
    }
    if let Ok(int) = value.as_int() {
        return Ok(int.into());
    }
    if let Ok(float) = value.as_float() {
        return Number::from_f64(float).map(Value::Number).ok_or_else(|| format!("{float} is not a number in JSON"));
    }
    if let Ok(char) = value.as_char() {
        return Ok(char.to_string().into());
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(text.as_str().into());
    }
    Err(format!("a value of type {} has no JSON: use texts, numbers, booleans, arrays and maps", value.type_name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_comes_back_as_it_went() {
        let value = json!({"a": [1, -2, 2.5, "x", true, null, {"b": []}], "ü": ""});
        assert_eq!(from_script(&to_script(&value)), Ok(value));
    }

    #[test]
    fn an_integer_beyond_64_bits_becomes_a_float() {
        assert_eq!(from_script(&to_script(&json!(u64::MAX))), Ok(json!(18_446_744_073_709_551_615.0)));
    }

    #[test]
    fn what_json_cannot_hold_is_an_error_that_names_it() {
        assert!(from_script(&f64::INFINITY.into()).unwrap_err().contains("inf is not a number"));
        assert!(from_script(&Dynamic::from(0..3_i64)).unwrap_err().contains("has no JSON"));
    }

    #[test]
    fn nesting_is_bounded() {
        let nest = |levels| (0..levels).fold(Dynamic::UNIT, |inner, _| vec![inner].into());
        assert!(from_script(&nest(MAX_NESTING)).is_ok());
        assert!(from_script(&nest(MAX_NESTING + 1)).unwrap_err().contains("flatter"));
    }
}
