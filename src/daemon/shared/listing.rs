//! Which pull requests are open, asked with conditional requests.
//!
//! A forge that does not say is asked again in its own time, however often the repository is looked at: after the
//! waits of [`after_failure`], which are never shorter than it asks for. What may have changed that is asked at
//! once: a webhook arrived, or the credential was replaced. Nothing is logged of it here: the look that fails by it
//! says so once, and what lasts makes the daemon `degraded`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::{Clock, Instant};
use crate::errand::errand;
use crate::forge::{
    Forge, ForgeError, PullRequest, PullRequestNumber, PullRequests, Validator, after_failure,
};
use crate::git::{BranchName, CommitId};
use crate::store::DeliveryNumber;

/// What the forge said last.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Listed(Arc<tokio::sync::Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Kept for as long as the forge says that nothing has changed.
    listing: Last,
    silence: Option<Silence>,
}

/// That the forge did not say.
#[derive(Debug)]
struct Silence {
    error: ForgeError,
    /// How often it did not, one after the other.
    failures: u32,
    until: Instant,
    /// The newest webhook that had arrived by then.
    newest: Option<DeliveryNumber>,
}

/// The open pull requests.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Listing {
    /// By number.
    pub(in crate::daemon) open: BTreeMap<PullRequestNumber, PullRequest>,
    /// Whether these are all.
    pub(in crate::daemon) is_whole: bool,
}

impl Listed {
    /// Asks the forge, one errand at a time; where it has no pull requests, nothing is asked and none are open.
    /// `newest` is the newest webhook that was not dealt with.
    pub(in crate::daemon) async fn ask(
        &self,
        forge: &Forge,
        newest: Option<DeliveryNumber>,
        clock: &Clock,
    ) -> Result<Arc<Listing>, ForgeError> {
        if !forge.has_pull_requests() {
            return Ok(Arc::default());
        }
        let (known, forge, clock) = (Arc::clone(&self.0), forge.clone(), clock.clone());
        errand(async move {
            let mut known = known.lock().await;
            if let Some(error) = known.refusal(newest, &clock) {
                return Err(error);
            }
            let answer = list(&mut known.listing, &forge).await;
            known.note(answer.as_ref().err(), newest, &clock);
            answer
        })
        .await
    }

    /// Has the forge asked at the next look, whatever it said.
    pub(in crate::daemon) async fn ask_anew(&self) {
        self.0.lock().await.silence = None;
    }
}

impl Known {
    /// What the forge said last, while it is left alone.
    fn refusal(&self, newest: Option<DeliveryNumber>, clock: &Clock) -> Option<ForgeError> {
        let silence = self.silence.as_ref()?;
        let is_left_alone = silence.newest == newest && !clock.left(silence.until).is_zero();
        is_left_alone.then(|| silence.error.clone())
    }

    fn note(&mut self, error: Option<&ForgeError>, newest: Option<DeliveryNumber>, clock: &Clock) {
        let before = self.silence.as_ref().map_or(0, |silence| silence.failures);
        self.silence = error.map(|error| {
            let failures = before.saturating_add(1);
            let until = clock.after(after_failure(failures, &error.class, clock));
            Silence { error: error.clone(), failures, until, newest }
        });
    }
}

type Last = Option<(Validator, Arc<Listing>)>;

async fn list(known: &mut Last, forge: &Forge) -> Result<Arc<Listing>, ForgeError> {
    let answer = forge.open_pull_requests(known.as_ref().map(|(validator, _)| validator)).await?;
    match (answer, known.as_ref()) {
        (PullRequests::Unchanged, Some((_, listing))) => Ok(listing.clone()),
        (PullRequests::Unchanged, None) => Ok(Arc::default()),
        (PullRequests::Open { pull_requests, truncated, validator }, _) => {
            if truncated {
                tracing::warn!(read = pull_requests.len(), "more pull requests are open than are looked at");
            }
            let open = pull_requests.into_iter().map(|one| (one.number, one)).collect();
            let listing = Arc::new(Listing { open, is_whole: !truncated });
            *known = validator.map(|validator| (validator, listing.clone()));
            Ok(listing)
        }
    }
}

