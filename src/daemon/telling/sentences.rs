//! PURE: what an outcome is called, in one line for people. The beginning carries the message, because a
//! status has 140 characters and what comes after them is cut off.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::asking;
use crate::daemon::working::queue::{Obstacle, Running};
use crate::definitions::Diagnostic;
use crate::reconcile::apply::RunKind;
use crate::reconcile::deeds::Deeds;
use crate::reconcile::observe::Given;
use crate::reconcile::plan::{Blocker, Lacking, Plan, summary_line};
use crate::resources::{Address, EnvironmentName};
use crate::store::Holding;

/// A plan that changes nothing. What differs and stays so is not as declared.
pub(in crate::daemon) fn as_declared(plan: &Plan) -> String {
    let caveats = caveats(plan);
    let declared = plan.as_declared();
    if caveats.is_empty() {
        return format!("As declared: {declared} resources, no changes");
    }
    format!("No changes, {declared} resources as declared; {}", caveats.join("; "))
}

/// What a plan leaves as it should not be: what Azure does not change, and what names something that is not
/// there.
fn caveats(plan: &Plan) -> Vec<String> {
    let unchangeable: Vec<String> =
        plan.unchangeable().into_iter().map(|address| address.local().to_string()).collect();
    let stays = match unchangeable.as_slice() {
        [] => None,
        [one] => Some(format!("1 differs where Azure changes nothing: {one}")),
        [first, ..] => Some(format!("{} differ where Azure changes nothing: {first} …", unchangeable.len())),
    };
    stays.into_iter().chain(plan.dangling().map(|note| note.message.clone())).collect()
}

/// A plan for an environment without a file that finds nothing of it.
pub(in crate::daemon) fn removed() -> String {
    format!("{REMOVED}nothing of it is left")
}

/// What was agreed to by hand is not what would be done.
pub(in crate::daemon) fn moved(what: &[String]) -> String {
    format!("Not applied: it is not the plan that was agreed to by hand. {}", what.join("; "))
}

/// A removed file from which nothing was made that the journal knows of: it had errors for as long as it was there.
/// A journal that was deleted meanwhile cannot say more.
pub(in crate::daemon) fn never_made() -> String {
    format!("{REMOVED}nothing was made from it that the journal knows of")
}

/// An environment that has another name now.
pub(in crate::daemon) fn renamed(name: &EnvironmentName) -> String {
    format!("{RENAMED}{name}")
}

/// How an environment has come to be none any more, by what was said of an end, where nothing had to be done for that.
pub(in crate::daemon) fn gone_as(summary: &str) -> Option<Gone> {
    let gone = [(REMOVED, Gone::Removed), (HANDED_OVER, Gone::HandedOver), (RENAMED, Gone::Renamed)];
    gone.into_iter().find(|(beginning, _)| summary.starts_with(beginning)).map(|(_, gone)| gone)
}

/// How an environment has come to be none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::daemon) enum Gone {
    Removed,
    HandedOver,
    Renamed,
}

impl Gone {
    pub(in crate::daemon) fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::HandedOver => "handed over",
            Self::Renamed => "renamed",
        }
    }
}

const REMOVED: &str = "Removed: ";
const HANDED_OVER: &str = "Handed over to ";
const RENAMED: &str = "Renamed to ";

/// An environment without a file, all of which others declare now; `None` where they do not.
pub(in crate::daemon) fn handed_over(given: &[Given]) -> Option<String> {
    let to: BTreeSet<&str> = given.iter().map(|given| given.to.as_str()).collect();
    let to: Vec<&str> = to.into_iter().collect();
    (!to.is_empty()).then(|| format!("{HANDED_OVER}{}: nothing is deleted", to.join(" and ")))
}

/// A plan that is not carried out: that of a branch.
pub(in crate::daemon) fn planned(plan: &Plan) -> String {
    if plan.steps.is_empty() { "No changes".to_owned() } else { format!("{WOULD_BE}{}", summary_line(plan)) }
}

/// A plan that is being carried out, so many steps of which are done.
pub(in crate::daemon) fn applying(plan: &Plan, done: usize) -> String {
    match done {
        0 => format!("Applying: {}", summary_line(plan)),
        done => format!("Applying: {done} of {} steps done", plan.steps.len()),
    }
}

