//! Links: each leads to a file of the repository that is there, and to a heading that is there.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::book::{Document, root, without_code};

/// Every link that leads nowhere.
pub(crate) fn dead(documents: &[Document]) -> Vec<String> {
    let anchors: BTreeMap<PathBuf, Vec<String>> =
        documents.iter().map(|document| (PathBuf::from(&document.name), document.anchors())).collect();
    let mut dead = Vec::new();
    for document in documents {
        for (number, line) in &document.prose {
            for target in targets(&without_code(line).0) {
                if let Err(why) = follow(Path::new(&document.name), &target, &anchors) {
                    dead.push(format!("{}:{number}: {target}: {why}", document.name));
                }
            }
        }
    }
    dead
}

/// Where the links of a line lead.
pub(crate) fn targets(line: &str) -> Vec<String> {
    let ends = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(target, _)| target.split_whitespace().next().unwrap_or_default().to_owned()).collect()
}

fn follow(from: &Path, target: &str, anchors: &BTreeMap<PathBuf, Vec<String>>) -> Result<(), String> {
    if target.starts_with("https://") || target.starts_with("http://") {
        return Ok(());
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let path = if path.is_empty() { from.to_owned() } else { plain(&from.parent().unwrap_or(from).join(path))? };
    if !anchors.contains_key(&path) && !root().join(&path).exists() {
        return Err("there is no such file".into());
    }
    match (anchor, anchors.get(&path)) {
        (None, _) => Ok(()),
        (Some(anchor), Some(known)) if known.iter().any(|known| known == anchor) => Ok(()),
        (Some(_), Some(known)) => Err(format!("there is no such heading; there are {}", known.join(", "))),
        (Some(_), None) => Err("headings of other files are not known".into()),
    }
}

/// A path without `..`.
fn plain(path: &Path) -> Result<PathBuf, String> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir if plain.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err("it leaves the repository".into());
            }
        }
    }
    Ok(plain)
}
