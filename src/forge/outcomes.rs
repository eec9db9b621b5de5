//! What becomes of statuses that are sent one after the other. Pure.

use std::ops::ControlFlow;

use super::api::{Failure, Reach};
use super::outlet::ForgeError;

/// What became of statuses that are sent one after the other: see [`super::Forge::post`].
pub(super) struct Outcomes {
    total: usize,
    known: Vec<Result<(), ForgeError>>,
}

impl Outcomes {
    /// None is known yet of `total`.
    pub(super) fn of(total: usize) -> Self {
        Self { total, known: Vec::with_capacity(total) }
    }

    /// Takes note of the next one, and says whether to go on.
    pub(super) fn note(&mut self, outcome: Result<(), Failure>) -> ControlFlow<()> {
        match outcome {
            Ok(()) => self.known.push(Ok(())),
            Err(Failure { reach: Reach::ThisRequest, error, .. }) => self.known.push(Err(error)),
            Err(Failure { reach: Reach::Everything, error, .. }) => {
                self.known.resize(self.total, Err(error));
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// One outcome for each.
    pub(super) fn finish(self) -> Vec<Result<(), ForgeError>> {
        self.known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::Class;

    fn failure(reach: Reach, message: &str) -> Failure {
        let error = ForgeError { class: Class::Refused, message: message.to_owned() };
        Failure { status: None, reach, error }
    }

    #[test]
    fn a_failure_that_concerns_all_ends_the_sending_and_stands_for_the_rest() {
        let mut outcomes = Outcomes::of(4);
        assert!(outcomes.note(Ok(())).is_continue());
        assert!(outcomes.note(Err(failure(Reach::ThisRequest, "one"))).is_continue());
        assert!(outcomes.note(Err(failure(Reach::Everything, "all"))).is_break());
        let known = outcomes.finish();
        let all = failure(Reach::Everything, "all").error;
        assert_eq!(known[0], Ok(()));
        assert_eq!(known[1], Err(failure(Reach::ThisRequest, "one").error));
        assert_eq!(known[2..], [Err(all.clone()), Err(all)]);
    }
}