/// An attempt at `stage` that waits for something since `since`, and tries again at `next`.
pub(in crate::daemon) fn waiting(
    stage: &str,
    what: &str,
    why: &str,
    since: Timestamp,
    next: Option<Timestamp>,
) -> String {
    let next = next.map(|next| format!(", next at {}", next.strftime("%H:%M:%S UTC"))).unwrap_or_default();
    format!("{stage}; waits since {} for {what}{next}: {why}", since.strftime("%H:%M UTC"))
}

/// Work that has waited in the queue for half a minute; `root` is what that waits for which is ahead of it.
pub(in crate::daemon) fn queued(why: &Obstacle, root: Option<&str>) -> String {
    // How far that one is says less than what it waits for, and would crowd it out.
    let root = root.map(|root| root.find("waits since").map_or(root, |at| &root[at..]));
    let root = root.map(|root| format!(". That one: {root}")).unwrap_or_default();
    match why {
        Obstacle::Environment(ahead) => {
            format!("Queued: waits for the {} on this environment{root}", errand(ahead))
        }
        Obstacle::Limit { place, running } => {
            let named: Vec<String> = running
                .iter()
                .take(MAX_NAMED_RUNS)
                .map(|one| format!("{} ({})", one.environment, errand(one)))
                .collect();
            let more = match running.len().saturating_sub(MAX_NAMED_RUNS) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let (named, limit) = (named.join(", "), running.len());
            format!("Queued at place {place} behind what runs ({limit} at once): {named}{more}{root}")
        }
    }
}

/// Most runs that one sentence names.
const MAX_NAMED_RUNS: usize = 3;

/// What work that runs is for.
fn errand(work: &Running) -> String {
    let what = match work.kind {
        RunKind::Apply => "apply",
        RunKind::Plan => "plan",
        RunKind::Drift => "comparison",
    };
    format!("{what} of {}", work.commit.short())
}

/// Work on an environment whose lease somebody else has.
pub(in crate::daemon) fn held(holding: Option<&Holding>) -> String {
    match holding {
        Some(holding) => format!("Waits for {holding}, which works on this environment"),
        None => "Waits for another process that works on this environment".to_owned(),
    }
}

/// Work on what another environment had, or has, that is being worked on.
pub(in crate::daemon) fn behind(other: &EnvironmentName) -> String {
    format!("Waits for {other}, which works on what is declared here now")
}

/// Work that rests until `again`, because nothing could be done about it now.
pub(in crate::daemon) fn resting(why: &str, again: Timestamp) -> String {
    format!("Waits, tried again at {}: {why}", again.strftime("%H:%M:%S UTC"))
}

/// An interrupted run that goes on, so many steps of which are done.
pub(in crate::daemon) fn resuming(plan: &Plan, done: usize) -> String {
    format!("Going on with an interrupted run: {done} of {} steps done", plan.steps.len())
}

/// Whether what was said of an end is that something was or would be changed.
pub(in crate::daemon) fn says_change(summary: &str) -> bool {
    [APPLIED, WOULD_BE, "After "].iter().any(|beginning| summary.starts_with(beginning))
}

const APPLIED: &str = "Applied: ";
const WOULD_BE: &str = "Would be: ";

/// A plan that must not be carried out, and what would allow it.
pub(in crate::daemon) fn blocked(plan: &Plan) -> String {
    let lacking: Vec<Lacking<'_>> = plan.lacking().collect();
    let others: Vec<&Blocker> = plan.blockers.iter().filter(|blocker| blocker.lacking().is_none()).collect();
    match (others.as_slice(), lacking.as_slice()) {
        // Consent alone would not help as long as something else is in the way; that it will be needed too is
        // said now, so that one commit can do both.
        ([only], lacking) => format!("Blocked{}: {}", also_lacking(lacking.len()), plan.problem(only)),
        ([first, more @ ..], lacking) => {
            let also = also_lacking(lacking.len());
            format!("Blocked by {} problems{also}: {}", more.len() + 1, plan.problem(first))
        }
        ([], []) => "Blocked".to_owned(),
        ([], lacking) => asking::needs_consent(lacking),
    }
}

fn also_lacking(lines: usize) -> String {
    match lines {
        0 => String::new(),
        1 => ", and 1 consent line is missing".to_owned(),
        lines => format!(", and {lines} consent lines are missing"),
    }
}

