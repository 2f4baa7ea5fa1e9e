//! Every environment variable of IBM's gateway, by name, from a file and from the process's own environment.

use super::*;

/// What one tenant of the environment needs.
const NEEDED: [(&str, &str); 8] = [
    ("TENANT_PHONE_NUMBER", "+15550100"),
    ("ALLOW_SESSION_CREATE_VIA_SMS", "true"),
    ("WATSON_CONVERSATION_URL", WATSON),
    ("WATSON_CONVERSATION_WORKSPACE_ID", "w-1"),
    ("WATSON_CONVERSATION_USERNAME", "apikey"),
    ("WATSON_CONVERSATION_PASSWORD", "watson-sesame"),
    ("SMS_PROVIDER_USERNAME", ACCOUNT),
    ("SMS_PROVIDER_PASSWORD", "twilio-sesame"),
];

/// Variables that set something in the tenant: a value and a line of the configuration.
const CARRIED: [(&str, &str, &str); 33] = [
    ("TENANT_PHONE_NUMBER", "+15550177", "number = \"+15550177\""),
    ("ALLOW_SESSION_CREATE_VIA_SMS", "false", "inbound_start = false"),
    ("TIMEOUT_FOR_SESSION", "7200", "session_timeout = \"2h\""),
    ("NOTIFY_ON_SESSION_TIMEOUT", "true", "timeout_turn = true"),
    ("CONVERSATION_FAILED_REPLY_MESSAGE", "Sorry.", "failure_message = \"Sorry.\""),
    ("WATSON_CONVERSATION_READ_TIMEOUT", "20000", "timeout = \"20s\""),
    ("WATSON_CONVERSATION_CONNECT_TIMEOUT", "7000", "connect_timeout = \"7s\""),
    ("WATSON_CONVERSATION_MAX_RETRY_NUM", "3", "retries = 3"),
    ("WATSON_CONVERSATION_RETRY_INTERVAL", "3000", "interval = \"3s\""),
    ("WATSON_CONVERSATION_URL", "https://w.example", "url = \"https://w.example\""),
    ("WATSON_CONVERSATION_WORKSPACE_ID", "w-7", "workspace_id = \"w-7\""),
    ("WATSON_CONVERSATION_USERNAME", "me", "username = \"me\""),
    ("WATSON_CONVERSATION_PASSWORD", "hush", "apikey = { env = \"WATSON_APIKEY\" }"),
    ("WATSON_CONVERSATION_APIKEY", "hush", "apikey = { env = \"WATSON_APIKEY\" }"),
    ("WATSON_CONVERSATION_API_VERSION", "2021-06-14", "version = \"2021-06-14\""),
    ("WATSON_CONVERSATION_TOKEN_AUTH_ENABLED", "true", "iam_url = \"https://iam.cloud.ibm.com\""),
    (
        "WATSON_CONVERSATION_TOKEN_SERVICE_PROVIDER_URL",
        "https://iam.cloud.ibm.com/identity/token",
        "iam_url = \"https://iam.cloud.ibm.com\"",
    ),
    ("SMS_PROVIDER_READ_TIMEOUT", "21000", "timeout = \"21s\""),
    ("SMS_PROVIDER_CONNECT_TIMEOUT", "8000", "connect_timeout = \"8s\""),
    ("SMS_PROVIDER_MAX_RETRY_NUM", "4", "retries = 4"),
    ("SMS_PROVIDER_RETRY_INTERVAL", "4000", "backoff_first = \"4s\""),
    ("SMS_PROVIDER_URL", "http://127.0.0.1:9", "base_url = \"http://127.0.0.1:9\""),
    (
        "SMS_PROVIDER_EXPLICIT_URL",
        "http://127.0.0.1:9/2010-04-01/Accounts/AC11111111111111111111111111111111/Messages",
        "base_url = \"http://127.0.0.1:9\"",
    ),
    (
        "SMS_PROVIDER_USERNAME",
        "AC33333333333333333333333333333333",
        "account_sid = \"AC33333333333333333333333333333333\"",
    ),
    ("SMS_PROVIDER_PASSWORD", "hush", "auth_token = { env = \"TWILIO_AUTH_TOKEN\" }"),
    ("CTRL_TENANT_USERNAME", "ctrl", "username = \"ctrl\""),
    ("CTRL_TENANT_PASSWORD", "hush", "password = { env = \"TENANT_1_CONTROL_PASSWORD\" }"),
    ("REPORTING_URL", "https://r.example/services/collector", "kind = \"splunk_hec\""),
    ("REPORTING_URL", "https://r.example/events", "kind = \"json\""),
    ("REPORTING_URL", "https://r.example/events", "url = \"https://r.example/events\""),
    ("REPORTING_URL", "https://r.example/events", "report = \"report\""),
    ("REPORTING_USERNAME", "me", "username = \"me\""),
    ("REPORTING_PASSWORD", "hush", "token = { env = \"REPORT_TOKEN\" }"),
];

