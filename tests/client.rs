//! Clients in TypeScript and in Python, generated from the running gateway's own description: what an integrator writes against the types
//! alone compiles, strictly, and works; what the interface does not allow does not compile.
//!
//! What generates and compiles comes from npm and PyPI, in versions that are written down, and is installed below `target/` when it is missing
//! (`client/typescript/install`, `client/python/install`); nothing is asked but this machine. docs/rest-api.md has the same commands.

#[path = "support/described.rs"]
mod described;
#[path = "support/kit.rs"]
mod kit;
#[path = "support/served.rs"]
mod served;

use std::path::{Path, PathBuf};
use std::process::Output;

use tokio::process::Command;

use described::{TOKEN, start};

/// What the compiler may find of no shape: it is the business's own, or its assistant's.
const ANYTHING: [&str; 2] = ["data: unknown;", "user_data?: unknown;"];

/// A program of this project's that works with a client.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client").join(name)
}

/// Runs node in a folder below the kit, where everything that is imported is found.
async fn node(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("node");
    command.args(arguments).current_dir(folder).kill_on_drop(true);
    command.output().await.expect("node is there")
}

/// Asserts that a program did all of this.
fn assert_done(output: &Output, deeds: &[&str]) {
    let told = said(output);
    assert!(output.status.success(), "{told}");
    let missing: Vec<_> = deeds.iter().filter(|what| !told.contains(&format!("did: {what}"))).collect();
    assert!(missing.is_empty(), "{missing:?}: {told}");
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A folder with the programs, and the types of this gateway beside them.
async fn generated(kit: &Path, base: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir_in(kit).expect("there is room for a directory");
    for name in ["package.json", "tsconfig.json", "session.ts", "wrong.ts"] {
        std::fs::copy(program("typescript").join(name), folder.path().join(name))
            .expect("the directory can be written to");
    }
    let document = format!("{base}/v1/openapi.json");
    let arguments = ["../node_modules/openapi-typescript/bin/cli.js", &document, "--output", "raconteur.d.ts"];
    let output = node(folder.path(), &arguments).await;
    assert!(output.status.success(), "{}", said(&output));
    folder
}

async fn compile(folder: &Path) -> Output {
    node(folder, &["../node_modules/typescript/bin/tsc", "--project", "."]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_generated_from_the_description_compiles_and_starts_a_session() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let (kit, server) = (kit::installed("client-kit", "client/typescript"), start(directory.path()).await);
    let base = format!("http://{}", server.address());
    let folder = generated(&kit, &base).await;
    let types = std::fs::read_to_string(folder.path().join("raconteur.d.ts")).expect("it was written");
    let wide = types.lines().map(str::trim).filter(|line| line.ends_with(": unknown;") || line.contains(": any"));
    let wide: Vec<&str> = wide.filter(|line| *line != "[name: string]: unknown;").collect();
    assert!(wide.iter().all(|line| ANYTHING.contains(line)), "{wide:#?}");

    let compiled = compile(folder.path()).await;
    assert!(compiled.status.success(), "{}", said(&compiled));
    let output = node(folder.path(), &["built/session.js", &base, TOKEN]).await;
    let deeds = ["start a session once, under a key", "look at it", "text in it", "page through all conversations"];
    assert_done(&output, &deeds);
    assert_done(&output, &["read what is wrong", "end it"]);
    server.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_uses_the_client_wrongly_does_not_compile() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let (kit, server) = (kit::installed("client-kit", "client/typescript"), start(directory.path()).await);
    let folder = generated(&kit, &format!("http://{}", server.address())).await;
    // Without its marks, every line that is wrong is found to be so; with them, the other test has found that no mark is too many.
    let path = folder.path().join("wrong.ts");
    let marked = std::fs::read_to_string(&path).expect("it is there");
    let marks = marked.matches("// @ts-expect-error").count();
    std::fs::write(&path, marked.replace("// @ts-expect-error", "//")).expect("the directory can be written to");
    let refused = said(&compile(folder.path()).await);
    let found = ["wrong.ts(", "session.ts("].map(|file| refused.matches(file).count());
    assert_eq!((found, folder.path().join("built").exists()), ([marks, 0], false), "{refused}");
    server.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_in_python_starts_a_session() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let kit = kit::installed("openapi-python-client-0.29.1", "client/python");
    let server = start(directory.path()).await;
    let base = format!("http://{}", server.address());
    let mut generator = Command::new(kit.join("bin/openapi-python-client"));
    generator.env("PYTHONPATH", &kit).current_dir(directory.path()).kill_on_drop(true);
    generator.args(["generate", "--url", &format!("{base}/v1/openapi.json"), "--meta", "none"]);
    let output = generator.args(["--output-path", "raconteur_client"]).output().await.expect("python3 is there");
    assert!(output.status.success(), "{}", said(&output));

    let mut python = Command::new("python3");
    let places = std::env::join_paths([directory.path(), &kit]).expect("temporary directories have plain names");
    python.env("PYTHONPATH", places).arg(program("python/session.py")).args([&base, TOKEN]).kill_on_drop(true);
    let output = python.output().await.expect("python3 is there");
    assert_done(&output, &["start a session once, under a key", "look at it", "read what is wrong", "end it"]);
    server.stop().await.expect("it stops");
}
