//! What is the matter with the watched branch itself: it is not there, or its head is damaged.
//!
//! Guarantee: a branch that is misspelt in the settings, or deleted, is said until it is there; the look
//! that finds it goes on with it.

use crate::daemon::shared::Shared;
use crate::git::{BranchName, Heads};
use crate::resources::suggest::nearest;

/// Most branches that are named.
const MAX_NAMED: usize = 8;

impl Shared {
    /// What keeps the watched branch from being applied until somebody acts, going by what the remote has.
    pub(in crate::daemon) fn ailment_of(&self, heads: &Heads) -> Option<String> {
        let branch = &self.branch;
        if let Some((commit, why)) = heads.lost.branches.get(branch) {
            return Some(format!("{branch} at {}: {why}", commit.short()));
        }
        if heads.branches.contains_key(branch) || heads.late.branches.contains_key(branch) {
            return None;
        }
        Some(absent(self.mirror.remote(), branch, heads))
    }
}

fn absent(remote: &str, branch: &BranchName, heads: &Heads) -> String {
    let there: Vec<&str> = heads.branches.keys().map(BranchName::as_str).collect();
    if there.is_empty() {
        return format!("{remote} has no branch yet: nothing is applied before {branch} is pushed");
    }
    // People write it as other programs show it.
    let meant = ["refs/heads/", "refs/remotes/", "origin/"]
        .iter()
        .fold(branch.as_str(), |name, prefix| name.strip_prefix(prefix).unwrap_or(name));
    let advice = match nearest(meant, there.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => "is it spelt so, and was it deleted?".to_owned(),
    };
    let named = there.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = match there.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "nothing is applied: the branch {branch} (repository.branch) is not in {remote}: {advice} Correct the \
         setting, or push the branch. There are: {named}{more}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(branch: &str, there: &[&str]) -> String {
        let commit = "1".repeat(40).parse().unwrap();
        let branches = there.iter().map(|name| (name.parse().unwrap(), commit)).collect();
        absent("r", &branch.parse().unwrap(), &Heads { branches, ..Heads::default() })
    }

    #[test]
    fn the_branch_that_was_meant_is_named_with_those_that_are_there() {
        assert_eq!(
            said("mian", &["main", "topic"]),
            "nothing is applied: the branch mian (repository.branch) is not in r: did you mean main? Correct the \
             setting, or push the branch. There are: main, topic"
        );
        assert!(said("origin/main", &["main"]).contains("did you mean main?"));
        assert!(said("production", &["main"]).contains("was it deleted?"));
        let many: Vec<String> = (10..30).map(|number| format!("b{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(said("main", &many).ends_with("b16, b17 and 12 more"));
        assert!(said("main", &[]).contains("has no branch yet"));
    }
}