impl Listing {
    /// The numbers.
    pub(in crate::daemon) fn numbers(&self) -> BTreeSet<u64> {
        self.open.keys().map(|number| number.get()).collect()
    }

    /// The proposed commits.
    pub(in crate::daemon) fn heads(&self) -> impl Iterator<Item = &CommitId> {
        self.open.values().map(|one| &one.head)
    }

    /// Whether a branch with this head is proposed, so that it is planned as a pull request.
    pub(in crate::daemon) fn proposes(&self, commit: &CommitId) -> bool {
        self.open.values().any(|one| one.head == *commit)
    }

    /// The pull requests that speak for their commits: a status stands on a commit, so of several that
    /// propose the same one only one can be planned: one for the main branch, else the oldest.
    pub(in crate::daemon) fn speaking(&self, main: &BranchName) -> Vec<&PullRequest> {
        let mut speakers: BTreeMap<CommitId, &PullRequest> = BTreeMap::new();
        for one in self.open.values() {
            let speaker = speakers.entry(one.head).or_insert(one);
            if speaker.base != *main && one.base == *main {
                *speaker = one;
            }
        }
        let mut all: Vec<&PullRequest> = speakers.into_values().collect();
        all.sort_by_key(|one| one.number);
        all
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::forge::{Class, Origin, Stage};

    fn pull_request(number: u64, digit: char, base: &str) -> PullRequest {
        PullRequest {
            number: PullRequestNumber::new(number).unwrap(),
            head: digit.to_string().repeat(40).parse().unwrap(),
            head_branch: None,
            origin: Origin::SameRepository,
            base: base.parse().unwrap(),
            stage: Stage::Ready,
            activity: String::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_forge_that_does_not_say_is_left_alone_unless_something_has_happened() {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH, 1);
        let (mut known, webhook) = (Known::default(), Some(DeliveryNumber(1)));
        let gone = ForgeError { class: Class::Refused, message: "gone".to_owned() };
        let mut asked = 0;
        for _ in 0..6 * 60 {
            if known.refusal(None, &clock).is_none() {
                asked += 1;
                known.note(Some(&gone), None, &clock);
            }
            clock.sleep(Duration::from_secs(60)).await;
        }
        assert!((60..=80).contains(&asked), "{asked} times in six hours");
        known.note(Some(&gone), None, &clock);
        assert_eq!(known.refusal(None, &clock), Some(gone.clone()));
        assert_eq!(known.refusal(webhook, &clock), None, "a webhook has arrived");
        known.note(Some(&gone), webhook, &clock);
        assert_eq!(known.refusal(webhook, &clock), Some(gone.clone()), "that one is no news any more");
        let asked = Duration::from_secs(30 * 60);
        let limited = ForgeError { class: Class::Retry { after: Some(asked) }, message: "slowly".to_owned() };
        known.note(Some(&limited), webhook, &clock);
        clock.sleep(asked - Duration::from_secs(1)).await;
        assert_eq!(known.refusal(webhook, &clock), Some(limited), "as long as it asks for");
        known.note(None, webhook, &clock);
        assert_eq!(known.refusal(webhook, &clock), None, "it has said");
    }

    #[test]
    fn one_pull_request_speaks_for_a_commit() {
        let all =
            [(1, 'a', "release"), (2, 'a', "main"), (3, 'a', "main"), (4, 'b', "release"), (5, 'b', "other")];
        let open = all.map(|(number, digit, base)| pull_request(number, digit, base));
        let listing =
            Listing { open: open.into_iter().map(|one| (one.number, one)).collect(), is_whole: true };
        let speaking = listing.speaking(&"main".parse().unwrap());
        assert_eq!(speaking.iter().map(|one| one.number.get()).collect::<Vec<_>>(), [2, 4]);
    }
}
