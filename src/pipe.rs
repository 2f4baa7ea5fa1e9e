//! Pipes to voice gateways: their ids, and the way of a user's text through one.
//!
//! As IBM's, a pipe's id embeds the numbers that it belongs to, encrypted: whoever holds it can be answered without anything being
//! looked up, and nobody can read a number out of it or make one up. The key follows from the store's own random value, so ids live as
//! long as the store. What a pipe does is the conversation's affair.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use raconteur_actors::port::Forwarder;
use raconteur_conversation::address::{Address, ConversationKey};
use raconteur_conversation::words::{AskError, Forward};
use reqwest::{Method, StatusCode, Url};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use crate::client::{self, ClientError, NotPublic, Outbound};
use crate::guard::Exceptions;

/// How long a connection to a voice gateway may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest id that is looked at.
const ID_MAX: usize = 1_024;

const NONCE: usize = 12;

/// Writes and reads pipe ids.
pub(crate) struct PipeIds {
    salt: Uuid,
    secret: [u8; 32],
}

impl PipeIds {
    pub(crate) fn new(salt: Uuid) -> Self {
        Self { salt, secret: mac(salt.as_bytes(), b"raconteur: pipe ids") }
    }

    /// The same pipe for the same idempotency key.
    pub(crate) fn repeatable(&self, key: &ConversationKey, id: &str) -> Uuid {
        let name = format!("pipe\0{}\0{}\0{id}", key.tenant.as_str(), key.user.as_str());
        Uuid::new_v5(&self.salt, name.as_bytes())
    }

    /// The id as it is given out.
    pub(crate) fn write(&self, pipe: Uuid, key: &ConversationKey) -> String {
        let mut sealed = pipe.as_bytes().to_vec();
        sealed.extend_from_slice(format!("{}\0{}", key.tenant.as_str(), key.user.as_str()).as_bytes());
        // It follows from what is sealed, so that the same pipe is always written the same, and no nonce serves two contents.
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&mac(&self.secret, &sealed)[..NONCE]);
        self.key()
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .expect("an id is far smaller than the cipher's limit");
        BASE64_URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat())
    }

    /// Reads an id; `None` for anything that was not given out by this store.
    pub(crate) fn read(&self, id: &str) -> Option<(Uuid, ConversationKey)> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(id.get(..id.len().min(ID_MAX))?).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let mut sealed = sealed.to_vec();
        let opened = self.key().open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut sealed).ok()?;
        let (pipe, numbers) = opened.split_first_chunk()?;
        let (tenant, user) = std::str::from_utf8(numbers).ok()?.split_once('\0')?;
        let key = ConversationKey { tenant: Address::parse(tenant).ok()?, user: Address::parse(user).ok()? };
        Some((Uuid::from_bytes(*pipe), key))
    }

    fn key(&self) -> LessSafeKey {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &self.secret).expect("the cipher's key has 32 bytes");
        LessSafeKey::new(key)
    }
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Posts users' texts to voice gateways.
pub(crate) struct WebhookForwarder {
    out: Outbound,
    ids: PipeIds,
}

impl WebhookForwarder {
    /// A forwarder with a connection pool of its own. Whoever opens a pipe names the webhook: it is guarded.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(salt: Uuid, exceptions: &Exceptions) -> Result<Self, ClientError> {
        Ok(Self { out: Outbound::guarded(CONNECT_TIMEOUT, exceptions)?, ids: PipeIds::new(salt) })
    }
}

#[async_trait]
impl Forwarder for WebhookForwarder {
    async fn forward(&self, forward: &Forward) -> Result<(), AskError> {
        let media: Vec<_> = forward
            .media
            .iter()
            .map(|media| json!({"mediaURL": media.url, "mediaContentType": media.content_type}))
            .collect();
        let body = json!({
            "pipe": self.ids.write(forward.pipe.id, &forward.key),
            "tenantPhoneNumber": forward.key.tenant.as_str(),
            "userPhoneNumber": forward.key.user.as_str(),
            "message": forward.body,
            "media": media,
            "turn_id": forward.turn_id,
            "accepted_at_ms": forward.accepted_at.0,
        });
        let webhook = Url::parse(&forward.pipe.webhook)
            .map_err(|_| AskError::Rejected { reason: "the voice gateway's webhook is no address".into() })?;
        let request = self
            .out
            .request(Method::POST, webhook)
            .map_err(kept_in)?
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", forward.turn_id.to_string())
            .body(body.to_string());
        let response = request.send().await.map_err(unreachable)?;
        judge(response.status())
    }
}

fn unreachable(error: reqwest::Error) -> AskError {
    match client::refused(&error) {
        Some(refused) => kept_in(refused),
        None => {
            let reason = format!("the voice gateway cannot be reached: {}", error.without_url());
            AskError::Unavailable { after: None, reason }
        }
    }
}

fn kept_in(refused: NotPublic) -> AskError {
    AskError::Misconfigured { reason: format!("the voice gateway's webhook: {refused}") }
}

fn judge(status: StatusCode) -> Result<(), AskError> {
    let reason = format!("the voice gateway answered {}", status.as_u16());
    match status.as_u16() {
        200..=299 => Ok(()),
        401 | 403 => Err(AskError::Misconfigured { reason }),
        408 | 429 | 500..=599 => Err(AskError::Unavailable { after: None, reason }),
        _ => Err(AskError::Rejected { reason }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: &str) -> ConversationKey {
        let number = |text| Address::parse(text).unwrap();
        ConversationKey { tenant: number("+15550100"), user: number(user) }
    }

    #[test]
    fn an_id_is_read_back_by_its_own_store_and_by_no_other() {
        let ids = PipeIds::new(Uuid::from_u128(1));
        let (pipe, key) = (Uuid::from_u128(7), key("+15550199"));
        let id = ids.write(pipe, &key);
        assert_eq!(ids.read(&id), Some((pipe, key.clone())));
        assert_eq!(ids.write(pipe, &key), id);
        assert_eq!(PipeIds::new(Uuid::from_u128(2)).read(&id), None);
    }

    #[test]
    fn no_number_can_be_read_out_of_an_id_and_none_can_be_made_up() {
        let ids = PipeIds::new(Uuid::from_u128(1));
        let id = ids.write(Uuid::from_u128(7), &key("+15550199"));
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&id).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"55501"));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(ids.read(&BASE64_URL_SAFE_NO_PAD.encode(changed)), None, "byte {at}");
        }
        for garbage in ["", "abc", "!!!", "é", &"A".repeat(5_000)] {
            assert_eq!(ids.read(garbage), None);
        }
    }

    #[test]
    fn an_idempotency_key_names_one_pipe_of_one_conversation() {
        let ids = PipeIds::new(Uuid::from_u128(1));
        let one = ids.repeatable(&key("+15550199"), "k");
        assert_eq!(ids.repeatable(&key("+15550199"), "k"), one);
        assert_ne!(ids.repeatable(&key("+15550198"), "k"), one);
        assert_ne!(ids.repeatable(&key("+15550199"), "l"), one);
    }

    #[test]
    fn a_status_says_whether_another_attempt_is_worth_it() {
        let judged = |code: u16| judge(StatusCode::from_u16(code).unwrap());
        assert_eq!(judged(204), Ok(()));
        for code in [408, 429, 500, 503] {
            assert!(matches!(judged(code), Err(AskError::Unavailable { .. })), "{code}");
        }
        assert!(matches!(judged(403), Err(AskError::Misconfigured { .. })));
        for code in [302, 400, 404, 410] {
            assert!(matches!(judged(code), Err(AskError::Rejected { .. })), "{code}");
        }
    }
}
