//! Webhooks in the configuration: any kind of assistant may have them, and what is wrong is told with its place.

use raconteur::assistant::kind;
use raconteur::check::{Kind, Kinds, Report, report};
use raconteur::config::{Reading, read};

use super::*;

/// A whole configuration whose only assistant has these lines.
fn reading(assistant: &str) -> Reading {
    let dir = tempfile::tempdir().expect("there is room for a directory");
    let path = dir.path().join("r.toml");
    let text = format!(
        "[channels.phone]\nkind = \"phone\"\n[[tenants]]\nnumber = \"+15550100\"\nchannel = \"phone\"\n\
         assistant = \"bot\"\n[assistants.bot]\n{assistant}"
    );
    std::fs::write(&path, text).expect("the directory can be written to");
    let env = [("HOOK_KEY", "sesame"), ("RACONTEUR_ASSISTANTS__BOT__WEBHOOKS__PRE__TIMEOUT", "2s")];
    read(Some(&path), env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())))
}

fn opened(reading: &Reading) -> Result<Arc<dyn Assistant>, Vec<String>> {
    let section = &reading.config.assistants[0];
    (kind(section).expect("there are scripts").open)(section).map_err(|problems| {
        let shown = |place: &str| place.rsplit('/').next().unwrap_or_default().to_owned();
        problems.iter().map(|problem| format!("{}: {}", shown(&problem.place), problem.message)).collect()
    })
}

fn checked(reading: &Reading) -> Report {
    let check = |section: &raconteur::config::Section| {
        (kind(section).expect("there are scripts").open)(section).map(|_| Vec::new())
    };
    let phone = Kind { name: "phone", check: &|_| Ok(Vec::new()) };
    report(reading, Kinds { channels: &[phone], assistants: &[Kind { name: "script", check: &check }], reports: &[] })
}

#[tokio::test]
async fn any_kind_of_assistant_may_have_them() {
    let hooks = Hooks::start().await;
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("vip.rhai");
    std::fs::write(&script, "fn turn(message) { reply(message.text + \" from a \" + message.extra.rank); }").unwrap();
    let context = json!({"skills": {"main skill": {"user_defined": {"rank": "captain"}}}});
    hooks.reply("/pre", Reply::payload(&json!({"input": {"text": "Hello"}, "context": context})));
    let lines = format!(
        "kind = \"script\"\nfile = {script:?}\nmax_nesting = 16\n\
         webhooks.pre = {{ url = \"{}\", secret = {{ env = \"HOOK_KEY\" }} }}\n\
         webhooks.post = {{ url = \"{}\", timeout = \"3s\", headers = {{ x-key = {{ env = \"HOOK_KEY\" }} }} }}\n\
         [[assistants.bot.webhooks.log]]\nurl = \"{}\"\n",
        hooks.url("/pre"),
        hooks.url("/post"),
        hooks.url("/log"),
    );
    let reading = reading(&lines);
    assert_eq!(reading.problems, []);
    let hooked = opened(&reading).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(hooked.allowance(), Duration::from_secs(5), "2s from the environment and 3s");
    let answer = hooked.ask(&says("hi")).await.unwrap();
    assert_eq!(answer.items, [said("Hello from a captain")]);
    assert!(hooks.call("/pre").headers.contains_key("authorization"));
    assert_eq!(hooks.call("/post").headers["x-key"], "sesame");
    hooks.until_called("/log", 1).await;
    assert_eq!(checked(&reading).problems, []);
}

#[tokio::test]
async fn wrong_keys_and_values_get_their_places_together_with_the_assistants_own() {
    let lines = "kind = \"script\"\nmax_nesting = 1\n\
        [assistants.bot.webhooks.pre]\nurl = \"http://hooks.example\"\n\
        [assistants.bot.webhooks.post]\nurl = \"https://hooks.example\"\ntimeout = \"31s\"\n\
        [[assistants.bot.webhooks.log]]\nurl = \"https://hooks.example\"\n\
        [[assistants.bot.webhooks.log]]\nurl = \"https://hooks.example\"\non_error = \"fail\"\n";
    let reading = reading(lines);
    let problems = opened(&reading).err().unwrap();
    let [own, pre, post, log] = &problems[..] else { panic!("{problems:?}") };
    assert!(own.starts_with("r.toml:9:15: max_nesting is 1"), "{own}");
    assert!(pre.starts_with("r.toml:11:7: pre.url must begin with https://"), "{pre}");
    assert!(post.starts_with("r.toml:14:11: post.timeout is out of range"), "{post}");
    assert!(log.starts_with("r.toml:19:12: log.1.on_error means nothing"), "{log}");
    let told = checked(&reading);
    assert!(told.text.ends_with("4 problems\n") && told.text.contains(":11:7: pre.url must begin"), "{}", told.text);
}

#[tokio::test]
async fn misspelt_and_missing_keys_are_told_where_they_stand() {
    let lines = "kind = \"script\"\n\
        [assistants.bot.webhooks.pre]\nurl = \"https://hooks.example\"\non_eror = \"fail\"\n\
        [assistants.bot.webhooks.post]\ntimeout = \"3s\"\n\
        [assistants.bot.webhooks.before]\nurl = \"https://hooks.example\"\n\
        [[assistants.bot.webhooks.log]]\nurl = \"https://hooks.example\"\nsecret = \"sesame\"\n";
    let mut problems = opened(&reading(lines)).err().unwrap();
    problems.sort();
    let [misspelt, missing, unknown, secret] = &problems[..] else { panic!("{problems:?}") };
    assert_eq!(misspelt, "r.toml:11:1: unknown key `on_eror`: did you mean `on_error`?");
    assert_eq!(missing, "r.toml:12:1: the key `url` is missing: add it");
    assert!(unknown.starts_with("r.toml:14:26: unknown key `before`"), "{unknown}");
    assert!(secret.starts_with("r.toml:18:10: a secret is not written here"), "{secret}");
    assert!(problems.iter().all(|problem| !problem.contains("sesame")));
}

#[tokio::test]
async fn webhooks_that_are_no_section_are_told() {
    for (lines, place) in [("webhooks = []", "9:12"), ("[[assistants.bot.webhooks.pre]]\nurl = \"x\"", "9:1")] {
        let problems = opened(&reading(&format!("kind = \"script\"\n{lines}\n"))).err().unwrap();
        assert_eq!(problems, [format!("r.toml:{place}: expected a section, found a list")]);
    }
}
