//! PURE: which step of which environment is where. Progress and the time in, text out.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::wording::{between, doing, done, listed, sign, span};
use crate::cli::output::{Colours, Tone, paint};
use crate::reconcile::plan::{Part, Plan, Step};
use crate::reconcile::report::{Progress, StepEnd};
use crate::resources::EnvironmentName;

/// How many lines the block has at most: it must fit the smallest usual terminal (24 lines).
const MAX_BLOCK_LINES: usize = 18;

/// How many waiting steps of an environment the block shows.
const MAX_WAITING: usize = 3;

/// How wide the names of environments are at least.
const ENVIRONMENT_WIDTH: usize = 10;

/// How wide the names of resources are at most; a longer one pushes the rest of its line aside.
const MAX_RESOURCE_WIDTH: usize = 48;

/// A line that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Line {
    /// Its text.
    pub(in crate::cli) text: String,
    /// Who needs it.
    pub(in crate::cli) weight: Weight,
}

/// Who needs a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Weight {
    /// Everybody.
    Always,
    /// Those who do not see the block.
    WithoutBlock,
}

/// All environments that are being worked on.
#[derive(Debug)]
pub(in crate::cli) struct Board {
    colours: Colours,
    lanes: BTreeMap<EnvironmentName, Lane>,
}

/// One environment.
#[derive(Debug)]
struct Lane {
    began: Timestamp,
    /// How wide the names of its resources are.
    width: usize,
    steps: Vec<Row>,
}

/// One step.
#[derive(Debug)]
struct Row {
    step: Step,
    label: String,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting,
    Running { since: Timestamp, word: String, percent: Option<u8> },
    Over,
}

impl Board {
    pub(in crate::cli) fn new(colours: Colours) -> Self {
        Self { colours, lanes: BTreeMap::new() }
    }

    /// The steps of `plan` are about to be carried out.
    pub(in crate::cli) fn begin(&mut self, plan: &Plan, now: Timestamp) {
        let row =
            |step: &Step| Row { step: step.clone(), label: step.address.local(), state: State::Waiting };
        let steps: Vec<Row> = plan.steps.iter().map(row).collect();
        let width = steps.iter().map(|row| row.label.chars().count()).max().unwrap_or(0);
        let width = width.min(MAX_RESOURCE_WIDTH);
        self.lanes.insert(plan.environment.clone(), Lane { began: now, width, steps });
    }

    /// Nothing more is done in `environment`.
    pub(in crate::cli) fn end(&mut self, environment: &EnvironmentName) {
        self.lanes.remove(environment);
    }

    /// A run moved. Answers with what is worth a line.
    pub(in crate::cli) fn progress(
        &mut self,
        environment: &EnvironmentName,
        progress: &Progress,
        now: Timestamp,
    ) -> Option<Line> {
        let colours = self.colours;
        let lane = self.lanes.get_mut(environment)?;
        let said = match progress {
            Progress::Started { step } => lane.started(*step, now, colours),
            Progress::Working { step, state, percent } => lane.working(*step, state, *percent, now, colours),
            Progress::Retrying { step, message, wait } => lane.retrying(*step, message, *wait, now, colours),
            Progress::Ended { step, end } => lane.ended(*step, end, now, colours),
        };
        let (ordinal, text, weight) = said?;
        let (row, width) = (lane.steps.get(ordinal)?, lane.width);
        let front = format!(
            "{:<ENVIRONMENT_WIDTH$} {:>2} {:<width$}  ",
            environment.as_str(),
            sign(&row.step),
            row.label
        );
        Some(Line { text: format!("{front}{text}"), weight })
    }

    /// What is going on now, as lines that are drawn over each other.
    pub(in crate::cli) fn block(&self, now: Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        let share = MAX_BLOCK_LINES / self.lanes.len().max(1);
        for (environment, lane) in &self.lanes {
            lane.block(environment, now, self.colours, share, &mut lines);
        }
        lines.truncate(MAX_BLOCK_LINES);
        lines
    }
}

/// A step's place, what to say of it, and to whom.
type Said = Option<(usize, String, Weight)>;

impl Lane {
    fn row(&mut self, step: u32) -> Option<(usize, &mut Row)> {
        let place = usize::try_from(step).ok()?;
        self.steps.get_mut(place).map(|row| (place, row))
    }

    fn started(&mut self, step: u32, now: Timestamp, colours: Colours) -> Said {
        let after = self.names_of(|row| row.step.ordinal == step, |_| true);
        let (place, row) = self.row(step)?;
        row.state = State::Running { since: now, word: String::new(), percent: None };
        let after = if after.is_empty() { String::new() } else { format!("  (after {})", listed(&after)) };
        let text = format!("{}{}", doing(&row.step), paint(&after, Tone::Quiet, colours));
        Some((place, text, Weight::WithoutBlock))
    }

