//! As much of Prometheus' query language as tells which series a query is about, and of its text format as tells which there are. Whether
//! a query is well formed is promtool's to say.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::vec::IntoIter;

/// One condition on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Matcher {
    pub(crate) label: String,
    /// `=`, `!=`, `=~` or `!~`.
    pub(crate) how: String,
    pub(crate) value: String,
}

/// A name with conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) name: String,
    pub(crate) matchers: Vec<Matcher>,
}

/// What a query is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) selectors: Vec<Selector>,
    /// Labels by which series are grouped or matched.
    pub(crate) labels: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(String),
}

const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: [&str; 7] = ["and", "or", "unless", "bool", "offset", "inf", "nan"];

/// Takes a query apart.
pub(crate) fn parse(query: &str) -> Query {
    let mut tokens = tokens(query).into_iter().peekable();
    let mut found = Query::default();
    while let Some(token) = tokens.next() {
        let Token::Word(word) = token else { continue };
        let lower = word.to_ascii_lowercase();
        if GROUPING.contains(&lower.as_str()) {
            found.labels.extend(list(&mut tokens));
        } else if !OPERATORS.contains(&lower.as_str()) && !is_call(&mut tokens) {
            let matchers = matchers(&mut tokens);
            found.selectors.push(Selector { name: word, matchers });
        }
    }
    found
}

/// The name of a function, or of an aggregation that says by what before its argument.
fn is_call(tokens: &mut Peekable<IntoIter<Token>>) -> bool {
    match tokens.peek() {
        Some(Token::Sign(sign)) => sign == "(",
        Some(Token::Word(word)) => GROUPING[..2].contains(&word.as_str()),
        Some(Token::Text(_)) | None => false,
    }
}

/// The words up to a closing bracket.
fn list(tokens: &mut Peekable<IntoIter<Token>>) -> Vec<String> {
    let within = tokens.by_ref().take_while(|token| *token != Token::Sign(")".into()));
    within.filter_map(|token| if let Token::Word(word) = token { Some(word) } else { None }).collect()
}

fn matchers(tokens: &mut Peekable<IntoIter<Token>>) -> Vec<Matcher> {
    if tokens.next_if_eq(&Token::Sign("{".into())).is_none() {
        return Vec::new();
    }
    let within: Vec<Token> = tokens.by_ref().take_while(|token| *token != Token::Sign("}".into())).collect();
    let matcher = |tokens: &[Token]| match tokens {
        [Token::Word(label), Token::Sign(how), Token::Text(value)] => {
            Matcher { label: label.clone(), how: how.clone(), value: value.clone() }
        }
        other => panic!("no condition on a label: {other:?}"),
    };
    within.split(|token| *token == Token::Sign(",".into())).filter(|part| !part.is_empty()).map(matcher).collect()
}

fn tokens(query: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' | '`' => {
                let end = closing(rest, first);
                found.push(Token::Text(rest[1..end].replace("\\\\", "\\")));
                end + 1
            }
            // A range is a time, or a variable that stands for one.
            '[' => rest.find(']').expect("a range ends") + 1,
            '0'..='9' | '.' => rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len()),
            'a'..='z' | 'A'..='Z' | '_' | ':' => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(rest.len());
                found.push(Token::Word(rest[..end].to_owned()));
                end
            }
            _ => {
                let double = ["=~", "!~", "!=", "==", ">=", "<="].iter().any(|sign| rest.starts_with(sign));
                let end = if double { 2 } else { first.len_utf8() };
                found.push(Token::Sign(rest[..end].to_owned()));
                end
            }
        };
        rest = rest[length..].trim_start();
    }
    found
}

/// Where a text ends that begins here.
fn closing(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (place, letter) in rest.char_indices().skip(1) {
        if letter == quote && !is_escaped {
            return place;
        }
        is_escaped = letter == '\\' && !is_escaped && quote != '`';
    }
    panic!("a text does not end: {rest}")
}

/// What a scrape has.
#[derive(Debug, Default)]
pub(crate) struct Scrape {
    /// The kind of each family.
    pub(crate) families: BTreeMap<String, String>,
    /// The labels of each series, by its name.
    pub(crate) series: BTreeMap<String, Vec<BTreeMap<String, String>>>,
}

impl Scrape {
    /// Reads Prometheus' text format.
    pub(crate) fn read(exposition: &str) -> Self {
        let mut scrape = Self::default();
        for line in exposition.lines() {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (family, kind) = declared.split_once(' ').expect("a family has a kind");
                scrape.families.insert(family.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let (series, _) = line.rsplit_once(' ').expect("a series has a value");
                let [Selector { name, matchers }] = &parse(series).selectors[..] else { panic!("no series: {line}") };
                let labels = matchers.iter().map(|matcher| (matcher.label.clone(), matcher.value.clone())).collect();
                scrape.series.entry(name.clone()).or_default().push(labels);
            }
        }
        scrape
    }

    /// The values that a label has in the series of one name.
    pub(crate) fn values(&self, name: &str, label: &str) -> BTreeSet<&str> {
        let series = self.series.get(name).into_iter().flatten();
        series.filter_map(|labels| labels.get(label)).map(String::as_str).collect()
    }
}

mod tests {
    use super::*;

    #[test]
    fn a_query_is_taken_apart_into_what_it_is_about() {
        let query = "sum by (instance, le) (rate(a_bucket{x=\"1\", y=~\"p|q{}\"}[5m])) / on(z) b > 0.5 and time() - c{} unless d";
        let Query { selectors, labels } = parse(query);
        let names: Vec<&str> = selectors.iter().map(|selector| selector.name.as_str()).collect();
        assert_eq!(names, ["a_bucket", "b", "c", "d"]);
        let matcher =
            |label: &str, how: &str, value: &str| Matcher { label: label.into(), how: how.into(), value: value.into() };
        assert_eq!(selectors[0].matchers, [matcher("x", "=", "1"), matcher("y", "=~", "p|q{}")]);
        assert_eq!(labels, ["instance", "le", "z"].map(String::from).into());
    }

    #[test]
    fn the_argument_of_an_aggregation_may_stand_before_its_labels() {
        let Query { selectors, labels } = parse("sum(rate(a[$__rate_interval])) by (b)");
        assert_eq!((selectors.len(), selectors[0].name.as_str()), (1, "a"));
        assert_eq!(labels, ["b".to_owned()].into());
    }
}
