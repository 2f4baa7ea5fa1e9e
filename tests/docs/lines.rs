//! Blocks of commands, taken apart into commands, and what kind of command each is.
//!
//! A command is a line with those that belong to it: after a backslash, or up to the end of a here-document. Quotes, variables and pipes
//! are for the shell that runs it.

use super::book::Block;

/// One command as it stands, without the explanation behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) place: String,
    pub(crate) text: String,
}

/// What is to be done with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Run the binary with these arguments, whatever is around it.
    Raconteur(String),
    /// Run an example, with these arguments.
    Example(String),
    /// Look whether these tests are there.
    Tests(String),
    /// Look whether these benches are there.
    Benches(String),
    /// Ask a gateway.
    Ask,
    /// Run it as it is: it touches nothing but files here.
    Plain,
    /// What holds for all that follow.
    Setting,
    /// Environment variables as the gateway's configuration reads them.
    Variables,
    /// Nobody knows.
    Unknown,
}

/// Programs that change nothing but the files that they are told to.
const HARMLESS: [&str; 5] = ["cat", "cp", "mkdir", "printf", "chmod"];

pub(crate) fn lines(block: &Block) -> Vec<Line> {
    let (mut lines, mut open) = (Vec::new(), String::new());
    let mut until: Option<String> = None;
    for line in block.text.lines() {
        let is_idle = open.is_empty() && (line.trim().is_empty() || line.trim_start().starts_with('#'));
        if is_idle {
            continue;
        }
        if until.is_none() {
            until = line.split_once("<<").map(|(_, word)| word.trim_matches(['\'', '"', '-']).to_owned());
            open += if until.is_none() { explained(line) } else { line };
        } else {
            open += line;
            until = until.filter(|word| word != line.trim());
        }
        if until.is_some() || open.ends_with('\\') {
            open.push('\n');
        } else {
            lines.push(Line { place: block.place.clone(), text: std::mem::take(&mut open) });
        }
    }
    if !open.is_empty() {
        lines.push(Line { place: block.place.clone(), text: open });
    }
    lines
}

/// The command of a line, without the words behind it.
fn explained(line: &str) -> &str {
    line.split_once(" # ").map_or(line, |(command, _)| command).trim_end()
}

impl Line {
    /// The command with a space for each of its breaks.
    pub(crate) fn on_one_line(&self) -> String {
        self.text.split_whitespace().filter(|word| *word != "\\").collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn task(&self) -> Task {
        let words: Vec<&str> = self.text.split_whitespace().filter(|word| *word != "\\").collect();
        let command: Vec<&str> = words.iter().copied().skip_while(|word| is_assignment(word)).collect();
        let rest = |from: usize| command.get(from..).unwrap_or_default().join(" ");
        match command.as_slice() {
            [] => Task::Variables,
            ["raconteur", ..] => Task::Raconteur(rest(1)),
            ["cargo", "test", ..] => Task::Tests(words.join(" ")),
            ["cargo", "bench", ..] => Task::Benches(words.join(" ")),
            ["cargo", "run", ..] => {
                let behind = command.iter().position(|word| *word == "--").unwrap_or(command.len());
                let example = command[..behind].iter().skip_while(|word| **word != "--example").nth(1);
                match example {
                    Some(name) => Task::Example(format!("{name} {}", rest(behind + 1)).trim_end().to_owned()),
                    None => Task::Raconteur(rest(behind + 1)),
                }
            }
            ["curl", ..] => Task::Ask,
            ["export", ..] | ["set", ..] => Task::Setting,
            [program, ..] if HARMLESS.contains(program) => Task::Plain,
            [_, ..] => Task::Unknown,
        }
    }
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
