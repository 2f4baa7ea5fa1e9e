//! Service orchestration engines: services of one's own that speak v1 at an address of their own, in place of Watson or in front of it.
//!
//! The address is used as it is. Everything else is `v1`'s.

use std::sync::Arc;
use std::time::Duration;

use raconteur_actors::port::Assistant;
use serde::Deserialize;

use super::address;
use super::backup::{self, Backup};
use super::credentials::{Given, Need};
use super::v1::target::Home;
use super::v1::{self, Classic};
use crate::client;
use crate::config::secret::Secret;
use crate::guard::Exceptions;

/// How to reach one engine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where messages go, the whole of it.
    pub url: String,
    /// The API version that the engine is told, a date; nothing is added to the address without it.
    #[serde(default)]
    pub version: Option<String>,
    /// An API key, if the engine wants one.
    #[serde(default)]
    pub apikey: Option<Secret>,
    /// Where the key is exchanged for a token; without it, the key itself goes out.
    #[serde(default)]
    pub iam_url: Option<String>,
    /// A name, if the engine wants one.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A fixed token, if the engine wants one.
    #[serde(default)]
    pub bearer_token: Option<Secret>,
    /// How long a connection may take to come about.
    #[serde(default = "client::default_connect_timeout", with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Where the same engine is found as well.
    #[serde(default)]
    pub backup: Option<Backup>,
    /// What may be asked for the sake of an address that is not of the configuration, although it is not public.
    #[serde(skip)]
    pub outbound: Exceptions,
}

/// Makes an assistant out of its settings; `name` is the one that its state is kept under.
///
/// # Errors
/// Everything that is wrong with the settings, each with what to do.
pub fn open(name: &str, settings: &Settings) -> Result<Arc<dyn Assistant>, Vec<String>> {
    let Some(rules) = &settings.backup else {
        backup::none_of(settings.problems())?;
        return Ok(Arc::new(Classic::new(name, settings.home())?));
    };
    let there = settings.at_backup(rules);
    backup::none_of(backup::all_problems(settings.problems(), there.problems(), rules.problems(&[])))?;
    v1::backed(name, [settings.home(), there.home()], rules)
}

impl Settings {
    fn home(&self) -> Result<Home, String> {
        Ok(Home {
            url: address::explicit(&self.url)?,
            workspace: None,
            version: self.version.clone(),
            given: self.given(),
            connect_timeout: self.connect_timeout,
            outbound: self.outbound.clone(),
        })
    }

    fn given(&self) -> Given {
        Given {
            apikey: self.apikey.clone(),
            iam_url: self.iam_url.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            bearer_token: self.bearer_token.clone(),
        }
    }

    fn at_backup(&self, backup: &Backup) -> Self {
        let given = backup.given().or(&self.given());
        Self {
            url: backup.url.clone(),
            version: backup.version.clone().or_else(|| self.version.clone()),
            apikey: given.apikey,
            iam_url: given.iam_url,
            username: given.username,
            password: given.password,
            bearer_token: given.bearer_token,
            connect_timeout: backup.connect_timeout.unwrap_or(self.connect_timeout),
            backup: None,
            outbound: self.outbound.clone(),
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = address::explicit(&self.url).err().into_iter().collect();
        if self.version.as_deref().is_some_and(|version| !address::is_date(version)) {
            problems.push("version is not a date: write it like 2021-11-27, or leave it out".into());
        }
        problems.extend(self.given().problems(Need::Optional));
        problems.extend(client::connect_timeout_problem(self.connect_timeout));
        problems
    }
}