/// Variables that are told what takes their place.
const NOTED: [(&str, &str); 40] = [
    ("SMS_WEBHOOK_USERNAME", "Twilio's signature"),
    ("SMS_WEBHOOK_PASSWORD", "Twilio's signature"),
    ("WATSON_CONVERSATION_BEARER_TOKEN", "the API key goes before it"),
    ("LATENCY_REPORTING_THRESHOLD", "[tenants.ask]"),
    ("LOG_LEVEL", "`level` in [log]"),
    ("LOG_MAX_FILE_SIZE", "standard error"),
    ("LOG_MAX_FILES", "standard error"),
    ("ENABLE_TRANSCRIPTION_MESSAGES", "[reports.NAME]"),
    ("SMS_PROXY_TYPE", "HTTPS_PROXY"),
    ("SMS_PROXY_HOST", "HTTPS_PROXY"),
    ("SMS_PROXY_PORT", "HTTPS_PROXY"),
    ("SMS_PROXY_USERNAME", "HTTPS_PROXY"),
    ("SMS_PROXY_PASSWORD", "HTTPS_PROXY"),
    ("WCS_PROXY_TYPE", "HTTPS_PROXY"),
    ("WCS_PROXY_HOST", "HTTPS_PROXY"),
    ("WCS_PROXY_PORT", "HTTPS_PROXY"),
    ("WCS_PROXY_USERNAME", "HTTPS_PROXY"),
    ("WCS_PROXY_PASSWORD", "HTTPS_PROXY"),
    ("SSL_KEY_PASSPHRASE", "reverse proxy"),
    ("SSL_KEY_STORE_FILE", "reverse proxy"),
    ("SSL_KEY_FILE_TYPE", "reverse proxy"),
    ("SSL_TRUST_PASSPHRASE", "certificates of the operating system"),
    ("SSL_TRUST_FILE_TYPE", "certificates of the operating system"),
    ("SSL_TRUST_STORE_FILE", "certificates of the operating system"),
    ("XS_ENABLED", "[store]"),
    ("XS_CATALOG_ENDPOINTS", "[store]"),
    ("XS_USERNAME", "[store]"),
    ("XS_PASSWORD", "[store]"),
    ("XS_TRANSPORT_TYPE", "[store]"),
    ("XSLD_HOST", "[store]"),
    ("REDIS_HOST", "[store]"),
    ("REDISSON_CONFIG_FILE", "[store]"),
    ("HTTP_PORT", "`listen` in [server]"),
    ("HTTPS_PORT", "reverse proxy"),
    ("REPORTING_MAX_BACKUP_FILES", "docs/reporting.md"),
    ("SMS_GW_URL", "Voice Gateway's own"),
    ("ENABLE_INBOUND_SMS", "Voice Gateway's own"),
    ("WEB_HOOK_HOST", "--public-url"),
    ("HTTP_HOST", "--public-url"),
    ("COLOUR", "no variable of IBM's"),
];

