//! The shim of `tests/powerloss/shim.c`: compiled once for each test binary, and told to a process by its environment.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The compiled shim.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let into = Path::new(env!("CARGO_TARGET_TMPDIR")).join("powerloss-shim.so");
        let build = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/powerloss/build");
        let built = Command::new(build).arg(&into).status().expect("there is a shell");
        assert!(built.success(), "the shim can be compiled: it needs a C compiler (Debian: apt-get install gcc)");
        into
    })
}

/// Puts the shim between a process and what lies below `root`.
pub(crate) fn between(command: &mut Command, root: &Path) {
    command.env("LD_PRELOAD", library()).env("SHIM_ROOT", root);
}
