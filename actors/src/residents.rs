//! How many conversations are in memory, and who waits to get in.
//!
//! The whole room is bounded by `max_resident`. One tenant may take nearly all of it, but not the last tenth: that is for tenants
//! that have less than their share, so that a dead provider or a slow assistant, whose conversations stay and wait, shuts
//! nobody else out.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raconteur_conversation::address::{Address, ConversationKey, Shard};

/// How many wait at most; the sweep finds the rest again.
const WAITING_MAX: usize = 10_000;

/// The room.
pub(crate) struct Residents {
    most: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    tenants: usize,
    inside: usize,
    by_tenant: BTreeMap<Address, usize>,
    by_shard: BTreeMap<Shard, usize>,
    line: Line,
}

/// Who waits, each conversation once: of one tenant in the order in which they came, and of those that may come in who came first.
#[derive(Default)]
struct Line {
    by_tenant: BTreeMap<Address, VecDeque<(u64, ConversationKey)>>,
    /// With the number of each. A place in line of another number is one that was left.
    known: BTreeMap<ConversationKey, u64>,
    came: u64,
}

impl Line {
    fn len(&self) -> usize {
        self.known.len()
    }

    fn join(&mut self, key: &ConversationKey) {
        if self.known.len() < WAITING_MAX && !self.known.contains_key(key) {
            self.came += 1;
            self.known.insert(key.clone(), self.came);
            self.by_tenant.entry(key.tenant.clone()).or_default().push_back((self.came, key.clone()));
        }
    }

    /// It is in without having been called.
    fn leave(&mut self, key: &ConversationKey) {
        self.known.remove(key);
    }

    /// Who is called next, of those whose tenant is admitted.
    fn call(&mut self, admits: impl Fn(&Address) -> bool) -> Option<ConversationKey> {
        let known = &self.known;
        self.by_tenant.retain(|_, line| {
            while line.front().is_some_and(|(came, key)| known.get(key) != Some(came)) {
                line.pop_front();
            }
            !line.is_empty()
        });
        let admitted = self.by_tenant.iter_mut().filter(|(tenant, _)| admits(tenant));
        let (_, line) = admitted.min_by_key(|(_, line)| line.front().map(|(came, _)| *came))?;
        let (_, key) = line.pop_front()?;
        self.known.remove(&key);
        Some(key)
    }
}

/// Tells how many conversations are in memory. Holds nothing of the gateway, so it may be kept.
#[derive(Clone)]
pub struct Headcount {
    state: Arc<Mutex<State>>,
}

impl Headcount {
    /// How many are in memory.
    #[must_use]
    pub fn inside(&self) -> usize {
        lock(&self.state).inside
    }

    /// How many wait for room, as far as is known: the rest is found by the sweep.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.state).line.len()
    }
}

/// One conversation's place, given back when dropped.
pub(crate) struct Room {
    tenant: Address,
    shard: Shard,
    state: Arc<Mutex<State>>,
}

impl Residents {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), state: Arc::default() }
    }

    /// Tells how many are in it.
    pub(crate) fn headcount(&self) -> Headcount {
        Headcount { state: Arc::clone(&self.state) }
    }

    /// How many tenants share the room.
    pub(crate) fn shared_by(&self, tenants: usize) {
        lock(&self.state).tenants = tenants;
    }

    /// Room for one more, or a place in the line.
    pub(crate) fn enter(&self, key: &ConversationKey) -> Option<Room> {
        let mut state = lock(&self.state);
        if !state.admits(&key.tenant, self.most) {
            state.line.join(key);
            return None;
        }
        state.line.leave(key);
        Some(self.let_in(&mut state, key))
    }

    /// Who is next, if there is room for him now, and his room: whoever comes meanwhile finds it taken.
    pub(crate) fn next(&self) -> Option<(ConversationKey, Room)> {
        let mut state = lock(&self.state);
        if state.inside >= self.most || state.line.len() == 0 {
            return None;
        }
        let mut line = std::mem::take(&mut state.line);
        let next = line.call(|tenant| state.admits(tenant, self.most));
        state.line = line;
        let key = next?;
        let room = self.let_in(&mut state, &key);
        Some((key, room))
    }

    fn let_in(&self, state: &mut State, key: &ConversationKey) -> Room {
        state.inside += 1;
        *state.by_tenant.entry(key.tenant.clone()).or_default() += 1;
        let shard = key.shard();
        *state.by_shard.entry(shard).or_default() += 1;
        Room { tenant: key.tenant.clone(), shard, state: Arc::clone(&self.state) }
    }

    /// The shards that have somebody in memory, in order.
    pub(crate) fn shards(&self) -> Vec<Shard> {
        lock(&self.state).by_shard.keys().copied().collect()
    }

    /// How many are in.
    pub(crate) fn inside(&self) -> usize {
        lock(&self.state).inside
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.state).line.len()
    }
}

