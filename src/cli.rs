//! The command line, as clap reads it. Definitions only: what the commands do is told in `main.rs`; what the definitions are good for
//! besides, completions and pages for `man`, is in `shell.rs`.

pub mod shell;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use raconteur_conversation::address::Address;

use crate::config::{Config, StoreKind};
#[cfg(unix)]
use crate::load::LoadArgs;

/// Raconteur: an SMS conversation engine between providers and an assistant.
#[derive(Clone, Debug, Parser)]
#[command(name = "raconteur", version = version(option_env!("BUILD_COMMIT")), about)]
pub struct Cli {
    /// The configuration file [default: the one RACONTEUR_CONFIG names, else ./raconteur.toml if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do [default: serve]
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// What to do: `serve` where nothing else is said.
    #[must_use]
    pub fn command_or_serve(&self) -> Command {
        self.command.clone().unwrap_or(Command::Serve(ServeArgs::default()))
    }
}

/// The version, and the commit where whoever built it has said which it is.
fn version(commit: Option<&str>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    match commit.filter(|commit| !commit.is_empty()) {
        Some(commit) => format!("{version} ({commit})"),
        None => version.to_owned(),
    }
}

/// What the binary can do.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Command {
    /// Run the gateway
    Serve(ServeArgs),
    /// Be a phone in the terminal, against a running gateway
    Chat(ChatArgs),
    /// Tell everything that is wrong with the configuration, and end with 1 if there is anything
    Check,
    /// Ask a running gateway whether it takes texts, and end with 1 if it does not
    Health(HealthArgs),
    /// Turn another product's configuration into one of ours
    Import(ImportArgs),
    /// Make a token for the REST interface, and the hash of it that belongs in the configuration
    Token,
    /// Look after a store that no gateway is using
    Store(StoreArgs),
    /// Put a gateway under load, check every answer, and tell how fast it was
    #[cfg(unix)]
    Load(Box<LoadArgs>),
    /// Write what a shell is to read so that it completes commands and options
    Completions(CompletionsArgs),
    /// Write the page for man
    Man(ManArgs),
}

/// What `serve` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ServeArgs {
    /// Listen here, whatever the configuration says
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Keep conversations on disk in this directory, whatever the configuration says
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
}

impl ServeArgs {
    /// Puts these in place of what the configuration says.
    pub fn apply(&self, config: &mut Config) {
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        if let Some(path) = &self.store {
            config.store.kind = StoreKind::Sled;
            config.store.path.clone_from(path);
        }
    }
}

/// What `chat` takes.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ChatArgs {
    /// Where the gateway is
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// The channel to speak through, of kind "phone"
    #[arg(long, value_name = "NAME", default_value = "phone")]
    pub channel: String,
    /// The number to text
    #[arg(long, value_name = "NUMBER", default_value = "+15550100")]
    pub to: Address,
    /// The number to text from
    #[arg(long, value_name = "NUMBER", default_value = "+15550199")]
    pub from: Address,
    /// Without a terminal: how long to wait for the last answers after the input has ended
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = humantime::parse_duration)]
    pub patience: Duration,
}

/// What `health` takes.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct HealthArgs {
    /// Where the gateway is [default: on this machine, where the configuration has it listen]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// How long its answer may take
    #[arg(long, value_name = "SPAN", default_value = "3s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
}

/// What `completions` takes.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// What `man` takes.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ManArgs {
    /// Write a page for each command into this directory [default: the page of the whole, to standard output]
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// What `import` takes.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ImportArgs {
    /// Whose configuration it is
    #[command(subcommand)]
    pub from: ImportFrom,
}

/// Whose configuration can be imported.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum ImportFrom {
    /// IBM's SMS Gateway: its tenant JSON, and its environment variables
    Ibm(IbmArgs),
}

