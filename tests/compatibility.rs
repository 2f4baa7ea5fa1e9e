//! Holds docs/ibm-compatibility.md to its word: every row names tests that exist or says why there is none, and nothing of IBM's three
//! generations is missing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use raconteur_conversation::command::Command;

/// One row of the table.
struct Row {
    kind: String,
    item: String,
    how: String,
    tested: String,
}

fn document() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ibm-compatibility.md")).expect("it is there")
}

fn rows() -> Vec<Row> {
    let row = |line: &str| {
        let cells: Vec<String> =
            line.trim().trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        let [kind, item, _generations, how, tested] = &cells[..] else { panic!("five cells are wanted: {line}") };
        Row { kind: kind.clone(), item: item.clone(), how: how.clone(), tested: tested.clone() }
    };
    let text = document();
    let table = text.lines().skip_while(|line| !line.starts_with("| kind |")).take_while(|line| line.starts_with('|'));
    table.skip(2).map(row).collect()
}

/// The words between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn sources(folder: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("it is a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(fs::read_to_string(path).expect("it is text"));
        }
    }
}

/// The names of all tests of the project.
fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    for folder in ["conversation", "storage", "actors", "src", "tests"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
    }
    let mut names = BTreeSet::new();
    for file in &files {
        let mut is_test = false;
        for line in file.lines().map(str::trim) {
            let name = line.split_once("fn ").and_then(|(_, rest)| rest.split_once('(')).map(|(name, _)| name);
            match name {
                // The promises of a store are functions that its suite runs.
                Some(name) if is_test || line.contains("(site: &dyn Site)") => {
                    names.insert(name.to_owned());
                    is_test = false;
                }
                _ => {
                    is_test = line.starts_with("#[test]")
                        || line.starts_with("#[tokio::test")
                        || (is_test && line.starts_with("#["))
                }
            }
        }
    }
    names
}

#[test]
fn every_row_is_tested_or_says_why_not() {
    let (tests, rows) = (tests(), rows());
    assert!(rows.len() > 100, "{} rows", rows.len());
    for Row { kind, item, how, tested } in &rows {
        assert!(!how.is_empty(), "{kind} {item}: how?");
        let named = quoted(tested);
        if named.is_empty() {
            assert!(tested.starts_with("no test: ") && tested.len() > 20, "{kind} {item}: tested where, or why not?");
        }
        for name in named {
            assert!(tests.contains(name), "{kind} {item}: there is no test {name}");
        }
    }
}

#[test]
fn no_row_is_there_twice() {
    let mut seen = BTreeSet::new();
    for Row { kind, item, .. } in rows() {
        assert!(seen.insert((kind.clone(), item.clone())), "{kind} {item}");
    }
}

/// Every name of IBM's that a migrating project may depend on, by kind.
const WANTED: &[(&str, &str)] = &[
    (
        "variable",
        "smsConversationResponseTimeout smsTenantPhoneNumber smsUserPhoneNumber smsUserData smsSessionTimeoutCount smsError \
         smsSessionID smsMedia integrations.text_messaging.assistant_phone_number \
         integrations.text_messaging.private.user_phone_number integrations.text_messaging.private.request_id \
         integrations.text_messaging.private.ip_address integrations.channel.name integrations.channel.private.user",
    ),
    ("signal", "smsNoInputTurn smsResponseTimeout vgwSMSMessage vgwSMSFailed"),
    (
        "response",
        "text option suggestion image audio video search channel_transfer connect_to_agent end_session user_defined \
         conversational_search pause date iframe grid card carousel button table dtmf speech_to_text text_to_speech \
         start_activities stop_activities",
    ),
    (
        "config",
        "tenantPhoneNumber description allowSessionCreateViaSMS timeoutForSession notifyOnSessionTimeout \
         conversationFailedReplyMessage convReadTimeout convConnectTimeout convMaxRetryNo convRetryInterval \
         smsProviderReadTimeout smsProviderConnectTimeout smsProviderMaxRetryNo smsProvideRetryInterval conversation.url \
         conversation.workspaceID conversation.username conversation.password conversation.apikey \
         conversation.tokenServiceProviderUrl conversation.bearerToken smsProvider.url smsProvider.explicitURL \
         smsProvider.username smsProvider.password webHookCredentials controlCredentials reporting",
    ),
    (
        "environment",
        "MULTI_TENANT_CONFIG_FILE TENANT_PHONE_NUMBER ALLOW_SESSION_CREATE_VIA_SMS TIMEOUT_FOR_SESSION \
         CONVERSATION_FAILED_REPLY_MESSAGE WATSON_CONVERSATION_URL WATSON_CONVERSATION_WORKSPACE_ID \
         WATSON_CONVERSATION_USERNAME WATSON_CONVERSATION_PASSWORD WATSON_CONVERSATION_READ_TIMEOUT \
         WATSON_CONVERSATION_CONNECT_TIMEOUT WATSON_CONVERSATION_MAX_RETRY_NUM SMS_PROVIDER_URL SMS_PROVIDER_EXPLICIT_URL \
         SMS_PROVIDER_USERNAME SMS_PROVIDER_PASSWORD SMS_PROVIDER_READ_TIMEOUT SMS_PROVIDER_CONNECT_TIMEOUT \
         SMS_PROVIDER_MAX_RETRY_NUM SMS_WEBHOOK_USERNAME SMS_WEBHOOK_PASSWORD CTRL_TENANT_USERNAME CTRL_TENANT_PASSWORD \
         REPORTING_URL REPORTING_USERNAME REPORTING_PASSWORD LATENCY_REPORTING_THRESHOLD ENABLE_TRANSCRIPTION_MESSAGES \
         LOG_LEVEL LOG_MAX_FILE_SIZE LOG_MAX_FILES SMS_PROXY_* WCS_PROXY_* SSL_* XS_*",
    ),
    (
        "assistant",
        "v1 v2-stateful v2-stateless soe iam basic session-expiry two-url-schemes context-size smsActSetConversationConfig",
    ),
    (
        "webhook",
        "message_received message_processed message_logged jwt timeouts error-policy attachments instead-of-assistant",
    ),
    ("event", "transcription usage offline-backup splunk-hec cdr_logged"),
];

#[test]
fn nothing_of_ibms_is_missing() {
    let rows = rows();
    let listed: BTreeSet<(&str, &str)> =
        rows.iter().flat_map(|row| quoted(&row.item).into_iter().map(|item| (row.kind.as_str(), item))).collect();
    let commands = Command::NAMES.iter().map(|name| ("command", *name));
    let others = WANTED.iter().flat_map(|(kind, names)| names.split_whitespace().map(|name| (*kind, name)));
    let missing: Vec<_> = commands.chain(others).filter(|wanted| !listed.contains(wanted)).collect();
    assert!(missing.is_empty(), "rows are missing for {missing:?}");
}

#[test]
fn every_command_is_understood_by_the_core() {
    for name in Command::NAMES {
        let parsed = Command::parse(name, &serde_json::Value::Null);
        assert_ne!(parsed, Err(raconteur_conversation::command::CommandError::Unknown), "{name}");
    }
}
