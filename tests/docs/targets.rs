//! Commands that run tests and benches: they are not run here, but what they name must be there.

use std::fs;
use std::path::{Path, PathBuf};

use super::book::root;

/// Looks for what a `cargo test` names: the file, a test that its filter lets through, the variables that it is given.
pub(crate) fn find(line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "cargo").unwrap_or_default();
    let all = sources(&root().join("tests"));
    for variable in words[..at].iter().filter_map(|word| word.split_once('=')).map(|(name, _)| name) {
        if !all.contains(&format!("\"{variable}\"")) {
            return Err(format!("{line}: no test reads {variable}"));
        }
    }
    let mut arguments = words[at + 2..].iter().copied().take_while(|word| *word != "--");
    let (mut target, mut filter) = (None, None);
    while let Some(word) = arguments.next() {
        match word {
            "--test" => target = arguments.next(),
            "-p" => return Err(format!("{line}: only tests of the binary's own package are looked for")),
            option if option.starts_with('-') => {}
            word => filter = Some(word),
        }
    }
    let Some(target) = target else { return Err(format!("{line}: it names no test file")) };
    let file = root().join("tests").join(format!("{target}.rs"));
    let Ok(text) = fs::read_to_string(&file) else { return Err(format!("{line}: there is no test file {target}")) };
    let texts = [text, sources(&file.with_extension(""))].concat();
    let mut names = texts.lines().filter_map(|line| line.trim().split_once("fn ")).map(|(_, name)| name);
    match filter {
        Some(filter) if !names.any(|name| name.split('(').next().unwrap_or_default().contains(filter)) => {
            Err(format!("{line}: there is no test whose name has {filter}"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Looks for what a `cargo bench` names.
pub(crate) fn find_bench(line: &str) -> Result<(), String> {
    let name = line.split_whitespace().skip_while(|word| *word != "--bench").nth(1);
    let Some(name) = name else { return Err(format!("{line}: it names no bench")) };
    let is_there = root().join("benches").join(format!("{name}.rs")).exists();
    if is_there { Ok(()) } else { Err(format!("{line}: there is no bench {name}")) }
}

/// All sources below a directory, which need not be there.
fn sources(directory: &Path) -> String {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| if path.is_dir() { sources(path) } else { fs::read_to_string(path).unwrap_or_default() })
        .collect()
}
