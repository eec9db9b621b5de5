//! The text of one note: a line per context. Pure.
//!
//! A line is `<context>: <state>: <description>`. A context may itself have a colon in it
//! (`beamline/apply: production`), so a line's context ends where the state begins. An environment may
//! be named like a state; therefore of several states in a row the last one is the state.

/// The states of a commit status, as all forges have them.
const STATES: [&str; 4] = ["pending", "success", "failure", "error"];

/// `existing` with each line in place of the one of its context, the shortest contexts first. Lines that
/// are not ours stay, at the end.
pub(super) fn merged(existing: &str, updates: &[(&str, &str)]) -> String {
    let mut lines: Vec<&str> = existing.lines().filter(|line| !line.trim().is_empty()).collect();
    for (context, line) in updates {
        lines.retain(|known| !belongs(known, context));
        lines.push(line);
    }
    lines.sort_by_key(|line| match context_of(line) {
        Some(context) => (0, context.chars().count(), context),
        None => (1, 0, ""),
    });
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn belongs(line: &str, context: &str) -> bool {
    match context_of(line) {
        Some(found) => found == context,
        None => line.strip_prefix(context).is_some_and(|rest| rest.starts_with(':')),
    }
}

/// The context of a status line; `None` when there is no state in it.
fn context_of(line: &str) -> Option<&str> {
    let mut end = 0;
    let mut found = None;
    for (index, part) in line.split(": ").enumerate() {
        let is_state = STATES.contains(&part.trim_end_matches(':').trim_end());
        match (index, is_state, found) {
            (0, _, _) | (_, false, None) => {}
            (_, true, _) => found = Some(end - 2),
            (_, false, Some(_)) => break,
        }
        end += part.len() + 2;
    }
    found.map(|end| &line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_replaces_the_one_of_its_context_only() {
        let production = ("beamline/apply: production", "beamline/apply: production: pending: started");
        let all = ("beamline/apply", "beamline/apply: success: 2 environments");
        let first = merged("", &[production, all]);
        assert_eq!(
            first,
            "beamline/apply: success: 2 environments\nbeamline/apply: production: pending: started\n"
        );
        let done = ("beamline/apply: production", "beamline/apply: production: success: 22 created: ok");
        let failed = ("beamline/apply", "beamline/apply: failure");
        assert_eq!(
            merged(&first, &[done, failed]),
            "beamline/apply: failure\nbeamline/apply: production: success: 22 created: ok\n"
        );
        assert_eq!(merged(&first, &[all]), first);
    }

    #[test]
    fn other_peoples_lines_and_odd_names_survive() {
        let text = "reviewed by Ada: fine\n\nbeamline/apply: error: success: done\n";
        let update = ("beamline/apply", "beamline/apply: success: all");
        assert_eq!(
            merged(text, &[update]),
            "beamline/apply: success: all\nbeamline/apply: error: success: done\nreviewed by Ada: fine\n"
        );
    }

    #[test]
    fn the_context_ends_where_the_state_begins() {
        for (line, context) in [
            ("beamline/apply: success: 22 created", Some("beamline/apply")),
            ("beamline/apply: error", Some("beamline/apply")),
            ("beamline/plan: dev: failure: a: b", Some("beamline/plan: dev")),
            ("beamline/plan: pending: success: 1 to add", Some("beamline/plan: pending")),
            ("success: x", None),
            ("a note", None),
        ] {
            assert_eq!(context_of(line), context, "{line}");
        }
    }
}
