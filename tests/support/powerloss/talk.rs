//! The real binary under the shim, in two lives: the first is killed while turns are open, the second stops in good order. Users
//! text it and read what it says, each over connections of their own, so that the trace tells what was promised to whom.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::super::shim;
use super::trace::{self, Deed};

pub(crate) const TENANT: &str = "+15550100";
const USERS: usize = 6;
/// So many in each life.
const TEXTS: usize = 60;

/// With this file the first life ends.
const DEATH: &str = "death";

/// Nothing takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is kept in memory changes with every turn, so that the store is written over and over.
const BOT: &str = r#"
fn turn(message) {
    memory.count = (memory.count ?? 0) + 1;
    memory.said = message.text + message.text + message.text + message.text;
    reply(`${memory.count} ${message.text.sub_string(0, 7)}`);
}
"#;

/// One text, by its user and number: `u03n017`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token {
    pub(crate) user: usize,
    pub(crate) number: usize,
}

impl Token {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (user, number) = text.get(..7)?.strip_prefix('u')?.split_once('n')?;
        Some(Self { user: user.parse().ok()?, number: number.parse().ok()? })
    }

    pub(crate) fn word(self) -> String {
        format!("u{:02}n{:03}", self.user, self.number)
    }

    /// The id under which it is accepted.
    pub(crate) fn id(self) -> String {
        format!("{}/{}", number(self.user), self.word())
    }

    fn text(self) -> String {
        // Not the same twice, and not one that compresses into the same bytes.
        let filler: String =
            (0..120).map(|n| format!("{:x} ", (n + 7) * (self.number + 31) * (self.user + 3))).collect();
        format!("{} {filler}", self.word())
    }
}

fn number(user: usize) -> String {
    format!("+1555020{user}")
}

/// All that happened.
pub(crate) struct Talk {
    /// What the trace calls the directory that holds the store in `data`.
    pub(crate) root: PathBuf,
    pub(crate) deeds: Vec<Deed>,
    /// Which texts were posted over which connection, in order: the n-th acknowledgement there is the n-th text's.
    pub(crate) posted: HashMap<u16, Vec<Token>>,
    _directory: TempDir,
}

impl Talk {
    /// Lets it happen.
    pub(crate) fn happen() -> Self {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        let base = directory.path().canonicalize().expect("it is there");
        let root = base.join("root");
        fs::create_dir(&root).expect("there is room for a directory");
        fs::write(base.join("bot.rhai"), BOT).expect("there is room for a script");
        fs::write(base.join("raconteur.toml"), configuration(&root)).expect("there is room for a configuration");
        let mut posted = HashMap::new();
        let first = Life::begin(&base);
        posted.extend(first.everybody_texts(1..=TEXTS));
        // Whatever turn is open, and whatever is written behind an acknowledgement, is cut off.
        first.die(&base);
        let second = Life::begin(&base);
        posted.extend(second.everybody_texts(TEXTS + 1..=2 * TEXTS));
        second.everybody_is_answered();
        second.stop();
        let deeds = trace::read(&fs::read(base.join("trace")).expect("there is a trace"));
        Self { root, deeds, posted, _directory: directory }
    }
}

fn configuration(root: &Path) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = {:?}\nmin_free_bytes = 0\njournal_bytes = 200000\n\
         [channels.phone]\nkind = \"phone\"\n[assistants.bot]\nkind = \"script\"\nfile = \"bot.rhai\"\n\
         [[tenants]]\nnumber = \"{TENANT}\"\nchannel = \"phone\"\nassistant = \"bot\"\nturns_max = 0\n",
        root.join("data")
    )
}

struct Life {
    process: Child,
    address: String,
}

