//! Microsoft's own examples, replayed: each request of a supported type is accepted with one of the
//! statuses that its example names, and the answer has the shape of the example's answer.
//!
//! What is compared: every property path and JSON type of the example's body; the values that the
//! request (or, for a read, the placed resource) determines. What deviates is listed in
//! [`exceptions`], with a reason each; an entry that is no longer needed fails the test. Every file of
//! the folder is accounted for.

mod endpoints;
mod exceptions;
mod prepare;
mod replay;
mod translate;

use std::collections::{BTreeMap, BTreeSet};

use crate::support::bicep::Types;
use crate::support::contract;
use replay::{Outcome, replay};

/// What becomes of the examples; a change is one that somebody made on purpose.
const EXPECTED: Count = Count { whole: 287, with_exceptions: 65, excepted: 7, failed: 0, other_types: 31 };

/// Every file of the folder, counted once.
#[derive(Debug, PartialEq, Eq)]
struct Count {
    /// Replayed, and answered in the example's shape.
    whole: usize,
    /// Replayed; listed paths deviate.
    with_exceptions: usize,
    /// Of a supported type and not replayed, for a listed reason.
    excepted: usize,
    failed: usize,
    /// Of types and operations that are not simulated, for a listed reason.
    other_types: usize,
}

#[derive(Default)]
struct Tally {
    whole: usize,
    with_exceptions: usize,
    excepted: usize,
    failed: usize,
}

#[tokio::test(start_paused = true)]
async fn microsofts_examples_are_accepted_and_answered_in_their_shape() {
    let Some(folder) = contract::folder() else { return };
    let types = Types::load(&folder);
    let (examples, rest) = contract::examples(&folder);
    assert!(rest.is_empty(), "examples whose operation is not known: {rest:#?}");
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let (mut failures, mut used) = (Vec::new(), BTreeSet::new());
    let mut unsupported = 0;
    for example in &examples {
        if let Some(at) = exceptions::unsupported(&example.name, &example.template) {
            used.insert(at);
            unsupported += 1;
            continue;
        }
        let tally = tallies.entry(example.provider().to_owned()).or_default();
        if let Some(at) = exceptions::whole(&example.name) {
            used.insert(at);
            tally.excepted += 1;
            continue;
        }
        let Outcome { status, differences } = replay(example, &types).await;
        let (mut excepted, mut left) = (Vec::new(), Vec::new());
        for difference in differences {
            match exceptions::path(&example.name, &difference.pointer) {
                Some(at) => excepted.push(at),
                None => left.push(difference),
            }
        }
        used.extend(excepted.iter().copied());
        match (left.is_empty(), excepted.is_empty()) {
            (true, true) => tally.whole += 1,
            (true, false) => tally.with_exceptions += 1,
            (false, _) => {
                tally.failed += 1;
                let lines = left.iter().map(|one| format!("\n    {}: {}", one.pointer, one.what));
                failures.push(format!("{} ({status}):{}", example.name, lines.collect::<String>()));
            }
        }
    }
    let count = report(&tallies, unsupported);
    assert!(failures.is_empty(), "{} examples fail:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(count, EXPECTED);
    let files = contract::json_files(&folder.join("examples")).len();
    let Count { whole, with_exceptions, excepted, failed, other_types } = count;
    assert_eq!(whole + with_exceptions + excepted + failed + other_types, files, "each file counts once");
    let unneeded: Vec<&str> = exceptions::unused(&used);
    assert!(unneeded.is_empty(), "exceptions that are no longer needed: {unneeded:#?}");
}

fn report(tallies: &BTreeMap<String, Tally>, unsupported: usize) -> Count {
    println!("{:36} {:>6} {:>16} {:>9} {:>7}", "provider", "whole", "but for listed", "excepted", "failed");
    let mut sum = Tally::default();
    for (provider, tally) in tallies {
        let Tally { whole, with_exceptions, excepted, failed } = tally;
        println!("{provider:36} {whole:>6} {with_exceptions:>16} {excepted:>9} {failed:>7}");
        sum.whole += whole;
        sum.with_exceptions += with_exceptions;
        sum.excepted += excepted;
        sum.failed += failed;
    }
    let all = sum.whole + sum.with_exceptions + sum.excepted + sum.failed;
    let count = |part: usize| f64::from(u32::try_from(part).unwrap_or(u32::MAX));
    let percent = |part: usize| 100.0 * count(part) / count(all.max(1));
    println!(
        "{all} examples of supported types: {:.1} % whole, {:.1} % with those that deviate in listed paths only; {unsupported} of other types",
        percent(sum.whole),
        percent(sum.whole + sum.with_exceptions),
    );
    assert!(
        percent(sum.whole + sum.with_exceptions) >= 95.0 || sum.failed > 0,
        "fewer than 95 % of the examples pass"
    );
    let Tally { whole, with_exceptions, excepted, failed } = sum;
    Count { whole, with_exceptions, excepted, failed, other_types: unsupported }
}
