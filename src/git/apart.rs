//! Which reference is in the way, when what a remote offers cannot be had all at once.
//!
//! Guarantees: one reference that cannot be had never keeps another one from coming, and the first one is
//! tried before the others. Lost is what the remote itself calls damaged, and what broke off in several
//! fetches in which others came through. A network that fails altogether is an error and nobody's damage.

use std::collections::{BTreeMap, BTreeSet};

use super::download::{Downloaded, Tip};
use super::error::GitError;

/// In how many fetches a reference has to break off, where others come through, to be the cause itself.
const STRIKES: u32 = 3;

/// After how many exchanges of which none succeeded it is the network. One bad reference among 20,000 leads
/// to a good one in 15.
const MAX_FAILURES: u32 = 16;

/// The references that did not come, and what is known against them. One that moves is another one.
#[derive(Debug, Default)]
pub(super) struct Doubts(BTreeMap<Tip, Doubt>);

#[derive(Debug, Default)]
struct Doubt {
    /// In how many fetches it broke off although others came through.
    strikes: u32,
    /// What is over which limit: to ask again would only bring that much once more.
    too_large: Option<(String, String)>,
}

impl Doubts {
    /// Whether the reference is not to be asked for together with others.
    pub(super) fn has(&self, tip: &Tip) -> bool {
        self.0.contains_key(tip)
    }

    fn forget_all_but(&mut self, new: &[Tip]) {
        let new: BTreeSet<&Tip> = new.iter().collect();
        self.0.retain(|tip, _| new.contains(tip));
    }

    fn of(&mut self, tip: &Tip) -> &mut Doubt {
        self.0.entry(tip.clone()).or_default()
    }
}

/// The references that did not come.
#[derive(Debug, Default)]
pub(super) struct Missing {
    lost: Vec<(Tip, GitError)>,
    late: Vec<(Tip, String)>,
}

impl Missing {
    /// All that did come, of `tips`.
    pub(super) fn without(self, tips: Vec<Tip>) -> Downloaded {
        let Self { lost, late } = self;
        let missing = lost.iter().map(|(tip, _)| tip).chain(late.iter().map(|(tip, _)| tip));
        let missing: BTreeSet<&Tip> = missing.collect();
        let tips = tips.into_iter().filter(|tip| !missing.contains(tip)).collect();
        Downloaded { tips, lost, late }
    }
}

/// What was tried with all references that are not in doubt.
pub(super) struct Tried {
    /// How many of them came.
    pub(super) came: usize,
    /// Why the others did not.
    pub(super) error: Option<GitError>,
}

/// How the remote is asked.
pub(super) struct Means<'a> {
    /// Brings these over, all or none.
    pub(super) bring: &'a mut dyn FnMut(&[Tip]) -> Result<(), GitError>,
    /// Whether something that is here already comes through now, asked for once more.
    pub(super) probe: &'a mut dyn FnMut() -> bool,
}

/// Brings over what is still `new` after one try with all: `first` alone, then the others, by halves where
/// something is in the way; what is in doubt is tried one by one, and last.
pub(super) fn bring_apart(
    new: Vec<Tip>,
    tried: Tried,
    first: Option<&str>,
    doubts: &mut Doubts,
    means: Means<'_>,
) -> Result<Missing, GitError> {
    doubts.forget_all_but(&new);
    let is_first = |tip: &Tip| first == Some(tip.0.as_str());
    let (mut doubted, sure): (Vec<Tip>, Vec<Tip>) = new.into_iter().partition(|tip| doubts.has(tip));
    // What hangs stops what comes after it.
    doubted.sort_by_key(|tip| doubts.of(tip).strikes);
    let (one, others): (Vec<Tip>, Vec<Tip>) = sure.into_iter().partition(is_first);
    let mut search = Search {
        means,
        came: tried.came,
        failures: 0,
        missing: Missing::default(),
        broken: Vec::new(),
        slow: Vec::new(),
        stopped: None,
    };
    match tried.error {
        Some(error) if !is_of_some(&error) => return Err(error),
        // It was tried alone.
        Some(error) if one.len() + others.len() == 1 => search.failed(&[one, others].concat(), error)?,
        Some(_) | None => {
            search.bring(&one)?;
            search.bring(&others)?;
        }
    }
    for tip in doubted {
        match &doubts.of(&tip).too_large {
            Some((what, limit)) => {
                let error = GitError::Limit { what: what.clone(), limit: limit.clone() };
                search.missing.lost.push((tip, error));
            }
            None => search.bring(&[tip])?,
        }
    }
    search.judged(first, doubts)
}

/// Whether the error may be one of some references only.
fn is_of_some(error: &GitError) -> bool {
    is_certain(error) || matches!(error, GitError::Broken { .. } | GitError::TimedOut { .. })
}

/// Whether the error is certainly one of a reference that was asked for.
fn is_certain(error: &GitError) -> bool {
    matches!(error, GitError::RemoteDamaged { .. } | GitError::Malformed { .. } | GitError::Limit { .. })
}

