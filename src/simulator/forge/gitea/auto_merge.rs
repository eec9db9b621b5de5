//! Gitea's scheduled merge (`merge_when_checks_succeed`), with the hole that it was seen to have: a success
//! that arrives before Gitea has checked whether the pull request can be merged is looked at once, and
//! never again. Another success merges it.

use jiff::SignedDuration;

use super::super::http::Call;
use super::super::merging::MergeStyle;
use super::super::state::{Scheduled, State};
use super::statuses::together;

/// How long the check of a new head takes.
const CHECK: SignedDuration = SignedDuration::from_secs(2);

/// Schedules a merge. `false`: everything has succeeded already, it can be merged at once.
pub(super) fn schedule(state: &mut State, call: &Call, number: u64, style: MergeStyle) -> bool {
    let Some(proposal) = state.proposals.get(&number) else { return false };
    if together(state, &proposal.what.head) == "success" {
        return false;
    }
    state.scheduled.insert(number, Scheduled { style, by: call.login().to_owned() });
    true
}

/// Merges what waits for this, unless its head is still being checked.
pub(super) fn success_arrived(state: &mut State, head: &str) {
    if together(state, head) != "success" {
        return;
    }
    let now = state.now();
    let is_checked = |number: &u64| {
        let proposal = state.proposals.get(number).filter(|open| open.what.head == head)?;
        let (_, since) = proposal.iterations.last()?;
        (now.duration_since(*since) >= CHECK).then_some(*number)
    };
    let ready: Vec<u64> = state.scheduled.keys().filter_map(is_checked).collect();
    for number in ready {
        if let Some(Scheduled { style, by }) = state.scheduled.remove(&number) {
            // What cannot be merged stays open, and nobody is told.
            state.merge_proposal(number, style, None, None, &by).ok();
        }
    }
}
