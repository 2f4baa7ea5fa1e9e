//! The example configuration, written from the defaults, so that it can never say anything else.
//!
//! Lines that begin with `# ` are explanations; lines that begin with `#` alone are keys at their defaults, to be uncommented.
//! Every struct is taken apart completely: a new key does not compile until it is explained here.

mod rules;
mod samples;
mod telemetry;

use std::fmt::Write as _;
use std::time::Duration;

use raconteur_actors::lane::LaneLimits;
use raconteur_conversation::policy::Policy;

use rules::{write_lane, write_policy};
use samples::{CONTROL, KEYWORDS, QUIET, REPORTS, SERVER};
use telemetry::{write_log, write_traces};

use super::settings::{EngineConfig, ServerConfig, StoreConfig, StoreKind};
use super::{Config, message};

/// What holds where a configuration names no channel, no assistant and no tenant: enough to try everything without an account.
pub(super) const DEMO: &str = r#"[channels.phone]
kind = "phone"

[assistants.demo]
kind = "script"

[[tenants]]
number = "+15550100"
channel = "phone"
assistant = "demo"
"#;

const HEAD: &str = "\
# Raconteur's configuration, with every key at its default. Keys behind a # hold as they are; uncomment one to change it.
# Any key can be set from the environment as well: RACONTEUR_SERVER__LISTEN=0.0.0.0:80 goes before what stands here.
# `raconteur check` tells everything that is wrong with a configuration, and where.
";

const CHANNELS: &str = "\
# Who carries texts. The name is yours; tenants refer to it. The kind says which other keys there are.
";

/// Samples of the kinds that need an account. All lines are explanations, so that uncommenting every key still gives the defaults.
const TWILIO: &str = "\
# A phone channel may also say how many turns a phone is shown when it connects, and how many phones may be connected at once.
# history_max = 100
# phones_max = 1000

# Twilio: set the number's webhook to POST https://sms.example.com/channels/twilio/inbound#rc=5&rp=all
# [channels.twilio]
# kind = \"twilio\"
# account_sid = \"AC00000000000000000000000000000000\"
# auth_token = { env = \"TWILIO_AUTH_TOKEN\" }
# The URL under which Twilio reaches this gateway; signatures are checked against it, never against headers.
# public_url = \"https://sms.example.com\"
# A second token that is accepted while the first is rotated.
# previous_auth_token = { file = \"/run/secrets/twilio_previous\" }
# A key for sending, in place of the account's token.
# api_key_sid = \"SK00000000000000000000000000000000\"
# api_key_secret = { env = \"TWILIO_API_KEY_SECRET\" }
# Where Twilio's REST API is, and how long a connection to it may take.
# base_url = \"https://api.twilio.com\"
# connect_timeout = \"5s\"
# Whether media are looked at before they are sent: what Twilio would refuse, by type or size, then goes as a link in the text.
# media_check = true
# Whether Twilio's log is read, after a start and after a refusal, for texts that its webhook has not brought.
# catch_up = true
# After so many texts to one user, each within loop_guard_within of the one before, Twilio fails further ones (error 14107); texts
# wait so that it never does. 0 where Twilio has lifted it for your account.
# loop_guard_texts = 15
# loop_guard_within = \"30s\"
";

const WATSON: &str = "\
# A script of your own; docs/scripting.md has its limits, which are keys here.
# [assistants.pizza]
# kind = \"script\"
# file = \"examples/scripts/pizza.rhai\"

