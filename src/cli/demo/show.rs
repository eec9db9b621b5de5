//! The acts of the demo.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::folder::{DEFINITIONS, Folder};
use super::happenings::Seen;
use super::stage::Stage;
use super::try_this;
use crate::cli::arguments::Global;
use crate::cli::commands::outputs::plain;
use crate::cli::error::{CliError, End};
use crate::cli::live::{Live, Stream, span, tick};
use crate::cli::logging::{self, Destination};
use crate::cli::output::{Tone, paint};
use crate::cli::signals::stop_on_signals;
use crate::cli::sources::Place;
use crate::cli::subject::{Knowledge, outputs_of, plan_of, select};
use crate::clock::Clock;
use crate::forge::State;
use crate::reconcile::apply::RunEnd;
use crate::reconcile::plan::summary_line;
use crate::resources::Kind;

/// How long the first act may take at most, even at Azure's own pace.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Whose names are shown as outputs; the command has many more.
const SHOWN_OUTPUTS: [Kind; 4] =
    [Kind::Workspace, Kind::ComputeCluster, Kind::StorageAccount, Kind::ContainerRegistry];

/// When the demo ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Ending {
    /// When the first push was applied.
    AfterActOne,
    /// When somebody stops it.
    WhenStopped,
}

/// Shows everything.
pub(in crate::cli) async fn run(
    global: &Global,
    dir: Option<&Path>,
    speed: f64,
    ending: Ending,
) -> Result<End, CliError> {
    let clock = Clock::system();
    let live = Live::new(Stream::Stdout, &clock);
    let folder = Folder::make(dir)?;
    let log = folder.path().join("daemon.log");
    let file = std::fs::File::create(&log);
    let file = file.map_err(|source| CliError::io(format!("write {}", log.display()), source))?;
    logging::start(global, Destination::File(file))?;
    let stop = stop_on_signals("")?;
    introduce(&live, &folder);
    folder.make_repositories().await?;
    let stage = Stage::start(&folder, &clock, speed, stop.clone()).await?;
    live.event(&format!(
        "the simulated Azure is {}; it provisions {speed} times faster than the real one",
        stage.address()
    ));
    live.event("the daemon watches origin.git");
    let ticking = live.clone();
    let mut show = Show { live, folder, stage, clock, stop, seen: Seen::default() };
    let ended = tokio::select! {
        ended = show.acts(ending) => ended,
        never = tick(&ticking) => match never {},
    };
    show.curtain(ended).await
}

fn introduce(live: &Live, folder: &Folder) {
    let fate = if folder.is_temporary() { "removed at the end; --dir keeps one" } else { "which stays" };
    live.say(&format!(
        "A push becomes an environment: everything happens on this machine, in\n  {} ({fate})\n    origin.git  the \
         repository that the daemon watches\n    clone       yours: edit, commit, push\n\n",
        folder.path().display()
    ));
}

/// A running show.
struct Show {
    live: Live,
    folder: Folder,
    stage: Stage,
    clock: Clock,
    stop: CancellationToken,
    seen: Seen,
}

impl Show {
    async fn acts(&mut self, ending: Ending) -> Result<End, CliError> {
        let head = self.folder.push().await?;
        self.live.event("pushed `The first environments` from the clone");
        let Some(verdict) = self.watch_until_verdict(&head).await? else { return Ok(End::Failed) };
        let empty = self.look_back(&head).await?;
        let end = if verdict == State::Success && empty { End::Done } else { End::Failed };
        match ending {
            Ending::AfterActOne => return Ok(end),
            Ending::WhenStopped => {}
        }
        let program = std::env::current_exe().unwrap_or_else(|_| "beamline".into());
        self.live.say(&try_this::text(&self.folder, &program));
        while self.next().await? {}
        Ok(end)
    }

