//! Whole configurations: wrong ones with all their problems, overrides, defaults, secrets.

use raconteur_actors::lane::LaneLimits;

use super::*;

/// Both say the same, wherever it was written.
pub(super) fn same(left: &Config, right: &Config) {
    assert_eq!(left.server, right.server);
    assert_eq!(left.store, right.store);
    assert_eq!(left.log, right.log);
    assert_eq!(left.traces, right.traces);
    assert_eq!(left.engine, right.engine);
    let sections = |all: &[Section]| -> Vec<_> { all.iter().map(|s| (s.name.clone(), s.kind.clone())).collect() };
    assert_eq!(sections(&left.channels), sections(&right.channels));
    assert_eq!(sections(&left.assistants), sections(&right.assistants));
    let tenants = |all: &[TenantConfig]| -> Vec<_> {
        all.iter().map(|tenant| TenantConfig { place: String::new(), ..tenant.clone() }).collect()
    };
    assert_eq!(tenants(&left.tenants), tenants(&right.tenants));
}

/// What is wrong, as the user sees it.
pub(super) fn wrong<const N: usize>(text: &str, env: [(&str, &str); N]) -> Vec<String> {
    read_text("r.toml", text, env).problems.iter().map(ToString::to_string).collect()
}

pub(super) fn good<const N: usize>(text: &str, env: [(&str, &str); N]) -> Config {
    let reading = read_text("r.toml", text, env);
    assert_eq!(reading.problems, []);
    reading.config
}

pub(super) const TRIO: &str = r#"
[channels.phone]
kind = "phone"
[assistants.demo]
kind = "script"
[[tenants]]
number = "+15550100"
channel = "phone"
assistant = "demo"
"#;

#[test]
fn without_a_file_the_demo_is_served_from_this_machine_alone() {
    let config = Config::defaults();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((config.store.kind, config.store.path.to_str()), (StoreKind::Sled, Some("./data")));
    let [tenant] = &config.tenants[..] else { panic!("{:?}", config.tenants) };
    assert_eq!((tenant.number.as_str(), &tenant.channel[..], &tenant.assistant[..]), ("+15550100", "phone", "demo"));
    let rules = raconteur_conversation::policy::Policy { assistant: "demo".into(), ..Default::default() };
    assert_eq!((&tenant.policy, &tenant.lane), (&rules, &LaneLimits::default()));
    assert_eq!((&config.channels[0].kind[..], &config.assistants[0].kind[..]), ("phone", "script"));
    assert_eq!(tenant.place, "built-in defaults");
}

#[test]
fn a_file_that_names_no_channel_assistant_or_tenant_keeps_the_demo() {
    same(&good("", []), &Config::defaults());
    assert_eq!(good("[log]\nlevel = \"debug\"", []).tenants.len(), 1);
}

#[test]
fn a_file_that_names_one_of_them_must_name_all() {
    assert_eq!(
        wrong("[channels.a]\nkind = \"phone\"\n", []),
        ["r.toml:1:1: there is no tenant: write [[tenants]] and its number, channel and assistant below"]
    );
}