# IBM's assistants; docs/watson.md has more on each key.
# watsonx Assistant, v2. All three kinds below know the same ways to log in.
# [assistants.watson]
# kind = \"watson\"
# url = \"https://api.us-south.assistant.watson.cloud.ibm.com/instances/00000000-0000-0000-0000-000000000000\"
# assistant_id = \"00000000-0000-0000-0000-000000000000\"
# Left out where assistant_id is itself the id of an environment, as in IBM's older software kits.
# environment_id = \"00000000-0000-0000-0000-000000000000\"
# version = \"2024-08-25\"
# apikey = { env = \"WATSON_APIKEY\" }
# Exchanges the key for a token; left out, the key itself goes out.
# iam_url = \"https://iam.cloud.ibm.com\"
# In place of a key: a name and its password, or a token of your own.
# username = \"gateway\"
# password = { env = \"WATSON_PASSWORD\" }
# bearer_token = { env = \"WATSON_TOKEN\" }
# connect_timeout = \"5s\"
# Who keeps the context: Watson in a session (\"stateful\"), or the gateway (\"stateless\").
# mode = \"stateful\"
# Whether a copy of the context is kept, from which a session that Watson has dropped is restored.
# keep_context = true
# Where a question goes that is put again: to the \"same\" session, or to one \"restored\" from before the first attempt.
# reask = \"same\"
# Where the same assistant is found as well; what is left out is as above. All three kinds may have one.
# [assistants.watson.backup]
# url = \"https://api.us-east.assistant.watson.cloud.ibm.com/instances/00000000-0000-0000-0000-000000000000\"
# assistant_id = \"00000000-0000-0000-0000-000000000000\"
# environment_id = \"00000000-0000-0000-0000-000000000000\"
# apikey = { env = \"WATSON_BACKUP_APIKEY\" }
# After so many failures in a row questions go there at once; so often one question tries the first address again.
# fail_over_after = 2
# fail_back_after = \"60s\"

# Watson Assistant, v1: one workspace. Its sessions can be switched elsewhere (smsActSetConversationConfig).
# [assistants.classic]
# kind = \"watson_v1\"
# url = \"https://api.us-south.assistant.watson.cloud.ibm.com/instances/00000000-0000-0000-0000-000000000000\"
# workspace_id = \"00000000-0000-0000-0000-000000000000\"
# version = \"2021-11-27\"
# apikey = { env = \"WATSON_APIKEY\" }
# connect_timeout = \"5s\"

# A service orchestration engine: whatever speaks v1 at this very address. Credentials and version only where it wants them.
# [assistants.engine]
# kind = \"soe\"
# url = \"https://soe.example.com/message\"
# version = \"2021-11-27\"
# username = \"gateway\"
# password = { env = \"SOE_PASSWORD\" }
# connect_timeout = \"5s\"
";

const WEBHOOKS: &str = "
# Webhooks around each message, for any kind of assistant; docs/webhooks.md has what they are sent and may reply.
# [assistants.watson.webhooks.pre]
# https, or http on this machine.
# url = \"https://hooks.example.com/pre\"
# Signs a token (JWT, HS256) in the header Authorization; left out, none is sent.
# secret = { env = \"WEBHOOK_SECRET\" }
# Further headers.
# headers = { x-api-key = { env = \"WEBHOOK_KEY\" } }
# From 1s to 30s; it does not count against the assistant's own timeout.
# timeout = \"10s\"
# \"continue\" goes on without the webhook when it fails, \"fail\" fails the turn.
# on_error = \"continue\"
# [assistants.watson.webhooks.post]
# url = \"https://hooks.example.com/post\"
# Told of every answered message, never waited for; at most five.
# [[assistants.watson.webhooks.log]]
# url = \"https://hooks.example.com/log\"
";

const ASSISTANTS: &str = "\
# Who answers. The name is yours; tenants refer to it. The kind says which other keys there are.
";

const TENANTS: &str = "\
# One of your numbers, the channel that carries its texts and the assistant that answers. Repeat the section for each number.
";

