//! `acknowledge: [code]`: advice that the people of an environment know about is not shown again.
//!
//! Only advice can be acknowledged, never an error. A code that does not exist is an error, because it
//! is a slip of the pen that leaves the advice standing; one that does not occur is advice itself,
//! because it would silence what comes later.

use std::collections::BTreeMap;

use super::checks::Found;
use super::code::Code;
use super::problem::{Problem, Problems, quoted};
use super::source::{FileId, Span};
use crate::resources::Address;
use crate::resources::advice::ADVICE;
use crate::resources::suggest::nearest;

/// Advice of this module: what can be acknowledged beside the catalog's.
const OWN_ADVICE: [Code; 2] = [Code::IgnoredField, Code::ClusterNameReused];

/// Who acknowledges what, and where it says so.
#[derive(Debug)]
pub(super) struct Acknowledged<'a> {
    pub(super) environment: &'a BTreeMap<String, Span>,
    pub(super) resources: &'a BTreeMap<Address, BTreeMap<String, Span>>,
    /// The environment's own file: what defaults acknowledge need not occur everywhere.
    pub(super) file: FileId,
}

/// Reports `found` except for what is acknowledged, and what is wrong with the acknowledgements.
pub(super) fn report(found: Found, acknowledged: &Acknowledged<'_>, problems: &mut Problems<'_>) {
    let mut used: Vec<Span> = Vec::new();
    for (address, problem) in found {
        let code = problem.code().as_str();
        let own = acknowledged.resources.get(&address).and_then(|codes| codes.get(code));
        let spans: Vec<Span> = own.into_iter().chain(acknowledged.environment.get(code)).copied().collect();
        if problem.is_error() || spans.is_empty() {
            problems.push(problem);
        }
        used.extend(spans);
    }
    let lists = acknowledged.resources.values().chain([acknowledged.environment]);
    for (code, span) in lists.flatten() {
        if !is_advice(code) {
            problems.push(unknown(code, *span));
        } else if !used.contains(span) && span.file() == acknowledged.file && !needs_other_files(code) {
            problems.push(
                Problem::warning(
                    Code::UnusedAcknowledgement,
                    *span,
                    format!("{} does not occur here", quoted(code)),
                )
                .rule("An acknowledgement that is left over would silence advice that comes later.")
                .remedy("Remove it."),
            );
        }
    }
}

/// Every code that can be acknowledged.
pub(super) fn codes() -> impl Iterator<Item = &'static str> {
    ADVICE.iter().map(|(code, _)| *code).chain(OWN_ADVICE.iter().map(|code| code.as_str()))
}

fn is_advice(code: &str) -> bool {
    codes().any(|known| known == code)
}

/// Whether advice comes from comparing files, so that one file cannot say whether it occurs.
fn needs_other_files(code: &str) -> bool {
    code == Code::ClusterNameReused.as_str()
}

fn unknown(code: &str, span: Span) -> Problem {
    let is_error = Code::OWN.iter().any(|own| own.as_str() == code);
    let message = match is_error {
        true => format!("{} cannot be acknowledged", quoted(code)),
        false => format!("{} is not a code of advice", quoted(code)),
    };
    let problem = Problem::error(Code::UnknownAcknowledgement, span, message)
        .rule("`acknowledge` lists codes of advice; errors must be corrected.");
    match nearest(code, codes()) {
        Some(meant) => problem.remedy(format!("Did you mean `{meant}`?")),
        None => problem.remedy("The code stands in brackets after the word `warning`."),
    }
}
