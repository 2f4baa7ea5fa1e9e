//! Blocks that show something and are no commands: configurations load, JSON is JSON, code and units are what the repository has.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use toml::Table;

use super::book::{Block, root};

/// Every key that a fragment may go with. Fragments are laid over it.
pub(crate) const SAMPLE: &str = r#"
[server]
listen = "127.0.0.1:0"
[channels.phone]
kind = "phone"
[channels.twilio]
kind = "twilio"
account_sid = "AC00000000000000000000000000000000"
auth_token = { env = "TWILIO_AUTH_TOKEN" }
public_url = "https://sms.example.com"
[assistants.demo]
kind = "script"
[assistants.watson]
kind = "watson"
url = "http://127.0.0.1:9/instances/test"
assistant_id = "assistant-1"
apikey = { env = "WATSON_APIKEY" }
[assistants.care]
kind = "watson"
url = "http://127.0.0.1:9/instances/test"
assistant_id = "assistant-1"
apikey = { env = "WATSON_APIKEY" }
[[tenants]]
number = "+15550100"
channel = "phone"
assistant = "demo"
[tenants.control]
username = "gateway"
password = { env = "CONTROL_PASSWORD" }
token = { env = "CONTROL_TOKEN" }
"#;

/// Secrets that configurations name, and what they are here.
pub(crate) const SECRETS: [(&str, &str); 10] = [
    ("OTLP_AUTHORIZATION", "secret"),
    ("TWILIO_AUTH_TOKEN", super::twilio::TOKEN),
    ("TWILIO_API_KEY_SECRET", "secret"),
    ("WATSON_APIKEY", super::watson::KEY),
    ("CONTROL_PASSWORD", "secret"),
    ("CONTROL_TOKEN", "token"),
    ("REPORT_TOKEN", "secret"),
    ("WEBHOOK_SECRET", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
    ("WEBHOOK_KEY", "secret"),
    ("METRICS_TOKEN", "secret"),
];

/// Says what is wrong with a block that is no list of commands.
pub(crate) fn judge(block: &Block) -> Result<(), String> {
    match (block.language.as_str(), block.file.as_deref()) {
        ("toml", Some("Cargo.toml")) => dependency(&block.text),
        ("toml", file) => configuration(block, file.is_some()),
        ("json", None) => json(&block.text),
        ("rhai", _) => script(&block.text),
        ("rust" | "yaml" | "ini", Some(file)) => is_part(&block.text, file),
        // Output is compared where the commands are run.
        ("text", Some("output")) | ("text" | "yaml" | "python" | "ts", None) => Ok(()),
        ("", _) => Err("it says no language: text, where it is none".into()),
        (language, file) => Err(format!("nobody knows how to look at {language} {file:?}")),
    }
}

fn json(text: &str) -> Result<(), String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    values.try_for_each(|value| value.map(drop)).map_err(|error| error.to_string())
}

/// What is shown of a file is in it, paragraph by paragraph and in order.
fn is_part(text: &str, file: &str) -> Result<(), String> {
    let whole = fs::read_to_string(root().join(file)).map_err(|error| format!("{file}: {error}"))?;
    let mut rest = whole.as_str();
    for paragraph in text.trim_end().split("\n\n") {
        let Some(at) = rest.find(paragraph) else { return Err(format!("this is not in {file}:\n{paragraph}")) };
        rest = &rest[at + paragraph.len()..];
    }
    Ok(())
}

/// What others write into their manifest names features that there are.
fn dependency(text: &str) -> Result<(), String> {
    let read = |text: &str| text.parse::<Table>().map_err(|error| error.to_string());
    let ours = read(&fs::read_to_string(root().join("Cargo.toml")).expect("it is there"))?;
    let theirs = read(text)?;
    let features = theirs["dependencies"]["raconteur"]["features"].as_array().ok_or("there are no features")?;
    let unknown = features.iter().find(|name| ours["features"].get(name.as_str().unwrap_or_default()).is_none());
    unknown.map_or(Ok(()), |name| Err(format!("there is no feature {name}")))
}

/// Asks the binary.
fn configuration(block: &Block, is_whole: bool) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let mut table: Table = block.text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    if !is_whole {
        let mut sample: Table = SAMPLE.parse().expect("the sample is TOML");
        lay_over(&mut sample, table, 2);
        table = sample;
    }
    // What another document's script is called is not what is looked at here.
    let text = here(&table.to_string(), directory.path()).replace("bot.rhai", &pizza());
    match check(directory.path(), &text) {
        // All else in it is right, and this build says what it lacks.
        Err(said) if is_only_about_traces(&said) => Ok(()),
        checked => checked,
    }
}

fn is_only_about_traces(said: &str) -> bool {
    let problems: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    matches!(problems[..], [only, "1 problem"] if !cfg!(feature = "otlp") && only.contains("this build exports no traces"))
}

fn script(text: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    fs::write(directory.path().join("bot.rhai"), text).expect("it can be written to");
    check(directory.path(), &SAMPLE.replace("kind = \"script\"", "kind = \"script\"\nfile = \"bot.rhai\""))
}

fn pizza() -> String {
    root().join("examples/scripts/pizza.rhai").display().to_string()
}

fn check(directory: &Path, text: &str) -> Result<(), String> {
    fs::write(directory.join("raconteur.toml"), text).expect("it can be written to");
    let mut command = Command::new(env!("CARGO_BIN_EXE_raconteur"));
    command.arg("check").current_dir(directory).env_clear().envs(SECRETS);
    let output = command.output().expect("it can be run");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stdout).into_owned()) }
}

/// Sections go together, as do the tables in them; what is below is replaced.
fn lay_over(base: &mut Table, over: Table, depth: usize) {
    for (name, value) in over {
        let below = base.get_mut(&name).filter(|_| depth > 0);
        match (below, value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => lay_over(base, over, depth - 1),
            (Some(toml::Value::Array(list)), toml::Value::Table(over)) => lay_over_first(list, over),
            (Some(toml::Value::Array(list)), toml::Value::Array(over)) => {
                for over in over.into_iter().filter_map(|over| over.try_into().ok()) {
                    lay_over_first(list, over);
                }
            }
            (Some(_) | None, value) => {
                base.insert(name, value);
            }
        }
    }
}

fn lay_over_first(list: &mut [toml::Value], over: Table) {
    if let Some(toml::Value::Table(first)) = list.first_mut() {
        first.extend(over);
    }
}

/// Puts what a configuration names at absolute paths below a directory, and makes it.
fn here(text: &str, directory: &Path) -> String {
    let mut text = text.to_owned();
    let made =
        rcgen::generate_simple_self_signed(vec!["sms.example.com".to_owned()]).expect("a certificate can be made");
    for path in text.clone().split('"').filter(|part| part.starts_with("/etc/") || part.starts_with("/run/")) {
        let file = directory.join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().expect("it is in a directory")).expect("there is room");
        let contents = match path.rsplit('/').next() {
            Some("cert.pem") => made.cert.pem(),
            Some("key.pem") => made.signing_key.serialize_pem(),
            Some(_) | None => "0123456789abcdef0123456789abcdef".to_owned(),
        };
        fs::write(&file, contents).expect("it can be written to");
        text = text.replace(&format!("\"{path}\""), &format!("\"{}\"", file.display()));
    }
    text
}
