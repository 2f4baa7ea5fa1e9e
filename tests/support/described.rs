//! A gateway that shows its own description: the simulated phone and the demo bot; whoever is on this machine is an operator, and the
//! number's owner has a token.

use std::path::Path;

use raconteur::Server;

use super::served::serve;

pub(crate) const TOKEN: &str = "c0ntrol";

const CONFIGURATION: &str = r#"
[server]
listen = "127.0.0.1:0"
refusals_max = 60000
[store]
kind = "memory"
[channels.phone]
kind = "phone"
[assistants.demo]
kind = "script"
[[tenants]]
number = "+15550100"
channel = "phone"
assistant = "demo"
[tenants.control]
token = { env = "CONTROL_TOKEN" }
"#;

pub(crate) async fn start(directory: &Path) -> Server {
    serve(directory, CONFIGURATION, [("CONTROL_TOKEN", TOKEN)]).await
}
