//! The interface against its own description: Schemathesis makes up requests from `/v1/openapi.json`, good and bad, and judges every answer:
//! no server error, no status, type or shape that is not described. It comes from PyPI and is installed below `target/` when it is missing
//! (`openapi/install`); nothing is sent but to this machine.

#[path = "support/described.rs"]
mod described;
#[path = "support/kit.rs"]
mod kit;
#[path = "support/served.rs"]
mod served;

use serde_json::{Value, json};

use described::{TOKEN, start};

/// The description, with numbers that there are in the place of any: or all that would be tried is that others are not found.
fn with_numbers(mut document: Value) -> Value {
    let known = |name: &str| match name {
        "tenant" => Some(json!(["+15550100"])),
        "user" => Some(json!(["+15550199", "+15550177"])),
        "text" => Some(json!(["8-0", "16-0", "x"])),
        _ => None,
    };
    let paths = document["paths"].as_object_mut().expect("there are paths");
    for operation in
        paths.values_mut().flat_map(|methods| methods.as_object_mut().expect("there are methods").values_mut())
    {
        for parameter in operation["parameters"].as_array_mut().expect("there is a list") {
            let (name, place) = (parameter["name"].as_str().unwrap_or_default(), &parameter["in"]);
            if let Some(values) = known(name).filter(|_| place == "path") {
                parameter["schema"] = json!({"type": "string", "enum": values});
            }
        }
    }
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_one_that_is_not_described() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let (kit, server) = (kit::installed("schemathesis-4.32.5", "openapi"), start(directory.path()).await);
    let base = format!("http://{}", server.address());
    let http = raconteur::client::client(std::time::Duration::from_secs(5)).expect("there is TLS");
    for text in ["Hello", "2", "menu"] {
        let body = json!({"from": "+15550199", "to": "+15550100", "text": text}).to_string();
        let said = http.post(format!("{base}/channels/phone/inbound")).body(body).send().await.expect("it answers");
        assert_eq!(said.status(), 200);
    }
    let document = http.get(format!("{base}/v1/openapi.json")).send().await.expect("it answers");
    let document: Value = serde_json::from_str(&document.text().await.expect("it is text")).expect("it is JSON");
    let file = directory.path().join("openapi.json");
    std::fs::write(&file, with_numbers(document).to_string()).expect("the directory can be written to");
    let mut judge = tokio::process::Command::new(kit.join("bin/schemathesis"));
    judge.env("PYTHONPATH", &kit).current_dir(directory.path()).kill_on_drop(true).arg("run").arg(&file);
    judge.args([
        "--url",
        &base,
        "-H",
        &format!("Authorization: Bearer {TOKEN}"),
        "--seed",
        "1",
        "--max-examples",
        "10",
    ]);
    judge.args(["--request-timeout", "60", "--exclude-path-regex", "stream|metrics", "--checks"]);
    judge.arg("not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance");
    let output = judge.output().await.expect("python3 is there");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Tested: 37"), "{said}");
    server.stop().await.expect("it stops");
}
