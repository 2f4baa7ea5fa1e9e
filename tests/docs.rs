//! The documents, held to what they say: every command in them is run, or stands in `docs/excused.rs` with the reason why not; every
//! configuration loads, every script compiles, what is shown of a file is in it, every link leads somewhere.
//!
//! A document is read from its top to its end, as its reader would: what it has him write lies in a directory of its own, and a gateway
//! that it has him start runs until it has him start another. ```` ```toml raconteur.toml ```` is a file that is written,
//! ```` ```toml ```` a fragment, ```` ```text output ```` is among what the command before it has said. Nothing but loopback is spoken
//! to: Twilio and Watson are stand-ins.

#![cfg(all(unix, feature = "cli", feature = "sled", feature = "script"))]

#[path = "docs/book.rs"]
mod book;
#[path = "support/caller.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod caller;
#[path = "docs/desk.rs"]
mod desk;
#[path = "docs/excused.rs"]
mod excused;
#[path = "docs/lines.rs"]
mod lines;
#[path = "docs/links.rs"]
mod links;
#[path = "support/scene.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod scene;
#[path = "docs/shown.rs"]
mod shown;
#[path = "docs/targets.rs"]
mod targets;
#[path = "support/twilio.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod twilio;
#[path = "support/watson.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod watson;

use std::collections::BTreeSet;

use book::{Block, Document, without_code};
use clap::{CommandFactory, Parser};
use desk::Desk;
use excused::{EXCUSES, Excuse, Instead};
use lines::{Line, Task, lines};
use raconteur::cli::{Cli, Command};

/// What came of the commands of some documents.
#[derive(Default)]
struct Outcome {
    run: usize,
    problems: Vec<String>,
    excused: BTreeSet<&'static str>,
}

/// Goes through a document as its reader would.
async fn follow(document: &Document, excuses: &'static [Excuse], outcome: &mut Outcome) {
    let mut desk = Desk::new().await;
    let mut said = String::new();
    for block in &document.blocks {
        if block.file.as_deref() == Some("output") {
            let unsaid = block.text.lines().find(|line| !said.lines().any(|other| other == *line));
            outcome
                .problems
                .extend(unsaid.map(|line| format!("{}: `{line}` is not in the output:\n{said}", block.place)));
        }
        if let ("toml" | "rhai", Some(file)) = (block.language.as_str(), &block.file) {
            desk.put(file, &block.text);
        }
        for line in if block.language == "sh" { lines(block) } else { Vec::new() } {
            let excuse = excuses.iter().find(|excuse| excuse.command == line.on_one_line());
            outcome.excused.extend(excuse.map(|excuse| excuse.command));
            let line = match excuse.map(|excuse| excuse.instead) {
                Some(Instead::Nothing) => continue,
                Some(Instead::Shorter(text)) => Line { text: text.to_owned(), ..line },
                None => line,
            };
            match perform(&mut desk, &line).await {
                Ok(output) => {
                    said = output;
                    outcome.run += 1;
                }
                Err(why) => outcome.problems.push(format!("{}: {why}", line.place)),
            }
        }
    }
    if let Err(why) = desk.stop().await {
        outcome.problems.push(format!("{}: {why}", document.name));
    }
}

/// Does what a command asks for, and says what came out.
async fn perform(desk: &mut Desk, line: &Line) -> Result<String, String> {
    match line.task() {
        Task::Raconteur(arguments) => raconteur(desk, line, &arguments).await,
        Task::Example(line) => desk.example(&line).await,
        Task::Tests(line) => targets::find(&line).map(|()| String::new()),
        Task::Benches(line) => targets::find_bench(&line).map(|()| String::new()),
        Task::Ask => desk.ask(&line.text).await,
        Task::Plain => desk.run(&line.text).await,
        Task::Setting => {
            desk.set(&line.text);
            Ok(String::new())
        }
        Task::Variables => {
            let check = format!("env {} RACONTEUR_CONFIG=../sample.toml raconteur check", line.text);
            desk.run(&check).await
        }
        Task::Unknown => Err(format!("nobody knows how to run `{}`: add it to the test, or to its excuses", line.text)),
    }
}

/// The binary, with whatever the line has around it; `cargo run` is it as well.
async fn raconteur(desk: &mut Desk, line: &Line, arguments: &str) -> Result<String, String> {
    let text = match line.text.find("cargo run") {
        Some(at) => format!("{}raconteur {arguments}", &line.text[..at]),
        None => line.text.clone(),
    };
    let words = text.split_whitespace().skip_while(|word| *word != "raconteur");
    let words = words.take_while(|word| !["|", ">", ";", "&&"].contains(word)).filter(|word| *word != "\\");
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        // The version and the help come like this.
        Err(error) if error.exit_code() == 0 => return desk.run(&text).await,
        Err(error) => return Err(format!("{text}: {error}")),
    };
    match cli.command_or_serve() {
        Command::Serve(_) => desk.serve(&text).await,
        Command::Chat(_) => {
            let told = text.replacen(" chat", &format!(" chat --url http://{}", desk::ADDRESS), 1);
            desk.ask(&format!("echo hello | {told}")).await
        }
        Command::Health(_) => desk.ask(&text).await,
        Command::Store(_) => desk.look_after(&text).await,
        Command::Check
        | Command::Import(_)
        | Command::Token
        | Command::Load(_)
        | Command::Completions(_)
        | Command::Man(_) => desk.run(&text).await,
    }
}