/// What `import ibm` takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct IbmArgs {
    /// The tenant JSON that MULTI_TENANT_CONFIG_FILE names [default: the one tenant of the environment]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// A file of NAME=VALUE lines, the gateway's environment [default without FILE: the environment of this process]
    #[arg(long, value_name = "FILE")]
    pub env: Option<PathBuf>,
    /// Write the configuration to this file, which must not exist [default: to standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write the secrets to this file, which must not exist [default: only say what is to be set]
    #[arg(long, value_name = "FILE")]
    pub secrets: Option<PathBuf>,
    /// The URL under which the provider reaches the new gateway
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
}

/// What `store` takes.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct StoreArgs {
    /// The store's directory [default: the one that the configuration names]
    #[arg(long, global = true, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// What to do with it
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// What can be done with a store.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum StoreCommand {
    /// Read every record and tell what is there; ends with 0 if all is well, 1 if something is damaged, 2 if it cannot be opened
    Check,
    /// Write everything as JSON lines
    Export {
        /// Into this file, which must not exist yet [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Read what `export` wrote into a directory that is new or empty
    Import {
        /// The export
        file: PathBuf,
    },
    /// Write the store anew: what was deleted leaves its files, and mostly room is gained
    Compact {
        /// Remove the old directory instead of keeping it beside the new one
        #[arg(long)]
        discard_old: bool,
    },
    /// Go on with a store that has lost acknowledged writes, as it is
    AcceptLoss,
    /// Delete turns and dead letters that are older than the configuration keeps them
    Expire {
        /// Only those of this number of ours [default: of any]
        #[arg(long, value_name = "NUMBER")]
        tenant: Option<Address>,
        /// Delete what is older than this, whatever the configuration says
        #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
        older_than: Option<Duration>,
    },
    /// Write down or delete everything that is kept of one person
    Person {
        /// Which of the two
        #[command(subcommand)]
        command: PersonCommand,
    },
}

/// What can be done with what is kept of one person.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum PersonCommand {
    /// Write it as JSON lines
    Export {
        /// Whose, and with which number of ours
        #[command(flatten)]
        person: PersonArgs,
        /// Into this file, which must not exist yet [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Delete it; that the user has stopped our texts stays known
    Erase {
        /// Whose, and with which number of ours
        #[command(flatten)]
        person: PersonArgs,
    },
}