/// A test that fails leaves no process behind.
impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Life {
    fn begin(base: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_raconteur"));
        command.current_dir(base).env_clear().args(["--config", "raconteur.toml", "serve"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        shim::between(&mut command, &base.join("root"));
        command.env("SHIM_TRACE", base.join("trace")).env("SHIM_EXIT_WITH", base.join(DEATH));
        let mut process = command.spawn().expect("it can be started");
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().expect("it is piped")).read_line(&mut line).expect("it can be read");
        let address = line.trim().rsplit_once("http://").map(|(_, address)| address.to_owned());
        Self { process, address: address.unwrap_or_else(|| panic!("it did not start: {line}")) }
    }

    /// Each user over one connection, all users at once. Returns which connection was whose when everything is acknowledged.
    fn everybody_texts(&self, numbers: std::ops::RangeInclusive<usize>) -> Vec<(u16, Vec<Token>)> {
        let listening: Vec<_> = (0..USERS).map(|user| self.listen(user, None)).collect();
        let texting: Vec<_> = (0..USERS)
            .map(|user| {
                let (address, numbers) = (self.address.clone(), numbers.clone());
                thread::spawn(move || text(&address, numbers.map(|number| Token { user, number }).collect()))
            })
            .collect();
        let posted = texting.into_iter().map(|thread| thread.join().expect("every text is acknowledged")).collect();
        // They hear no more when the process ends.
        drop(listening);
        posted
    }

    fn everybody_is_answered(&self) {
        let last = |user| Token { user, number: 2 * TEXTS };
        let listening: Vec<_> = (0..USERS).map(|user| self.listen(user, Some(last(user)))).collect();
        listening.into_iter().for_each(|thread| thread.join().expect("the last answer comes"));
    }

    /// Reads what a phone is told, up to the answer to one text, or to the end.
    fn listen(&self, user: usize, until: Option<Token>) -> thread::JoinHandle<()> {
        let mut stream = connect(&self.address);
        let query = format!("tenant=%2B{}&user=%2B{}", &TENANT[1..], &number(user)[1..]);
        let request = format!("GET /channels/phone/events?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it takes the request");
        thread::spawn(move || {
            let Some(token) = until else {
                // Until the connection breaks with the process.
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
                return;
            };
            let sought = format!("\"body\":\"{} {}\"", token.number, token.word());
            for line in BufReader::new(stream).lines() {
                if line.expect("the line holds").contains(&sought) {
                    return;
                }
            }
            panic!("the answer to {token:?} never came");
        })
    }

    /// As if it were killed, at the latest when it is about to write down a text that nobody waits for.
    fn die(mut self, base: &Path) {
        fs::write(base.join(DEATH), "").expect("there is room for a file");
        // If it is dead by now, so much the better.
        if let Ok(mut stream) = TcpStream::connect(&self.address) {
            let _ = stream.write_all(request(Token { user: USERS, number: 1 }).as_bytes());
        }
        assert_eq!(self.process.wait().expect("it ends").code(), Some(137), "it dies of that");
        fs::remove_file(base.join(DEATH)).expect("it is there");
    }

    fn stop(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("there is a kill").success());
        assert!(self.process.wait().expect("it ends").success());
    }
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
    stream
}

/// Posts each text when the one before it is acknowledged.
fn text(address: &str, tokens: Vec<Token>) -> (u16, Vec<Token>) {
    let mut stream = connect(address);
    let port = stream.local_addr().expect("it is connected").port();
    for token in &tokens {
        stream.write_all(request(*token).as_bytes()).expect("it takes the text");
        let mut answer = Vec::new();
        while !answer.ends_with(ACCEPTED) {
            let mut some = [0; 512];
            let read = stream.read(&mut some).expect("it answers");
            assert!(read > 0, "it hung up: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&some[..read]);
        }
    }
    (port, tokens)
}

fn request(token: Token) -> String {
    let body = serde_json::json!({
        "from": number(token.user), "to": TENANT, "text": token.text(), "id": token.word(),
    });
    let body = body.to_string();
    let length = body.len();
    format!("POST /channels/phone/inbound HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// How every acknowledgement ends.
pub(crate) const ACCEPTED: &[u8] = b"{\"accepted\":true}";
