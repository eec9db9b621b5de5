//! The description of a role assignment, which carries beamline's mark before the user's own text.

use super::super::address::Address;
use super::super::mark::Mark;

/// What a description of ours begins with.
const PREFIX: &str = "beamline: ";
/// The same of an assignment that somebody else made. Versions that do not know it leave it alone.
const ADOPTED_PREFIX: &str = "beamline, adopted: ";
/// What stands between the mark and the user's own text.
const SEPARATOR: &str = " | ";

/// The mark and the local address in a description of ours; `None` for every other description.
#[must_use]
pub fn mark_of(description: &str) -> Option<(Mark, String)> {
    parse(description).map(|(mark, address, _)| (mark, address.to_owned()))
}

/// `beamline: ops/production role_assignments/workspace-vault | text of the user`.
pub(super) fn format(mark: &Mark, address: &Address, adopted: bool, text: Option<&str>) -> String {
    let prefix = if adopted { ADOPTED_PREFIX } else { PREFIX };
    let text = text.filter(|text| !text.is_empty()).map(|text| format!("{SEPARATOR}{text}"));
    format!("{prefix}{mark} {}{}", address.local(), text.unwrap_or_default())
}

/// Whether a description of ours says that somebody else made the assignment.
pub(super) fn is_adopted(description: &str) -> bool {
    description.starts_with(ADOPTED_PREFIX) && parse(description).is_some()
}

/// The mark, the local address and the user's text of a description of ours.
pub(super) fn parse(description: &str) -> Option<(Mark, &str, Option<&str>)> {
    let ours = description.strip_prefix(PREFIX).or_else(|| description.strip_prefix(ADOPTED_PREFIX))?;
    let (head, text) = match ours.split_once(SEPARATOR) {
        Some((head, text)) => (head, Some(text)),
        None => (ours, None),
    };
    let (mark, address) = head.rsplit_once(' ')?;
    Some((Mark::parse(mark)?, address, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_its_description() {
        let mark = Mark::parse("acme/production").unwrap();
        let address = "production/role_assignments/workspace-vault".parse().unwrap();
        for (adopted, text) in [(false, None), (false, Some("why")), (true, None), (true, Some("a | b"))] {
            let description = format(&mark, &address, adopted, text);
            assert_eq!(is_adopted(&description), adopted);
            let expected = (mark.clone(), "role_assignments/workspace-vault".to_owned());
            assert_eq!(mark_of(&description), Some(expected));
            assert_eq!(parse(&description).unwrap().2, text);
        }
        for foreign in ["", "made by hand", "beamline: ", "beamline: nonsense", "beamline is nice a/b c"] {
            assert_eq!(mark_of(foreign), None, "{foreign}");
        }
    }
}
