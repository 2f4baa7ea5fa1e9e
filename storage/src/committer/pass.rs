//! A pass over a whole table, in bounded looks: each goes on where the one before it ended, and behind the end it begins again.

use std::ops::{ControlFlow, Range};

use crate::StoreError;
use crate::engine::{Engine, Order};

/// Where it goes on.
#[derive(Default)]
pub(super) struct Pass(Option<Vec<u8>>);

impl Pass {
    /// Shows what comes next of `range` to `visit`, which says how much that counts, until that makes `limit`.
    pub(super) fn go_on<E: Engine>(
        &mut self,
        engine: &E,
        mut range: Range<Vec<u8>>,
        limit: usize,
        mut visit: impl FnMut(&[u8], &[u8]) -> usize,
    ) -> Result<(), StoreError> {
        if let Some(from) = self.0.take() {
            range.start = from;
        }
        let (mut seen, mut stopped) = (0, None);
        engine.scan(&range, Order::Ascending, &mut |key, value| {
            if seen >= limit {
                stopped = Some(key.to_vec());
                return ControlFlow::Break(());
            }
            seen += visit(key, value);
            ControlFlow::Continue(())
        })?;
        self.0 = stopped;
        Ok(())
    }
}