#[test]
fn every_rule_of_a_tenant_is_read() {
    let rules = r#"session_timeout = "30m"
        failure_message = "Later."
        options_prefix = "%s) "
        suggestions_prefix = "Enter %s for: "
        inbound_start = false
        greeting = "welcome"
        timeout_turn = true
        timeout_turn_grace = "1m"
        max_chained_turns = 2
        report = "audit"
        answer_within = "1h"
        max_context_bytes = 2048
        outbox_max = 7
        poison_attempts = 5
        turns_max = 9
        turns_within = "3m"
        gather = "2s"
        gather_max = "5s"
        ask = { timeout = "9s", retries = 0, interval = "1s" }
        control = { username = "gate", password = { env = "PW" }, token = { env = "PW" } }
        send = { valid_for = "1h", retries = 4, backoff_first = "1s", backoff_longest = "1m", reconcile_after = "5s", reconcile_for = "1m", doubt = "resend" }
        lane = { asks_max = 3, sends_max = 2, segments_per_second = 1, burst_segments = 4 }"#;
    let reports = "[reports.audit]\nkind = \"json\"\n";
    let config = good(&format!("{TRIO}{rules}\n{reports}"), [("PW", "sesame")]);
    let tenant = &config.tenants[0];
    let policy = format!("{:?}", tenant.policy);
    for part in [
        "session_timeout: 1800s, failure_message: \"Later.\", options_prefix: \"%s) \"",
        "AskPolicy { timeout: 9s, retries: 0, interval: 1s }",
        "suggestions_prefix: \"Enter %s for: \", inbound_start: Refused, greeting: Welcome, timeout_turn: Yes",
        "timeout_turn_grace: 60s, max_chained_turns: 2",
        "SendPolicy { timeout: 30s, valid_for: 3600s, retries: Some(4), backoff: Backoff { first: 1s, longest: 60s }, pause: 60s, reconcile_after: 5s",
        "reconcile_for: 60s, doubt: Resend",
        "answer_within: 3600s, max_context: 2048, outbox_max: 7, poison_attempts: 5, flood: Some(FloodLimit { turns: 9, within: 180s })",
        "gather: Some(Gather { pause: 2s, at_most: 5s })",
    ] {
        assert!(policy.contains(part), "{part}\n{policy}");
    }
    let lane = LaneLimits { asks_max: 3, sends_max: 2, segments_per_second: Some(1.0), burst_segments: 4 };
    assert_eq!((&tenant.lane, &tenant.place[..]), (&lane, "r.toml:6:1"));
    let control = &tenant.control;
    assert_eq!(control.username.as_deref(), Some("gate"));
    assert!([&control.password, &control.token].iter().all(|secret| secret.as_ref().unwrap().expose() == "sesame"));
    assert_eq!(tenant.report.as_deref(), Some("audit"));
    assert!(!format!("{tenant:?}").contains("sesame"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let text = r#"[server]
lissten = "0.0.0.0:80"
listen = "localhost"
body_max_bytes = -1
request_timeout = "0s"
[store]
kind = "postgres"
inbox_max = "many"
inbox = 1
[log]
level = "inof"
[engine]
idle_after = 30
sweep_every = "often"
[sever]
[channels.a]
knid = "phone"
[channels."b c"]
kind = 5
[assistants.demo]
kind = "script"
[[tenants]]
number = "+1 555"
channel = "a"
assistant = "demmo"
poison_attempts = 0
[tenants.send]
backoff_first = "10m"
doubt = "maybe"
[[tenants]]
number = 15550100
channel = "phone"
answer_within = "400d"
[tenants.lane]
burst_segments = 3
asks_max = 0
"#;
    let expected = r#"r.toml:2:1: unknown key `lissten`: did you mean `listen`?
r.toml:3:10: expected an IP address and a port from 0 to 65535, such as "127.0.0.1:8080" or "[::]:8080"
r.toml:4:18: expected a whole number, not negative, found the number -1
r.toml:5:19: `request_timeout` is 0ms: make it at least 100ms and at most 5m
r.toml:7:8: unknown value `postgres`: use one of sled, memory
r.toml:8:13: expected a whole number, not negative, found another string
r.toml:9:1: unknown key `inbox`: use one of kind, path, cache_bytes, journal_bytes, inbox_max, backlog_max, min_free_bytes, duplicates_kept, write_timeout
r.toml:11:9: expected one of off, error, warn, info, debug, trace, or a list such as "info,raconteur=debug"
r.toml:13:14: expected a duration in quotes such as "30s", "5m" or "12h", found the number 30
r.toml:14:15: expected a duration in quotes such as "30s", "5m" or "12h", found another string
r.toml:15:2: unknown section `sever`: did you mean `server`?
r.toml:16:1: [channels.a] has no `kind`: add it
r.toml:18:11: a name in [channels] has 1 to 64 letters, digits, `-` and `_`: rename it
r.toml:19:8: expected a string, found the number 5: put it in quotes
r.toml:23:10: the address has a character that no number, short code or sender name has: use +15550100, 12345, or prefix:+15550100
r.toml:25:13: unknown assistant `demmo`: did you mean `demo`? (or add [assistants.demmo])
r.toml:26:19: `poison_attempts` is 0: make it at least 1 and at most 100
r.toml:28:17: `send.backoff_first` (10m) is more than `send.backoff_longest` (5m): make it at most that
r.toml:29:9: unknown value `maybe`: use one of give_up, resend
r.toml:30:1: the tenant has no `assistant`: add it
r.toml:31:10: expected a string, found the number 15550100: put it in quotes
r.toml:32:11: unknown channel `phone`: use one of a, b c (or add [channels.phone])
r.toml:33:17: `answer_within` is 400d: make it at least 1s and at most 30d
r.toml:35:18: `lane.burst_segments` means nothing without `lane.segments_per_second`: set that too, or take this out
r.toml:36:12: `lane.asks_max` is 0: make it at least 1 and at most 100000"#;
    let found = wrong(text, []);
    assert_eq!(found.join("\n"), expected, "\n{}\n", found.join("\n"));
}

#[test]
fn sections_of_the_wrong_shape_are_told_how_to_write_them() {
    let cases = [
        ("server = 5", "r.toml:1:1: `server` is a section: write [server] and its keys below"),
        (
            "channels = 5\n[[tenants]]\nnumber=\"+15550100\"\nchannel=\"a\"\nassistant=\"b\"\n[assistants.b]\nkind=\"b\"",
            "r.toml:1:1: every one of the channels has a section: write [channels.NAME] and its keys below",
        ),
        ("tenants = []", "r.toml:1:1: there is no tenant in the list: add one with its number, channel and assistant"),
        ("tenants = [1]", "r.toml:1:12: a tenant is a section: write [[tenants]] and its keys below"),
        ("[tenants]\n", "r.toml:1:2: there may be several tenants: write [[tenants]], with two brackets"),
        (
            "[channels]\nkind = \"phone\"\n[[tenants]]\nnumber=\"+15550100\"\nchannel=\"kind\"\nassistant=\"b\"\n[assistants.b]\nkind=\"b\"",
            "r.toml:2:1: `kind` is a name here: write [channels.kind] and its keys below",
        ),
    ];
    for (text, problem) in cases {
        assert_eq!(wrong(text, []), [problem], "{text}");
    }
}

#[test]
fn numbers_out_of_range_and_numbers_twice_are_told() {
    let text = format!(
        "{TRIO}lane.segments_per_second = nan\noutbox_max = 99999999999999999999\npoison_attempts = 256\nfailure_message = \" \"\n[tenants.ask]\nretries = 1.5\n[[tenants]]\nnumber = \"+15550100\"\nchannel = \"phone\"\nassistant = \"demo\"\n"
    );
    let expected = r"r.toml:10:28: `lane.segments_per_second` is NaN: make it at least 0.01 and at most 10000
r.toml:11:14: expected a whole number, not negative, found a number too large
r.toml:12:19: expected a whole number from 0 to 255, found the number 256
r.toml:13:19: `failure_message` is empty: say what the user gets when a turn fails
r.toml:15:11: expected a whole number from 0 to 4294967295, found a number with a fraction
r.toml:17:10: +15550100 is the number of the tenant at r.toml:6:1 too: give each its own";
    let found = wrong(&text, []);
    assert_eq!(found.join("\n"), expected, "\n{}\n", found.join("\n"));
}

#[test]
fn turns_are_kept_for_ever_or_longer_than_a_text_may_be_looked_up() {
    assert_eq!(good(TRIO, []).tenants[0].policy.transcripts_kept, None);
    let kept = good(&format!("{TRIO}transcripts_kept = \"90d\"\n"), []).tenants[0].policy.transcripts_kept;
    assert_eq!(kept, Some(std::time::Duration::from_secs(90 * 86_400)));
    let short = wrong(&format!("{TRIO}transcripts_kept = \"1s\"\n"), []);
    assert_eq!(short[0], "r.toml:10:20: `transcripts_kept` is 1s: make it at least 1m and at most 36500d");
    let longer = wrong(&format!("{TRIO}transcripts_kept = \"2d\"\nsend.valid_for = \"3d\"\n"), []);
    assert_eq!(
        longer,
        ["r.toml:11:18: `send.valid_for` (3d) is more than `transcripts_kept` (2d): make it at most that"]
    );
}

#[test]
fn what_is_not_toml_is_one_problem_with_its_place() {
    for (text, place) in
        [("[server\nlisten = 1", "r.toml:1:8: "), ("a = 1\nb = = 2", "r.toml:2:5: "), ("é = 1", "r.toml:1:1: ")]
    {
        let found = wrong(text, []);
        assert!(found.len() == 1 && found[0].starts_with(&format!("{place}this is not TOML: ")), "{found:?}");
    }
    assert_eq!(wrong("[log]\n[log]", []).len(), 1);
}

#[test]
fn files_that_cannot_be_read_are_one_problem() {
    let dir = tempfile::tempdir().unwrap();
    let problem = |path: &Path| {
        let problems = load(Some(path), std::iter::empty()).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].place.starts_with(&path.display().to_string()), "{problems:?}");
        (problems[0].place[path.display().to_string().len()..].to_owned(), problems[0].message.clone())
    };
    let missing = problem(&dir.path().join("none.toml")).1;
    assert!(missing.starts_with("cannot read the configuration: "), "{missing}");
    assert!(problem(dir.path()).1.starts_with("this is a directory: name the file in it"));
    let latin = dir.path().join("latin.toml");
    std::fs::write(&latin, b"[log]\nlevel = \"\xe9\"").unwrap();
    assert_eq!(problem(&latin), (":2:10".into(), "this is not UTF-8: save the file in that encoding".into()));
}

