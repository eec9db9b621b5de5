//! `beamline apply`: what a push does, by hand.
//!
//! Guarantees: only commits are applied; nothing is written before somebody has agreed to the plan that
//! was shown; the environment's lease is held from the plan to the end; an interrupted run of an
//! environment is finished before a new one begins.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use clap::Args;
use futures::StreamExt as _;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::arguments::Global;
use crate::cli::asking::Asking;
use crate::cli::commands::plan::print_errors;
use crate::cli::error::{CliError, End};
use crate::cli::live::{Live, Stream, tick};
use crate::cli::memory::Recalled;
use crate::cli::output;
use crate::cli::plan_file::{Reviewed, is_file_name};
use crate::cli::run::{Runner, Turn};
use crate::cli::service::Service;
use crate::cli::signals::stop_on_signals;
use crate::cli::sources::Place;
use crate::cli::subject::{Selection, aliases, select, unknown_comments};
use crate::cli::wiring;
use crate::clock::Clock;
use crate::config::{Config, Overrides};
use crate::definitions::{Diagnostic, Environment};
use crate::reconcile::apply::RunEnd;
use crate::reconcile::deeds::Deeds;
use crate::reconcile::plan::{Plan, render};
use crate::reconcile::report::{Report, StepEnd};
use crate::resources::EnvironmentName;

/// Bring Azure to what a commit says
///
/// Does by hand what the daemon does on a push, through the same code: finishes a run that was
/// interrupted, plans, shows the plan, asks, and applies it with live progress. Only a commit can be
/// applied, so that what is in Azure can always be found in the history.
///
/// Ctrl-C stops orderly: nothing new is started, and running the same command again goes on where it
/// stopped. The journal is in the state folder of the settings, or in ~/.local/state/beamline. One process
/// at a time uses a state folder: while a daemon does, it is asked to plan and to apply, in its turn, with
/// its statuses; it applies the newest commit of its branch and no other, and goes on when this command is
/// interrupted.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  beamline apply production                    HEAD, after a question
  beamline apply plan.json                     what `beamline plan --out plan.json` said, or nothing
  beamline apply --commit v1.4 --yes           every environment of a tag, without a question
  beamline apply dev --yes --json              for a script

Exit codes:
  0  everything is as the commit says    1  failed, refused or interrupted    2  the command line is wrong
  130  ended by a second signal
  with --detailed-exitcode: 0  nothing was to be done    1  as above    2  changes were applied")]
