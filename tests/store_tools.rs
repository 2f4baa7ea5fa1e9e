//! `raconteur store`: check, export, import, compact. What was exported and imported goes on where it was, and whatever cuts a
//! tool off, one whole store is left.

#![cfg(all(target_os = "linux", feature = "cli", feature = "sled", feature = "script"))]

#[path = "support/binary.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod binary;
#[path = "support/caller.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod caller;
#[path = "support/scene.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod scene;
#[path = "support/shim.rs"]
mod shim;
#[path = "support/twilio.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod twilio;
#[path = "support/watson.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod watson;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use binary::{Ended, Gateway, Site, copy, ended};
use caller::{Caller, INBOUND, text_fields};
use raconteur_storage::dump;
use raconteur_storage::engine::sled::SledEngine;
use raconteur_storage::engine::{Batch, Engine};
use scene::{ADA, BOB, Keys, TENANT, configuration, echo, secrets, soon};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use twilio::{Answer, Taken, Twilio};
use watson::StandIn;

const CAROL: &str = "+15550133";

/// A gateway between stand-ins.
async fn serve(site: &Site, store: &str) -> (Child, Caller) {
    let mut command = Command::from(site.command(&["serve", "--store", store]));
    let mut process = command.envs(secrets()).kill_on_drop(true).spawn().expect("it can be started");
    let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
    let line = soon("the address", lines.next_line()).await.expect("it can be read").unwrap_or_default();
    let address = line.rsplit_once("http://").map(|(_, address)| address.parse().expect("it is an address"));
    (process, Caller::new(address.unwrap_or_else(|| panic!("it did not start: {line}"))))
}

async fn kill(mut process: Child) {
    process.kill().await.expect("it can be killed");
}

async fn stop(mut process: Child) {
    let id = process.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.expect("there is a kill").success());
    assert!(soon("the end", process.wait()).await.expect("it ends").success());
}

#[track_caller]
fn done(ended: &Ended, words: &str) {
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains(words), "{words:?} is missing in {}", ended.log);
}

