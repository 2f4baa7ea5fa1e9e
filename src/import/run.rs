//! `raconteur import` as the command line gives it: files are read and written here, and nothing is printed.
//!
//! Nothing that exists is written over, and nothing is written at all unless a tenant could be carried over.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use raconteur_storage::private;

use super::ibm::{self, Input};
use super::{Imported, SecretVariable, Variable, env_file, note};
use crate::cli::IbmArgs;
use crate::config::Problem;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The configuration, where no file for it was named.
    pub output: String,
    /// What to tell the operator.
    pub report: String,
    /// Whether every tenant was carried over.
    pub complete: bool,
}

/// Imports from IBM. `environment` is the process's own, which is read where neither a tenant file nor a file of variables is named.
///
/// # Errors
/// What is wrong and what to do, when nothing was written.
pub fn run(args: &IbmArgs, environment: impl Iterator<Item = (String, String)>) -> Result<Done, String> {
    let outputs = [args.output.as_deref(), args.secrets.as_deref()];
    if let [Some(output), Some(secrets)] = outputs
        && output == secrets
    {
        return Err("--output and --secrets name the same file: give each its own".into());
    }
    for path in outputs.into_iter().flatten() {
        if path.symlink_metadata().is_ok() {
            return Err(format!("{} exists already: move it away, or name another file", path.display()));
        }
    }
    let imported = imported(args, environment)?;
    let notes = note::listed(&imported.notes);
    if imported.carried == 0 {
        return Err(format!("no tenant could be carried over, and nothing was written\n{notes}"));
    }
    let secrets = secrets(&imported.secrets, args.secrets.as_deref())?;
    let output = match args.output.as_deref() {
        Some(path) => written(path, &imported.toml, File::create_new(path)).map(|()| String::new())?,
        None => imported.toml.clone(),
    };
    let report = format!("{notes}{secrets}{}", summary(&imported, args.output.as_deref()));
    Ok(Done { output, report, complete: imported.left_out == 0 })
}

fn imported(args: &IbmArgs, environment: impl Iterator<Item = (String, String)>) -> Result<Imported, String> {
    let tenants = match &args.file {
        Some(path) => Some((path.display().to_string(), bytes(path)?)),
        None => None,
    };
    let variables = match (&args.env, &tenants) {
        (Some(path), _) => variables(path)?,
        (None, Some(_)) => Vec::new(),
        (None, None) => {
            environment.filter(|(name, _)| ibm::is_ibms(name)).map(|(name, value)| Variable { name, value }).collect()
        }
    };
    let tenants = tenants.as_ref().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let input = Input { tenants, variables: &variables, public_url: args.public_url.as_deref() };
    ibm::import(&input).map_err(|problem| problem.to_string())
}

fn variables(path: &Path) -> Result<Vec<Variable>, String> {
    let name = path.display().to_string();
    let text = String::from_utf8(bytes(path)?).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count() + 1;
        format!("{name}:{line}: this is not UTF-8: save the file in that encoding")
    })?;
    env_file::read(&name, &text).map_err(|problem: Problem| problem.to_string())
}

/// A file's bytes, but not many more than a configuration can have: what is more is refused by whoever reads them.
fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: io::Error| format!("{}: cannot be read: {error}; check the path", path.display());
    let mut bytes = Vec::new();
    let most = u64::try_from(ibm::FILE_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).map_err(failed)?.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Writes the secrets, or says which variable takes which value.
fn secrets(secrets: &[SecretVariable], path: Option<&Path>) -> Result<String, String> {
    if secrets.is_empty() {
        return Ok(String::new());
    }
    let told = |secret: &SecretVariable| match &secret.value {
        Some(_) => format!("  {} takes the value of {}\n", secret.name, secret.place),
        None => format!("  {} is not in the old configuration: {}\n", secret.name, secret.place),
    };
    let Some(path) = path else {
        let lines: String = secrets.iter().map(told).collect();
        return Ok(format!(
            "Secrets, which the configuration reads from variables (--secrets FILE writes them):\n{lines}"
        ));
    };
    let (text, unwritten) = env_file::write(secrets);
    written(path, &text, private::create_file(path))?;
    let missing = secrets.iter().filter(|secret| secret.value.is_none());
    let mut lines: String = missing.map(told).collect();
    for secret in unwritten {
        lines += &format!(
            "  {} takes the value of {}, in which docker and systemd read a character differently: write it to a file of its \
             own and put {{ file = \"PATH\" }} in the configuration\n",
            secret.name, secret.place
        );
    }
    let name = path.display();
    let head = format!(
        "Secrets are in {name}, which only its owner can read: give it to docker run --env-file or to EnvironmentFile=.\n"
    );
    Ok(if lines.is_empty() { head } else { format!("{head}Secrets that are missing there:\n{lines}") })
}

fn summary(imported: &Imported, output: Option<&Path>) -> String {
    let Imported { carried, left_out, toml: _, secrets: _, notes: _ } = imported;
    let tenants = format!("Tenants carried over: {carried} of {}", carried + left_out);
    match output {
        Some(path) => {
            let path = path.display();
            format!("{tenants}, to {path}. Now: raconteur --config {path} check\n")
        }
        None => {
            format!("{tenants}. Now: write the configuration to a file and run raconteur check\n")
        }
    }
}

/// Writes a file that was just made.
fn written(path: &Path, text: &str, made: io::Result<File>) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: cannot be written: {error}; name another file", path.display());
    let mut file = made.map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}
