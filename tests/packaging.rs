//! What the binary is put into, and what it says of itself: the unit of systemd, the image, completions, man pages, its health, its version.
//!
//! No service and no container is started: systemd judges the unit itself (it is installed when it is missing), and what else the
//! unit, the Dockerfile and compose say is held against what the binary does.

#![cfg(all(unix, feature = "cli", feature = "sled", feature = "script"))]

#[path = "support/binary.rs"]
#[allow(dead_code, reason = "every test binary uses its part")]
mod binary;
#[path = "packaging/image.rs"]
mod image;
#[path = "support/kit.rs"]
mod kit;
#[path = "packaging/offered.rs"]
mod offered;
#[path = "packaging/unit.rs"]
mod unit;

use std::path::Path;
use std::time::Duration;

use raconteur::config::{self, Config};

/// A file of the repository.
fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The configuration that these variables make of the defaults.
fn with_variables(variables: &[(String, String)]) -> Config {
    config::load(Some(&offered::empty()), variables.iter().cloned()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Whoever ends the process waits longer than it takes to end in good order: open turns, then the last answers and reports.
fn outlasts_the_drain(patience: Duration) {
    let drain = Config::defaults().engine.drain_timeout;
    assert!(patience >= drain + Duration::from_secs(5), "{patience:?} is too short for a drain of {drain:?}");
}
