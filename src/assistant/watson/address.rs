//! Addresses and ids as the settings of IBM's assistants may have them.
//!
//! What is wrong with an address is said without quoting it, since people paste keys into addresses. Whether an id exists, only the
//! service knows: the first question tells. An address keeps its `?version=` from the start, so that nobody forgets it.

use http::Uri;
use reqwest::Url;
use uuid::Uuid;

use crate::client;

/// The longest id that is taken. IBM's are UUIDs.
const ID_MAX: usize = 256;

/// The name space of the marks by which a kept state knows the place that wrote it.
const PLACES: Uuid = Uuid::from_u128(0x2c94_0f6b_71d3_4e0a_9f58_c6a1_3be7_d042);

/// Whether a text can stand in an address as it is, and cannot be a step up in it.
pub(super) fn is_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    (1..=ID_MAX).contains(&text.len()) && text.bytes().all(plain) && !text.bytes().all(|b| b == b'.')
}

/// Whether a text is an API version.
pub(super) fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let number = |part: &str, digits: usize| match part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()) {
        true => part.parse::<u32>().ok(),
        false => None,
    };
    number(year, 4).is_some()
        && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
        && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
}

/// An address that is used as it is.
///
/// # Errors
/// What is wrong, beginning with `url`.
pub(super) fn explicit(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("url is no address ({error}): copy it from the credentials"))?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err("url must begin with https://".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("url holds credentials: move them to apikey, or to username and password".into());
    }
    if url.fragment().is_some() {
        return Err("url must end before any #".into());
    }
    Ok(url)
}

/// A service's address, to which an API's own path is added; `api` is its first step, such as `v2`.
///
/// # Errors
/// What is wrong, beginning with `url`.
pub(super) fn base(text: &str, api: &str) -> Result<Url, String> {
    let url = explicit(text)?;
    if url.query().is_some() {
        return Err("url must end before any ?: the version has a setting of its own".into());
    }
    if url.path_segments().is_some_and(|mut segments| segments.any(|segment| segment == api)) {
        return Err(format!("url must end before /{api}: the rest is made from the ids"));
    }
    Ok(url)
}

/// The address so many steps below another, with the same query.
pub(super) fn below<'a>(base: &Url, steps: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = base.clone();
    url.path_segments_mut().expect("an http address has a path").pop_if_empty().extend(steps);
    url
}

/// An address as it goes out.
///
/// # Errors
/// When it cannot, beginning with `url`.
pub(super) fn outgoing(url: &Url) -> Result<Uri, String> {
    client::to_uri(url).ok_or_else(|| "url cannot be asked by HTTP: copy it from the credentials".to_owned())
}

/// All addresses below one, made without taking it apart each time.
pub(super) struct Below {
    before: String,
    after: String,
}

impl Below {
    /// Those below this one.
    pub(super) fn new(base: &Url) -> Self {
        let mut before = base.clone();
        before.set_query(None);
        let after = base.query().map(|query| format!("?{query}")).unwrap_or_default();
        Self { before: before.as_str().trim_end_matches('/').to_owned(), after }
    }

    /// The address so many steps below, with the same query. `None` where HTTP cannot carry it; the steps stand there as they are.
    pub(super) fn at<'a>(&self, steps: impl IntoIterator<Item = &'a str>) -> Option<Uri> {
        let mut address = self.before.clone();
        for step in steps {
            address.push('/');
            address.push_str(step);
        }
        address.push_str(&self.after);
        Uri::try_from(address).ok()
    }
}

/// A place as a kept state may remember it: neither its address nor a secret in its query can be read from it.
pub(super) fn mark(url: &Url) -> String {
    let place = format!("{}{}", url.origin().ascii_serialization(), url.path());
    Uuid::new_v5(&PLACES, place.as_bytes()).simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_is_refused_without_being_quoted() {
        let table = [
            ("", "url is no address"),
            ("w.example", "url is no address"),
            ("ftp://w.example", "url must begin with https://"),
            ("https://apikey:sesame@w.example", "url holds credentials"),
            ("https://w.example#sesame", "url must end before any #"),
            ("https://w.example?version=1", "url must end before any ?"),
            ("https://w.example/instances/i/v2/assistants", "url must end before /v2"),
        ];
        for (url, expected) in table {
            let problem = base(url, "v2").unwrap_err();
            assert!(problem.starts_with(expected), "{url}: {problem}");
            assert!(!problem.contains("sesame"));
        }
        assert!(base("https://w.example/v2", "v1").is_ok());
        assert!(explicit("https://soe.example/talk/v1?bot=a").is_ok());
    }

    #[test]
    fn steps_are_added_with_or_without_a_final_slash_and_the_query_stays() {
        for url in ["https://w.example/a?version=1", "https://w.example/a/?version=1"] {
            let url = below(&Url::parse(url).unwrap(), ["b", "c"]);
            assert_eq!(url.as_str(), "https://w.example/a/b/c?version=1");
        }
    }

    #[test]
    fn whoever_goes_below_an_address_often_gets_to_the_same_places() {
        for url in
            ["https://w.example/a?version=1", "https://w.example/a/?version=1", "https://w.example", "http://h:8/x"]
        {
            let url = Url::parse(url).unwrap();
            let there = Below::new(&url).at(["b", "c~1"]).unwrap();
            assert_eq!(there.to_string(), below(&url, ["b", "c~1"]).as_str());
        }
    }

    #[test]
    fn a_mark_tells_places_apart_and_shows_nothing_of_them() {
        let mark = |url: &str| mark(&Url::parse(url).unwrap());
        assert_eq!(mark("https://w.example/a?version=1"), mark("https://w.example:443/a?version=2&key=sesame"));
        for other in ["https://w.example/b", "http://w.example/a", "https://w.example:444/a", "https://v.example/a"] {
            assert_ne!(mark("https://w.example/a"), mark(other), "{other}");
        }
        assert!(mark("https://w.example/a").bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn ids_and_dates_are_judged_by_their_letters() {
        for (good, bad) in [("0c1d-e2", ""), ("a.b", ".."), ("x", "a/b"), ("x~y", "a b"), ("1", "a%2Fb"), ("x", "é")] {
            assert!(is_id(good) && !is_id(bad), "{good} {bad}");
        }
        assert!(!is_id(&"a".repeat(257)));
        for bad in ["2024-8-25", "2024-13-01", "2024-00-10", "2024-01-32", "+024-01-01", "2024-08-25-1", "today", ""] {
            assert!(is_date("2024-08-25") && !is_date(bad), "{bad}");
        }
    }
}
