//! The description of a role assignment, which carries beamline's mark before the user's own text.

use super::super::address::Address;
use super::super::mark::Mark;

/// What a description of ours begins with.
const PREFIX: &str = "beamline: ";
/// What stands between the mark and the user's own text.
const SEPARATOR: &str = " | ";

/// The mark and the local address in a description of ours; `None` for every other description.
#[must_use]
pub fn mark_of(description: &str) -> Option<(Mark, String)> {
    parse(description).map(|(mark, address, _)| (mark, address.to_owned()))
}

/// `beamline: ops/production role_assignments/workspace-vault | text of the user`.
pub(super) fn format(mark: &Mark, address: &Address, text: Option<&str>) -> String {
    let text = text.filter(|text| !text.is_empty()).map(|text| format!("{SEPARATOR}{text}"));
    format!("{PREFIX}{mark} {}{}", address.local(), text.unwrap_or_default())
}

/// The mark, the local address and the user's text of a description of ours.
pub(super) fn parse(description: &str) -> Option<(Mark, &str, Option<&str>)> {
    let ours = description.strip_prefix(PREFIX)?;
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
        for text in [None, Some("why"), Some("a | b")] {
            let description = format(&mark, &address, text);
            let expected = (mark.clone(), "role_assignments/workspace-vault".to_owned());
            assert_eq!(mark_of(&description), Some(expected));
            assert_eq!(parse(&description).unwrap().2, text);
        }
        for foreign in ["", "made by hand", "beamline: ", "beamline: nonsense", "beamline is nice a/b c"] {
            assert_eq!(mark_of(foreign), None, "{foreign}");
        }
    }
}
