//! What follows from the definition of the command line by itself: completions for shells and pages for `man`. Nothing is written here
//! that is not said there, so neither can differ from what the binary takes.

use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;

/// What a shell is to read so that it completes our commands and options.
#[must_use]
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut script);
    script
}

/// The page of the whole, `raconteur(1)`.
///
/// # Errors
/// None that is known of: it is written to memory.
pub fn page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(Cli::command().disable_help_subcommand(true)).render(&mut page)?;
    Ok(page)
}

/// Writes a page for the whole and one for each command below it into a directory, which is made if need be. Pages that are there are
/// written anew.
///
/// # Errors
/// When the directory cannot be made or written to.
pub fn pages(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Cli::command(), directory)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command;

    use clap::ValueEnum;

    use super::*;

    /// Every command by its whole name, such as `raconteur-store-check`, and what its page must speak of.
    fn defined() -> Vec<(String, Vec<String>)> {
        fn below(command: &clap::Command, name: &str, found: &mut Vec<(String, Vec<String>)>) {
            let options = command.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned));
            found.push((name.to_owned(), options.collect()));
            for further in command.get_subcommands().filter(|further| further.get_name() != "help") {
                below(further, &format!("{name}-{}", further.get_name()), found);
            }
        }
        let mut command = Cli::command();
        command.build();
        let mut found = Vec::new();
        below(&command, "raconteur", &mut found);
        found
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_command_has_a_page_with_its_options() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("new/man1");
        pages(&below).unwrap();
        let written: BTreeSet<String> =
            below.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let wanted: BTreeSet<String> = defined().iter().map(|(name, _)| format!("{name}.1")).collect();
        assert_eq!(written, wanted);
        assert!(wanted.contains("raconteur-store-person-erase.1") && wanted.contains("raconteur-health.1"));
        for (name, options) in defined() {
            let page = std::fs::read_to_string(below.join(format!("{name}.1"))).unwrap();
            for option in options {
                // Roff has a hyphen that is one written with a backslash.
                assert!(page.contains(&format!("\\-\\-{}", option.replace('-', "\\-"))), "{name}: --{option}");
            }
        }
        pages(&below).expect("it may be done again");
    }

    #[test]
    fn the_page_of_the_whole_names_every_command() {
        let page = text(page().unwrap());
        assert!(page.contains(".TH raconteur 1"), "{page}");
        for (name, _) in defined().iter().filter(|(name, _)| name.matches('-').count() == 1) {
            assert!(page.contains(&format!("{}(1)", name.replace('-', "\\-"))), "{name}");
        }
    }

    #[test]
    fn every_shell_gets_a_script_that_knows_every_command() {
        for shell in Shell::value_variants() {
            let script = text(completions(*shell));
            for (name, options) in defined() {
                let last = name.rsplit('-').next().unwrap();
                assert!(script.contains(last), "{shell}: {name}");
                for option in options {
                    assert!(script.contains(&option), "{shell}: {name} --{option}");
                }
            }
        }
    }

    #[test]
    fn bash_takes_its_script_and_completes_by_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("raconteur.bash");
        std::fs::write(&file, completions(Shell::Bash)).unwrap();
        let completed = |words: &str, at: usize| {
            let line = format!(
                "set -eu; source '{}'; COMP_WORDS=({words}); COMP_CWORD={at}; _raconteur raconteur \"${{COMP_WORDS[{at}]}}\" \"\"; \
                 echo \"${{COMPREPLY[@]}}\"",
                file.display()
            );
            let output = Command::new("bash").args(["-c", &line]).output().unwrap();
            assert!(output.status.success(), "{}", text(output.stderr));
            text(output.stdout).trim().to_owned()
        };
        assert_eq!(completed("raconteur che", 1), "check");
        assert_eq!(completed("raconteur store comp", 2), "compact");
        assert_eq!(completed("raconteur serve --list", 2), "--listen");
    }
}
