//! PURE: what an outcome is called, in one line for people. The beginning carries the message, because a
//! status has 140 characters and what comes after them is cut off.

use super::asking;
use crate::definitions::Diagnostic;
use crate::reconcile::plan::{Blocker, Plan, summary_line};
use crate::reconcile::report::{Report, StepEnd};

/// A plan that changes nothing because nothing differs.
pub(super) fn as_declared(plan: &Plan) -> String {
    format!("As declared: {} resources, no changes", plan.kept.len())
}

/// A plan for an environment without a file that finds nothing of it.
pub(super) fn removed() -> String {
    "Removed: nothing of it is left".to_owned()
}

/// A plan that is not carried out: that of a branch.
pub(super) fn planned(plan: &Plan) -> String {
    if plan.steps.is_empty() { "No changes".to_owned() } else { format!("Would be: {}", summary_line(plan)) }
}

/// A plan that is being carried out, so many steps of which are done.
pub(super) fn applying(plan: &Plan, done: usize) -> String {
    match done {
        0 => format!("Applying: {}", summary_line(plan)),
        done => format!("Applying: {done} of {} steps done", plan.steps.len()),
    }
}

/// A plan that must not be carried out, and what would allow it.
pub(super) fn blocked(plan: &Plan) -> String {
    let mut refused = Vec::new();
    let mut others = Vec::new();
    for blocker in &plan.blockers {
        match blocker {
            Blocker::NeedsConsent { address, action, .. } => refused.push((address, *action)),
            Blocker::NotOurs { .. }
            | Blocker::Impossible { .. }
            | Blocker::ExistingMissing { .. }
            | Blocker::GroupNotEmpty { .. }
            | Blocker::NameStaysTaken { .. }
            | Blocker::InProgress { .. } => others.push(blocker),
        }
    }
    match (others.as_slice(), refused.as_slice()) {
        // Consent would not help as long as something else is in the way.
        ([only], _) => format!("Blocked: {}", only.message()),
        ([first, more @ ..], _) => format!("Blocked by {} problems: {}", more.len() + 1, first.message()),
        ([], []) => "Blocked".to_owned(),
        ([], refused) => asking::needs_consent(refused),
    }
}

/// A definition with errors: the first one, with file, line and column.
pub(super) fn invalid(diagnostics: &[Diagnostic]) -> String {
    let mut errors = diagnostics.iter().filter(|found| found.is_error());
    let Some(first) = errors.next() else { return "The definition has errors".to_owned() };
    match errors.count() {
        0 => first.to_string(),
        more => format!("{first} (and {more} more)"),
    }
}

/// What was done, or the first thing that failed.
pub(super) fn reported(plan: &Plan, report: &Report) -> String {
    let count = |wanted: fn(&StepEnd) -> bool| report.steps.iter().filter(|step| wanted(&step.end)).count();
    let failed = count(|end| matches!(end, StepEnd::Failed { .. } | StepEnd::Unknown { .. }));
    if failed == 0 {
        return done(plan);
    }
    let first = report.steps.iter().find_map(|step| match &step.end {
        StepEnd::Failed { message } | StepEnd::Unknown { message } => {
            Some(format!("{}: {message}", step.address.local()))
        }
        StepEnd::Done
        | StepEnd::Skipped { .. }
        | StepEnd::NotReached
        | StepEnd::Moved { .. }
        | StepEnd::Underway => None,
    });
    let skipped = count(|end| matches!(end, StepEnd::Skipped { .. }));
    let tail = if skipped > 0 { format!(" ({skipped} skipped)") } else { String::new() };
    format!("{failed} of {} steps failed{tail}: {}", report.steps.len(), first.unwrap_or_default())
}

fn done(plan: &Plan) -> String {
    let summary = plan.summary();
    let parts = [
        (summary.create, "created"),
        (summary.update, "changed"),
        (summary.replace, "replaced"),
        (summary.delete, "deleted"),
    ];
    let done = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    format!("Applied: {}", done.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::Description;
    use crate::reconcile::plan::{Action, FORMAT};
    use crate::resources::{Address, Kind};

    fn plan(blockers: Vec<Blocker>) -> Plan {
        Plan {
            format: FORMAT,
            environment: "production".parse().unwrap(),
            commit: None,
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
        }
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
    fn consent_is_not_asked_for_while_something_else_is_in_the_way() {
        let other = Blocker::Impossible {
            address: Address::single(&"production".parse().unwrap(), Kind::Workspace),
            field: None,
            why: "Azure cannot".to_owned(),
        };
        let text = blocked(&plan(vec![refusal("a"), other]));
        assert_eq!(text, "Blocked: production/workspace: Azure cannot");
    }
}
