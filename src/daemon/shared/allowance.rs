//! PURE: how much may be written to a forge, and what goes first when that runs low.
//!
//! Hosted forges limit the creation of content per account (GitHub: 500 an hour, "secondary rate limits";
//! an account is often shared); self-hosted ones do not by themselves. So the limit is the forge's, and can
//! be set. What was written in the last hour is counted in the store, so that a restart does not forget
//! it. What the forge itself says about its limit ([`Quota`]) counts beside it.
//!
//! Guarantees: the last word on a commit, which branch protection waits for, is never held back by a
//! number of ours; only the forge can refuse it.

use std::fmt;
use std::time::Duration;

use crate::forge::Quota;
use crate::store::Share;

/// The time over which writes are counted.
pub(in crate::daemon) const WINDOW: Duration = Duration::from_secs(60 * 60);

/// What is left when it runs low, as a share of the whole: a fourth is kept for last words, an eighth of
/// the whole for the last words on commits.
const LOW: u64 = 4;
const NEARLY_NOTHING: u64 = 8;

/// The same of what the forge counts: all requests, also those that read.
const LOW_QUOTA: u64 = 10;
const HARDLY_ANY_QUOTA: u64 = 50;

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::daemon) enum Supply {
    /// As much as is wanted.
    #[default]
    Enough,
    /// Last words leave, and comments; what is pending waits.
    Low(Reason),
    /// The last words on commits leave; everything else waits.
    Spent(Reason),
}

/// Why it is low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Reason {
    /// So much was written within an hour, of so much that the settings allow.
    Written { written: u64, limit: u64 },
    /// The forge says that so much is left, of so much.
    Left { remaining: u64, limit: u64 },
}

/// What may leave now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Allowance {
    /// Which statuses.
    pub(in crate::daemon) share: Share,
    /// How many of them.
    pub(in crate::daemon) statuses: u32,
    /// How many comments and check runs.
    pub(in crate::daemon) messages: u32,
    pub(in crate::daemon) supply: Supply,
}

/// What may leave when `written` things were written within the last [`WINDOW`], of `limit` that may be
/// (`None`: any number), and the forge has said `quota`.
pub(in crate::daemon) fn allowance(written: u64, limit: Option<u64>, quota: Option<Quota>) -> Allowance {
    let own = match limit {
        None => of(u32::MAX, u32::MAX, Supply::Enough),
        Some(limit) => {
            let left = |kept: u64| {
                u32::try_from(limit.saturating_sub(limit / kept).saturating_sub(written)).unwrap_or(u32::MAX)
            };
            let reason = Reason::Written { written, limit };
            match (left(LOW), left(NEARLY_NOTHING)) {
                (0, 0) => of(0, 0, Supply::Spent(reason)),
                (0, finals) => of(finals, finals, Supply::Low(reason)),
                (all, messages) => of(all, messages, Supply::Enough),
            }
        }
    };
    let Some(Quota { limit, remaining, reset: _ }) = quota else { return own };
    let reason = Reason::Left { remaining, limit };
    let is_below = |share: u64| remaining.saturating_mul(share) < limit;
    match own.supply {
        Supply::Enough | Supply::Low(_) if is_below(HARDLY_ANY_QUOTA) => of(0, 0, Supply::Spent(reason)),
        Supply::Enough if is_below(LOW_QUOTA) => of(own.messages, own.messages, Supply::Low(reason)),
        Supply::Enough | Supply::Low(_) | Supply::Spent(_) => own,
    }
}

fn of(statuses: u32, messages: u32, supply: Supply) -> Allowance {
    let (share, statuses) = match supply {
        Supply::Enough => (Share::All, statuses),
        Supply::Low(_) => (Share::Finals, statuses),
        // Few: one for each commit.
        Supply::Spent(_) => (Share::Commits, u32::MAX),
    };
    Allowance { share, statuses, messages, supply }
}

impl Supply {
    /// What it means, as a sentence without its full stop; `None` while there is enough.
    pub(in crate::daemon) fn shortage(&self) -> Option<String> {
        match self {
            Self::Enough => None,
            Self::Low(reason) => {
                Some(format!("{reason}: last words are written, what is pending waits{}", reason.advice()))
            }
            Self::Spent(reason) => Some(format!(
                "{reason}: only the last word on each commit is written, everything else waits{}",
                reason.advice()
            )),
        }
    }
}

impl Reason {
    fn advice(self) -> &'static str {
        match self {
            Self::Written { .. } => ". If the forge takes more, raise forge.writes_per_hour",
            Self::Left { .. } => "",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written { written, limit } => {
                write!(f, "{written} of {limit} writes to the forge within an hour are used up")
            }
            Self::Left { remaining, limit } => {
                write!(f, "the forge takes {remaining} more of {limit} requests until its limit starts anew")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn told(written: u64) -> (Share, u32, u32) {
        let Allowance { share, statuses, messages, supply: _ } = allowance(written, Some(400), None);
        (share, statuses, messages)
    }

    #[test]
    fn the_last_words_on_commits_leave_always() {
        assert_eq!(told(0), (Share::All, 300, 350));
        assert_eq!(told(299), (Share::All, 1, 51));
        assert_eq!(told(300), (Share::Finals, 50, 50));
        assert_eq!(told(349), (Share::Finals, 1, 1));
        assert_eq!(told(350), (Share::Commits, u32::MAX, 0));
        assert_eq!(told(1000), (Share::Commits, u32::MAX, 0));
        let one = allowance(0, Some(1), None);
        assert_eq!(one.supply, Supply::Enough, "a tiny limit is a limit, not a stop");
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let unlimited = allowance(1_000_000, None, None);
        assert_eq!((unlimited.share, unlimited.supply), (Share::All, Supply::Enough));
        assert_eq!(unlimited.supply.shortage(), None);
    }

    #[test]
    fn the_forge_knows_better() {
        let told = |remaining| {
            let quota = Quota { limit: 5000, remaining, reset: Timestamp::MAX };
            allowance(0, None, Some(quota)).share
        };
        assert_eq!(told(500), Share::All);
        assert_eq!(told(499), Share::Finals);
        assert_eq!(told(99), Share::Commits);
    }

    #[test]
    fn a_shortage_says_what_waits_and_what_to_do() {
        let low = allowance(310, Some(400), None).supply.shortage().unwrap();
        assert!(low.starts_with("310 of 400 writes to the forge"), "{low}");
        assert!(low.contains("what is pending waits") && low.contains("forge.writes_per_hour"), "{low}");
        let spent = allowance(400, Some(400), None).supply.shortage().unwrap();
        assert!(spent.contains("only the last word on each commit"), "{spent}");
    }
}
