//! `[assistants.NAME.backup]`: a second place of the same assistant, for every kind of IBM's assistants.
//!
//! What is left out is as in the section above it; which ids there are is a matter of the kind.

use std::time::Duration;

use serde::Deserialize;

use super::super::credentials::Given;
use crate::config::secret::Secret;

/// How often in a row the first place may be unavailable.
const FAIL_OVER_AFTER: std::ops::RangeInclusive<u32> = 1..=1_000;

/// How long the backup may be left alone.
const FAIL_BACK_AFTER: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);

/// Where the same assistant is found as well, and when it is asked there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// As the section's `url`.
    pub url: String,
    /// Kind `watson`: the assistant's id there.
    #[serde(default)]
    pub assistant_id: Option<String>,
    /// Kind `watson`: the environment's id there.
    #[serde(default)]
    pub environment_id: Option<String>,
    /// Kind `watson_v1`: the workspace's id there.
    #[serde(default)]
    pub workspace_id: Option<String>,
    /// The API version there.
    #[serde(default)]
    pub version: Option<String>,
    /// The instance's API key there. With any credentials of its own, none of the section's are used here.
    #[serde(default)]
    pub apikey: Option<Secret>,
    /// Where the key is exchanged for a token.
    #[serde(default)]
    pub iam_url: Option<String>,
    /// A name.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A fixed token.
    #[serde(default)]
    pub bearer_token: Option<Secret>,
    /// How long a connection may take to come about.
    #[serde(default, with = "humantime_serde::option")]
    pub connect_timeout: Option<Duration>,
    /// After how many failures in a row questions come here at once.
    #[serde(default = "default_fail_over_after")]
    pub fail_over_after: u32,
    /// How often one question tries the first place again.
    #[serde(default = "default_fail_back_after", with = "humantime_serde")]
    pub fail_back_after: Duration,
}

fn default_fail_over_after() -> u32 {
    2
}

fn default_fail_back_after() -> Duration {
    Duration::from_secs(60)
}

impl Backup {
    /// A backup that differs from its section by its address alone.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            assistant_id: None,
            environment_id: None,
            workspace_id: None,
            version: None,
            apikey: None,
            iam_url: None,
            username: None,
            password: None,
            bearer_token: None,
            connect_timeout: None,
            fail_over_after: default_fail_over_after(),
            fail_back_after: default_fail_back_after(),
        }
    }

    /// Its own credentials.
    pub(in super::super) fn given(&self) -> Given {
        Given {
            apikey: self.apikey.clone(),
            iam_url: self.iam_url.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            bearer_token: self.bearer_token.clone(),
        }
    }

    /// What is wrong beside what is wrong with any place: its rules, and ids that its kind has not.
    pub(in super::super) fn problems(&self, ids: &[&str]) -> Vec<String> {
        let given = [
            ("assistant_id", self.assistant_id.is_some()),
            ("environment_id", self.environment_id.is_some()),
            ("workspace_id", self.workspace_id.is_some()),
        ];
        let foreign = given.into_iter().filter(|(id, given)| *given && !ids.contains(id));
        let mut problems: Vec<String> =
            foreign.map(|(id, _)| format!("backup.{id} is not known to this kind: leave it out")).collect();
        if !FAIL_OVER_AFTER.contains(&self.fail_over_after) {
            problems.push("backup.fail_over_after is out of range: choose between 1 and 1000".into());
        }
        if !FAIL_BACK_AFTER.contains(&self.fail_back_after) {
            problems.push("backup.fail_back_after is out of range: choose between 1s and 24h".into());
        }
        problems
    }
}

/// All problems of a section and its backup. `own` are the section's, `there` those of the section as it is with the backup's values:
/// what is wrong there and not here is wrong with the backup, and so is its address, which it never shares.
pub(in super::super) fn all_problems(own: Vec<String>, there: Vec<String>, rules: Vec<String>) -> Vec<String> {
    let is_its_own = |problem: &String| problem.starts_with("url ") || !own.contains(problem);
    let added: Vec<String> = there.into_iter().filter(is_its_own).map(|problem| format!("backup.{problem}")).collect();
    own.into_iter().chain(added).chain(rules).collect()
}

/// Goes on where nothing is wrong.
///
/// # Errors
/// The problems, if there are any.
pub(in super::super) fn none_of(problems: Vec<String>) -> Result<(), Vec<String>> {
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}