#[tokio::test]
async fn a_gateway_goes_on_over_an_imported_store_where_the_exported_one_was() {
    let (twilio, watson) = (Twilio::start().await, StandIn::start(echo).await);
    let site = Site::new();
    let keys = Keys { tenant: "session_timeout = \"8s\"\n", ..Keys::default() };
    let text = configuration(&site.store(), (twilio.base_url(), &watson.url()), keys);
    fs::write(site.path("raconteur.toml"), text).unwrap();

    let (process, caller) = serve(&site, "data").await;
    caller.text((BOB, TENANT), "early").await;
    soon("the answer", twilio.creates_arrived(1)).await;
    let [session] = watson.open_sessions().try_into().expect("one session is open");
    // Twilio takes the answer to this one, and the gateway does not live to hear it.
    twilio.answer_create(Answer::Silence, Taken::Yes);
    let first = text_fields(&caller.fresh_sid(), (ADA, TENANT), "doubt");
    assert_eq!(caller.signed(INBOUND, &first).await.status, 200);
    soon("the second answer", twilio.creates_arrived(2)).await;
    // And the answer to this one never comes.
    watson.hold("pending");
    caller.text((CAROL, TENANT), "pending").await;
    soon("the question", watson.until_asked("pending", 1)).await;
    kill(process).await;

    // The secrets are not at hand here: that is told, and with the directory named it does not matter.
    let Ended { code, out, log } = site.run(&["store", "check"]);
    assert!(code == Some(1) && log.contains("CONTROL_TOKEN is not set") && out.contains("with --store"), "{out} {log}");
    let check = site.run(&["store", "check", "--store", "data"]).log;
    for words in [
        "OK: ",
        "not closed in good order",
        "1   of them unread",
        "1   texts of ours not settled, 1 of them in doubt",
        "2 deadlines",
    ] {
        assert!(check.contains(words), "{words:?} is missing in {check}");
    }
    done(&site.run(&["store", "export", "--store", "data", "--output", "all.jsonl"]), "Exported ");
    let exported = fs::read_to_string(site.path("all.jsonl")).unwrap();
    assert!(exported.contains("\"state\":\"sending\"") && exported.contains("\"body\":\"pending\""), "{exported}");
    done(&site.run(&["store", "import", "all.jsonl", "--store", "moved"]), "Imported ");
    assert_eq!(site.exported("moved"), exported, "byte for byte");

    let (process, caller) = serve(&site, "moved").await;
    assert_eq!(caller.signed(INBOUND, &first).await.status, 200, "a repetition is known as one");
    soon("the question again", watson.until_asked("pending", 2)).await;
    watson.let_through(2);
    let creates = soon("the last answer", twilio.creates_arrived(3)).await;
    let sent: Vec<_> = creates.iter().map(|create| (create.to.as_str(), create.body.as_str())).collect();
    assert_eq!(sent, [(BOB, "echo early"), (ADA, "echo doubt"), (CAROL, "echo pending")], "nothing twice");
    // The deadline that was armed before it all.
    let ended = async {
        while watson.open_sessions().contains(&session) {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of the session", ended).await;
    soon("the look-up", async {
        // By both numbers: by ours alone it is read for texts that are missing.
        while !twilio.lists().iter().any(|query| query.contains("From=")) {
            tokio::task::yield_now().await
        }
    })
    .await;
    stop(process).await;
    assert_eq!(twilio.creates().len(), 3, "what was in doubt was looked up and not sent again");
    let after = site.exported("moved");
    let doubt = after.lines().find(|line| line.starts_with("{\"page\"") && line.contains("echo doubt")).unwrap();
    assert!(doubt.contains("\"state\":\"sent\""), "{doubt}");
}

#[test]
fn an_export_is_private_and_overwrites_nothing() {
    let site = Site::new();
    site.furnish(2);
    done(&site.run(&["store", "export", "--output", "all.jsonl"]), "Exported ");
    assert_eq!(fs::metadata(site.path("all.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
    let Ended { code, log, .. } = site.run(&["store", "export", "--output", "all.jsonl"]);
    assert!(code == Some(1) && log.contains("name a file that does not exist yet"), "{log}");
    let Ended { code, log, .. } = site.run(&["store", "export", "--store", "nowhere", "--output", "other.jsonl"]);
    assert!(code == Some(2) && log.contains("nowhere holds no store: name the directory of one"), "{log}");
    assert!(!site.path("other.jsonl").exists() && !site.path("nowhere").exists());
}

#[test]
fn a_store_in_use_is_touched_by_no_tool() {
    let site = Site::new();
    let gateway = Gateway::start(site.command(&["serve"]));
    fs::write(site.path("all.jsonl"), "").unwrap();
    for tool in [&["check"][..], &["export"], &["compact"], &["accept-loss"]] {
        let Ended { code, out, log } = site.run(&[&["store"], tool].concat());
        assert!(code == Some(2) && out.is_empty(), "{tool:?}: {log}");
        assert!(log.contains("data is in use by another process: stop that one first"), "{tool:?}: {log}");
    }
    gateway.text(1).expect("it goes on");
    assert_eq!(gateway.stop().code, Some(0));
}

#[test]
fn a_check_tells_damage_and_what_to_do() {
    let site = Site::new();
    site.furnish(5);
    done(&site.run(&["store", "check"]), "OK: ./data");
    let engine = SledEngine::open_existing(&site.store(), 16 << 20).unwrap();
    let mut mark = None;
    let marks = b"k".to_vec()..b"l".to_vec();
    let mut visit = |key: &[u8], value: &[u8]| {
        mark = Some((key.to_vec(), value[..value.len() - 1].to_vec()));
        std::ops::ControlFlow::Break(())
    };
    engine.scan(&marks, raconteur_storage::engine::Order::Ascending, &mut visit).unwrap();
    let (key, value) = mark.expect("the ids of what was accepted lie in one");
    engine.apply(Batch::from([(key, Some(value))])).unwrap();
    engine.sync().unwrap();
    drop(engine);
    let Ended { code, log, .. } = site.run(&["store", "check"]);
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("DAMAGED: ./data") && log.contains("damaged: 1 of kind duplicate"), "{log}");
    assert!(log.contains("`raconteur store export` what can be read"), "{log}");
    let exported = site.exported("data");
    fs::write(site.path("all.jsonl"), &exported).unwrap();
    done(&site.run(&["store", "import", "all.jsonl", "--store", "back"]), "Imported ");
    assert_eq!(site.exported("back"), exported);
}

#[test]
fn an_import_that_is_wrong_touches_nothing_and_a_used_directory_is_refused() {
    let site = Site::new();
    site.furnish(5);
    let exported = site.exported("data");
    let broken = exported.replacen("{\"duplicates\":{", "{\"duplicates\":[", 1);
    let number = 1 + exported.lines().position(|line| line.starts_with("{\"duplicates\"")).unwrap();
    fs::write(site.path("broken.jsonl"), broken).unwrap();
    let Ended { code, log, .. } = site.run(&["store", "import", "broken.jsonl", "--store", "new"]);
    assert!(code == Some(1) && log.contains(&format!("line {number}: it is not a record of an export")), "{log}");
    assert!(!site.path("new").exists());
    fs::write(site.path("all.jsonl"), &exported).unwrap();
    let Ended { code, log, .. } = site.run(&["store", "import", "all.jsonl"]);
    assert!(code == Some(2) && log.contains("data holds a store already: name a new or empty directory"), "{log}");
    assert_eq!(site.exported("data"), exported);
}

#[test]
fn an_import_that_was_killed_is_never_served() {
    let site = Site::new();
    site.furnish(5);
    fs::write(site.path("all.jsonl"), site.exported("data")).unwrap();
    let (mut marked, mut died) = (0, 0);
    for changes in 1.. {
        let mut command = site.command(&["store", "import", "all.jsonl", "--store", "new"]);
        shim::between(&mut command, &site.path("new"));
        command.env("SHIM_EXIT_AFTER", changes.to_string());
        if ended(command).code == Some(0) {
            break;
        }
        died += 1;
        let Ended { code, log, .. } = site.run(&["store", "check", "--store", "new"]);
        match code {
            // Its last write had been done.
            Some(0) => assert_eq!(site.exported("new"), fs::read_to_string(site.path("all.jsonl")).unwrap()),
            _ if log.contains("remove the directory and import again") => {
                marked += 1;
                let Err(Ended { code, log, .. }) = Gateway::try_start(site.command(&["serve", "--store", "new"]))
                else {
                    panic!("half an import is served")
                };
                assert!(code == Some(1) && log.contains("did not come to its end"), "{log}");
            }
            // Nothing had been written.
            _ => assert!(log.contains("holds no store") || log.contains("there is nothing in the store"), "{log}"),
        }
        let _ = fs::remove_dir_all(site.path("new"));
    }
    assert!(marked > 3 && died > marked, "{marked} of {died}");
    let records = fs::read_to_string(site.path("all.jsonl")).unwrap();
    assert_eq!(site.exported("new"), records);
}

fn exported(store: &Path) -> String {
    let engine = SledEngine::open_existing(store, 16 << 20).unwrap_or_else(|error| panic!("{error}"));
    let mut out = Vec::new();
    dump::export(&engine, &mut out).expect("it can be exported");
    String::from_utf8(out).expect("an export is text")
}

#[test]
fn a_compaction_that_is_killed_anywhere_leaves_one_whole_store_under_its_name() {
    let site = Site::new();
    site.furnish(5);
    let whole = site.path("whole");
    copy(&site.store(), &whole);
    let before = exported(&whole);
    let mut points = 0;
    for discard in [&[][..], &["--discard-old"]] {
        // Up to the renaming both do the same.
        let first = usize::saturating_sub(points, 12);
        let mut died = first;
        loop {
            for entry in fs::read_dir(site.path(".")).unwrap().map(|entry| entry.unwrap()) {
                if entry.file_name().to_string_lossy().starts_with("data") {
                    fs::remove_dir_all(entry.path()).unwrap();
                }
            }
            copy(&whole, &site.store());
            let mut command = site.command(&[&["store", "compact"], discard].concat());
            shim::between(&mut command, &site.path(".").canonicalize().unwrap());
            command.env("SHIM_EXIT_AFTER", (died + 1).to_string());
            let Ended { code, log, .. } = ended(command);
            assert_eq!(exported(&site.store()), before, "killed at {died}");
            if code == Some(0) {
                assert!(log.contains("bytes before"), "{log}");
                break;
            }
            assert_eq!(code, Some(137), "{log}");
            died += 1;
            let left = site.path("data.compacting");
            if left.exists() && died % 10 == 0 {
                let Ended { code, log, .. } = site.run(&["store", "compact"]);
                assert!(code == Some(2) && log.contains("is left from another compaction"), "{log}");
                let log = Gateway::start(site.command(&["serve"])).stop().log;
                let told = log.contains("a compaction did not come to its end") && log.contains("data.compacting");
                assert!(told || !left.join("db").exists(), "{log}");
            }
        }
        assert!(died > first + 12 && died > 30, "it did little: {died}");
        points = died;
    }
    assert!(!site.path("data.compacting").exists());
}

#[test]
fn a_compaction_keeps_the_old_store_beside_the_new_one_and_gives_room_back() {
    let site = Site::new();
    site.furnish(200);
    let before = site.exported("data");
    let Ended { code, log, .. } = site.run(&["store", "compact"]);
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(site.exported("data"), before);
    let kept = log.split_once("The old one is kept in ").and_then(|(_, rest)| rest.split_once(':')).unwrap().0;
    assert!(kept.contains("data.before-compact-2"), "{kept}");
    assert_eq!(site.exported(kept), before);
    let size = |directory: &Path| -> u64 {
        let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
        files.map(|file| file.len()).sum()
    };
    assert!(size(&site.store()) < size(Path::new(kept)), "{log}");
    let gateway = Gateway::start(site.command(&["serve"]));
    gateway.text(1_000).expect("it goes on");
    assert_eq!(gateway.stop().code, Some(0));
}