#[test]
fn the_named_file_goes_before_the_variable_and_the_variable_before_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = [("a.toml", "warn"), ("b.toml", "error")].map(|(name, level)| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("[log]\nlevel = \"{level}\"")).unwrap();
        path
    });
    let env = || [(CONFIG_VARIABLE.to_owned(), second.display().to_string())].into_iter();
    assert_eq!(load(Some(&first), env()).unwrap().log.level, "warn");
    assert_eq!(load(None, env()).unwrap().log.level, "error");
    assert_eq!(read(None, env()).file, Some(second.clone()));
}

#[test]
fn variables_go_before_the_file_with_toml_values_or_plain_text() {
    let text =
        format!("[server]\nlisten = 5\n{TRIO}[channels.My-Twilio]\nkind = \"twilio\"\nbase_url = \"https://a\"\n");
    let config = good(
        &text,
        [
            ("RACONTEUR_SERVER__LISTEN", "0.0.0.0:80"),
            ("RACONTEUR_STORE__KIND", "memory"),
            ("RACONTEUR_STORE__PATH", "\"/quoted\""),
            ("RACONTEUR_ENGINE__MAX_RESIDENT", "5_000"),
            ("RACONTEUR_ENGINE__IDLE_AFTER", "10s"),
            ("RACONTEUR_CHANNELS__MY_TWILIO__BASE_URL", "http://127.0.0.1:9"),
            ("RACONTEUR_CHANNELS__SPARE__KIND", "phone"),
            ("RACONTEUR_TENANTS__0__NUMBER", "+15550177"),
            ("RACONTEUR_TENANTS__0__ASK__RETRIES", "0"),
            ("PATH", "/bin"),
        ],
    );
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:80");
    assert_eq!((config.store.kind, config.store.path.to_str()), (StoreKind::Memory, Some("/quoted")));
    assert_eq!((config.engine.max_resident, config.engine.idle_after.as_secs()), (5_000, 10));
    assert_eq!((config.tenants[0].number.as_str(), config.tenants[0].policy.ask.retries), ("+15550177", 0));
    let [_, twilio, spare] = &config.channels[..] else { panic!("{:?}", config.channels) };
    assert_eq!(twilio.read::<TwilioLike>().unwrap().base_url, "http://127.0.0.1:9");
    assert_eq!(
        (&spare.name[..], &spare.kind[..], &spare.place[..]),
        ("spare", "phone", "RACONTEUR_CHANNELS__SPARE__KIND")
    );
}

