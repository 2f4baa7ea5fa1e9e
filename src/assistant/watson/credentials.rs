//! How one of IBM's assistants knows us: an API key, as it is or exchanged for a token, a name and a password, a fixed token, or not at
//! all.
//!
//! [`Given`] is what a section or a command says, with everything that can be wrong about it; [`Credentials`] is what goes out
//! with a request. Neither ever shows a secret. Where a token comes from and how long it holds is `token`'s business.

use std::sync::Arc;

use base64::Engine;
use http::HeaderValue;
use raconteur_conversation::words::AskError;

use super::token::{self, Token, Tokens};
use crate::client::Outbound;
use crate::config::secret::Secret;

/// The keys by which a section or a command authenticates.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Given {
    /// An API key.
    pub(super) apikey: Option<Secret>,
    /// Where the key is exchanged for a token; without it, the key itself goes out.
    pub(super) iam_url: Option<String>,
    /// A name.
    pub(super) username: Option<String>,
    /// Its password.
    pub(super) password: Option<Secret>,
    /// A token that somebody else has made.
    pub(super) bearer_token: Option<Secret>,
}

/// Whether a service can be reached without credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It cannot.
    Required,
    /// It may.
    Optional,
}

impl Given {
    /// Everything that is wrong, each beginning with a key.
    pub(super) fn problems(&self, need: Need) -> Vec<String> {
        let mut problems = Vec::new();
        let mut expect = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_owned());
            }
        };
        let named = self.username.is_some() || self.password.is_some();
        let ways =
            [self.apikey.is_some(), named, self.bearer_token.is_some()].into_iter().filter(|given| *given).count();
        expect(
            ways > 0 || need == Need::Optional,
            "apikey is missing: set it, or username and password, or bearer_token",
        );
        let first = if self.apikey.is_some() { "apikey" } else { "bearer_token" };
        expect(
            ways < 2,
            &format!("{first} is not the only way to log in: keep apikey, or username and password, or bearer_token"),
        );
        expect(
            self.apikey.as_ref().is_none_or(Secret::can_be_key),
            "apikey is empty or has white space in it: copy it again",
        );
        expect(
            self.bearer_token.as_ref().is_none_or(Secret::can_be_key),
            "bearer_token is empty or has white space in it: copy it again",
        );
        expect(self.password.is_none() || self.username.is_some(), "password needs a username: set both");
        expect(self.username.is_none() || self.password.is_some(), "username needs a password: set both");
        expect(
            self.username.as_ref().is_none_or(|name| !name.contains(':') && !name.contains(char::is_control)),
            "username has a colon or a control character in it, which HTTP's Basic scheme cannot carry",
        );
        expect(
            self.iam_url.is_none() || self.apikey.is_some(),
            "iam_url exchanges an API key for a token: set apikey, or leave it out",
        );
        expect(
            self.iam_url.as_deref().is_none_or(|url| token::endpoint(url).is_some()),
            "iam_url is no address without credentials and query: write it like https://iam.cloud.ibm.com",
        );
        problems
    }

    /// Whether there is nothing to authenticate with.
    pub(super) fn is_empty(&self) -> bool {
        self.apikey.is_none() && self.username.is_none() && self.password.is_none() && self.bearer_token.is_none()
    }

    /// These, or the others where these say nothing. They go together: a new key leaves nothing of an old name.
    pub(super) fn or(self, other: &Self) -> Self {
        if self.is_empty() {
            return Self { iam_url: self.iam_url.or_else(|| other.iam_url.clone()), ..other.clone() };
        }
        let iam_url = self.iam_url.or_else(|| other.iam_url.clone().filter(|_| self.apikey.is_some()));
        Self { iam_url, ..self }
    }
}

/// What goes out with each request.
pub(super) enum Credentials {
    /// Nothing.
    Open,
    /// Always the same.
    Fixed {
        /// The header.
        authorization: HeaderValue,
        /// What it is made of.
        from: Source,
    },
    /// A token that is exchanged for a key.
    Exchanged(Arc<Tokens>),
}

/// What fixed credentials are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// An API key.
    Key,
    /// A name and a password.
    Name,
    /// A token.
    Token,
}

/// What one request takes along.
pub(super) enum Ticket {
    /// Nothing.
    None,
    /// A header that will not change.
    Fixed(HeaderValue),
    /// A token, which another may follow.
    Token(Token),
}

impl Ticket {
    /// The header.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::Fixed(header) => Some(header.clone()),
            Self::Token(token) => Some(token.authorization()),
        }
    }
}

impl Credentials {
    /// What was given, ready to go out. Tokens are fetched by this way.
    ///
    /// # Errors
    /// When a header cannot carry it.
    pub(super) fn new(given: &Given, out: &Outbound) -> Result<Self, String> {
        if let (Some(apikey), Some(iam_url)) = (&given.apikey, &given.iam_url) {
            let url = token::endpoint(iam_url).ok_or("iam_url is no address")?;
            return Ok(Self::Exchanged(Arc::new(Tokens::new(out.clone(), url, apikey.clone()))));
        }
        if let Some(apikey) = &given.apikey {
            return Self::fixed(&basic("apikey", apikey), Source::Key);
        }
        if let Some(username) = &given.username {
            let password = given.password.clone().unwrap_or_else(|| Secret::new(""));
            return Self::fixed(&basic(username, &password), Source::Name);
        }
        match &given.bearer_token {
            Some(token) => Self::fixed(&format!("Bearer {}", token.expose()), Source::Token),
            None => Ok(Self::Open),
        }
    }