/// The text of `raconteur.example.toml`.
#[must_use]
pub fn example() -> String {
    let Config { server, store, log, traces, engine, channels: _, assistants: _, reports: _, tenants: _ } =
        Config::defaults();
    let [channels, assistants, tenants] = demo_sections();
    let mut text = format!("{HEAD}\n");
    write_server(&mut text, &server);
    write_store(&mut text, &store);
    write_log(&mut text, &log);
    write_traces(&mut text, &traces);
    write_engine(&mut text, &engine);
    let (none, reports) = (String::new(), REPORTS);
    let samples = [WATSON, WEBHOOKS].concat();
    let sections =
        [(CHANNELS, channels, TWILIO), (ASSISTANTS, assistants, &samples), (reports, none, ""), (TENANTS, tenants, "")];
    for (explanation, section, samples) in sections {
        let gap = if samples.is_empty() { "" } else { "\n" };
        let _ = write!(text, "\n{explanation}{section}{gap}{samples}");
    }
    write_policy(&mut text, &Policy::default());
    write_lane(&mut text, &LaneLimits::default());
    text.push_str(KEYWORDS);
    text.push_str(QUIET);
    text.push_str(CONTROL);
    text
}

/// The demo's three sections, each with a newline at its end.
fn demo_sections() -> [String; 3] {
    let mut sections = DEMO.split("\n\n").map(|section| format!("{}\n", section.trim_end()));
    std::array::from_fn(|_| sections.next().expect("the demo has a channel, an assistant and a tenant"))
}

fn key(text: &mut String, name: &str, value: impl std::fmt::Display, explanation: &str) {
    let _ = write!(text, "# {explanation}\n#{name} = {value}\n");
}

fn quoted(value: &str) -> String {
    toml::Value::from(value).to_string()
}

fn span(value: Duration) -> String {
    quoted(&message::duration(value))
}

fn write_server(text: &mut String, config: &ServerConfig) {
    let ServerConfig {
        listen,
        body_max_bytes,
        request_timeout,
        requests_max,
        control_requests_max,
        aliases: _,
        connections_max,
        header_timeout,
        header_max_bytes,
        refusals_max,
        trusted_proxies: _,
        outbound_allow: _,
        open_beyond_loopback,
        metrics_token: _,
        operators: _,
        tls: _,
    } = config;
    text.push_str("[server]\n");
    key(text, "listen", quoted(&listen.to_string()), "The address and port to listen on; port 0 takes any free one.");
    key(text, "body_max_bytes", body_max_bytes, "The largest request body that is read; a larger one gets 413.");
    key(text, "request_timeout", span(*request_timeout), "A request that is not answered after this long gets 503.");
    key(text, "requests_max", requests_max, "How many requests of providers are worked on at once; one more gets 503.");
    let explanation = "How many requests to the REST interface are worked on at once; one more gets 503.";
    key(text, "control_requests_max", control_requests_max, explanation);
    let limits: [(&str, &dyn std::fmt::Display, &str); 5] = [
        (
            "connections_max",
            connections_max,
            "How many connections may be open at once; one more waits until another has closed.",
        ),
        (
            "header_timeout",
            &span(*header_timeout),
            "How long a client may take to send the head of its next request, the wait included.",
        ),
        ("header_max_bytes", header_max_bytes, "The largest head of a request; a larger one gets 431."),
        (
            "refusals_max",
            refusals_max,
            "How many requests of one client may be refused (401, 403) in a minute; further ones get 429.",
        ),
        (
            "open_beyond_loopback",
            open_beyond_loopback,
            "Whether the simulated phone and the metrics, which ask nobody, are open to other machines.",
        ),
    ];
    limits.iter().for_each(|(name, value, explanation)| key(text, name, value, explanation));
    text.push_str(SERVER);
    text.push_str("# Further paths under which something of ours is found, such as the one of IBM's SMS Gateway.\n");
    text.push_str("# aliases = { \"/sms.receiver/SmsRecv\" = \"/channels/twilio/inbound\" }\n");
}

