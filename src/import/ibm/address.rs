//! Addresses of services: taken apart into what may stand in a configuration and what may not, which is credentials.

use percent_encoding::percent_decode_str;
use reqwest::Url;

/// An address without credentials, query and fragment.
pub(super) struct Address {
    /// The address, with no slash at its end.
    pub(super) url: Url,
    /// The user and the password that were written into it.
    pub(super) login: Option<(String, String)>,
    /// What its query said.
    pub(super) query: Vec<(String, String)>,
}

/// Reads an address.
///
/// # Errors
/// What is wrong with it, without quoting it: people write credentials into addresses.
pub(super) fn read(text: &str) -> Result<Address, &'static str> {
    let mut url = Url::parse(text).map_err(|_| "this is no address: write https://host/path")?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err("this is no address of a web service: write https://host/path");
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let login = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    let login = (login != (String::new(), String::new())).then_some(login);
    let query = url.query_pairs().into_owned().collect();
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    cleared.expect("an address with a host may have no user");
    url.set_query(None);
    url.set_fragment(None);
    Ok(Address { url, login, query })
}

impl Address {
    /// Its host, in small letters.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The parts of its path.
    pub(super) fn segments(&self) -> Vec<&str> {
        self.url
            .path_segments()
            .map(|segments| segments.filter(|segment| !segment.is_empty()).collect())
            .unwrap_or_default()
    }

    /// The address up to the first `count` parts of its path, with no slash at its end.
    pub(super) fn up_to(&self, count: usize) -> String {
        let path: Vec<&str> = self.segments().into_iter().take(count).collect();
        let mut url = self.url.clone();
        url.set_path(&path.join("/"));
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// All of the address as it was written, a slash at its end included.
    pub(super) fn exact(&self) -> String {
        if self.segments().is_empty() { self.whole() } else { self.url.as_str().to_owned() }
    }

    /// All of the address, with no slash at its end.
    pub(super) fn whole(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }

    /// Whether the host is this domain or in it.
    pub(super) fn is_in(&self, domain: &str) -> bool {
        self.host().strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    }
}

/// The gateway's own address, which must be spelled as the provider will: it is part of what is signed.
///
/// # Errors
/// What is wrong with it.
pub(super) fn public_url(text: &str) -> Result<String, String> {
    let how = "write https://host or https://host/prefix, without a query and without credentials";
    let address = read(text).map_err(|_| format!("this is not the address of a gateway: {how}"))?;
    let typed = text.trim_end_matches('/');
    if address.login.is_some() || address.whole() != typed {
        return Err(format!("this is not the plain address of a gateway: {how}, in small letters"));
    }
    if address.host().contains('_') {
        return Err("Twilio refuses a host name with an underscore (error 21609): use another".into());
    }
    Ok(typed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_queries_are_taken_out_of_an_address() {
        let address = read("https://me:open%20sesame@w.example/a/b/?version=2016-09-20#x").ok().unwrap();
        assert_eq!(
            (address.whole(), address.up_to(1), address.up_to(0)),
            ("https://w.example/a/b".into(), "https://w.example/a".into(), "https://w.example".into())
        );
        assert_eq!(address.login, Some(("me".into(), "open sesame".into())));
        assert_eq!(address.query, [("version".to_owned(), "2016-09-20".to_owned())]);
        assert!(address.is_in("example") && address.is_in("w.example") && !address.is_in("ample"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_quoted() {
        for bad in ["", "sesame", "ftp://sesame.example", "https://", "mailto:sesame@x"] {
            let why = read(bad).err().unwrap();
            assert!(why.starts_with("this is no address") && !why.contains("sesame"), "{bad}");
        }
    }

    #[test]
    fn a_public_url_must_be_spelled_as_it_will_be_signed() {
        for good in ["https://sms.example.com", "https://sms.example.com/", "http://127.0.0.1:8080/a"] {
            assert_eq!(public_url(good).unwrap(), good.trim_end_matches('/'));
        }
        for bad in [
            "sms.example.com",
            "https://A.example",
            "https://u:sesame@h.example",
            "https://h.example?x",
            "https://a_b.example",
        ] {
            let why = public_url(bad).unwrap_err();
            assert!(!why.contains("sesame"), "{why}");
        }
    }
}
