//! What operators look at: every metric of the running binary is as Prometheus wants it and stands in docs/operations.md, and every query
//! of the dashboard and of the alert rules is about something that is there.
//!
//! promtool comes from Debian's package of Prometheus, put below `target/` when it is missing.

#[path = "support/kit.rs"]
mod kit;
#[path = "support/promql.rs"]
mod promql;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use promql::{Matcher, Query, Scrape, Selector, parse};
use serde_json::{Value, json};

/// What Prometheus itself adds.
const ADDED: [&str; 2] = ["instance", "job"];

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a gateway shows that has just been started, with its store on disk.
fn exposition() -> &'static str {
    static SHOWN: OnceLock<String> = OnceLock::new();
    SHOWN.get_or_init(|| {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        std::fs::write(directory.path().join("raconteur.toml"), "[server]\nlisten = \"127.0.0.1:0\"\n")
            .expect("it can be written to");
        let mut command = Command::new(env!("CARGO_BIN_EXE_raconteur"));
        command.arg("serve").current_dir(directory.path()).env_clear().stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = Killed(command.spawn().expect("it can be started"));
        let mut line = String::new();
        BufReader::new(child.0.stdout.as_mut().expect("it is piped")).read_line(&mut line).expect("it can be read");
        let (_, address) = line.trim().rsplit_once("http://").unwrap_or_else(|| panic!("it did not start: {line}"));
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        assert!(head.starts_with("HTTP/1.1 200 ") && !head.to_ascii_lowercase().contains("chunked"), "{head}");
        body.to_owned()
    })
}