fn write_store(text: &mut String, config: &StoreConfig) {
    let StoreConfig {
        kind,
        path,
        cache_bytes,
        journal_bytes,
        inbox_max,
        backlog_max,
        min_free_bytes,
        duplicates_kept,
        write_timeout,
    } = config;
    let kind = match kind {
        StoreKind::Sled => "sled",
        StoreKind::Memory => "memory",
    };
    text.push_str("\n[store]\n");
    key(
        text,
        "kind",
        quoted(kind),
        "\"sled\" keeps conversations on disk, \"memory\" loses all at the end of the process.",
    );
    key(text, "path", quoted(&path.to_string_lossy()), "The directory of the store, from the working directory.");
    key(
        text,
        "cache_bytes",
        cache_bytes,
        "How much of the store is held in memory, counted as on disk; in memory it is about twice as much.",
    );
    let explanation = "Once its journal has so many bytes, what is in it is brought to where it stays.";
    key(text, "journal_bytes", journal_bytes, explanation);
    key(text, "inbox_max", inbox_max, "How many unread texts one conversation may have; one more gets 503.");
    key(
        text,
        "backlog_max",
        backlog_max,
        "How many unread texts all conversations may have together; one more gets 503.",
    );
    key(text, "min_free_bytes", min_free_bytes, "With less disk space than this left, texts get 503; 0 never looks.");
    let explanation = "How long a text is remembered, so that a repetition is known as one.";
    key(text, "duplicates_kept", span(*duplicates_kept), explanation);
    let explanation = "How long writing to the disk may take; after that the process ends with a failure.";
    key(text, "write_timeout", span(*write_timeout), explanation);
}

fn write_engine(text: &mut String, config: &EngineConfig) {
    let EngineConfig {
        idle_after,
        max_resident,
        drain_timeout,
        sweep_every,
        catch_up_after,
        stall_timeout,
        expire_every,
    } = config;
    text.push_str("\n[engine]\n");
    let explanation = "A conversation with nothing to do for this long leaves memory; it stays in the store.";
    key(text, "idle_after", span(*idle_after), explanation);
    key(
        text,
        "max_resident",
        max_resident,
        "How many conversations are in memory at once; further ones wait in the store.",
    );
    key(text, "drain_timeout", span(*drain_timeout), "How long turns under way may take to finish at shutdown.");
    key(text, "sweep_every", span(*sweep_every), "How often the store is searched for work that nobody was told of.");
    let explanation = "How long after a text was refused the provider's log is read for it, where it has one.";
    key(text, "catch_up_after", span(*catch_up_after), explanation);
    let explanation = "After so long without a sign of life from its own threads the process ends with a failure.";
    key(text, "stall_timeout", span(*stall_timeout), explanation);
    let explanation =
        "How long one round through all conversations takes, in search of what is older than transcripts_kept.";
    key(text, "expire_every", span(*expire_every), explanation);
}

#[cfg(test)]
mod tests {
    use super::super::{read_text, tests::same};
    use super::*;

    #[test]
    fn the_file_in_the_repository_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/raconteur.example.toml");
        if std::env::var_os("UPDATE_EXAMPLE").is_some() {
            std::fs::write(path, example()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap();
        assert!(written == example(), "run the tests once with UPDATE_EXAMPLE=1 and commit raconteur.example.toml");
    }

    #[test]
    fn the_example_loads_and_equals_the_defaults_as_it_is_and_with_every_key_uncommented() {
        let uncommented: String = example()
            .lines()
            .map(|line| line.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(line))
            .fold(String::new(), |text, line| text + line + "\n");
        assert!(uncommented.contains("\nlisten = \"127.0.0.1:8080\"\n"), "{uncommented}");
        assert!(uncommented.contains("\ndoubt = \"give_up\"\n"), "{uncommented}");
        for text in [example(), uncommented] {
            let reading = read_text("example", &text, []);
            assert_eq!(reading.problems, []);
            same(&reading.config, &Config::defaults());
        }
    }
}
