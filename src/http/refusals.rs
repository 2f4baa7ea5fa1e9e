//! How often a client may be refused: so that nobody tries credentials without end, or fills the log.
//!
//! Each client has so many refusals a minute, all of which it may use up at once; one comes back at a time. What is remembered is bounded:
//! of more clients than [`CLIENTS_MAX`], the one that was refused longest ago is forgotten. An IPv6 client has a /64 to itself.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many clients are remembered.
const CLIENTS_MAX: usize = 16_384;

const MINUTE: Duration = Duration::from_secs(60);

/// The refusals of all clients.
pub struct Refusals {
    /// How long it takes until one comes back.
    each: Duration,
    /// When all of a client's refusals are back.
    clients: Mutex<HashMap<IpAddr, Instant>>,
}

/// Whether a client may be refused once more in the ordinary way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowance {
    /// It may.
    Left,
    /// It has none left, and gets one back after so long.
    Spent(Duration),
}

impl Refusals {
    /// So many in a minute for each client.
    #[must_use]
    pub fn new(in_a_minute: u32) -> Self {
        Self { each: MINUTE / in_a_minute.max(1), clients: Mutex::default() }
    }

    /// What a client has left.
    pub(super) fn left(&self, client: IpAddr) -> Allowance {
        let now = Instant::now();
        let clients = self.clients();
        clients.get(&whole(client)).map_or(Allowance::Left, |back| self.judge(*back, now))
    }

    /// Notes that a client is refused, and says whether it had one left.
    pub(super) fn note(&self, client: IpAddr) -> Allowance {
        let now = Instant::now();
        let mut clients = self.clients();
        let client = whole(client);
        let back = clients.get(&client).copied().map_or(now, |back| back.max(now));
        let allowance = self.judge(back, now);
        if allowance == Allowance::Left {
            make_room(&mut clients, client, now);
            clients.insert(client, back + self.each);
        }
        allowance
    }

    fn judge(&self, back: Instant, now: Instant) -> Allowance {
        let lacking = back.saturating_duration_since(now) + self.each;
        match lacking.checked_sub(MINUTE).filter(|wait| !wait.is_zero()) {
            Some(wait) => Allowance::Spent(wait),
            None => Allowance::Left,
        }
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(clients: &mut HashMap<IpAddr, Instant>, client: IpAddr, now: Instant) {
    if clients.len() < CLIENTS_MAX || clients.contains_key(&client) {
        return;
    }
    clients.retain(|_, back| *back > now);
    if clients.len() >= CLIENTS_MAX
        && let Some(first) = clients.iter().min_by_key(|(_, back)| **back).map(|(client, _)| *client)
    {
        clients.remove(&first);
    }
}

/// The address by which a client is known.
fn whole(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_refused_so_often_and_gets_one_back_at_a_time() {
        let (refusals, one, two) = (Refusals::new(3), ip("192.0.2.1"), ip("192.0.2.2"));
        for _ in 0..3 {
            assert_eq!(refusals.left(one), Allowance::Left);
            assert_eq!(refusals.note(one), Allowance::Left);
        }
        let spent = Allowance::Spent(Duration::from_secs(20));
        assert_eq!([refusals.left(one), refusals.note(one), refusals.note(one)], [spent; 3]);
        assert_eq!(refusals.note(two), Allowance::Left, "another client has its own");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!([refusals.note(one), refusals.note(one)], [Allowance::Left, spent]);
        tokio::time::advance(MINUTE).await;
        assert!((0..3).all(|_| refusals.note(one) == Allowance::Left), "all are back after a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded_and_the_latest_stay() {
        let refusals = Refusals::new(1);
        let client = |number: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(number));
        for number in 0..u32::try_from(CLIENTS_MAX).unwrap() + 100 {
            assert_eq!(refusals.note(client(number)), Allowance::Left);
            tokio::time::advance(Duration::from_micros(1)).await;
        }
        assert_eq!(refusals.clients().len(), CLIENTS_MAX);
        assert_eq!(refusals.left(client(99)), Allowance::Left, "the first are forgotten");
        assert!(matches!(refusals.left(client(100)), Allowance::Spent(_)));
        tokio::time::advance(MINUTE).await;
        refusals.note(client(7));
        assert_eq!(refusals.clients().len(), 1, "who has all back is not remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_cannot_change_its_address_within_its_network() {
        let refusals = Refusals::new(1);
        refusals.note(ip("2001:db8:0:1::1"));
        assert!(matches!(refusals.left(ip("2001:db8:0:1:ffff::2")), Allowance::Spent(_)));
        assert_eq!(refusals.left(ip("2001:db8:0:2::1")), Allowance::Left);
        refusals.note(ip("192.0.2.1"));
        assert!(matches!(refusals.left(ip("::ffff:192.0.2.1")), Allowance::Spent(_)));
    }
}
