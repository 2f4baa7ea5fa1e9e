//! Every JSON property of IBM's tenants, by name.

use super::*;

/// What is expected of a property.
enum Becomes {
    /// A line of the configuration.
    Line(&'static str),
    /// A variable that is set in the secrets, and the line that reads it.
    Secret(&'static str, &'static str),
    /// A note on it.
    Note(&'static str),
}
use Becomes::{Line, Note, Secret};

/// Every property of section (c) of what is known of IBM's products, with a value and what becomes of it.
const TABLE: [(&str, &str, Becomes); 37] = [
    ("tenantPhoneNumber", "+15550177", Line("number = \"+15550177\"")),
    ("description", "Car insurance", Line("# Car insurance")),
    ("allowSessionCreateViaSMS", "false", Line("inbound_start = false")),
    ("timeoutForSession", "86400", Line("session_timeout = \"1d\"")),
    ("notifyOnSessionTimeout", "true", Line("timeout_turn = true")),
    ("conversationFailedReplyMessage", "Sorry.", Line("failure_message = \"Sorry.\"")),
    ("convReadTimeout", "20000", Line("timeout = \"20s\"")),
    ("convConnectTimeout", "7000", Line("connect_timeout = \"7s\"")),
    ("convMaxRetryNo", "3", Line("retries = 3")),
    ("convRetryInterval", "1500", Line("interval = \"1500ms\"")),
    ("smsProviderReadTimeout", "21000", Line("timeout = \"21s\"")),
    ("smsProviderConnectTimeout", "8000", Line("connect_timeout = \"8s\"")),
    ("smsProviderMaxRetryNo", "4", Line("retries = 4")),
    ("smsProviderRetryInterval", "2500", Line("backoff_first = \"2500ms\"")),
    ("smsProvideRetryInterval", "2500", Line("backoff_first = \"2500ms\"")),
    ("smsProvideReadTimeout", "21000", Line("timeout = \"21s\"")),
    ("conversation.url", "https://w.example/api/", Line("url = \"https://w.example/api\"")),
    ("conversation.workspaceID", "w-7", Line("workspace_id = \"w-7\"")),
    ("conversation.username", "me", Line("username = \"me\"")),
    ("conversation.password", "hush-1", Secret("WATSON_APIKEY=hush-1", "apikey = { env = \"WATSON_APIKEY\" }")),
    ("conversation.apikey", "hush-2", Secret("WATSON_APIKEY=hush-2", "apikey = { env = \"WATSON_APIKEY\" }")),
    (
        "conversation.tokenServiceProviderUrl",
        "https://iam.cloud.ibm.com/identity/token",
        Line("iam_url = \"https://iam.cloud.ibm.com\""),
    ),
    ("conversation.tokenServiceProviderURL", "https://iam.x.example", Line("iam_url = \"https://iam.x.example\"")),
    ("conversation.tokenAuthEnabled", "true", Line("iam_url = \"https://iam.cloud.ibm.com\"")),
    ("conversation.bearerToken", "hush-3", Note("not used: the API key goes before it")),
    ("conversation.convApiVersion", "2021-06-14", Line("version = \"2021-06-14\"")),
    ("smsProvider.url", "http://127.0.0.1:9", Line("base_url = \"http://127.0.0.1:9\"")),
    (
        "smsProvider.explicitURL",
        "https://proxy.example/t/2010-04-01/Accounts/AC11111111111111111111111111111111/Messages.json",
        Line("base_url = \"https://proxy.example/t\""),
    ),
    (
        "smsProvider.username",
        "AC33333333333333333333333333333333",
        Line("account_sid = \"AC33333333333333333333333333333333\""),
    ),
    (
        "smsProvider.password",
        "hush-4",
        Secret("TWILIO_AUTH_TOKEN=hush-4", "auth_token = { env = \"TWILIO_AUTH_TOKEN\" }"),
    ),
    (
        "webHookCredentials.username",
        "hook",
        Note("not needed: who posts to the webhook proves it by Twilio's signature"),
    ),
    (
        "webHookCredentials.password",
        "hush-5",
        Note("not needed: who posts to the webhook proves it by Twilio's signature"),
    ),
    ("controlCredentials.username", "ctrl", Line("username = \"ctrl\"")),
    (
        "controlCredentials.password",
        "hush-6",
        Secret("TENANT_1_CONTROL_PASSWORD=hush-6", "password = { env = \"TENANT_1_CONTROL_PASSWORD\" }"),
    ),
    ("reporting.url", "https://r.example/services/collector", Line("kind = \"splunk_hec\"")),
    ("reporting.username", "splunk", Note("a Splunk collector looks at the token only")),
    ("reporting.password", "hush-7", Secret("REPORT_TOKEN=hush-7", "token = { env = \"REPORT_TOKEN\" }")),
];

/// The tenant with a property, and with what the property is of no use without.
fn with(path: &str, value: Value) -> Value {
    let (object, _) = path.split_once('.').unwrap_or_default();
    let mut tenant = tenant_with([]);
    match object {
        "controlCredentials" => tenant[object] = json!({ "username": "c", "password": "c-sesame" }),
        "reporting" => {
            tenant[object] =
                json!({ "url": "https://r.example/services/collector", "username": "r", "password": "r-sesame" });
        }
        _ => {}
    }
    *path.split('.').fold(&mut tenant, |place, step| &mut place[step]) = value;
    tenant
}

#[test]
fn every_property_of_ibms_tenants_is_carried_over_or_noted() {
    for (path, value, becomes) in TABLE {
        let directory = directory(&[("t.json", &json!({ "tenants": [with(path, json!(value))] }).to_string())]);
        let ended = raconteur(directory.path(), &["t.json", "--secrets", "secrets.env"], &[]);
        assert_eq!(ended.code, Some(0), "{path}: {}", ended.notes);
        let secrets = secrets(directory.path());
        loaded(&ended.toml, &secrets);
        match becomes {
            Line(line) => ended.has(line),
            Secret(variable, line) => {
                ended.has(line);
                assert!(
                    secrets.iter().any(|(name, value)| format!("{name}={value}") == variable),
                    "{path}: {secrets:?}"
                );
            }
            Note(words) => ended.notes(&format!("tenants[0].{path}"), words),
        }
        for text in [&ended.toml, &ended.notes] {
            assert!(!text.contains("hush-") && !text.contains("-sesame"), "{path}: a secret is told: {text}");
        }
    }
}

#[test]
fn values_may_be_texts_or_native_and_keys_of_any_letter_case() {
    for (path, text, native) in [
        ("timeoutForSession", json!("600"), json!(600)),
        ("convReadTimeout", json!(" 600 "), json!(600.0)),
        ("allowSessionCreateViaSMS", json!("TRUE"), json!(true)),
        ("notifyOnSessionTimeout", json!("False"), json!(false)),
        ("tenantPhoneNumber", json!("15550100999"), json!(15_550_100_999_u64)),
    ] {
        let [text, native] = [text, native].map(|value| import(&json!({ "tenants": [with(path, value)] })));
        assert_eq!((text.code, text.toml), (Some(0), native.toml), "{path}");
    }
    let odd = json!({ "TENANTS": [{
        "TenantPhoneNumber": "+15550100", "timeout_for_session": "60", "smsProvideRetryInterval": "1000",
        "Conversation": { "URL": WATSON, "workspaceid": "w-1", "ApiKey": "k", "tokenServiceProviderURL": "https://iam.cloud.ibm.com/identity/token" },
        "SMSProvider": { "explicitUrl": "https://api.twilio.com", "username": ACCOUNT, "password": "p" },
    }] });
    let ended = import(&odd);
    for line in [
        "session_timeout = \"1m\"",
        "backoff_first = \"1s\"",
        "workspace_id = \"w-1\"",
        "iam_url = \"https://iam.cloud.ibm.com\"",
    ] {
        ended.has(line);
    }
    ended.notes("tenants[0].smsProvideRetryInterval", "taken for `smsProviderRetryInterval`");
    ended.notes("tenants[0].timeout_for_session", "taken for `timeoutForSession`");
    ended.notes("tenants[0].SMSProvider", "taken for `smsProvider`");
    ended.notes("tenants[0].SMSProvider.explicitUrl", "taken for `explicitURL`");
    ended.notes("tenants[0].Conversation.tokenServiceProviderURL", "taken for `tokenServiceProviderUrl`");
}

#[test]
fn what_is_not_given_keeps_ibms_default_where_ours_differs() {
    let ended = import(&json!({ "tenants": [tenant_with([("allowSessionCreateViaSMS", Value::Null)])] }));
    ended.has("inbound_start = false");
    ended.notes("tenants[0].allowSessionCreateViaSMS", "IBM's default is false");
    ended.notes("tenants[0].controlCredentials.username", "here nobody may control sessions");
}

#[test]
fn a_number_out_of_range_is_brought_into_it_with_a_note() {
    let table = [
        ("timeoutForSession", "0", "session_timeout = \"1s\""),
        ("timeoutForSession", "99999999999999999999999", "session_timeout = \"365d\""),
        ("convReadTimeout", "1", "timeout = \"100ms\""),
        ("convReadTimeout", "9999999", "timeout = \"10m\""),
        ("convConnectTimeout", "0", "connect_timeout = \"100ms\""),
        ("convConnectTimeout", "90000", "connect_timeout = \"1m\""),
        ("convMaxRetryNo", "5000000000", "retries = 100"),
        ("convRetryInterval", "0", "interval = \"1ms\""),
        ("convRetryInterval", "9999999", "interval = \"10m\""),
        ("smsProviderReadTimeout", "0", "timeout = \"10ms\""),
        ("smsProviderReadTimeout", "9999999", "timeout = \"10m\""),
        ("smsProviderConnectTimeout", "0", "connect_timeout = \"1ms\""),
        ("smsProviderConnectTimeout", "90000", "connect_timeout = \"1m\""),
        ("smsProviderMaxRetryNo", "1001", "retries = 1000"),
        ("smsProviderRetryInterval", "0", "backoff_first = \"10ms\""),
        ("smsProviderRetryInterval", "9999999", "backoff_first = \"1h\""),
    ];
    for (path, value, line) in table {
        let ended = import(&json!({ "tenants": [with(path, json!(value))] }));
        ended.has(line);
        ended.notes(&format!("tenants[0].{path}"), "it became");
    }
    let long = import(&json!({ "tenants": [with("smsProviderRetryInterval", json!("600000"))] }));
    long.has("backoff_longest = \"10m\"");
    let message = "ü".repeat(2_000);
    let cut = import(&json!({ "tenants": [with("conversationFailedReplyMessage", json!(message))] }));
    cut.has(&format!("failure_message = \"{}\"", "ü".repeat(1_600)));
    cut.notes("tenants[0].conversationFailedReplyMessage", "cut to 1600");
}

#[test]
fn a_value_that_cannot_be_read_is_noted_and_the_default_holds() {
    for (path, value, words) in [
        ("timeoutForSession", json!("an hour"), "no whole number"),
        ("timeoutForSession", json!("-1"), "no whole number"),
        ("convReadTimeout", json!(1.5), "no whole number"),
        ("allowSessionCreateViaSMS", json!("maybe"), "neither true nor false"),
        ("timeoutForSession", json!({}), "a text, a number, or true or false belongs here"),
        ("description", json!([]), "a text, a number, or true or false belongs here"),
        ("webHookCredentials", json!("none"), "an object belongs here"),
        ("colour", json!("red"), "no property of IBM's"),
        ("conversation.colour", json!("red"), "no property of IBM's"),
        ("reporting.cdrEventInd", json!("cdr"), "a schema of their own"),
        ("conversation.convApiVersion", json!("newest"), "the version is no date"),
        ("conversation.convApiVersion", json!("2021-13-01"), "the version is no date"),
        ("reporting.url", json!("nowhere"), "this is no address"),
    ] {
        let ended = import(&json!({ "tenants": [with(path, value)] }));
        assert_eq!(ended.code, Some(0), "{path}: {}", ended.notes);
        ended.notes(&format!("tenants[0].{path}"), words);
        ended.lacks("session_timeout");
    }
    let twice = r#"{"tenants": [{"tenantPhoneNumber": "+15550100", "description": "a", "description": "b",
        "conversation": {"url": "https://soe.example"}, "smsProvider": {"username": "AC11111111111111111111111111111111"}}]}"#;
    let directory = directory(&[("t.json", twice)]);
    let ended = raconteur(directory.path(), &["t.json"], &[]);
    ended.has("# b");
    ended.notes("tenants[0].description", "given twice: the last one holds");
}
