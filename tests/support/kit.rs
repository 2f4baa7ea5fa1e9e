//! What a test needs beside Rust, put below `target/` by an install script of its own when it is missing.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of this name, once `tests/{of}/install` has filled it.
pub(crate) fn installed(name: &str, of: &str) -> PathBuf {
    let kit = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(of).join("install");
    let installed = Command::new(install).arg(&kit).output().expect("bash is there");
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    kit
}
