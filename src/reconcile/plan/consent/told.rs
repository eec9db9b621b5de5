//! Which of many consent lines are told one by one: a message may have thousands, and whoever reads a plan, a
//! status or a log reads twenty.

use super::{ConsentStanding, Standing};

/// Most lines that do nothing and are told one by one.
const MAX_TOLD: usize = 20;

/// The lines that are told one by one, and how many more do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<'a> {
    /// All that are in force, and the first of the others.
    pub lines: Vec<&'a ConsentStanding>,
    /// How many others there are.
    pub more: usize,
}

/// Which of `standings` are told one by one.
#[must_use]
pub fn told(standings: &[ConsentStanding]) -> Told<'_> {
    let mut told = Told { lines: Vec::new(), more: 0 };
    let mut idle = 0;
    for one in standings {
        match &one.standing {
            Standing::InForce { .. } => {}
            _ if idle == MAX_TOLD => {
                told.more += 1;
                continue;
            }
            Standing::Unread { .. }
            | Standing::MatchesNothing { .. }
            | Standing::GlobDoesNotCount { .. }
            | Standing::Malformed { .. }
            | Standing::Void { .. }
            | Standing::Elsewhere => idle += 1,
        }
        told.lines.push(one);
    }
    told
}

impl Told<'_> {
    /// How many more do nothing, as a sentence without its full stop; `None` when all are told.
    #[must_use]
    pub fn rest(&self) -> Option<String> {
        match self.more {
            0 => None,
            1 => Some("1 more consent line does nothing".to_owned()),
            more => Some(format!("{more} more consent lines do nothing")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::{Consents, Globs, Reach};

    fn standings(lines: usize) -> Vec<ConsentStanding> {
        let line = |number| format!("Beamline-Consent: destroy dev/key_vaults/v{number}\n");
        let message: String = (0..lines).map(line).collect();
        let mut consents = Consents::new(Globs::DoNotCount);
        consents.read_message(&"b4c0045".repeat(6)[..40], "Ada", &message, &Reach::Named);
        consents.read_message(&"b4c0045".repeat(6)[..40], "Ada", &message, &Reach::Named);
        consents.standings(&"dev".parse().unwrap(), &[], &[])
    }

    #[test]
    fn of_thousands_of_lines_twenty_are_told_and_all_are_counted() {
        let few = standings(20);
        assert_eq!((told(&few).lines.len(), told(&few).rest()), (20, None));
        let many = standings(1000);
        assert_eq!(told(&many).rest().unwrap(), "980 more consent lines do nothing");
        let too_many = standings(1234);
        let all = told(&too_many);
        assert_eq!(
            (all.lines.len(), all.more),
            (20, 981),
            "1,000 that are read, and one for all that are not"
        );
        assert_eq!(
            all.lines[0].sentence(),
            "234 consent lines after the first 1000 (the next one is that of b4c0045 by Ada for \
             `dev/key_vaults/v1000`) are not read and allow nothing: write those that are needed in the message of \
             a newer commit"
        );
    }
}