impl State {
    fn admits(&self, tenant: &Address, most: usize) -> bool {
        if self.inside >= most {
            return false;
        }
        let share = most / self.tenants.max(1);
        let reserve = if self.tenants > 1 { most / 10 } else { 0 };
        let has = self.by_tenant.get(tenant).copied().unwrap_or(0);
        has < share || self.inside + reserve < most
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Room").field("shard", &self.shard).finish_non_exhaustive()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.inside = state.inside.saturating_sub(1);
        one_less(&mut state.by_tenant, &self.tenant);
        one_less(&mut state.by_shard, &self.shard);
    }
}

fn one_less<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    let Some(count) = counts.get_mut(key) else { return };
    *count = count.saturating_sub(1);
    if *count == 0 {
        counts.remove(key);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tenant: &str, user: usize) -> ConversationKey {
        let number = |text: &str| Address::parse(text).unwrap();
        ConversationKey { tenant: number(tenant), user: number(&format!("+1555{user:07}")) }
    }

    #[test]
    fn a_single_tenant_may_have_all_the_room_and_not_more() {
        let residents = Residents::new(3);
        residents.shared_by(1);
        let mut rooms: Vec<Option<Room>> = (0..4).map(|user| residents.enter(&key("+15550100", user))).collect();
        assert_eq!(rooms.iter().filter(|room| room.is_some()).count(), 3);
        assert!(residents.waiting() == 1 && residents.next().is_none());
        let shards: std::collections::BTreeSet<Shard> = (0..3).map(|user| key("+15550100", user).shard()).collect();
        assert_eq!(residents.shards(), Vec::from_iter(shards));
        let headcount = residents.headcount();
        assert_eq!((headcount.inside(), headcount.waiting()), (3, 1));
        rooms.remove(0);
        let (next, room) = residents.next().unwrap();
        assert_eq!(next, key("+15550100", 3));
        assert!(residents.enter(&key("+15550100", 0)).is_none(), "it has the room before it is there");
        drop(room);
        assert!(residents.enter(&key("+15550100", 0)).is_some());
        assert_eq!(residents.waiting(), 0, "who has come in does not wait any more");
    }

    #[test]
    fn a_conversation_stands_in_line_once_and_who_came_first_goes_first() {
        let residents = Residents::new(1);
        residents.shared_by(2);
        let inside = residents.enter(&key("+15550100", 0)).unwrap();
        for user in [7, 3, 7, 5, 3] {
            assert!(residents.enter(&key("+15550101", user)).is_none());
        }
        assert!(residents.enter(&key("+15550100", 1)).is_none());
        assert!(residents.waiting() == 4 && residents.next().is_none());
        drop(inside);
        let next: Vec<_> = std::iter::from_fn(|| residents.next().map(|(next, _)| next)).collect();
        let expected = [("+15550101", 7), ("+15550101", 3), ("+15550101", 5), ("+15550100", 1)];
        assert_eq!(next, expected.map(|(tenant, user)| key(tenant, user)));
        assert_eq!(residents.waiting(), 0);
    }

    #[test]
    fn a_tenant_that_fills_the_room_leaves_a_tenth_to_the_others() {
        let residents = Residents::new(20);
        residents.shared_by(4);
        let greedy: Vec<Room> = (0..30).filter_map(|user| residents.enter(&key("+15550100", user))).collect();
        assert_eq!(greedy.len(), 18);
        assert!(residents.enter(&key("+15550101", 1)).is_some());
        drop(greedy);
        assert!(residents.next().is_some());
    }
}