/// The variables of a tenant with this one, and with what it is of no use without.
fn with(name: &str, value: &str) -> Vec<(String, String)> {
    let mut variables = Vec::from(NEEDED);
    if name.starts_with("CTRL_") {
        variables.extend([("CTRL_TENANT_USERNAME", "c"), ("CTRL_TENANT_PASSWORD", "c-sesame")]);
    }
    if name.starts_with("REPORTING_") {
        variables.extend([("REPORTING_URL", "https://r.example"), ("REPORTING_PASSWORD", "r-sesame")]);
    }
    variables.retain(|(other, _)| *other != name);
    variables.push((name, value));
    variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn import_variables(variables: &[(String, String)]) -> Ended {
    let text: String = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let directory = directory(&[("gateway.env", &text)]);
    let ended = raconteur(directory.path(), &["--env", "gateway.env", "--secrets", "secrets.env"], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.notes);
    loaded(&ended.toml, &secrets(directory.path()));
    ended
}

#[test]
fn every_environment_variable_of_ibms_is_carried_over_or_noted() {
    for (name, value, line) in CARRIED {
        let ended = import_variables(&with(name, value));
        ended.has(line);
        ended.lacks("hush");
        assert!(!ended.notes.contains("hush") && !ended.notes.contains("sesame"), "{name}: {}", ended.notes);
    }
    for (name, words) in NOTED {
        let ended = import_variables(&with(name, "hush"));
        ended.notes(name, words);
        ended.lacks("hush");
        assert!(!ended.notes.contains("hush") && !ended.notes.contains("sesame"), "{name}: {}", ended.notes);
    }
}

#[test]
fn a_file_of_tenants_goes_before_the_variables_of_a_tenant() {
    let tenants = json!({ "tenants": [tenant("+15550123")] }).to_string();
    let env = "MULTI_TENANT_CONFIG_FILE=/conf/tenants.json\nTENANT_PHONE_NUMBER=+15550100\n";
    let directory = directory(&[("t.json", &tenants), ("gateway.env", env)]);
    let ended = raconteur(directory.path(), &["t.json", "--env", "gateway.env"], &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.notes);
    ended.has("number = \"+15550123\"");
    ended.lacks("+15550100");
    ended.notes("TENANT_PHONE_NUMBER", "the tenant file goes before");
    ended.notes("MULTI_TENANT_CONFIG_FILE", "not needed");
    let alone = raconteur(directory.path(), &["--env", "gateway.env"], &[]);
    assert_eq!((alone.code, alone.toml.as_str()), (Some(1), ""));
    assert!(alone.notes.contains("MULTI_TENANT_CONFIG_FILE: it names a tenant file"), "{}", alone.notes);
}

#[test]
fn without_a_file_the_environment_of_the_process_is_read_and_what_is_not_ibms_is_left_alone() {
    let directory = directory(&[]);
    let mut environment = Vec::from(NEEDED);
    environment.extend([("PATH", "/usr/bin"), ("HOME", "/root"), ("LOG_LEVEL", "info")]);
    let ended = raconteur(directory.path(), &[], &environment);
    assert_eq!(ended.code, Some(0), "{}", ended.notes);
    ended.has("number = \"+15550100\"");
    ended.notes("LOG_LEVEL", "[log]");
    assert!(!ended.notes.contains("PATH:") && !ended.notes.contains("HOME:"), "{}", ended.notes);
    assert!(ended.notes.contains("TWILIO_AUTH_TOKEN takes the value of SMS_PROVIDER_PASSWORD"), "{}", ended.notes);
    let nothing = raconteur(directory.path(), &[], &[("PATH", "/usr/bin")]);
    assert_eq!(nothing.code, Some(1));
    assert!(nothing.notes.contains("give the tenant file"), "{}", nothing.notes);
}