pub(in crate::cli) struct Apply {
    /// The environments, all that have a file when none is named; one whose file is gone is deleted; or a file of `beamline plan --out`, whose plans are
    /// applied without a question, and refused if anything moved since
    #[arg(value_name = "ENVIRONMENT|FILE")]
    environments: Vec<String>,
    /// The repository, or a folder in it
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The commit [default: HEAD, when no definition has uncommitted changes]
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
    /// Where the journal lives [variable: BEAMLINE_STATE_DIR]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Apply without asking
    #[arg(long)]
    yes: bool,
    /// End with exit code 2 when changes were applied
    #[arg(long)]
    detailed_exitcode: bool,
    /// Print a JSON document: {"format": 1, "plans": [...], "reports": [...], "errors": [...]}
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(global: &Global, arguments: Apply) -> Result<End, CliError> {
    let config = Config::load(&Overrides {
        file: global.config.clone(),
        state_dir: arguments.state_dir.clone(),
        repository: None,
    })?;
    let reviewed = reviewed(&arguments)?;
    let agreed_before = arguments.yes || reviewed.is_some();
    let service = Service::of(&config).await;
    let stop = stop_on_signals(match service {
        Some(_) => "",
        None => "Stopping: nothing new is started. Run the same command again to go on.",
    })?;
    let (commit, names) = match &reviewed {
        Some(reviewed) => (Some(reviewed.commit.to_string()), reviewed.environments()),
        None => (arguments.commit.clone(), arguments.environments.clone()),
    };
    let root = config.repository.definitions.clone();
    let sources = Place { dir: arguments.dir.clone(), root, revision: commit }.committed().await?;
    let remembered = Recalled::of(&config).await.environments().await?;
    let Selection { environments, errors } = select(&sources, &names, &remembered)?;
    print_errors(&errors);
    if environments.is_empty() && errors.is_empty() {
        output::remark(&format!(
            "There is no environment in `{}`: nothing to do. `beamline validate` says how to begin.",
            sources.root
        ));
    }
    let may_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !agreed_before && !may_ask {
        return Err(CliError::usage(
            "nobody can be asked: this is no terminal",
            "agree beforehand with --yes",
        ));
    }
    if let Some(remark) = wiring::unknown_branch(&config, &arguments.dir).await {
        output::remark(&remark);
    }
    let clock = Clock::system();
    let stream = if arguments.json { Stream::Stderr } else { Stream::Stdout };
    let live = Live::new(stream, &clock);
    if let Some(service) = service {
        let asking = Asking { service, commit: sources.commit, live: live.clone(), stop, clock };
        let outcome = asking.plan_and_apply(environments, reviewed.as_ref(), agreed_before).await?;
        return ended(&arguments, outcome, &errors, &live);
    }
    let (named, described) = (aliases(&environments), wiring::Description::Now);
    let estate = tokio::select! {
        estate = wiring::estate(&config, &clock, Some(&named), described) => estate?,
        // Nothing is begun yet.
        () = stop.cancelled() => return Ok(End::Failed),
    };
    if config.names_no_state_dir() {
        let folder = config.personal_state_dir();
        output::remark(&format!(
            "The journal is in {}: no settings name another state folder.",
            folder.display()
        ));
    }
    let (store, _lock) = wiring::state(&config.personal_state_dir(), "beamline apply", &clock).await?;
    let (branch, leases) = (wiring::branch(&config)?, Mutex::default());
    let runner = Runner { sources, estate, store, branch, clock, live: live.clone(), stop, leases };
    let outcome = tokio::select! {
        outcome = plan_and_apply(&runner, environments, &config, reviewed.as_ref(), agreed_before) => outcome,
        never = tick(&live) => match never {},
    };
    runner.close().await;
    ended(&arguments, outcome?, &errors, &live)
}

/// Prints what came of it where that was asked for, and says how the command ends.
fn ended(arguments: &Apply, outcome: Outcome, errors: &[Diagnostic], live: &Live) -> Result<End, CliError> {
    let Outcome { plans, resumed, reports, is_whole } = outcome;
    if arguments.json {
        let all: Vec<&Report> = resumed.iter().chain(&reports).collect();
        output::print_json(json!({ "plans": plans, "reports": all, "errors": errors }))?;
    }
    live.written()?;
    let complete =
        is_whole && errors.is_empty() && reports.iter().all(|report| report.end == RunEnd::Complete);
    let has_acted = !reports.is_empty() || !resumed.is_empty();
    Ok(match (complete, has_acted && arguments.detailed_exitcode) {
        (false, _) => End::Failed,
        (true, true) => End::Changes,
        (true, false) => End::Done,
    })
}

/// The plans that somebody has read, where the command names a file of them.
fn reviewed(arguments: &Apply) -> Result<Option<Reviewed>, CliError> {
    let Some(file) = arguments.environments.iter().find(|argument| is_file_name(argument)) else {
        return Ok(None);
    };
    if arguments.environments.len() > 1 || arguments.commit.is_some() {
        return Err(CliError::usage(
            format!("`{file}` says which environments and which commit are meant"),
            "name nothing beside it",
        ));
    }
    Reviewed::read(Path::new(file)).map(Some)
}

/// What came of it all.
#[derive(Default)]
pub(in crate::cli) struct Outcome {
    pub(in crate::cli) plans: Vec<Plan>,
    /// Of runs that were interrupted before and finished now.
    pub(in crate::cli) resumed: Vec<Report>,
    pub(in crate::cli) reports: Vec<Report>,
    /// Everything that was planned was agreed to, and tried.
    pub(in crate::cli) is_whole: bool,
}

async fn plan_and_apply(
    runner: &Runner,
    environments: Vec<Environment>,
    config: &Config,
    reviewed: Option<&Reviewed>,
    agreed_before: bool,
) -> Result<Outcome, CliError> {
    let mut outcome = Outcome { is_whole: true, ..Outcome::default() };
    let mut turns = Vec::new();
    for environment in environments {
        let turn = runner.prepare(environment).await?;
        runner.live.say(&format!("{}\n", render(turn.plan(), runner.live.colours().style())));
        outcome.is_whole &= turn.plan().blockers.is_empty();
        outcome.plans.push(turn.plan().clone());
        turns.push(turn);
    }
    outcome.resumed = turns.iter().flat_map(Turn::resumed).cloned().collect();
    // All of them before the first is applied.
    if let Some(reviewed) = reviewed
        && let Some(error) =
            outcome.plans.iter().find_map(|plan| reviewed.agrees_to(plan, &outcome.resumed).err())
    {
        tell_summaries(runner, &outcome);
        return Err(error);
    }
    if let Some(remark) = unknown_comments(config, outcome.plans.iter()) {
        output::remark(remark);
    }
    let to_do: Vec<Turn> =
        turns.into_iter().filter(|turn| turn.plan().blockers.is_empty() && turn.has_steps()).collect();
    if !to_do.is_empty() && !agreed_before && !agreed(&runner.live, &runner.stop).await? {
        runner.live.say("Nothing more was changed.\n");
        outcome.is_whole = false;
    } else {
        let applied = futures::stream::iter(to_do.iter().map(|turn| runner.apply(turn)));
        let reports: Vec<Result<Report, CliError>> =
            applied.buffer_unordered(config.runs.parallel).collect().await;
        for report in reports {
            outcome.reports.push(report?);
        }
    }
    outcome.reports.sort_by(|a, b| a.environment.cmp(&b.environment));
    tell_summaries(runner, &outcome);
    Ok(outcome)
}

/// Says what came of each environment that something was done for.
fn tell_summaries(runner: &Runner, outcome: &Outcome) {
    for (environment, reports) in by_environment(outcome) {
        let plan = outcome.plans.iter().find(|plan| plan.environment == *environment);
        runner.live.say(&format!("{environment}: {}\n", summary(&reports, plan)));
    }
}

/// The runs of each environment, oldest first: one that was resumed, and one that was made now.
fn by_environment(outcome: &Outcome) -> BTreeMap<&EnvironmentName, Vec<Report>> {
    let mut runs: BTreeMap<&EnvironmentName, Vec<Report>> = BTreeMap::new();
    for report in outcome.resumed.iter().chain(&outcome.reports) {
        runs.entry(&report.environment).or_default().push(report.clone());
    }
    runs
}

/// What runs came to, in a sentence that ends with the next step. `plan` is what was planned last.
fn summary(reports: &[Report], plan: Option<&Plan>) -> String {
    let Some(last) = reports.last() else { return String::new() };
    let deeds = Deeds::of(reports);
    let is_settled = plan.is_some_and(Plan::is_empty);
    let deeds = if is_settled { deeds.settled() } else { deeds };
    let steps = last.steps.iter().filter(|step| step.end == StepEnd::Done).count();
    let counts = Some(deeds.counts()).filter(|counts| !counts.is_empty());
    let counts = counts.map(|counts| format!(" ({counts})")).unwrap_or_default();
    let done = format!("{steps} of {} steps done{counts}", last.steps.len());
    let gone: Vec<String> = deeds.gone().iter().map(|address| address.local().to_string()).collect();
    let gone = match gone.is_empty() {
        true => String::new(),
        false => format!(". Deleted and not made again: {}", gone.join(", ")),
    };
    let end = if is_settled { RunEnd::Complete } else { last.end };
    let failed: Vec<String> = deeds
        .failed()
        .iter()
        .map(|failure| format!("\n  {}: {}", failure.address.local(), failure.message))
        .collect();
    match end {
        RunEnd::Complete => {
            let dangling = plan.into_iter().flat_map(Plan::dangling);
            let dangling: Vec<String> = dangling.map(|note| format!(". {}", note.message)).collect();
            format!("applied, {done}{gone}{}", dangling.concat())
        }
        RunEnd::Interrupted => {
            let also = if failed.is_empty() { String::new() } else { format!(", {} failed", failed.len()) };
            let underway: Vec<String> = deeds.underway().iter().map(|address| address.local()).collect();
            let goes_on = match underway.is_empty() {
                true => String::new(),
                false => format!(". Azure goes on with {}", underway.join(", ")),
            };
            format!(
                "interrupted: {done}{also}{gone}{goes_on}. Run the same command again to go on{}",
                failed.concat()
            )
        }
        RunEnd::Failed | RunEnd::Blocked | RunEnd::Invalid | RunEnd::Planned | RunEnd::Superseded => {
            let skipped = deeds.blocked().len();
            format!(
                "{done}, {} failed, {skipped} skipped{gone}. Correct the cause and run the same command again{}",
                failed.len(),
                failed.concat()
            )
        }
    }
}

/// Asks. Whoever interrupts has not agreed.
pub(in crate::cli) async fn agreed(live: &Live, stop: &CancellationToken) -> Result<bool, CliError> {
    // Nobody agrees to what could not be shown.
    live.written()?;
    let mut stderr = std::io::stderr();
    let asked = stderr.write_all(b"Apply this? Only `yes` is accepted: ").and_then(|()| stderr.flush());
    asked.map_err(|source| CliError::io("ask", source))?;
    let (sender, answer) = tokio::sync::oneshot::channel();
    // A thread of its own: waiting for a person must not keep the program from ending.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        // Nobody waits any more after an interruption.
        let _ = sender.send(read.is_ok() && line.trim() == "yes");
    });
    tokio::select! {
        answer = answer => Ok(answer.unwrap_or(false)),
        () = stop.cancelled() => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::reconcile::apply::RunId;
    use crate::reconcile::plan::{Action, Part};
    use crate::reconcile::report::StepReport;
    use crate::resources::{Address, Kind};

    #[test]
    fn an_interrupted_run_tells_what_failed_from_what_azure_goes_on_with() {
        let environment: EnvironmentName = "dev".parse().unwrap();
        let step = |(ordinal, name, end)| StepReport {
            ordinal,
            address: Address::named(&environment, Kind::ComputeCluster, name),
            action: Action::Create,
            part: Part::Whole,
            end,
            began: None,
            ended: None,
        };
        let refused = StepEnd::Failed { message: "no such size".to_owned() };
        let ends = [(0, "a", StepEnd::Done), (1, "b", refused), (2, "c", StepEnd::Underway)];
        let report = Report {
            run: RunId(uuid::Uuid::nil()),
            environment: environment.clone(),
            end: RunEnd::Interrupted,
            steps: ends.map(step).to_vec(),
            began: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(
            summary(&[report], None),
            "interrupted: 1 of 3 steps done (1 created), 1 failed. Azure goes on with compute_clusters/c. Run the \
             same command again to go on\n  compute_clusters/b: no such size"
        );
    }
}