#[test]
fn a_whole_list_of_tenants_may_come_from_a_variable() {
    let list = r#"[{ number = "+15550101", channel = "phone", assistant = "demo" }, { number = "+15550102", channel = "fone", assistant = "demo" }]"#;
    let reading = read_text("r.toml", "", [("RACONTEUR_TENANTS", list)]);
    assert_eq!(reading.config.tenants.len(), 2);
    assert_eq!(
        reading.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["RACONTEUR_TENANTS: unknown channel `fone`: did you mean `phone`? (or add [channels.fone])"]
    );
}

#[test]
fn a_wrong_variable_is_named_as_the_place() {
    let deep = format!("RACONTEUR_{}Z", "Z__".repeat(20));
    let found = wrong(
        TRIO,
        [
            ("RACONTEUR_SERVER__LISTEN", "80"),
            ("RACONTEUR_SERVER__PORT", "80"),
            ("RACONTEUR_LISTEN", "80"),
            ("RACONTEUR_LOG", "debug"),
            ("RACONTEUR_STORE__INBOX_MAX", "0"),
            ("RACONTEUR_STORE__", "0"),
            ("RACONTEUR_TENANTS__1__NUMBER", "+15550101"),
            ("RACONTEUR_TENANTS__0", "x"),
            ("RACONTEUR_TENANTS__0__NUMBER__X", "x"),
            ("RACONTEUR_", "x"),
            (deep.as_str(), "x"),
        ],
    );
    let expected = r#"RACONTEUR_: a name is missing: write RACONTEUR_SECTION__KEY
RACONTEUR_LISTEN: unknown section `listen`: use one of server, store, log, traces, engine, channels, assistants, reports, tenants
RACONTEUR_LOG: `log` is a section: write [log] and its keys below
RACONTEUR_SERVER__LISTEN: expected an IP address and a port from 0 to 65535, such as "127.0.0.1:8080" or "[::]:8080"
RACONTEUR_SERVER__PORT: unknown key `port`: use one of listen, body_max_bytes, request_timeout, requests_max, control_requests_max, aliases, connections_max, header_timeout, header_max_bytes, refusals_max, trusted_proxies, outbound_allow, open_beyond_loopback, metrics_token, operators, tls
RACONTEUR_STORE__: a name is missing: write RACONTEUR_SECTION__KEY
RACONTEUR_STORE__INBOX_MAX: `inbox_max` is 0: make it at least 1 and at most 100000
RACONTEUR_TENANTS__0: name a key: write RACONTEUR_TENANTS__0__KEY
RACONTEUR_TENANTS__0__NUMBER__X: `number` is no section, so nothing in it can be set: take the variable out
RACONTEUR_TENANTS__1__NUMBER: there is no number `1` in `tenants`: they count from 0 to 0
"#;
    let expected = format!("{expected}{deep}: this leads too deep: no key is that far down");
    assert_eq!(found.join("\n"), expected, "\n{}\n", found.join("\n"));
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TwilioLike {
    #[serde(default)]
    base_url: String,
    auth_token: Option<secret::Secret>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only whether it can be read is of interest")]
struct Strict {
    account: String,
    token: secret::Secret,
    port: u16,
}

fn section<const N: usize>(keys: &str, env: [(&str, &str); N]) -> Section {
    good(&format!("{TRIO}[channels.x]\nkind = \"x\"\n{keys}"), env).channels.remove(1)
}

#[test]
fn secrets_come_from_the_given_environment_or_a_file_and_are_never_printed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "hunter2\n").unwrap();
    let from_file = format!("auth_token = {{ file = {:?} }}", path.to_str().unwrap());
    for keys in ["auth_token = { env = \"RACONTEUR_TOKEN\" }", "auth_token.env = \"RACONTEUR_TOKEN\"", &from_file] {
        let variable = if keys.contains("env") { "RACONTEUR_TOKEN" } else { "TOKEN" };
        let section = section(keys, [(variable, " hunter2 ")]);
        let settings: TwilioLike = section.read().unwrap();
        assert_eq!(settings.auth_token.as_ref().unwrap().expose(), "hunter2");
        let printed = format!("{settings:?} {section:?}");
        assert!(!printed.contains("hunter2") && printed.contains("Secret(…)"), "{printed}");
    }
}

