//! A user behind the provider: each text is posted as a signed webhook, and posted again with the same `MessageSid` until it is
//! acknowledged, before the next one goes. Also the provider's receipts, which nobody repeats.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::dice::Dice;
use super::texts::Kind;
use crate::support::twilio::{ACCOUNT, Create, TOKEN, Twilio, signature};

const PUBLIC_URL: &str = "https://sms.example.com";

/// A request without an answer after this long is posted again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the gateway is; `None` while it is dead.
pub(crate) type Gateway = watch::Receiver<Option<SocketAddr>>;

/// A user.
pub(crate) struct User {
    pub(crate) number: String,
    pub(crate) tenant: String,
    /// What was acknowledged, in order.
    pub(crate) said: Vec<Kind>,
    /// How often a text had to be posted again.
    pub(crate) repeats: usize,
}

impl User {
    pub(crate) fn new(tenant: &str, which: usize) -> Self {
        let number = format!("+1555020{which:04}");
        Self { number, tenant: tenant.into(), said: Vec::new(), repeats: 0 }
    }

    /// Says the next text and returns when it is acknowledged.
    pub(crate) async fn say(&mut self, kind: Kind, gateway: &mut Gateway) {
        let number = self.said.len() + 1;
        let sid = format!("SM{:0>16}{number:016}", &self.number[1..]);
        let text = kind.text(number);
        let fields = [
            ("AccountSid", ACCOUNT),
            ("MessageSid", sid.as_str()),
            ("From", self.number.as_str()),
            ("To", self.tenant.as_str()),
            ("Body", text.as_str()),
            ("NumMedia", "0"),
        ];
        loop {
            let address = gateway.wait_for(Option::is_some).await.ok().and_then(|address| *address);
            let Some(address) = address else { panic!("the run ended before its users") };
            if post(address, "/channels/twilio/inbound", &fields).await == Some(200) {
                break;
            }
            self.repeats += 1;
            // The pause before a repetition, as a provider makes one.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.said.push(kind);
    }

    /// Talks until told to stop; a text that is under way is finished.
    pub(crate) async fn talk(mut self, mut dice: Dice, mut gateway: Gateway, mut stop: watch::Receiver<bool>) -> Self {
        loop {
            // Some texts come one upon the other.
            let pause = if dice.once_in(2) { dice.millis(0..10) } else { dice.millis(100..1_500) };
            if tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() {
                return self;
            }
            self.say(Kind::roll(&mut dice), &mut gateway).await;
        }
    }
}

/// Posts a receipt for some of the texts that the provider took. One that finds the gateway dead is lost.
pub(crate) async fn receipts(twilio: Arc<Twilio>, mut dice: Dice, gateway: Gateway) {
    let mut seen = 0;
    loop {
        let creates = twilio.creates_from(seen).await;
        seen += creates.len();
        for create in creates {
            let address = *gateway.borrow();
            if let Some(address) = address.filter(|_| dice.once_in(3)) {
                tokio::spawn(async move { receipt(address, &create).await });
            }
        }
    }
}

async fn receipt(address: SocketAddr, create: &Create) -> Option<u16> {
    let (sid, url) = (create.sid.as_deref()?, create.status_callback.as_deref()?);
    let fields = [
        ("AccountSid", ACCOUNT),
        ("MessageSid", sid),
        ("From", create.from.as_str()),
        ("To", create.to.as_str()),
        ("MessageStatus", "sent"),
    ];
    post(address, url.strip_prefix(PUBLIC_URL)?, &fields).await
}

/// Posts a signed form; `None` if there was no whole answer.
async fn post(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Option<u16> {
    tokio::time::timeout(PATIENCE, exchange(address, path, fields)).await.ok()?.ok()
}

async fn exchange(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> std::io::Result<u16> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let signature = signature(TOKEN, &format!("{PUBLIC_URL}{path}"), fields);
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nX-Twilio-Signature: {signature}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    // An answer that broke off acknowledges nothing.
    let whole = answer.contains("\r\n\r\n").then(|| answer.split(' ').nth(1)?.parse().ok()).flatten();
    whole.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}