fn promtool(arguments: &[&str], input: &str) -> String {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(PROGRAM.get_or_init(|| kit::installed("promtool", "promtool").join("promtool")));
    command.args(arguments).current_dir(repository("ops/prometheus"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it can be started");
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

#[test]
fn promtool_finds_nothing_wrong_with_what_a_running_gateway_shows() {
    assert_eq!(promtool(&["check", "metrics"], exposition()), "");
}

/// The rows of the tables about metrics: the name, the label and the words that it may have.
fn documented() -> BTreeMap<String, Vec<String>> {
    let docs = text("docs/operations.md");
    let section = docs.split("\n## ").find(|section| section.starts_with("Metrics\n")).expect("there is the section");
    let mut rows = BTreeMap::new();
    for row in section.lines().filter_map(|line| line.strip_prefix("| `")) {
        let mut cells = row.split('|');
        let name = cells.next().expect("a row has cells").trim().trim_end_matches('`');
        let words = cells.next().expect("a row has two cells").split('`').skip(1).step_by(2).map(str::to_owned);
        assert!(rows.insert(name.to_owned(), words.collect()).is_none(), "{name} stands there twice");
    }
    rows
}

#[test]
fn the_documentation_lists_every_metric_with_its_labels_and_no_other() {
    let (scrape, documented) = (Scrape::read(exposition()), documented());
    let shown: BTreeSet<&String> = scrape.families.keys().collect();
    assert_eq!(shown, documented.keys().collect::<BTreeSet<_>>());
    for (family, words) in &documented {
        let samples = if scrape.families[family] == "histogram" { format!("{family}_count") } else { family.clone() };
        let labels: BTreeSet<&String> = scrape.series[&samples].iter().flat_map(BTreeMap::keys).collect();
        let [label, values @ ..] = &words[..] else {
            assert!(labels.is_empty(), "{family} has {labels:?}");
            continue;
        };
        assert_eq!(labels, BTreeSet::from([label]), "{family}");
        if !values.is_empty() {
            let values = values.iter().map(String::as_str).collect::<BTreeSet<_>>();
            assert_eq!(scrape.values(&samples, label), values, "{family}");
        }
    }
}

/// Says what is wrong with a query; nothing where all of it is there.
fn complaints(scrape: &Scrape, query: &str, legends: &[String]) -> Vec<String> {
    let Query { selectors, labels } = parse(query);
    let mut wrong = Vec::new();
    if selectors.is_empty() {
        wrong.push("it is about nothing".to_owned());
    }
    let mut known: BTreeSet<&str> = ADDED.into();
    for selector in selectors.iter().filter(|selector| selector.name != "up") {
        let Some(series) = scrape.series.get(&selector.name) else {
            wrong.push(format!("there is no {}", selector.name));
            continue;
        };
        known.extend(series.iter().flat_map(BTreeMap::keys).map(String::as_str));
        wrong.extend(missing(scrape, selector));
    }
    let used = labels.iter().chain(legends).filter(|label| !known.contains(label.as_str()));
    wrong.extend(used.map(|label| format!("nothing has a label {label}")));
    wrong
}

/// Values of labels that a selector names and no series has. Each alternative counts by itself.
fn missing(scrape: &Scrape, Selector { name, matchers }: &Selector) -> Vec<String> {
    let asks = matchers.iter().filter(|matcher| !ADDED.contains(&matcher.label.as_str()));
    let lacks = |Matcher { label, how, value }: &Matcher| {
        let there = scrape.values(name, label);
        let words: Vec<&str> = if how.ends_with('~') { value.split('|').collect() } else { vec![value.as_str()] };
        let absent = words.into_iter().filter(|word| !there.contains(word));
        absent.map(|word| format!("{name} has no {label}=\"{word}\"")).collect::<Vec<_>>()
    };
    asks.flat_map(lacks).collect()
}

/// Every query of the dashboard, with the labels that its legend names.
fn panels() -> Vec<(String, String, Vec<String>)> {
    let dashboard: Value = serde_json::from_str(&text("ops/grafana/raconteur.json")).expect("it is JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut queries = Vec::new();
    for panel in list(&dashboard["panels"]) {
        let title = string(&panel["title"]);
        assert!(panel["type"] == "row" || !list(&panel["targets"]).is_empty(), "{title} shows nothing");
        for target in list(&panel["targets"]) {
            let legend = string(&target["legendFormat"]);
            let labels = legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()).map(str::to_owned);
            queries.push((title.clone(), string(&target["expr"]), labels.collect()));
        }
    }
    for annotation in list(&dashboard["annotations"]["list"]) {
        queries.push((string(&annotation["name"]), string(&annotation["expr"]), Vec::new()));
    }
    for variable in list(&dashboard["templating"]["list"]) {
        let asked = string(&variable["query"]["query"]);
        if let Some(inner) = asked.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')) {
            let (series, label) = inner.split_once(", ").expect("a series and a label");
            queries.push((string(&variable["name"]), series.to_owned(), vec![label.to_owned()]));
        }
    }
    queries
}

#[test]
fn every_query_of_the_dashboard_is_well_formed_and_about_what_a_gateway_shows() {
    let (scrape, panels) = (Scrape::read(exposition()), panels());
    assert!(panels.len() > 50, "{}", panels.len());
    for (title, query, legends) in &panels {
        let wrong = complaints(&scrape, query, legends);
        assert!(wrong.is_empty(), "{title}: {query}: {wrong:?}");
    }
    let rule = |(number, (_, query, _)): (usize, &(String, String, Vec<String>))| json!({"record": format!("panel:{number}"), "expr": query.replace("$__rate_interval", "5m")});
    let rules: Vec<Value> = panels.iter().enumerate().map(rule).collect();
    let file = tempfile::NamedTempFile::with_suffix(".json").expect("there is room for a file");
    let groups = json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string();
    std::fs::write(file.path(), groups).expect("it can be written to");
    promtool(&["check", "rules", file.path().to_str().expect("it has a plain name")], "");
}

#[test]
fn every_metric_is_on_the_dashboard() {
    let scrape = Scrape::read(exposition());
    let drawn: BTreeSet<String> =
        panels().iter().flat_map(|(_, query, _)| parse(query).selectors).map(|selector| selector.name).collect();
    // What a list of notices, a count of threads and the address space are for is answered by others.
    let aside = ["process_threads", "process_virtual_memory_bytes"];
    for family in scrape.families.keys().filter(|family| !aside.contains(&family.as_str())) {
        let names = ["", "_bucket", "_count"].map(|suffix| format!("{family}{suffix}"));
        assert!(names.iter().any(|name| drawn.contains(name)), "{family} is drawn nowhere");
    }
}

/// The alert rules: the name of each and its query.
fn alerts() -> Vec<(String, String)> {
    let rules = text("ops/prometheus/alerts.yml");
    let mut alerts = Vec::new();
    for rule in rules.split("- alert: ").skip(1) {
        let (name, rest) = rule.split_once('\n').expect("a rule goes on");
        let (_, query) = rest.split_once("expr: ").expect("a rule has a query");
        let ends = ["\n        for:", "\n        labels:"].iter().filter_map(|key| query.find(key)).min();
        let query = &query[..ends.expect("something follows")];
        alerts.push((name.to_owned(), query.trim_start_matches('|').to_owned()));
    }
    alerts
}

#[test]
fn every_alert_rule_is_well_formed_tested_and_about_what_a_gateway_shows() {
    let (scrape, alerts, tests) = (Scrape::read(exposition()), alerts(), text("ops/prometheus/alerts.test.yml"));
    let said = promtool(&["check", "rules", "alerts.yml"], "");
    assert!(said.contains(&format!("{} rules found", alerts.len())), "{said}");
    promtool(&["test", "rules", "alerts.test.yml"], "");
    for (name, query) in &alerts {
        let wrong = complaints(&scrape, query, &[]);
        assert!(wrong.is_empty(), "{name}: {query}: {wrong:?}");
        assert!(tests.contains(&format!("alertname: {name}\n")), "{name} is not tested");
    }
}

#[test]
fn every_alert_has_its_runbook_and_leads_to_it() {
    let (docs, rules) = (text("docs/operations.md"), text("ops/prometheus/alerts.yml"));
    let alerts: Vec<String> = alerts().into_iter().map(|(name, _)| name).collect();
    let headings = docs.lines().filter_map(|line| line.strip_prefix("### Raconteur"));
    let described: BTreeSet<String> = headings.map(|rest| format!("Raconteur{rest}")).collect();
    assert_eq!(described, alerts.iter().cloned().collect());
    for name in &alerts {
        let anchor = format!("docs/operations.md#{}\n", name.to_lowercase());
        assert!(rules.contains(&anchor), "{name} does not lead to its runbook");
    }
}

#[test]
fn a_query_about_what_is_not_there_is_noticed() {
    let scrape = Scrape::read(exposition());
    for (query, words) in [
        ("rate(raconteur_turn_total[5m])", "there is no raconteur_turn_total"),
        ("raconteur_turns_total{outcome=\"fialed\"}", "has no outcome=\"fialed\""),
        ("raconteur_turns_total{outcome=~\"failed|droped\"}", "has no outcome=\"droped\""),
        ("raconteur_turns_total{state=\"failed\"}", "has no state"),
        ("sum by (outcom) (raconteur_turns_total)", "nothing has a label outcom"),
        ("time()", "it is about nothing"),
    ] {
        let wrong = complaints(&scrape, query, &[]);
        assert!(wrong.len() == 1 && wrong[0].contains(words), "{query}: {wrong:?}");
    }
    assert_eq!(complaints(&scrape, "up{job=\"raconteur\"} == 0", &["instance".into()]), [""; 0]);
}