/// Whose data are meant.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct PersonArgs {
    /// The person's number, as it was texted from
    #[arg(long, value_name = "NUMBER")]
    pub user: Address,
    /// Only in conversations with this number of ours [default: with any]
    #[arg(long, value_name = "NUMBER")]
    pub tenant: Option<Address>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_and_config_may_stand_on_either_side() {
        assert_eq!(parse("raconteur").unwrap().command_or_serve(), Command::Serve(ServeArgs::default()));
        for line in ["raconteur --config a.toml check", "raconteur check --config a.toml"] {
            let cli = parse(line).unwrap();
            assert_eq!((cli.config.as_deref(), cli.command_or_serve()), (Some("a.toml".as_ref()), Command::Check));
        }
    }

    #[test]
    fn chat_knows_the_demo_by_heart() {
        let Command::Chat(args) = parse("raconteur chat --from +15550177").unwrap().command_or_serve() else {
            panic!()
        };
        assert_eq!((args.url.as_str(), args.channel.as_str()), ("http://127.0.0.1:8080", "phone"));
        assert_eq!((args.to.as_str(), args.from.as_str()), ("+15550100", "+15550177"));
    }

    #[test]
    fn serve_goes_before_the_configuration() {
        let Command::Serve(args) =
            parse("raconteur serve --listen 0.0.0.0:80 --store /tmp/x").unwrap().command_or_serve()
        else {
            panic!()
        };
        let mut config = Config::defaults();
        config.store.kind = StoreKind::Memory;
        args.apply(&mut config);
        assert_eq!(config.server.listen.to_string(), "0.0.0.0:80");
        assert_eq!((config.store.kind, config.store.path), (StoreKind::Sled, "/tmp/x".into()));
    }

    #[test]
    fn import_says_whose_configuration_it_is() {
        let line = "raconteur import ibm tenants.json --env gateway.env --output r.toml --secrets s.env --public-url https://h";
        let Command::Import(ImportArgs { from: ImportFrom::Ibm(args) }) = parse(line).unwrap().command_or_serve()
        else {
            panic!()
        };
        let paths = [args.file, args.env, args.output, args.secrets].map(|path| path.unwrap().display().to_string());
        assert_eq!(paths, ["tenants.json", "gateway.env", "r.toml", "s.env"]);
        assert_eq!(args.public_url.as_deref(), Some("https://h"));
        assert!(parse("raconteur import").is_err() && parse("raconteur import ibm").is_ok());
    }

    #[test]
    fn a_stores_directory_may_stand_on_either_side_of_what_to_do() {
        for line in
            ["raconteur store --store d compact --discard-old", "raconteur store compact --store d --discard-old"]
        {
            let Command::Store(args) = parse(line).unwrap().command_or_serve() else { panic!() };
            let command = StoreCommand::Compact { discard_old: true };
            assert_eq!(args, StoreArgs { store: Some("d".into()), command });
        }
        assert!(parse("raconteur store import").is_err(), "it takes a file");
    }

    #[test]
    fn a_person_is_named_by_his_number_and_perhaps_ours() {
        let line = "raconteur store person erase --store d --user +15550199 --tenant +15550100";
        let Command::Store(args) = parse(line).unwrap().command_or_serve() else { panic!() };
        let address = |text: &str| Address::parse(text).unwrap();
        let person = PersonArgs { user: address("+15550199"), tenant: Some(address("+15550100")) };
        let command = StoreCommand::Person { command: PersonCommand::Erase { person } };
        assert_eq!(args, StoreArgs { store: Some("d".into()), command });
        assert!(parse("raconteur store person export").is_err(), "of whom?");
        assert!(parse("raconteur store person export --user +15550199 --output f").is_ok());
    }

    #[test]
    fn the_version_has_the_commit_where_it_is_known() {
        let version_alone = env!("CARGO_PKG_VERSION");
        assert_eq!(version(None), version_alone);
        assert_eq!(version(Some("")), version_alone, "an argument of a build that nobody has set");
        assert_eq!(version(Some("1a2b3c4")), format!("{version_alone} (1a2b3c4)"));
    }

    #[test]
    fn health_is_asked_of_this_machine_unless_told_otherwise() {
        let health = |line: &str| parse(line).map(|cli| cli.command_or_serve());
        let args = |url: Option<&str>, seconds| HealthArgs {
            url: url.map(str::to_owned),
            timeout: Duration::from_secs(seconds),
        };
        assert_eq!(health("raconteur health").unwrap(), Command::Health(args(None, 3)));
        let line = "raconteur health --url http://h:1 --timeout 1s";
        assert_eq!(health(line).unwrap(), Command::Health(args(Some("http://h:1"), 1)));
    }

    #[test]
    fn completions_need_a_shell_and_pages_go_where_they_are_told() {
        assert!(parse("raconteur completions").is_err() && parse("raconteur completions cmd").is_err());
        let Command::Completions(args) = parse("raconteur completions zsh").unwrap().command_or_serve() else {
            panic!()
        };
        assert_eq!(args.shell, Shell::Zsh);
        let Command::Man(args) = parse("raconteur man --output man1").unwrap().command_or_serve() else { panic!() };
        assert_eq!(args.output, Some("man1".into()));
    }

    #[test]
    fn wrong_numbers_and_addresses_are_refused_with_what_to_do() {
        let error = parse("raconteur chat --to hello!").unwrap_err().to_string();
        assert!(error.contains("use +15550100"), "{error}");
        assert!(parse("raconteur serve --listen nowhere").is_err());
    }
}