    fn working(
        &mut self,
        step: u32,
        state: &str,
        percent: Option<u8>,
        now: Timestamp,
        colours: Colours,
    ) -> Said {
        let (place, row) = self.row(step)?;
        let (since, known) = match &row.state {
            State::Running { since, word, .. } => (*since, word == state),
            State::Waiting | State::Over => (now, false),
        };
        row.state = State::Running { since, word: state.to_owned(), percent };
        let text = paint(&format!("Azure says {}", clean(state)), Tone::Quiet, colours);
        (!known).then_some((place, text, Weight::WithoutBlock))
    }

    fn retrying(
        &mut self,
        step: u32,
        message: &str,
        wait: Duration,
        now: Timestamp,
        colours: Colours,
    ) -> Said {
        let (place, row) = self.row(step)?;
        let since = match &row.state {
            State::Running { since, .. } => *since,
            State::Waiting | State::Over => now,
        };
        let word = format!("tried again in {}", span(wait));
        let text = paint(&format!("{word}: {}", clean(message)), Tone::Working, colours);
        row.state = State::Running { since, word, percent: None };
        Some((place, text, Weight::Always))
    }

    fn ended(&mut self, step: u32, end: &StepEnd, now: Timestamp, colours: Colours) -> Said {
        let (place, row) = self.row(step)?;
        let took = match &row.state {
            State::Running { since, .. } => Some(between(*since, now)),
            State::Waiting | State::Over => None,
        };
        row.state = State::Over;
        let in_time = took.map_or_else(String::new, |took| format!(" in {}", span(took)));
        let text = match end {
            StepEnd::Done => format!("{}{in_time}", paint(done(&row.step), Tone::Good, colours)),
            StepEnd::Failed { message } => {
                format!("{}{in_time}: {}", paint("failed", Tone::Bad, colours), clean(message))
            }
            StepEnd::Skipped { because } => {
                format!("{}, because {} failed", paint("skipped", Tone::Working, colours), because.local())
            }
            StepEnd::Unknown { message } => {
                format!("{}{in_time}: {}", paint("not known", Tone::Bad, colours), clean(message))
            }
            StepEnd::Moved { message } => {
                format!("{}: {}", paint("planned again", Tone::Working, colours), clean(message))
            }
            StepEnd::Underway => paint("goes on in Azure", Tone::Working, colours),
            StepEnd::NotReached => paint("not reached", Tone::Working, colours),
        };
        Some((place, text, Weight::Always))
    }

    /// The labels of what the first step that is `wanted` comes after, as far as they `count`.
    fn names_of(&self, wanted: impl Fn(&Row) -> bool, count: impl Fn(&Row) -> bool) -> Vec<String> {
        let Some(row) = self.steps.iter().find(|row| wanted(row)) else { return Vec::new() };
        let before: Vec<&Row> =
            row.step.after.iter().filter_map(|step| self.at(*step)).filter(|row| count(row)).collect();
        // What another of them waits for itself goes without saying.
        let implied = |row: &Row| before.iter().any(|other| self.waits_for(other, row.step.ordinal));
        // Of a replacement both halves have one name: nothing waits for itself.
        let name = |other: &&Row| match (other.label == row.label, other.step.part) {
            (false, _) => other.label.clone(),
            (true, Part::Removal) => "its deletion".to_owned(),
            (true, Part::Creation | Part::Whole) => "its creation".to_owned(),
        };
        before.iter().filter(|row| !implied(row)).map(name).collect()
    }

    fn at(&self, step: u32) -> Option<&Row> {
        self.steps.get(usize::try_from(step).ok()?)
    }

    /// Whether `row` comes after `step`, directly or not. Steps come after earlier ones only, so this ends.
    fn waits_for(&self, row: &Row, step: u32) -> bool {
        let earlier = |before: &&u32| **before < row.step.ordinal;
        row.step.after.iter().filter(earlier).any(|before| {
            *before == step || self.at(*before).is_some_and(|before| self.waits_for(before, step))
        })
    }

    fn block(
        &self,
        environment: &EnvironmentName,
        now: Timestamp,
        colours: Colours,
        share: usize,
        lines: &mut Vec<String>,
    ) {
        let over = self.steps.iter().filter(|row| matches!(row.state, State::Over)).count();
        let elapsed = span(between(self.began, now));
        let head = format!("{environment}: {over} of {} steps done, {elapsed}", self.steps.len());
        lines.push(paint(&head, Tone::Strong, colours));
        let mut room = share.saturating_sub(1);
        let width = self.width;
        for row in &self.steps {
            let State::Running { since, word, percent } = &row.state else { continue };
            if room == 0 {
                return;
            }
            room -= 1;
            let percent = percent.map_or_else(String::new, |percent| format!(" {percent} %"));
            let word = if word.is_empty() { doing(&row.step) } else { word.as_str() };
            let took = span(between(*since, now));
            let text =
                format!("  {:>2} {:<width$} {took:>9}  {}{percent}", sign(&row.step), row.label, clean(word));
            lines.push(paint(&text, Tone::Working, colours));
        }
        for row in
            self.steps.iter().filter(|row| matches!(row.state, State::Waiting)).take(room.min(MAX_WAITING))
        {
            let ordinal = row.step.ordinal;
            let for_what = self.names_of(
                |other| other.step.ordinal == ordinal,
                |before| !matches!(before.state, State::Over),
            );
            let for_what = if for_what.is_empty() { "its turn".to_owned() } else { listed(&for_what) };
            let text = format!("  {:>2} {:<width$} waits for {for_what}", "", row.label);
            lines.push(paint(&text, Tone::Quiet, colours));
        }
    }
}