/// A definition with errors: the first one, with file, line and column; when it is the only one, with what
/// to do about it.
pub(in crate::daemon) fn invalid(diagnostics: &[Diagnostic]) -> String {
    let errors: Vec<&Diagnostic> = diagnostics.iter().filter(|found| found.is_error()).collect();
    let Some(first) = errors.first() else { return "The definition has errors".to_owned() };
    match errors.len() - 1 {
        0 if first.remedy.is_empty() => placed(first),
        0 => format!("{}. {}", placed(first), first.remedy),
        more => format!("{} (and {more} more)", placed(first)),
    }
}

/// The longest path before an error that is not shortened from the left, in characters.
const MAX_PATH_CHARS: usize = 40;

/// An error with its place; of a long path the end stands there, so that the cause has room.
fn placed(error: &Diagnostic) -> String {
    let file = &error.location.file;
    let whole = error.to_string();
    match (file.rsplit_once('/'), whole.strip_prefix(file.as_str())) {
        (Some((_, name)), Some(rest)) if file.chars().count() > MAX_PATH_CHARS => format!("…/{name}{rest}"),
        (Some(_) | None, _) => whole,
    }
}

/// What an apply has done, all of its runs together, or the first thing that failed; with what its plan
/// left as it should not be.
pub(in crate::daemon) fn applied(plan: &Plan, deeds: &Deeds) -> String {
    let is_whole = deeds.failed().is_empty() && deeds.underway().is_empty();
    let caveats = if is_whole { caveats(plan) } else { Vec::new() };
    std::iter::once(reported(deeds)).chain(caveats).collect::<Vec<_>>().join("; ")
}

/// What was done, or the first thing that failed with its cause; what a stop left to Azure is neither. A resource
/// that is gone is said before anything that may be cut off.
pub(in crate::daemon) fn reported(deeds: &Deeds) -> String {
    let failed = deeds.failed();
    let Some(first) = failed.first() else {
        return match deeds.underway().as_slice() {
            [] => format!("{APPLIED}{}", done(deeds)),
            underway => stopped(underway, deeds),
        };
    };
    let skipped = match deeds.blocked().len() {
        0 => String::new(),
        skipped => format!(" ({skipped} skipped)"),
    };
    let gone = match deeds.gone().as_slice() {
        [] => String::new(),
        [only] if **only == first.address => ", the old one is gone".to_owned(),
        [only] => format!(", {} is gone", only.local()),
        [one, more @ ..] => format!(", {} and {} more are gone", one.local(), more.len()),
    };
    let counts = deeds.counts();
    let tail = if counts.is_empty() { String::new() } else { format!("; done: {counts}") };
    format!(
        "{} of {} steps failed{skipped}{gone}: {}: {}{tail}",
        failed.len(),
        deeds.steps(),
        first.address.local(),
        first.message,
    )
}

/// What a stop left to Azure, and what was done before.
fn stopped(underway: &[&Address], deeds: &Deeds) -> String {
    let named = match underway {
        [first, more @ ..] if !more.is_empty() => format!("{} and {} more", first.local(), more.len()),
        others => others.iter().map(|address| address.local()).collect(),
    };
    let done = Some(done(deeds)).filter(|done| !done.is_empty());
    let tail = done.map(|done| format!("; done: {done}")).unwrap_or_default();
    format!("Stopped while Azure works on {named}{tail}")
}

fn done(deeds: &Deeds) -> String {
    let gone = deeds.gone().len();
    let gone = (gone > 0).then(|| format!("{gone} gone until made again"));
    let counts = Some(deeds.counts()).filter(|counts| !counts.is_empty());
    counts.into_iter().chain(gone).collect::<Vec<_>>().join(", ")
}

/// An outcome of work that has done something before it came to that.
pub(in crate::daemon) fn after(deeds: &Deeds, text: String) -> String {
    match done(deeds) {
        done if done.is_empty() => text,
        done => format!("After {done}: {text}"),
    }
}

/// Work that counted as superseded, and whose run was finished all the same. `before` is what was said.
pub(in crate::daemon) fn applied_before(before: &str, deeds: &Deeds) -> String {
    let mut before = before.to_owned();
    before.get_mut(..1).map(str::make_ascii_lowercase);
    format!("{}; then {before}", reported(deeds))
}

