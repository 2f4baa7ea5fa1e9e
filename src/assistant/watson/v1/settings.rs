//! The settings of a Watson v1 workspace and everything that can be wrong with them.

use std::time::Duration;

use serde::Deserialize;

use super::super::address;
use super::super::backup::Backup;
use super::super::credentials::{Given, Need};
use super::target::{Home, VERSION};
use crate::client;
use crate::config::secret::Secret;
use crate::guard::Exceptions;

/// How to reach one workspace (a dialog skill, as it is called since).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The service's address from the instance's credentials, without `/v1`.
    pub url: String,
    /// The workspace's id, which is also its skill's.
    pub workspace_id: String,
    /// The API version, a date.
    #[serde(default = "default_version")]
    pub version: String,
    /// The instance's API key.
    #[serde(default)]
    pub apikey: Option<Secret>,
    /// Where the key is exchanged for a token; without it, the key itself goes out.
    #[serde(default)]
    pub iam_url: Option<String>,
    /// A name, in place of a key.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A fixed token, in place of a key.
    #[serde(default)]
    pub bearer_token: Option<Secret>,
    /// How long a connection may take to come about.
    #[serde(default = "client::default_connect_timeout", with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Where the same workspace is found as well.
    #[serde(default)]
    pub backup: Option<Backup>,
    /// What may be asked for the sake of an address that is not of the configuration, although it is not public.
    #[serde(skip)]
    pub outbound: Exceptions,
}

fn default_version() -> String {
    VERSION.into()
}

impl Settings {
    /// Where questions go that nobody has switched.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub(super) fn home(&self) -> Result<Home, String> {
        Ok(Home {
            url: address::base(&self.url, "v1")?,
            workspace: Some(self.workspace_id.clone()),
            version: Some(self.version.clone()),
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

    /// The same workspace in its second place.
    pub(super) fn at_backup(&self, backup: &Backup) -> Self {
        let given = backup.given().or(&self.given());
        Self {
            url: backup.url.clone(),
            workspace_id: backup.workspace_id.clone().unwrap_or_else(|| self.workspace_id.clone()),
            version: backup.version.clone().unwrap_or_else(|| self.version.clone()),
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

    /// Everything that is wrong, each beginning with its key; the backup left out.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = address::base(&self.url, "v1").err().into_iter().collect();
        if !address::is_id(&self.workspace_id) {
            problems.push("workspace_id is not an id: copy it from the skill's details".into());
        }
        if !address::is_date(&self.version) {
            problems.push(format!("version is not a date: write it like {VERSION}"));
        }
        problems.extend(self.given().problems(Need::Required));
        problems.extend(client::connect_timeout_problem(self.connect_timeout));
        problems
    }
}