struct Search<'a> {
    means: Means<'a>,
    came: usize,
    failures: u32,
    missing: Missing,
    /// They broke off, for a reason that may be the network's.
    broken: Vec<(Tip, GitError)>,
    /// They took too long together: next time they are asked for one by one.
    slow: Vec<Tip>,
    /// Why nothing more is tried.
    stopped: Option<String>,
}

impl Search<'_> {
    fn bring(&mut self, tips: &[Tip]) -> Result<(), GitError> {
        if tips.is_empty() {
            return Ok(());
        }
        if let Some(why) = &self.stopped {
            self.missing.late.extend(tips.iter().map(|tip| (tip.clone(), why.clone())));
            return Ok(());
        }
        match (self.means.bring)(tips) {
            Ok(()) => {
                self.came += tips.len();
                Ok(())
            }
            Err(error) => self.failed(tips, error),
        }
    }

    fn failed(&mut self, tips: &[Tip], error: GitError) -> Result<(), GitError> {
        self.failures += 1;
        let is_hopeless = self.came == 0 && self.failures >= MAX_FAILURES && !is_certain(&error);
        match tips {
            _ if is_hopeless || !is_of_some(&error) => self.stop(tips, error),
            // What waits for one that hangs waits long enough.
            _ if matches!(error, GitError::TimedOut { .. }) && self.came == 0 => Err(error),
            [only] if is_certain(&error) => {
                self.missing.lost.push((only.clone(), error));
                Ok(())
            }
            [only] => {
                if matches!(error, GitError::TimedOut { .. }) {
                    self.stopped = Some(error.to_string());
                }
                self.broken.push((only.clone(), error));
                Ok(())
            }
            several if matches!(error, GitError::TimedOut { .. }) => {
                self.slow.extend_from_slice(several);
                self.stop(several, error)
            }
            several => {
                let (one, other) = several.split_at(several.len() / 2);
                self.bring(one)?;
                self.bring(other)
            }
        }
    }

    /// Nothing more is tried: what came has come, all else is late.
    fn stop(&mut self, tips: &[Tip], error: GitError) -> Result<(), GitError> {
        if self.came == 0 {
            return Err(error);
        }
        let why = error.to_string();
        self.missing.late.extend(tips.iter().map(|tip| (tip.clone(), why.clone())));
        self.stopped = Some(why);
        Ok(())
    }

    /// Who is to blame for what broke off.
    fn judged(self, first: Option<&str>, doubts: &mut Doubts) -> Result<Missing, GitError> {
        let Self { means, came, mut missing, broken, slow, .. } = self;
        let do_others_come = broken.is_empty() || came > 0 || (means.probe)();
        for (tip, error) in broken {
            if !do_others_come {
                // The first one is what the fetch is for; the others are not, and are tried again.
                if first.is_none_or(|first| first == tip.0) {
                    return Err(error);
                }
                missing.late.push((tip, error.to_string()));
                continue;
            }
            let doubt = doubts.of(&tip);
            doubt.strikes = STRIKES.min(doubt.strikes + 1);
            if doubt.strikes >= STRIKES
                && let GitError::Broken { remote, detail, .. } | GitError::TimedOut { remote, detail } = error
            {
                let said = detail.trim_end_matches('.');
                let detail = format!("{said}, {STRIKES} times while others came through");
                missing.lost.push((tip, GitError::RemoteDamaged { remote, detail }));
            } else {
                missing.late.push((tip, error.to_string()));
            }
        }
        slow.iter().for_each(|tip| {
            doubts.of(tip);
        });
        for (tip, error) in &missing.lost {
            let doubt = doubts.of(tip);
            if let GitError::Limit { what, limit } = error {
                doubt.too_large = Some((what.clone(), limit.clone()));
            }
        }
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tips(names: &[&str]) -> Vec<Tip> {
        names.iter().map(|name| (format!("refs/heads/{name}"), git2::Oid::ZERO_SHA1)).collect()
    }

    fn broken() -> GitError {
        GitError::Broken { remote: "r".into(), detail: "reset".into(), source: None }
    }

    fn damaged() -> GitError {
        GitError::RemoteDamaged { remote: "r".into(), detail: "a blob".into() }
    }

    /// A fetch of everything from a remote on which some references fail: who is lost, who is late, and how
    /// many exchanges that took.
    fn fetched(
        names: &[&str],
        doubts: &mut Doubts,
        probe: bool,
        fails: &dyn Fn(&str) -> Option<GitError>,
    ) -> (Result<[Vec<String>; 2], String>, usize) {
        let new = tips(names);
        let mut tries = 0;
        let mut bring = |tips: &[Tip]| {
            tries += 1;
            tips.iter().find_map(|tip| fails(&tip.0["refs/heads/".len()..])).map_or(Ok(()), Err)
        };
        let sure: Vec<Tip> = new.iter().filter(|tip| !doubts.has(tip)).cloned().collect();
        let error = if sure.is_empty() { None } else { bring(&sure).err() };
        let left =
            if error.is_none() { new.into_iter().filter(|tip| doubts.has(tip)).collect() } else { new };
        let tried = Tried { came: if error.is_none() { sure.len() } else { 0 }, error };
        let means = Means { bring: &mut bring, probe: &mut || probe };
        let missing = bring_apart(left, tried, Some("refs/heads/main"), doubts, means);
        let name = |tip: &Tip| tip.0.replace("refs/heads/", "");
        let found = missing.map(|missing| {
            [
                missing.lost.iter().map(|(tip, _)| name(tip)).collect(),
                missing.late.iter().map(|(tip, _)| name(tip)).collect(),
            ]
        });
        (found.map_err(|error| error.to_string()), tries)
    }

    #[test]
    fn what_the_remote_calls_damaged_is_lost_at_once_and_main_does_not_wait_for_it() {
        let doubts = &mut Doubts::default();
        let bad = |name: &str| ["b", "d"].contains(&name).then(damaged);
        let (found, _) = fetched(&["a", "b", "c", "d", "main"], doubts, false, &bad);
        assert_eq!(found.unwrap(), [vec!["b", "d"], vec![]]);
        let (found, tries) = fetched(&["b", "d", "e", "main"], doubts, false, &bad);
        assert_eq!((found.unwrap(), tries), ([vec!["b".to_owned(), "d".to_owned()], vec![]], 3));
        let (found, _) = fetched(&["main"], doubts, false, &|_| Some(damaged()));
        assert_eq!(found.unwrap(), [vec!["main"], vec![]]);
    }

    #[test]
    fn what_breaks_off_is_late_until_it_has_done_so_thrice_beside_what_comes() {
        let doubts = &mut Doubts::default();
        let bad = |name: &str| (name == "b").then(broken);
        for [lost, late] in
            [[vec![], vec!["b"]], [vec![], vec!["b"]], [vec!["b"], vec![]], [vec!["b"], vec![]]]
        {
            let (found, _) = fetched(&["a", "b", "main"], doubts, false, &bad);
            assert_eq!(found.unwrap(), [lost, late]);
        }
        // Alone, it takes something else that comes through.
        let doubts = &mut Doubts::default();
        for (probe, [lost, late]) in [
            (false, [vec![], vec!["b"]]),
            (false, [vec![], vec!["b"]]),
            (false, [vec![], vec!["b"]]),
            (true, [vec![], vec!["b"]]),
            (true, [vec![], vec!["b"]]),
            (true, [vec!["b"], vec![]]),
        ] {
            assert_eq!(fetched(&["b"], doubts, probe, &bad).0.unwrap(), [lost, late]);
        }
    }

    #[test]
    fn a_network_that_fails_altogether_is_an_error_after_few_tries_and_blames_nobody() {
        let names: Vec<String> = (0..1000).map(|number| format!("b{number}")).collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        names.push("main");
        let doubts = &mut Doubts::default();
        for _ in 0..10 {
            let (found, tries) = fetched(&names, doubts, false, &|_| Some(broken()));
            assert!(found.unwrap_err().contains("broke off") && tries <= 20, "{tries}");
        }
        assert!(doubts.0.is_empty());
        let (found, tries) = fetched(&names, doubts, false, &|name| (name == "b777").then(broken));
        assert_eq!(found.unwrap(), [vec![], vec!["b777"]]);
        assert!(tries < 30, "{tries}");
    }

    #[test]
    fn what_hangs_is_asked_for_last_and_alone() {
        let doubts = &mut Doubts::default();
        let slow = |name: &str| {
            (name == "a").then(|| GitError::TimedOut { remote: "r".into(), detail: "slow".into() })
        };
        let (found, tries) = fetched(&["a", "b", "main"], doubts, false, &slow);
        assert_eq!((found.unwrap(), tries), ([vec![], vec!["a".to_owned(), "b".to_owned()]], 3));
        let (found, _) = fetched(&["a", "b", "main"], doubts, false, &slow);
        assert_eq!(found.unwrap(), [vec![], vec!["b", "a"]]);
        let (found, _) = fetched(&["a", "b", "main"], doubts, false, &slow);
        assert_eq!(found.unwrap(), [vec![], vec!["a"]]);
    }

    #[test]
    fn what_is_over_a_limit_is_not_downloaded_again() {
        let doubts = &mut Doubts::default();
        let limit = || GitError::Limit { what: "the answer of r".into(), limit: "4 bytes".into() };
        let large = |name: &str| (name == "a").then(limit);
        let (found, _) = fetched(&["a", "main"], doubts, false, &large);
        assert_eq!(found.unwrap(), [vec!["a"], vec![]]);
        let (found, tries) = fetched(&["a"], doubts, false, &large);
        assert_eq!((found.unwrap(), tries), ([vec!["a".to_owned()], vec![]], 0));
    }
}
