//! Form fields: first as the bytes that are signed, then, once the signature is good, as text.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::transport::WebhookError;

/// Names and values, decoded but not yet known to be UTF-8, in the order in which they came. Most stand there as they are, and are not copied.
pub(super) type Pairs<'a> = Vec<(Cow<'a, [u8]>, Cow<'a, [u8]>)>;

/// Decodes `application/x-www-form-urlencoded`, without deciding what its bytes mean.
pub(super) fn decode(encoded: &[u8]) -> Pairs<'_> {
    let mut pairs = Pairs::with_capacity(encoded.iter().filter(|byte| **byte == b'&').count() + 1);
    for pair in encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        pairs.push((decode_part(halves.next().unwrap_or_default()), decode_part(halves.next().unwrap_or_default())));
    }
    pairs
}

fn decode_part(part: &[u8]) -> Cow<'_, [u8]> {
    if !part.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(part);
    }
    let mut decoded = Vec::with_capacity(part.len());
    for (place, words) in part.split(|byte| *byte == b'+').enumerate() {
        decoded.extend((place > 0).then_some(b' '));
        decoded.extend(percent_decode(words));
    }
    Cow::Owned(decoded)
}

/// Fields as text.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Fields<'a> {
    /// Reads every name and value as UTF-8.
    pub(super) fn read(pairs: Pairs<'a>) -> Result<Self, WebhookError> {
        let text = |bytes| {
            let text = match bytes {
                Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
                Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
            };
            text.ok_or_else(|| WebhookError::Malformed("a field is not UTF-8: send UTF-8".into()))
        };
        pairs.into_iter().map(|(name, value)| Ok((text(name)?, text(value)?))).collect::<Result<_, _>>().map(Self)
    }

    /// The field's value; `None` where it is missing or empty, since Twilio sends what it does not know as empty.
    /// A field that says two different things says nothing.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, WebhookError> {
        let mut values = self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| &**value);
        let first = values.next();
        if values.any(|value| Some(value) != first) {
            return Err(WebhookError::Malformed(format!("{name} is given twice with different values")));
        }
        Ok(first.filter(|value| !value.is_empty()))
    }

    /// The value of a field that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, WebhookError> {
        self.get(name)?.ok_or_else(|| WebhookError::Malformed(format!("{name} is missing")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair<'a>(name: &'a str, value: &'a str) -> (Cow<'a, [u8]>, Cow<'a, [u8]>) {
        (name.as_bytes().into(), value.as_bytes().into())
    }

    #[test]
    fn names_and_values_are_decoded_in_order() {
        let pairs = decode(b"Body=a+b%2Bc&To=%2B15550100&&City=&Odd&x=1=2&bad=%zz%");
        let all = [("Body", "a b+c"), ("To", "+15550100"), ("City", ""), ("Odd", ""), ("x", "1=2"), ("bad", "%zz%")];
        assert_eq!(pairs, all.map(|(name, value)| pair(name, value)));
    }

    #[test]
    fn bytes_that_are_no_utf_8_survive_until_they_are_read() {
        let pairs = decode(b"Body=%ff");
        assert_eq!(pairs, [(b"Body".into(), vec![0xff].into())]);
        assert!(matches!(Fields::read(pairs), Err(WebhookError::Malformed(_))));
    }

    #[test]
    fn a_field_that_says_two_things_is_refused_and_one_that_repeats_itself_is_not() {
        let fields = Fields::read(decode(b"a=1&a=1&b=1&b=2&c=")).ok().unwrap();
        assert_eq!(fields.get("a"), Ok(Some("1")));
        assert!(fields.get("b").is_err());
        assert_eq!(fields.get("c"), Ok(None));
        assert_eq!(fields.required("d"), Err(WebhookError::Malformed("d is missing".into())));
    }
}
