//! A gateway in this process, with the configuration that a test has written.

use std::path::Path;

use raconteur::{Server, config};

/// Starts it; the configuration and all that it names lie in this directory.
pub(crate) async fn serve<const N: usize>(directory: &Path, text: &str, secrets: [(&str, &str); N]) -> Server {
    let file = directory.join("raconteur.toml");
    std::fs::write(&file, text).expect("the directory can be written to");
    let secrets = secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter();
    let config = config::load(Some(&file), secrets).unwrap_or_else(|problems| panic!("{problems:?}"));
    Server::start(config).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Starts one with a store on disk, and two numbers that a simulated phone can text the demo bot by.
#[allow(dead_code, reason = "each test program uses its own part of this")]
pub(crate) async fn demo(directory: &Path, store: &Path, server: &str) -> Server {
    let store = serde_json::json!(store.to_str().expect("temporary directories have plain names"));
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n{server}[store]\npath = {store}\nmin_free_bytes = 0\n{}",
        "[channels.phone]\nkind = \"phone\"\n[assistants.demo]\nkind = \"script\"\n[[tenants]]\nnumber = \"+15550100\"\n\
         channel = \"phone\"\nassistant = \"demo\"\n[[tenants]]\nnumber = \"+15550142\"\nchannel = \"phone\"\nassistant = \"demo\"\n"
    );
    serve(directory, &text, []).await
}