    fn fixed(value: &str, from: Source) -> Result<Self, String> {
        let mut authorization =
            HeaderValue::try_from(value).map_err(|_| "bearer_token has characters that no header can carry")?;
        authorization.set_sensitive(true);
        Ok(Self::Fixed { authorization, from })
    }

    /// What the next request takes along; waits for a token where none holds.
    ///
    /// # Errors
    /// When no token can be had.
    pub(super) async fn ticket(&self) -> Result<Ticket, AskError> {
        Ok(match self {
            Self::Open => Ticket::None,
            Self::Fixed { authorization, .. } => Ticket::Fixed(authorization.clone()),
            Self::Exchanged(tokens) => Ticket::Token(tokens.token().await?),
        })
    }

    /// The service has refused a ticket: whether another may do better.
    pub(super) fn refused(&self, ticket: &Ticket) -> Again {
        match (self, ticket) {
            (Self::Exchanged(tokens), Ticket::Token(token)) => {
                tokens.refused(token);
                Again::Yes
            }
            (Self::Open | Self::Fixed { .. } | Self::Exchanged(_), _) => Again::No,
        }
    }

    /// What a service has refused, and which keys to check.
    pub(super) fn refusal(&self) -> (&'static str, &'static str) {
        match self {
            Self::Open => ("a request without credentials", "apikey, or username and password"),
            Self::Fixed { from: Source::Key, .. } => ("the API key", "apikey"),
            Self::Fixed { from: Source::Name, .. } => ("the name and the password", "username and password"),
            Self::Fixed { from: Source::Token, .. } => ("the bearer token", "bearer_token"),
            Self::Exchanged(_) => ("a fresh token", "apikey, iam_url"),
        }
    }
}

/// Whether a refused request is worth repeating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// With a new ticket.
    Yes,
    /// It is not.
    No,
}

fn basic(name: &str, password: &Secret) -> String {
    let pair = format!("{name}:{}", password.expose());
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn secret(text: &str) -> Option<Secret> {
        Some(Secret::new(text))
    }

    fn key() -> Given {
        Given { apikey: secret("k"), ..Given::default() }
    }

    fn named() -> Given {
        Given { username: Some("u".into()), password: secret("p"), ..Given::default() }
    }

    #[tokio::test]
    async fn each_way_to_log_in_has_its_header() {
        let client = Outbound::ours(Duration::from_secs(1)).unwrap();
        let bearer = Given { bearer_token: secret("t"), ..Given::default() };
        let table = [
            (Given::default(), None),
            (key(), Some("Basic YXBpa2V5Oms=")),
            (named(), Some("Basic dTpw")),
            (bearer, Some("Bearer t")),
        ];
        for (given, expected) in table {
            assert_eq!(given.problems(Need::Optional), [] as [&str; 0]);
            let credentials = Credentials::new(&given, &client).unwrap();
            let header = credentials.ticket().await.unwrap().header();
            assert_eq!(header.as_ref().map(|header| header.to_str().unwrap()), expected);
            assert!(header.is_none_or(|header| header.is_sensitive()));
        }
    }

    #[test]
    fn everything_wrong_begins_with_its_key_and_shows_no_secret() {
        let table = [
            (Given::default(), vec!["apikey is missing"]),
            (Given { apikey: secret(""), ..key() }, vec!["apikey is empty"]),
            (Given { apikey: secret("open sesame"), ..key() }, vec!["apikey is empty or has"]),
            (Given { apikey: secret("k"), ..named() }, vec!["apikey is not the only way"]),
            (Given { bearer_token: secret("sesame"), ..named() }, vec!["bearer_token is not the only way"]),
            (Given { password: None, ..named() }, vec!["username needs"]),
            (Given { username: None, ..named() }, vec!["password needs"]),
            (Given { username: Some("a:sesame".into()), ..named() }, vec!["username has a colon"]),
            (Given { iam_url: Some("https://iam.example".into()), ..named() }, vec!["iam_url exchanges"]),
            (Given { iam_url: Some("https://a:sesame@iam.example".into()), ..key() }, vec!["iam_url is no address"]),
            (Given { iam_url: Some("sesame".into()), ..key() }, vec!["iam_url is no address"]),
        ];
        for (given, expected) in table {
            let problems = given.problems(Need::Required);
            assert_eq!(problems.len(), expected.len(), "{problems:?}");
            for (problem, beginning) in problems.iter().zip(expected) {
                assert!(problem.starts_with(beginning) && !problem.contains("sesame"), "{problem}");
            }
            assert!(!format!("{:?}", Given { username: None, iam_url: None, ..given }).contains("sesame"));
        }
    }

    #[test]
    fn credentials_are_taken_over_together_or_not_at_all() {
        let exchanged = Given { iam_url: Some("https://iam.example".into()), ..key() };
        assert_eq!(Given::default().or(&exchanged), exchanged);
        assert_eq!(named().or(&exchanged), named());
        let other = Given { apikey: secret("other"), ..Given::default() };
        assert_eq!(other.clone().or(&exchanged), Given { apikey: other.apikey, ..exchanged });
    }
}
