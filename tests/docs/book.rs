//! The documents as text: their prose, their fenced blocks, the names by which their headings are linked. Knows as much of Markdown as
//! the documents use, and of what a block means nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One document.
pub(crate) struct Document {
    /// Its path from the repository's root.
    pub(crate) name: String,
    /// Its lines outside of fenced blocks, each with its number; a line of a block is empty here.
    pub(crate) prose: Vec<(usize, String)>,
    pub(crate) blocks: Vec<Block>,
}

/// A fenced block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The document, and the line at which the block begins.
    pub(crate) place: String,
    /// What is written behind the fence: the language, and perhaps a file.
    pub(crate) language: String,
    pub(crate) file: Option<String>,
    pub(crate) text: String,
}

impl Document {
    /// Every document that is looked at.
    pub(crate) fn all() -> Vec<Self> {
        let mut paths: Vec<PathBuf> =
            [root().to_owned(), root().join("docs")].iter().flat_map(|dir| markdown(dir)).collect();
        paths.sort();
        assert!(paths.len() > 20, "the documents are looked for in the wrong place: {paths:?}");
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let name = path.strip_prefix(root()).expect("it is below the root").display().to_string();
        Self::parse(&name, &fs::read_to_string(path).expect("it can be read"))
    }

    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let (mut prose, mut blocks) = (Vec::new(), Vec::new());
        let mut open: Option<(usize, Block)> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let indentation = line.len() - line.trim_start().len();
            let fence = line.trim_start().strip_prefix("```");
            open = match (open.take(), fence) {
                (None, Some(info)) => {
                    let mut info = info.split_whitespace().map(str::to_owned);
                    let (language, file) = (info.next().unwrap_or_default(), info.next());
                    Some((
                        indentation,
                        Block { place: format!("{name}:{number}"), language, file, text: String::new() },
                    ))
                }
                (None, None) => {
                    prose.push((number, line.to_owned()));
                    None
                }
                (Some((_, block)), Some("")) => {
                    blocks.push(block);
                    None
                }
                (Some((indented, mut block)), _) => {
                    let cut = indented.min(indentation);
                    block.text += &format!("{}\n", &line[cut..]);
                    Some((indented, block))
                }
            };
        }
        assert!(open.is_none(), "{name}: a block is not closed");
        Self { name: name.to_owned(), prose, blocks }
    }

    /// The name by which each heading is linked.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for (_, line) in &self.prose {
            let Some((marks, heading)) = line.split_once(' ') else { continue };
            if marks.is_empty() || !marks.bytes().all(|byte| byte == b'#') {
                continue;
            }
            let anchor = anchor(heading);
            let before = anchors.iter().filter(|other| **other == anchor).count();
            anchors.push(if before == 0 { anchor } else { format!("{anchor}-{before}") });
        }
        anchors
    }
}

/// As the forge makes it: lower case, a hyphen for each space, nothing but letters, digits, hyphens and underscores.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|&letter| letter.is_alphanumeric() || " -_".contains(letter))
        .collect::<String>();
    kept.replace(' ', "-")
}

/// A line of prose without what stands between backticks, and that.
pub(crate) fn without_code(line: &str) -> (String, Vec<String>) {
    let (mut words, mut code) = (String::new(), Vec::new());
    for (number, part) in line.split('`').enumerate() {
        if number % 2 == 0 { words += part } else { code.push(part.to_owned()) }
    }
    (words, code)
}

fn markdown(directory: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("it can be read").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}