    /// Shows what happens until the commit has its last word. `None` when it was stopped before.
    async fn watch_until_verdict(&mut self, head: &str) -> Result<Option<State>, CliError> {
        let deadline = self.clock.after(PATIENCE);
        loop {
            if let Some(verdict) = self.seen.verdicts.get(head) {
                return Ok(Some(*verdict));
            }
            let clock = self.clock.clone();
            tokio::select! {
                goes_on = self.next() => if !goes_on? { return Ok(None) },
                () = clock.sleep_until(deadline) => {
                    return Err(CliError::Other(format!("nothing was decided within {}", span(PATIENCE))));
                }
            }
        }
    }

    /// Shows the next happening. `false` when the demo is stopped.
    async fn next(&mut self) -> Result<bool, CliError> {
        self.live.written()?;
        let happening = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Ok(false),
            happening = self.stage.happenings.recv() => happening,
        };
        match happening {
            Ok(happening) => self.seen.show(happening, &self.live),
            Err(RecvError::Lagged(missed)) => self.live.event(&format!("({missed} happenings were missed)")),
            // The daemon has gone; it says why.
            Err(RecvError::Closed) => self.stage.ended().await.map(|()| self.stop.cancel())?,
        }
        Ok(true)
    }

    /// What was done, that a second plan is empty, the outputs, and what the commit says. Answers whether
    /// every second plan is empty.
    async fn look_back(&mut self, head: &str) -> Result<bool, CliError> {
        let live = self.live.clone();
        let colours = live.colours();
        let title = |text: &str| live.say(&format!("\n{}\n", paint(text, Tone::Strong, colours)));
        title("What was done");
        for report in self.seen.reports.values() {
            let took = Duration::try_from(report.ended.duration_since(report.began)).unwrap_or_default();
            let word = match report.end {
                RunEnd::Complete => "complete",
                RunEnd::Planned
                | RunEnd::Failed
                | RunEnd::Blocked
                | RunEnd::Invalid
                | RunEnd::Interrupted
                | RunEnd::Superseded => "not complete",
            };
            live.say(&format!(
                "  {}: {word}, {} steps in {}\n",
                report.environment,
                report.steps.len(),
                span(took)
            ));
        }
        let place =
            Place { dir: self.folder.clone(), root: DEFINITIONS.to_owned(), revision: Some(head.to_owned()) };
        let sources = place.read().await?;
        let mut empty = true;
        let mut outputs = String::new();
        title("Planned again");
        let knowledge = Knowledge { estate: &self.stage.estate, journal: None };
        for environment in select(&sources, &[], &[])?.environments {
            let name = environment.name.clone();
            let planned = plan_of(&knowledge.subject(environment, &sources).await?).await?;
            empty &= planned.plan.is_empty();
            live.say(&format!("  {name}: plan again: {}\n", summary_line(&planned.plan)));
            let present = planned.observed.present.iter().map(|(address, found)| (address, &found.body));
            let shown = present.filter(|(address, _)| SHOWN_OUTPUTS.contains(&address.kind()));
            for (output, value) in outputs_of(shown).iter().filter(|(output, _)| output.ends_with(".name")) {
                let _ = writeln!(outputs, "  {:<12} {output} = {}", name.as_str(), plain(value));
            }
        }
        title("Outputs (`beamline outputs ENVIRONMENT` has them all)");
        live.say(&outputs);
        title("git log --notes=beamline");
        for line in self.folder.log().await?.lines() {
            live.say(&format!("  {line}\n"));
        }
        Ok(empty)
    }

    /// Stops everything, and says what stays.
    async fn curtain(self, ended: Result<End, CliError>) -> Result<End, CliError> {
        let Self { live, folder, stage, stop, .. } = self;
        stop.cancel();
        let closed = stage.close().await;
        let end = ended?;
        closed?;
        let fate = if folder.is_temporary() { "is removed" } else { "stays" };
        live.say(&format!("\nStopped. {} {fate}.\n", folder.path().display()));
        live.written().map(|()| end)
    }
}
