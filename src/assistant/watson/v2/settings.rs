//! The settings of a Watson v2 assistant and everything that can be wrong with them.
//!
//! There are two address schemes in use, and the settings choose between them by `environment_id`. Whether the ids exist, only Watson
//! knows: the first question tells.

use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

use super::super::address;
use super::super::backup::Backup;
use super::super::credentials::{Given, Need};
use crate::client;
use crate::config::secret::Secret;

/// How to reach one watsonx assistant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The service's address from the instance's credentials, up to `/instances/...`, without `/v2`.
    pub url: String,
    /// The assistant's id. Without `environment_id` it may also be an environment's id, as IBM's older tools have it.
    pub assistant_id: String,
    /// The environment's id: chooses the addresses with `/environments/` (IBM's SDK 11 and newer).
    #[serde(default)]
    pub environment_id: Option<String>,
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
    /// Who keeps the context.
    #[serde(default)]
    pub mode: Mode,
    /// Whether we keep a copy of the context that Watson keeps, so that it survives Watson's session.
    #[serde(default = "default_keep_context")]
    pub keep_context: bool,
    /// Where a question goes that is put again.
    #[serde(default)]
    pub reask: Reask,
    /// Where the same assistant is found as well.
    #[serde(default)]
    pub backup: Option<Backup>,
}

/// Who keeps the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Watson, in a session.
    #[default]
    Stateful,
    /// We; it goes to and fro with every message.
    Stateless,
}

/// Where a question goes that is put again, after a timeout or a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reask {
    /// To the same session, as IBM's gateways put it: what the first attempt has changed stays changed.
    #[default]
    Same,
    /// To a new session that is restored from what was kept before the first attempt.
    Restored,
}

/// What is kept of a session, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// Its id.
    Session,
    /// Its context as well.
    Context,
    /// Also to put a question again as if it had not been put before.
    ContextAndRestarts,
}

fn default_version() -> String {
    "2024-08-25".into()
}

fn default_keep_context() -> bool {
    true
}

impl Settings {
    /// `.../v2/assistants/...?version=...`.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub(super) fn assistant_url(&self) -> Result<Url, String> {
        let mut url = address::base(&self.url, "v2")?;
        url = address::below(&url, ["v2", "assistants", &self.assistant_id]);
        if let Some(environment) = &self.environment_id {
            url = address::below(&url, ["environments", environment]);
        }
        url.query_pairs_mut().append_pair("version", &self.version);
        Ok(url)
    }

    /// Its credentials.
    pub(super) fn given(&self) -> Given {
        Given {
            apikey: self.apikey.clone(),
            iam_url: self.iam_url.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            bearer_token: self.bearer_token.clone(),
        }
    }

    /// What is kept of a session.
    pub(super) fn keeps(&self) -> Keeps {
        match (self.keep_context, self.reask) {
            (false, _) => Keeps::Session,
            (true, Reask::Same) => Keeps::Context,
            (true, Reask::Restored) => Keeps::ContextAndRestarts,
        }
    }

    /// The same assistant in its second place.
    pub(super) fn at_backup(&self, backup: &Backup) -> Self {
        let given = backup.given().or(&self.given());
        Self {
            url: backup.url.clone(),
            assistant_id: backup.assistant_id.clone().unwrap_or_else(|| self.assistant_id.clone()),
            environment_id: backup.environment_id.clone().or_else(|| self.environment_id.clone()),
            version: backup.version.clone().unwrap_or_else(|| self.version.clone()),
            apikey: given.apikey,
            iam_url: given.iam_url,
            username: given.username,
            password: given.password,
            bearer_token: given.bearer_token,
            connect_timeout: backup.connect_timeout.unwrap_or(self.connect_timeout),
            mode: self.mode,
            keep_context: self.keep_context,
            reask: self.reask,
            backup: None,
        }
    }

    /// Everything that is wrong, each beginning with its key; the backup left out.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = address::base(&self.url, "v2").err().into_iter().collect();
        let mut expect = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_owned());
            }
        };
        expect(address::is_id(&self.assistant_id), "assistant_id is not an id: copy it from the assistant's settings");
        expect(
            self.environment_id.as_deref().is_none_or(address::is_id),
            "environment_id is not an id: copy it from the environment's settings, or leave it out",
        );
        expect(address::is_date(&self.version), "version is not a date: write it like 2024-08-25");
        problems.extend(self.given().problems(Need::Required));
        problems.extend(self.rule_problems());
        problems
    }

    fn rule_problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = client::connect_timeout_problem(self.connect_timeout).into_iter().collect();
        if !self.keep_context && self.reask == Reask::Restored {
            problems.push("reask restores what was kept: set keep_context = true as well".into());
        }
        if !self.keep_context && self.mode == Mode::Stateless {
            problems
                .push("keep_context = false leaves a stateless assistant nothing to go on from: leave it out".into());
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings {
            url: url.into(),
            assistant_id: "a-1".into(),
            environment_id: None,
            version: default_version(),
            apikey: Some(Secret::new("key")),
            iam_url: None,
            username: None,
            password: None,
            bearer_token: None,
            connect_timeout: client::default_connect_timeout(),
            mode: Mode::default(),
            keep_context: default_keep_context(),
            reask: Reask::default(),
            backup: None,
        }
    }

    #[test]
    fn the_address_is_made_for_both_schemes_with_or_without_a_final_slash() {
        for url in ["https://w.example/instances/i", "https://w.example/instances/i/"] {
            let old = settings(url);
            let new = Settings { environment_id: Some("e-1".into()), ..old.clone() };
            let shown = |settings: &Settings| settings.assistant_url().unwrap().to_string();
            assert_eq!(shown(&old), "https://w.example/instances/i/v2/assistants/a-1?version=2024-08-25");
            let expected = "https://w.example/instances/i/v2/assistants/a-1/environments/e-1?version=2024-08-25";
            assert_eq!(shown(&new), expected);
        }
    }

    #[test]
    fn rules_that_contradict_each_other_are_problems() {
        let right = settings("https://w.example");
        assert_eq!(right.problems(), [] as [&str; 0]);
        let forgetful = Settings { keep_context: false, ..right.clone() };
        let table = [
            (Settings { reask: Reask::Restored, ..forgetful.clone() }, "reask"),
            (Settings { mode: Mode::Stateless, ..forgetful }, "keep_context"),
        ];
        for (wrong, key) in table {
            let problems = wrong.problems();
            assert!(problems.len() == 1 && problems[0].starts_with(key), "{problems:?}");
        }
    }

    #[test]
    fn a_backup_has_what_it_says_and_otherwise_what_its_section_says() {
        let section = Settings { environment_id: Some("e-1".into()), ..settings("https://w.example") };
        let same = section.at_backup(&Backup::at("https://b.example"));
        assert_eq!((same.assistant_id.as_str(), same.environment_id.as_deref()), ("a-1", Some("e-1")));
        assert_eq!(same.given(), section.given());
        let own = Backup {
            assistant_id: Some("a-2".into()),
            username: Some("u".into()),
            password: Some(Secret::new("p")),
            version: Some("2023-06-15".into()),
            ..Backup::at("https://b.example")
        };
        let other = section.at_backup(&own);
        assert_eq!((other.assistant_id.as_str(), other.version.as_str()), ("a-2", "2023-06-15"));
        assert!(other.apikey.is_none() && other.problems().is_empty());
    }
}