/// What is wrong with what documents show.
fn misshown(documents: &[Document]) -> Vec<String> {
    let blocks = documents.iter().flat_map(|document| &document.blocks).filter(|block| block.language != "sh");
    let wrong = |block: &Block| shown::judge(block).err().map(|why| format!("{}: {why}", block.place));
    blocks.filter_map(wrong).collect()
}

/// Commands in running text that there are not.
fn misnamed(documents: &[Document]) -> Vec<String> {
    let known: BTreeSet<String> =
        Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let mut wrong = Vec::new();
    for document in documents {
        for (number, line) in &document.prose {
            for code in without_code(line).1 {
                let mut words = code.split_whitespace();
                let (program, command) = (words.next(), words.next().filter(|word| !word.starts_with('-')));
                if program == Some("raconteur") && command.is_some_and(|command| !known.contains(command)) {
                    wrong.push(format!("{}:{number}: there is no `{code}`", document.name));
                }
            }
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_in_the_documents_is_run_or_excused() {
    let mut outcome = Outcome::default();
    for document in Document::all() {
        follow(&document, EXCUSES, &mut outcome).await;
    }
    let Outcome { run, mut problems, excused } = outcome;
    let idle = EXCUSES.iter().filter(|excuse| !excused.contains(excuse.command));
    problems.extend(idle.map(|excuse| format!("no document has `{}`: take its excuse away", excuse.command)));
    problems.extend(EXCUSES.iter().filter(|excuse| excuse.why.is_empty()).map(|excuse| excuse.command.to_owned()));
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    assert!(run > 60, "only {run} commands were found");
}

#[test]
fn what_the_documents_show_is_so() {
    let wrong = misshown(&Document::all());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_link_leads_somewhere_and_every_command_that_is_named_is_there() {
    let documents = Document::all();
    let wrong = [links::dead(&documents), misnamed(&documents)].concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_index_has_every_document_and_the_readme_has_the_index() {
    let documents = Document::all();
    let linked = |name: &str| -> BTreeSet<String> {
        let document = documents.iter().find(|document| document.name == name).expect("it is there");
        document.prose.iter().flat_map(|(_, line)| links::targets(line)).collect()
    };
    let index = linked("docs/README.md");
    for document in documents.iter().filter_map(|document| document.name.strip_prefix("docs/")) {
        assert!(document == "README.md" || index.contains(document), "docs/README.md does not name {document}");
    }
    assert!(linked("README.md").contains("docs/README.md"));
}

/// The configurations of the first steps, together: a text comes by Twilio's webhook, Watson is asked, and the answer goes to Twilio.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_steps_lead_from_a_phone_to_watson_and_back() {
    let documents = Document::all();
    let configuration = |name: &str| -> toml::Table {
        let document = documents.iter().find(|document| document.name == name).expect("it is there");
        let block = document.blocks.iter().find(|block| block.file.as_deref() == Some("raconteur.toml"));
        block.expect("it shows a configuration").text.parse().expect("it is TOML")
    };
    let mut twilio = configuration("docs/getting-started-twilio.md");
    let watson = configuration("docs/getting-started-watsonx.md");
    twilio.insert("assistants".into(), watson["assistants"].clone());
    twilio["tenants"][0]["assistant"] = "watson".into();
    let mut desk = Desk::new().await;
    desk.put("raconteur.toml", &twilio.to_string());
    desk.serve("raconteur").await.expect("it starts");
    let fields = caller::text_fields("SM00000000000000000000000000000001", (scene::ADA, scene::TENANT), "hello");
    let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let url = "https://sms.example.com/channels/twilio/inbound";
    let signature = twilio::signature(twilio::TOKEN, url, &pairs);
    let body = caller::encoded(&fields);
    let post =
        format!("curl -H 'X-Twilio-Signature: {signature}' -d '{body}' http://127.0.0.1:8080/channels/twilio/inbound");
    desk.ask(&post).await.expect("it is taken");
    assert_eq!(desk.sent(0).await, "echo hello");
    desk.stop().await.expect("it ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_or_that_nobody_knows_is_found() {
    const ODD: &[Excuse] =
        &[Excuse { command: "rm -rf data", instead: Instead::Nothing, why: "it is only there to be excused" }];
    for (line, expected) in [
        ("raconteur check", None),
        ("raconteur check\n```\n```text output\n  listens on 127.0.0.1:8080", None),
        ("raconteur check\n```\n```text output\n  listens on 127.0.0.1:8081", Some("is not in the output")),
        ("cargo run --release -- check  # all is well", None),
        ("rm -rf data", None),
        ("rm -rf date", Some("nobody knows how to run")),
        ("raconteur chekc", Some("unrecognized subcommand")),
        ("raconteur check --config nowhere.toml", Some("cannot read the configuration")),
        ("raconteur --config nowhere.toml", Some("did not start")),
        ("cargo run --example nothing", Some("no example nothing")),
        ("cargo test --test nothing", Some("no test file")),
        ("cargo test --test docs no_such_test", Some("no test")),
        ("RACONTEUR_NO_SUCH=1 cargo test --test docs", Some("no test reads")),
        ("cargo bench --bench turns", None),
        ("cargo bench --bench tuns", Some("no bench tuns")),
        ("curl http://127.0.0.1:8080/nowhere", Some("404")),
        ("RACONTEUR_SERVER__LISSTEN=0.0.0.0:80", Some("lissten")),
        ("raconteur store check --store nowhere", Some("nowhere")),
        ("cat nowhere", Some("nowhere")),
    ] {
        let document = Document::parse("made-up.md", &format!("# Made up\n\n```sh\n{line}\n```\n"));
        let mut outcome = Outcome::default();
        follow(&document, ODD, &mut outcome).await;
        let told = outcome.problems.join("\n");
        assert!(expected.map_or(told.is_empty(), |expected| told.contains(expected)), "{line}: {told}");
        assert!(told.is_empty() || told.starts_with("made-up.md:"), "{told}");
    }
}

#[test]
fn what_is_shown_wrongly_is_found() {
    for (block, expected) in [
        ("```toml\n[server]\nlissten = 1\n```", "unknown key `lissten`"),
        ("```toml raconteur.toml\n[[tenants]]\nnumber = \"+15550100\"\n```", "channel"),
        ("```toml Cargo.toml\n[dependencies]\nraconteur = { features = [\"cloud\"] }\n```", "no feature \"cloud\""),
        ("```json\n{\"a\": }\n```", "expected value"),
        ("```rhai\nfn turn(message) { reply(; }\n```", "bot.rhai:1"),
        ("```rhai\nfn run(message) { reply(\"hi\"); }\n```", "turn"),
        ("```rust examples/embedded.rs\nfn no_such() {}\n```", "not in examples/embedded.rs"),
        ("```ini ops/systemd/nothing.service\n[Unit]\n```", "nothing.service"),
        ("```\nwhat is it?\n```", "no language"),
        ("```cobol\nSTOP RUN.\n```", "cobol"),
    ] {
        let document = Document::parse("made-up.md", block);
        let told = misshown(&[document]).join("\n");
        assert!(told.starts_with("made-up.md:1: ") && told.contains(expected), "{block}: {told}");
    }
}

#[test]
fn links_to_nowhere_and_commands_that_are_not_are_found() {
    let text = "# A name, of *sorts*\n## Same\n## Same\n[a](#a-name-of-sorts) [b](#same-1) [c](../README.md#licence) `[d](x.md)`\n\
                [e](#same-2)\n[f](nowhere.md)\n[g](../../x.md)\n[h](../README.md#nowhere)\n`raconteur stroe check` `raconteur store`\n";
    let mut documents = Document::all();
    documents.push(Document::parse("docs/made-up.md", text));
    let told = [links::dead(&documents), misnamed(&documents)].concat().join("\n");
    for expected in ["#same-2", "nowhere.md: there is no such file", "leaves the repository", "#nowhere", "stroe"] {
        assert!(told.contains(expected), "{expected} in {told}");
    }
    assert_eq!(told.lines().filter(|line| line.starts_with("docs/made-up.md:")).count(), 5, "{told}");
}

#[test]
fn commands_are_taken_apart_as_a_shell_would() {
    let text =
        "raconteur check   # all of it\n\n# nothing\ncurl -d x \\\n  http://h\ncat > f <<'END'\na # b\nEND\nA=1 B=2\n";
    let indented: String = text.lines().map(|line| format!("   {line}\n")).collect();
    let document = Document::parse("made-up.md", &format!("1. so\n\n   ```sh\n{indented}   ```\n"));
    let found = lines(&document.blocks[0]);
    let texts: Vec<&str> = found.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["raconteur check", "curl -d x \\\n  http://h", "cat > f <<'END'\na # b\nEND", "A=1 B=2"]);
    let tasks: Vec<Task> = found.iter().map(Line::task).collect();
    assert_eq!(tasks, [Task::Raconteur("check".into()), Task::Ask, Task::Plain, Task::Variables]);
}