/// Work that was superseded in the middle of its run. `before` is what was said.
pub(in crate::daemon) fn superseded_after(before: &str, deeds: &Deeds) -> String {
    match done(deeds) {
        done if done.is_empty() || before.contains(SUPERSEDED_AFTER) => before.to_owned(),
        done => format!("{before}{SUPERSEDED_AFTER}{done}"),
    }
}

/// What stands between the end of superseded work and what it had done.
const SUPERSEDED_AFTER: &str = " after ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::Description;
    use crate::reconcile::apply::{RunEnd, RunId};
    use crate::reconcile::plan::{Action, FORMAT, Part};
    use crate::reconcile::report::{Report, StepEnd, StepReport};
    use crate::resources::Kind;

    fn plan(blockers: Vec<Blocker>) -> Plan {
        Plan {
            format: FORMAT,
            environment: "production".parse().unwrap(),
            commit: None,
            notation: crate::definitions::Syntax::Yaml,
            input_digest: None,
            observed_digest: String::new(),
            steps: Vec::new(),
            kept: Vec::new(),
            notes: Vec::new(),
            blockers,
            consents: Vec::new(),
        }
    }

    fn refusal(name: &str) -> Blocker {
        Blocker::NeedsConsent {
            address: Address::named(&"production".parse().unwrap(), Kind::StorageAccount, name),
            action: Action::Replace,
            because: "a very long reason, ".repeat(20),
            id: None,
            releasable: false,
        }
    }

    #[test]
    fn work_in_the_queue_says_its_place_and_who_runs() {
        let running = |name: &str| Running {
            id: crate::store::WorkId(1),
            kind: RunKind::Apply,
            environment: name.parse().unwrap(),
            commit: crate::daemon::fixture::commit(),
        };
        let of = running("dev").commit.short();
        let same = Obstacle::Environment(running("dev"));
        assert_eq!(queued(&same, None), format!("Queued: waits for the apply of {of} on this environment"));
        assert_eq!(
            queued(&same, Some("Waits for process 7 on vm")),
            format!(
                "Queued: waits for the apply of {of} on this environment. That one: Waits for process 7 on vm"
            )
        );
        let names = ["dev", "test", "staging", "one", "two"];
        let full = Obstacle::Limit { place: 4, running: names.map(running).to_vec() };
        assert_eq!(
            queued(&full, None),
            format!(
                "Queued at place 4 behind what runs (5 at once): dev (apply of {of}), test (apply of {of}), \
                 staging (apply of {of}) and 2 more"
            )
        );
        assert_eq!(Description::new(&queued(&full, None)).as_str(), queued(&full, None));
    }

    #[test]
    fn a_misspelt_field_is_one_error_with_the_line_to_write() {
        let text = "beamline: 1\nsubscription: ml\nlocation: westeurope\nresource_group: { name: rg }\n\
                    workspace: { name: mlw }\ncompute_clusters:\n  cpu: { vmsize: Standard_D4s_v3, scale_settings: { max_node_count: 1 } }\n";
        let loaded = crate::definitions::load(&[crate::definitions::SourceFile::from_bytes(
            "environments/dev.yaml",
            text.as_bytes(),
        )]);
        let of_cluster = |found: &Diagnostic| found.message.contains("compute_clusters/cpu");
        let found: Vec<Diagnostic> = loaded.diagnostics.into_iter().filter(of_cluster).collect();
        let said = invalid(&found);
        assert!(said.contains("`vmsize` is not a field of compute_clusters/cpu"), "{said}");
        assert!(said.contains("Did you mean `vm_size`?"), "{said}");
        assert_eq!(found.iter().filter(|one| one.is_error()).count(), 1, "{found:?}");
    }

    #[test]
    fn the_consent_line_survives_the_length_of_a_status() {
        let one = Description::new(&blocked(&plan(vec![refusal("data_lake")])));
        assert!(
            one.as_str().ends_with("Beamline-Consent: destroy production/storage_accounts/data_lake"),
            "{one}"
        );
        let many = Description::new(&blocked(&plan(vec![refusal("a"), refusal("b")])));
        assert!(many.as_str().ends_with("Beamline-Consent: destroy production/storage_accounts/a"), "{many}");
    }

    #[test]
    fn what_is_in_the_way_is_said_before_the_consent_that_is_missing_too() {
        let other = Blocker::Impossible {
            address: Address::single(&"production".parse().unwrap(), Kind::Workspace),
            field: None,
            why: "Azure cannot".to_owned(),
        };
        let text = blocked(&plan(vec![refusal("a"), other]));
        assert_eq!(text, "Blocked, and 1 consent line is missing: production/workspace: Azure cannot");
    }

    fn deeds(steps: Vec<(&str, Action, Part, StepEnd)>) -> Deeds {
        let environment: EnvironmentName = "production".parse().unwrap();
        let step = |(ordinal, (name, action, part, end))| StepReport {
            ordinal,
            address: Address::named(&environment, Kind::ComputeCluster, name),
            action,
            part,
            end,
            began: None,
            ended: None,
        };
        Deeds::of(&[Report {
            run: RunId(uuid::Uuid::nil()),
            environment: environment.clone(),
            end: RunEnd::Failed,
            steps: (0..).zip(steps).map(step).collect(),
            began: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
        }])
    }

    fn failed(message: &str) -> StepEnd {
        StepEnd::Failed { message: message.to_owned() }
    }

    #[test]
    fn a_failure_says_what_is_gone_then_the_cause_then_what_was_done() {
        let because = Address::named(&"production".parse().unwrap(), Kind::ComputeCluster, "a");
        let deeds = deeds(vec![
            ("a", Action::Replace, Part::Removal, StepEnd::Done),
            ("a", Action::Replace, Part::Creation, failed("BadRequest: no such size")),
            ("b", Action::Create, Part::Whole, StepEnd::Done),
            ("c", Action::Create, Part::Whole, StepEnd::Skipped { because }),
        ]);
        assert_eq!(
            reported(&deeds),
            "1 of 4 steps failed (1 skipped), the old one is gone: compute_clusters/a: BadRequest: no such size; \
             done: 1 created"
        );
        assert_eq!(after(&deeds, "Blocked".to_owned()), "After 1 created, 1 gone until made again: Blocked");
    }

    #[test]
    fn what_a_stop_left_to_azure_is_neither_applied_nor_failed() {
        let underway = |name| (name, Action::Create, Part::Whole, StepEnd::Underway);
        let alone =
            deeds(vec![underway("a"), underway("b"), ("c", Action::Create, Part::Whole, StepEnd::Done)]);
        let said = applied(&plan(Vec::new()), &alone);
        assert_eq!(said, "Stopped while Azure works on compute_clusters/a and 1 more; done: 1 created");
        let beside = deeds(vec![underway("a"), ("b", Action::Create, Part::Whole, failed("no such size"))]);
        assert_eq!(reported(&beside), "1 of 2 steps failed: compute_clusters/b: no such size");
    }

    #[test]
    fn a_long_error_of_azure_begins_with_its_cause_and_its_ids_are_shortened() {
        let id = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-ml-production/providers/\
                  Microsoft.MachineLearningServices/workspaces/mlw-production/computes/cpu-cluster";
        let cause =
            format!("ScopeLocked: The scope '{id}' cannot perform write operation because it is locked.");
        let text = reported(&deeds(vec![("cpu", Action::Update, Part::Whole, failed(&cause))]));
        let status = Description::new(&text);
        assert_eq!(
            status.as_str(),
            "1 of 1 steps failed: compute_clusters/cpu: ScopeLocked: The scope '…/computes/cpu-cluster' cannot \
             perform write operation because it is…"
        );
    }

    #[test]
    fn what_was_superseded_in_the_middle_says_what_it_had_done_once() {
        let deeds = deeds(vec![("a", Action::Create, Part::Whole, StepEnd::Done)]);
        let once = superseded_after("Superseded by bbbbbbb", &deeds);
        assert_eq!(once, "Superseded by bbbbbbb after 1 created");
        assert_eq!(superseded_after(&once, &deeds), once);
        assert_eq!(
            applied_before("Superseded by bbbbbbb", &deeds),
            "Applied: 1 created; then superseded by bbbbbbb"
        );
        assert!(says_change(&reported(&deeds)) && !says_change(&as_declared(&plan(Vec::new()))));
    }
}
