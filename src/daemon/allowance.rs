//! PURE: how much may be written to a forge.
//!
//! Forges limit the creation of content per account (GitHub: 500 an hour, "secondary rate limits"; an
//! account is often shared). What was written in the last hour is counted in the store, so that a
//! restart does not forget it; as the limit comes near, only last words leave.

use std::time::Duration;

/// The time over which writes are counted.
pub(super) const WINDOW: Duration = Duration::from_secs(60 * 60);

/// Most writes in [`WINDOW`].
pub(super) const MAX_WRITES: u64 = 400;

/// How many of them are kept for last words.
const RESERVED: u64 = 100;

/// How many last words are kept from comments and check runs, which can wait.
const RESERVED_FROM_MESSAGES: u64 = 50;

/// What may leave now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    /// Statuses that are no last word.
    pub(super) pending: u32,
    /// Last words.
    pub(super) finals: u32,
    /// Comments and check runs.
    pub(super) messages: u32,
}

/// What may leave when `written` things were written within the last [`WINDOW`].
pub(super) fn allowance(written: u64) -> Allowance {
    let left =
        |reserve: u64| u32::try_from((MAX_WRITES - reserve).saturating_sub(written)).unwrap_or(u32::MAX);
    Allowance { pending: left(RESERVED), finals: left(0), messages: left(RESERVED_FROM_MESSAGES) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_leave_longest() {
        assert_eq!(allowance(0), Allowance { pending: 300, finals: 400, messages: 350 });
        assert_eq!(allowance(300), Allowance { pending: 0, finals: 100, messages: 50 });
        assert_eq!(allowance(360), Allowance { pending: 0, finals: 40, messages: 0 });
        assert_eq!(allowance(1000), Allowance { pending: 0, finals: 0, messages: 0 });
    }
}