/// Text from outside, in one line that cannot steer a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> Plan {
        let step = |ordinal: u32, address: &str, after: &[u32]| {
            json!({
                "ordinal": ordinal, "address": address,
                "target": { "known": format!("/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/g{ordinal}") },
                "api_version": "2024-01-01", "action": "create", "part": "whole", "reasons": [],
                "differences": [], "after": after, "precondition": null, "lock": null, "requests": [],
                "carried_by": null, "read_back": "matches", "timeout_secs": 60,
            })
        };
        let steps = [step(0, "dev/resource_group", &[]), step(1, "dev/key_vaults/main", &[0])];
        serde_json::from_value(json!({
            "format": 1, "environment": "dev", "commit": null, "input_digest": null, "observed_digest": "",
            "steps": steps, "kept": [], "notes": [], "blockers": [],
        }))
        .unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_step_is_shown_from_its_start_to_its_end() {
        let mut board = Board::new(Colours::Off);
        let plan = plan();
        board.begin(&plan, at(0));
        let dev = &plan.environment;
        let line = board.progress(dev, &Progress::Started { step: 0 }, at(1)).unwrap();
        assert_eq!(line.weight, Weight::WithoutBlock);
        let working = Progress::Working { step: 0, state: "Creating".into(), percent: Some(40) };
        assert!(board.progress(dev, &working, at(2)).unwrap().text.ends_with("Azure says Creating"));
        assert_eq!(board.progress(dev, &working, at(3)), None, "the same word is said once");
        let block = board.block(at(4)).join("\n");
        assert!(block.starts_with("dev: 0 of 2 steps done, 4.0 s\n"), "{block}");
        assert!(block.contains("3.0 s  Creating 40 %"), "{block}");
        assert!(block.contains("waits for resource_group"), "{block}");
        let line = board.progress(dev, &Progress::Ended { step: 0, end: StepEnd::Done }, at(5)).unwrap();
        assert!(line.text.ends_with("created in 4.0 s"), "{}", line.text);
        let line = board.progress(dev, &Progress::Started { step: 1 }, at(5)).unwrap();
        assert!(line.text.ends_with("creating  (after resource_group)"), "{}", line.text);
    }

    #[test]
    fn the_creation_of_a_replacement_does_not_wait_for_itself() {
        let mut board = Board::new(Colours::Off);
        let mut plan = plan();
        plan.steps[1].address = plan.steps[0].address.clone();
        (plan.steps[0].part, plan.steps[1].part) = (Part::Removal, Part::Creation);
        board.begin(&plan, at(0));
        board.progress(&plan.environment, &Progress::Started { step: 0 }, at(1));
        let block = board.block(at(2)).join("\n");
        assert!(block.contains("waits for its deletion"), "{block}");
        board.progress(&plan.environment, &Progress::Ended { step: 0, end: StepEnd::Done }, at(3));
        let line = board.progress(&plan.environment, &Progress::Started { step: 1 }, at(3)).unwrap();
        assert!(line.text.ends_with("(after its deletion)"), "{}", line.text);
    }

    #[test]
    fn text_from_outside_cannot_steer_the_terminal() {
        let mut board = Board::new(Colours::Off);
        let plan = plan();
        board.begin(&plan, at(0));
        let end = StepEnd::Failed { message: "bad\x1b[2J\nline".into() };
        let line = board.progress(&plan.environment, &Progress::Ended { step: 0, end }, at(1)).unwrap();
        assert!(line.text.ends_with("failed: bad [2J line"), "{:?}", line.text);
    }

    #[test]
    fn progress_of_an_unknown_environment_or_step_is_passed_over() {
        let mut board = Board::new(Colours::Off);
        let plan = plan();
        assert_eq!(board.progress(&plan.environment, &Progress::Started { step: 0 }, at(0)), None);
        board.begin(&plan, at(0));
        assert_eq!(board.progress(&plan.environment, &Progress::Started { step: 9 }, at(0)), None);
        assert!(board.block(at(0)).len() <= MAX_BLOCK_LINES);
    }
}
