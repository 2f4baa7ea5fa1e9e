//! How the store's own threads stand back behind those that serve.
//!
//! A scheduler lets a thread that wakes up go before one that has been running, as if a person waited for it. The committer wakes up after
//! each sync, so on a busy machine it would cut in thousands of times a second, for the sake of ever smaller batches. As a batch thread it
//! gets as much of the processors as before, and begins when one of them is free or its turn has come: batches are larger then, and there
//! are fewer of them.

/// Makes the current thread one that cuts in before no other. Where the system knows no such thing, or somebody has given the process a
/// priority or a policy of its own, all stays as it is.
pub(crate) fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = linux::become_batch() {
        tracing::debug!(%error, "a thread of the store's is scheduled like any other");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
    };

    /// What stands for a niceness of 0, which everybody begins with.
    const USUAL: u8 = 48;

    pub(super) fn become_batch() -> Result<(), String> {
        // The niceness is set along with the policy.
        let niceness = rustix::process::getpriority_process(None).map_err(|error| error.to_string())?;
        let policy = thread_schedule_policy().map_err(|error| format!("{error:?}"))?;
        if niceness != 0 || policy != ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other) {
            return Ok(());
        }
        let priority = ThreadPriority::Crossplatform(ThreadPriorityValue::try_from(USUAL)?);
        let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
        set_thread_priority_and_policy(thread_native_id(), priority, policy).map_err(|error| format!("{error:?}"))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy};

    use super::*;

    #[test]
    fn a_thread_that_stands_back_is_as_nice_as_before_and_alone_in_it() {
        let policy = || thread_schedule_policy().unwrap();
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let (before, nice) = (policy(), niceness());
        let of_another = std::thread::spawn(move || {
            stand_back();
            (policy(), niceness())
        });
        let expected = match (nice, before) {
            (0, ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other)) => {
                ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch)
            }
            _ => before,
        };
        assert_eq!(of_another.join().unwrap(), (expected, nice));
        assert_eq!((policy(), niceness()), (before, nice));
    }
}
