//! The configuration: TOML with environment overrides, checked as a whole before anything starts.
//!
//! Whatever is wrong is told at once, each [`Problem`] with its `file:line:column` or the variable it came from. What keys a
//! channel or an assistant has is its kind's business: it reads its own [`Section`]. Nothing here opens, connects or logs.

mod checks;
mod document;
mod environment;
mod example;
mod message;
mod quiet;
mod reader;
pub mod secret;
mod section;
mod settings;
mod source;
mod tenant;
pub mod token;
mod traces;
mod tree;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use environment::{CONFIG_VARIABLE, Environment};
pub use example::example;
pub(crate) use message::duration as duration_text;
use section::Origin;
pub use section::Section;
pub use settings::{EngineConfig, LogConfig, LogFormat, ServerConfig, StoreConfig, StoreKind};
use source::{Source, Sources, line_and_column};
pub use tenant::{ControlConfig, TenantConfig};
pub use traces::TracesConfig;
use tree::Table;

/// The file that is read where none is named, if it is there.
pub const DEFAULT_FILE: &str = "raconteur.toml";

/// One thing that is wrong with the configuration, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `raconteur.toml:12:1`, or the name of an environment variable.
    pub place: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// All of the configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`: HTTP.
    pub server: ServerConfig,
    /// `[store]`: where conversations are kept.
    pub store: StoreConfig,
    /// `[log]`: what is logged.
    pub log: LogConfig,
    /// `[traces]`: where traces go.
    pub traces: TracesConfig,
    /// `[engine]`: how conversations come and go.
    pub engine: EngineConfig,
    /// `[channels.NAME]`: who carries texts.
    pub channels: Vec<Section>,
    /// `[assistants.NAME]`: who answers.
    pub assistants: Vec<Section>,
    /// `[reports.NAME]`: where transcripts and usage are reported.
    pub reports: Vec<Section>,
    /// `[[tenants]]`: our numbers.
    pub tenants: Vec<TenantConfig>,
}

impl Config {
    /// What holds without a file and without variables: the simulated phone and the demo bot on +15550100, kept in `./data`.
    #[must_use]
    pub fn defaults() -> Self {
        let mut sources = Sources::default();
        read_tables(demo(&mut sources), sources, Environment::new(std::iter::empty()), None).config
    }
}

/// A configuration as far as it could be read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What was understood; defaults stand where something was wrong. Good for running only when there are no problems.
    pub config: Config,
    /// Everything that is wrong, from the top of the file down, then by variable.
    pub problems: Vec<Problem>,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
}

/// Reads the configuration from `path`, else from the file that `RACONTEUR_CONFIG` names, else from [`DEFAULT_FILE`] if it is
/// there, else takes the defaults; then sets what other `RACONTEUR_*` variables in `env` say.
///
/// # Errors
/// Everything that is wrong, from the top of the file down, then by variable.
pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Config, Vec<Problem>> {
    let Reading { config, problems, file: _ } = read(path, env);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// As [`load`], but goes on after problems, so that a check can look at the rest as well.
pub fn read(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Reading {
    let environment = Environment::new(env);
    let named = path.or_else(|| environment.get(CONFIG_VARIABLE).map(Path::new));
    let default = Path::new(DEFAULT_FILE);
    let Some(file) = named.map(Path::to_owned).or_else(|| default.exists().then(|| default.to_owned())) else {
        let mut sources = Sources::default();
        return read_tables(demo(&mut sources), sources, environment, None);
    };
    let name = file.display().to_string();
    match file_text(&file) {
        Ok(text) => read_document(&name, text, environment, Some(file)),
        Err((place, message)) => nothing_read(Problem { place: name + place.as_str(), message }, Some(file)),
    }
}

/// The variables of this process that can be read as text, for [`load`].
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The text of a file, or what is wrong with it and how its place goes on behind the name.
fn file_text(path: &Path) -> Result<String, (String, String)> {
    let whole = |message: String| (String::new(), message);
    if path.is_dir() {
        return Err(whole(format!("this is a directory: name the file in it, such as {DEFAULT_FILE}")));
    }
    let bytes = std::fs::read(path)
        .map_err(|error| whole(format!("cannot read the configuration: {error}; check the path")))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let (line, column) = line_and_column(&String::from_utf8_lossy(&error.as_bytes()[..good]), good);
        (format!(":{line}:{column}"), "this is not UTF-8: save the file in that encoding".into())
    })
}

fn read_document(name: &str, text: String, environment: Environment, file: Option<PathBuf>) -> Reading {
    let mut sources = Sources::default();
    let parsed = match DeTable::parse(&text) {
        Ok(table) => Ok(Table::from_toml(table.get_ref(), 0)),
        Err(error) => Err((error.span().map_or(0, |span| span.start), error.message().replace('\n', ", "))),
    };
    let source = sources.add(Source::File { name: name.to_owned(), text });
    match parsed {
        Ok(mut root) => {
            let own = ["channels", "assistants", "tenants"].iter().any(|section| root.entry(section).is_some());
            if !own {
                demo(&mut sources).entries().iter().for_each(|entry| root.set(entry.clone()));
            }
            read_tables(root, sources, environment, file)
        }
        Err((offset, message)) => {
            let place = sources.place(source::At { source, offset });
            nothing_read(Problem { place, message: format!("this is not TOML: {message}") }, file)
        }
    }
}

/// Of a file that cannot be read at all there is only that to tell.
fn nothing_read(problem: Problem, file: Option<PathBuf>) -> Reading {
    let none = Vec::new;
    let config = Config { channels: none(), assistants: none(), tenants: Vec::new(), ..Config::defaults() };
    Reading { config, problems: vec![problem], file }
}

fn read_tables(mut root: Table, mut sources: Sources, environment: Environment, file: Option<PathBuf>) -> Reading {
    let mut found = environment.override_in(&mut root, &mut sources);
    let origin = Arc::new(Origin { sources, environment });
    let (config, wrong) = document::assemble(&root, &origin);
    found.extend(wrong);
    found.sort_by_key(|found| found.at);
    Reading { config, problems: found.into_iter().map(|found| origin.problem(found)).collect(), file }
}

/// The built-in channel, assistant and tenant.
fn demo(sources: &mut Sources) -> Table {
    let source = sources.add(Source::BuiltIn);
    let table = DeTable::parse(example::DEMO).expect("the built-in configuration is TOML; a test reads it");
    Table::from_toml(table.get_ref(), source)
}

#[cfg(test)]
fn read_text<const N: usize>(name: &str, text: &str, env: [(&str, &str); N]) -> Reading {
    let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    read_document(name, text.to_owned(), Environment::new(env), None)
}

#[cfg(test)]
mod tests;