#[test]
fn a_secret_named_by_an_override_may_have_our_prefix_too() {
    for (name, value) in [("AUTH_TOKEN", "{ env = \"RACONTEUR_TOKEN\" }"), ("AUTH_TOKEN__ENV", "RACONTEUR_TOKEN")] {
        let name = format!("RACONTEUR_CHANNELS__X__{name}");
        let settings: TwilioLike = section("", [(&name, value), ("RACONTEUR_TOKEN", "hunter2")]).read().unwrap();
        assert_eq!(settings.auth_token.unwrap().expose(), "hunter2");
    }
}

#[test]
fn an_embedding_program_reads_secrets_from_the_processs_environment() {
    let read = |json: &str| serde_json::from_str::<secret::Secret>(json);
    let expected = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    assert_eq!(read(r#"{ "env": "CARGO_MANIFEST_DIR" }"#).unwrap().expose(), expected);
    let error = read(r#""hunter2""#).unwrap_err().to_string();
    assert!(error.starts_with(secret::HOW_TO) && !error.contains("hunter2"), "{error}");
}

#[test]
fn a_secret_written_in_the_configuration_is_refused_and_not_repeated_anywhere() {
    let text = format!("{TRIO}[channels.x]\nkind = \"x\"\nauth_token = \"hunter2\"\nbase_url = \"hunter2\"\n");
    let reading = read_text("r.toml", &text, [("RACONTEUR_CHANNELS__X__PASSWORD", "hunter2")]);
    let problems = reading.config.channels[1].read::<Strict>().unwrap_err();
    let printed = format!("{reading:?} {problems:?} {:?}", reading.config);
    assert!(!printed.contains("hunter2"), "{printed}");
    let problems = reading.config.channels[1].read::<TwilioLike>().unwrap_err();
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "r.toml:12:14: a secret is not written here but read from elsewhere: write { env = \"NAME\" } or { file = \"PATH\" }",
            "RACONTEUR_CHANNELS__X__PASSWORD: unknown key `password`: use one of base_url, auth_token",
        ]
    );
}

#[test]
fn secrets_that_are_not_there_are_told_by_the_name_of_their_source() {
    let cases = [
        ("{ env = \"NONE\" }", "the environment variable NONE is not set: set it to the secret"),
        ("{ env = \"BLANK\" }", "the environment variable BLANK is empty: set it to the secret"),
        ("{ evn = \"NONE\" }", secret::HOW_TO),
        ("{ env = \"BLANK\", file = \"x\" }", secret::HOW_TO),
        ("5", secret::HOW_TO),
    ];
    for (written, message) in cases {
        let problems = section(&format!("auth_token = {written}"), [("BLANK", " ")]).read::<TwilioLike>().unwrap_err();
        assert_eq!(problems, [Problem { place: "r.toml:12:14".into(), message: message.into() }], "{written}");
    }
}

#[test]
fn a_kind_is_told_all_that_is_wrong_with_its_section_and_a_missing_key_only_when_it_is_missing() {
    let problems = |keys: &str| -> Vec<String> {
        section(keys, []).read::<Strict>().unwrap_err().iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        problems("account = 5\nport = 70000\ntoken = \"x\"\nextra = 1"),
        [
            "r.toml:12:11: expected a string, found the number 5: put it in quotes",
            "r.toml:13:8: expected a whole number from 0 to 65535, found the number 70000",
            &format!("r.toml:14:9: {}", secret::HOW_TO),
            "r.toml:15:1: unknown key `extra`: use one of account, token, port",
        ]
    );
    assert_eq!(problems("account = \"a\"\nport = 1"), ["r.toml:10:1: the key `token` is missing: add it"]);
}

#[test]
fn a_kind_can_point_at_a_key_or_at_its_whole_section() {
    let section = section("base_url = \"x\"\n[channels.x.deep]\nkey = 1\n", []);
    assert_eq!(section.problem("no").to_string(), "r.toml:10:1: no");
    assert_eq!(section.problem_at("base_url", "no").to_string(), "r.toml:12:12: no");
    assert_eq!(section.problem_at("deep.key", "no").to_string(), "r.toml:14:7: no");
    assert_eq!(section.problem_at("nowhere", "no").to_string(), "r.toml:10:1: no");
    let unknown = section.unknown_kind(&["phone", "twilio"]).to_string();
    assert_eq!(unknown, "r.toml:11:8: unknown kind `x`: use one of phone, twilio");
}

#[test]
fn an_override_that_could_mean_two_sections_is_refused() {
    let text = format!("{TRIO}[channels.a-b]\nkind = \"x\"\n[channels.A_B]\nkind = \"x\"\n");
    assert_eq!(
        wrong(&text, [("RACONTEUR_CHANNELS__A_B__URL", "x")]),
        [
            "RACONTEUR_CHANNELS__A_B__URL: `a_b` may be any of a-b, A_B: rename them so that they differ in more than case and dashes"
        ]
    );
}

#[test]
fn nesting_without_end_is_a_problem_and_no_crash() {
    let deep = 50_000;
    let lists = format!("a = {}", "[".repeat(deep));
    let keys = format!("{}a = 1", "a.".repeat(deep));
    let sections = format!("[{}a]", "a.".repeat(deep));
    for text in [lists, keys, sections] {
        assert_eq!(wrong(&text, []).len(), 1);
    }
    let name = format!("RACONTEUR_{}A", "A__".repeat(deep));
    let problem = format!("{name}: this leads too deep: no key is that far down");
    assert_eq!(wrong("", [(&name, "1")]), [problem]);
}
