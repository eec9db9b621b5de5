//! Build statuses.
//!
//! A commit has one per key; writing it again replaces it ("Create a build status for a commit"), so a
//! repetition changes nothing. Key, state and URL are required, a key has at most 40 characters.
//!
//! The commits of a fork are not in the repository and cannot have statuses there: theirs are left out, and
//! the comment says it all.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::connection::{Bitbucket, FORGE};
use super::pull_requests::Looked;
use crate::forge::api::{Failure, Reach, is_web, no_commit};
use crate::forge::{Context, ForgeError, PullRequestNumber, State, Status};

/// The longest key, in characters.
const MAX_KEY_CHARS: usize = 40;

/// Hexadecimal digits that tell long keys apart that begin alike.
const DIGEST_DIGITS: usize = 12;

impl Bitbucket {
    pub(in crate::forge) async fn post(&self, statuses: &[Status]) -> Vec<Result<(), ForgeError>> {
        let mut outcomes = Vec::with_capacity(statuses.len());
        for status in statuses {
            match self.post_one(status).await {
                Ok(()) => outcomes.push(Ok(())),
                Err(Failure { reach: Reach::ThisRequest, error, .. }) => outcomes.push(Err(error)),
                Err(Failure { reach: Reach::Everything, error, .. }) => {
                    outcomes.resize(statuses.len(), Err(error));
                    break;
                }
            }
        }
        outcomes
    }

    async fn post_one(&self, status: &Status) -> Result<(), Failure> {
        let what = format!("the status of {:.7}", status.commit);
        let path = self.path(&format!("/commit/{}/statuses/build", status.commit));
        match (self.write(Method::POST, path, &self.body(status), &what).await, status.pull_request) {
            (Ok(answer), _) => answer.confirms(&["key", "state", "uuid"], &what),
            (Err(failure), Some(number)) if failure.status == Some(StatusCode::NOT_FOUND) => {
                if self.is_from_fork(number).await.is_ok_and(|is_fork| is_fork) {
                    tracing::info!(%number, "Bitbucket has no statuses for commits of forks: left out");
                    return Ok(());
                }
                Err(self.without_commit(status, failure).await)
            }
            (Err(failure), _) => Err(self.without_commit(status, failure).await),
        }
    }

    /// A repository that answers for itself does not have the commit that is answered with 404.
    async fn without_commit(&self, status: &Status, failure: Failure) -> Failure {
        let is_absent = failure.status == Some(StatusCode::NOT_FOUND)
            && self.get(self.path(""), "the repository").await.is_ok();
        if is_absent { no_commit(FORGE, &status.commit) } else { failure }
    }

    /// "Get a pull request".
    async fn is_from_fork(&self, number: PullRequestNumber) -> Result<bool, Failure> {
        let what = format!("pull request {number}");
        let looked: Looked =
            self.get(self.path(&format!("/pullrequests/{number}")), &what).await?.json(&what)?;
        Ok(looked.is_from_elsewhere(self.repository()))
    }

    /// A status without a web address of its own leads to its commit, because Bitbucket wants one.
    fn body(&self, status: &Status) -> Value {
        let url = status.target_url.clone().filter(|url| is_web(url));
        let page = || format!("https://bitbucket.org/{}/commits/{}", self.repository(), status.commit);
        json!({
            "type": "build",
            "key": key_of(&status.context),
            "name": status.context.to_string(),
            "state": word(status.state),
            "description": status.description.as_str(),
            "url": url.unwrap_or_else(page),
        })
    }
}

/// `beamline/plan/production`; of a long context its beginning and a digest of the whole.
fn key_of(context: &Context) -> String {
    let key = context.to_string().replace(": ", "/");
    if key.chars().count() <= MAX_KEY_CHARS {
        return key;
    }
    let digest: String = Sha256::digest(&key).iter().map(|byte| format!("{byte:02x}")).collect();
    let beginning: String = key.chars().take(MAX_KEY_CHARS - DIGEST_DIGITS - 1).collect();
    format!("{beginning}-{}", &digest[..DIGEST_DIGITS])
}

/// `STOPPED` is not used: a merge check counts builds that failed, and an error must not pass it.
fn word(state: State) -> &'static str {
    match state {
        State::Pending => "INPROGRESS",
        State::Success => "SUCCESSFUL",
        State::Failure | State::Error => "FAILED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fit_and_stay_apart() {
        assert_eq!(key_of(&Context::plan()), "beamline/plan");
        assert_eq!(key_of(&Context::apply_of(&"production".parse().unwrap())), "beamline/apply/production");
        let long =
            |end: &str| Context::plan_of(&format!("{}-{end}", "a-long-name".repeat(3)).parse().unwrap());
        let (one, other) = (key_of(&long("one")), key_of(&long("other")));
        assert_eq!((one.len(), other.len()), (40, 40));
        assert_ne!(one, other);
        assert_eq!(one, key_of(&long("one")));
        assert!(one.starts_with("beamline/plan/a-long-namea-"), "{one}");
    }
}
