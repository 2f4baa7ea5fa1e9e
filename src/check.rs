//! What `raconteur check` says: a summary of a good configuration, or everything that is wrong with it, with its place.
//!
//! Builds text and nothing else. Which kinds there are and whether a section suits its kind is asked of the registries; whether a
//! certificate is within its time, of its file and the clock.

use std::fmt::Write as _;
use std::time::SystemTime;

use crate::config::{Problem, Reading, Section, StoreKind};

/// One kind of channel, assistant or report that is built in.
#[derive(Clone, Copy)]
pub struct Kind<'a> {
    /// What `kind` says.
    pub name: &'a str,
    /// Reads the section as this kind would.
    pub check: &'a dyn Fn(&Section) -> Verdict,
}

/// What a kind says of a section, without opening anything: advice for whoever sets it up, such as the URL to tell the provider;
/// or everything that is wrong.
pub type Verdict = Result<Vec<String>, Vec<Problem>>;

/// All kinds that are built in.
#[derive(Clone, Copy)]
pub struct Kinds<'a> {
    /// Of channels.
    pub channels: &'a [Kind<'a>],
    /// Of assistants.
    pub assistants: &'a [Kind<'a>],
    /// Of reports.
    pub reports: &'a [Kind<'a>],
}

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What to print, with a newline at its end.
    pub text: String,
    /// Everything that is wrong; empty when the configuration is good.
    pub problems: Vec<Problem>,
}

/// Checks a configuration as far as it could be read, kinds included, and puts the outcome in words.
#[must_use]
pub fn report(reading: &Reading, kinds: Kinds<'_>) -> Report {
    let mut problems = reading.problems.clone();
    let mut advice = Vec::new();
    let channels = reading.config.channels.iter().map(|section| (section, kinds.channels));
    let assistants = reading.config.assistants.iter().map(|section| (section, kinds.assistants));
    let reports = reading.config.reports.iter().map(|section| (section, kinds.reports));
    for (section, kinds) in channels.chain(assistants).chain(reports) {
        match verdict(section, kinds) {
            Ok(lines) => advice.extend(lines.into_iter().map(|line| format!("  {}: {line}\n", section.name))),
            Err(more) => problems.extend(more),
        }
    }
    let text = if problems.is_empty() { summary(reading) + advice.concat().as_str() } else { listing(&problems) };
    Report { text, problems }
}

fn verdict(section: &Section, kinds: &[Kind<'_>]) -> Verdict {
    let Some(kind) = kinds.iter().find(|kind| kind.name == section.kind) else {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        return Err(vec![section.unknown_kind(&names)]);
    };
    (kind.check)(section)
}

fn listing(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let _ = writeln!(text, "{problem}");
    }
    let _ = match problems.len() {
        1 => writeln!(text, "1 problem"),
        count => writeln!(text, "{count} problems"),
    };
    text
}

fn summary(reading: &Reading) -> String {
    let config = &reading.config;
    let mut text = String::from("OK: ");
    let _ = match &reading.file {
        Some(file) => writeln!(text, "{}", file.display()),
        None => writeln!(text, "no configuration file, the defaults hold"),
    };
    let tls = if config.server.tls.is_some() { " by HTTPS" } else { "" };
    let _ = writeln!(text, "  listens on {}{tls}", config.server.listen);
    if let Some(untimely) = config.server.tls.as_ref().and_then(|files| files.untimely(SystemTime::now())) {
        let _ = writeln!(text, "  warning: {untimely}");
    }
    let _ = match config.store.kind {
        StoreKind::Sled => writeln!(text, "  keeps conversations in {}", config.store.path.display()),
        StoreKind::Memory => writeln!(text, "  keeps conversations in memory: all are lost at the end of the process"),
    };
    for tenant in &config.tenants {
        let kind = |sections: &[Section], name: &str| {
            let kind = sections.iter().find(|section| section.name == name).map(|section| section.kind.as_str());
            format!("{name} ({})", kind.unwrap_or("?"))
        };
        let channel = kind(&config.channels, &tenant.channel);
        let assistant = kind(&config.assistants, &tenant.assistant);
        let _ = write!(text, "  {} by {channel}, answered by {assistant}", tenant.number);
        for (how, sink) in [("reported to", &tenant.report), ("told of what happens:", &tenant.events)] {
            let _ = sink.as_ref().map(|sink| write!(text, ", {how} {}", kind(&config.reports, sink)));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn checked(text: &str) -> Report {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.toml");
        std::fs::write(&path, text).unwrap();
        let reading = config::read(Some(&path), std::iter::empty());
        let fine = Kind { name: "phone", check: &|_| Ok(vec!["text it with `raconteur chat`".into()]) };
        let fussy = Kind { name: "fussy", check: &|section| Err(vec![section.problem_at("url", "no such place")]) };
        let script = Kind { name: "script", check: &|_| Ok(Vec::new()) };
        let plain = Kind { name: "json", check: &|_| Ok(vec!["the url is http".into()]) };
        let kinds = Kinds { channels: &[fine, fussy], assistants: &[script], reports: &[plain] };
        let report = report(&reading, kinds);
        Report { text: report.text.replace(&format!("{}", path.display()), "r.toml"), ..report }
    }

    #[test]
    fn a_good_configuration_is_summed_up() {
        let report = checked("[store]\npath = \"/var/lib/raconteur\"");
        assert_eq!(
            (report.text.as_str(), report.problems.as_slice()),
            (
                "OK: r.toml\n  listens on 127.0.0.1:8080\n  keeps conversations in /var/lib/raconteur\n  \
                 +15550100 by phone (phone), answered by demo (script)\n  \
                 phone: text it with `raconteur chat`\n",
                [].as_slice()
            )
        );
    }

    #[test]
    fn reports_are_summed_up_and_checked_as_channels_are() {
        let text = "[channels.phone]\nkind = \"phone\"\n[assistants.demo]\nkind = \"script\"\n[reports.audit]\nkind = \"json\"\n\
                    [[tenants]]\nnumber = \"+15550100\"\nchannel = \"phone\"\nassistant = \"demo\"\nreport = \"audit\"\n";
        let good = checked(text).text;
        assert!(good.contains("answered by demo (script), reported to audit (json)\n"), "{good}");
        assert!(good.contains("\n  audit: the url is http\n"), "{good}");
        let bad = checked(&text.replace("\"json\"", "\"jason\""));
        assert_eq!(bad.text, "r.toml:6:8: unknown kind `jason`: did you mean `json`?\n1 problem\n");
    }

    #[test]
    fn problems_of_the_sections_and_of_their_kinds_are_told_together() {
        let text = "[log]\nlevel = 5\n[channels.a]\nkind = \"fussy\"\nurl = \"x\"\n[channels.b]\nkind = \"fone\"\n\
                    [assistants.demo]\nkind = \"script\"\n\
                    [[tenants]]\nnumber = \"+15550100\"\nchannel = \"a\"\nassistant = \"demo\"\n";
        let report = checked(text);
        assert_eq!(
            report.text,
            "r.toml:2:9: expected a string, found the number 5: put it in quotes\n\
             r.toml:5:7: no such place\n\
             r.toml:7:8: unknown kind `fone`: did you mean `phone`?\n\
             3 problems\n"
        );
        assert_eq!(report.problems.len(), 3);
    }

    #[test]
    fn a_file_that_is_not_toml_is_one_problem() {
        assert!(checked("[").text.ends_with("\n1 problem\n"));
    }
}
