//! `beamline plan`: what would change in Azure. Sends reads only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::attempt::Estate;
use crate::cli::arguments::Global;
use crate::cli::error::{CliError, End};
use crate::cli::memory::Recalled;
use crate::cli::output::{self, Colours};
use crate::cli::plan_file::{self, is_file_name};
use crate::cli::service::{Answer, Service};
use crate::cli::sources::{Place, Sources};
use crate::cli::subject::{Journal, Knowledge, Selection, aliases, plan_of, select, unknown_comments};
use crate::cli::wiring;
use crate::clock::Clock;
use crate::config::{Config, Overrides};
use crate::definitions::{Diagnostic, Environment};
use crate::git::BranchName;
use crate::reconcile::plan::{Plan as MadePlan, render};

/// Show what would change in Azure
///
/// Reads the definitions of the working tree (or of a commit), asks Azure what is there, and prints what
/// an apply would create (+), change (~), replace (-/+) and delete (-), through exactly the code that the
/// daemon uses. It sends reads only. While a daemon has the state folder of the settings it is the one who
/// plans commits, with its memory and the consents that comments give; else the plan looks into the journal
/// of the settings, as apply does: what was applied last decides which consents still count and where an
/// environment lived before. Deleting or replacing what is protected needs a line
/// `Beamline-Consent: destroy ADDRESS` in the commit's message; for the working tree that of HEAD counts.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  beamline plan                                   every environment of the working tree
  beamline plan production --commit origin/main   one environment, as it is pushed
  beamline plan production --out plan.json        to be read, then: beamline apply plan.json
  beamline plan --detailed-exitcode --json        for a script

Exit codes:
  0  planned    1  failed, or an apply would be refused    2  the command line is wrong
  with --detailed-exitcode: 0  no changes    1  as above    2  there are changes")]
pub(in crate::cli) struct Plan {
    /// The environments; all that have a file when none is named
    #[arg(value_name = "ENVIRONMENT")]
    environments: Vec<String>,
    /// The repository, or a folder in it
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Read this commit instead of the working tree
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
    /// Keep the plan of a commit in this file, for `beamline apply FILE` [commit: HEAD, as apply takes it]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// End with exit code 2 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Print a JSON document: {"format": 1, "memory": …, "plans": [...], "errors": [...]}; `memory` is null when
    /// the journal was read, and says otherwise why not
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(global: &Global, arguments: Plan) -> Result<End, CliError> {
    let config = Config::load(&Overrides { file: global.config.clone(), ..Overrides::default() })?;
    let root = config.repository.definitions.clone();
    let unknown_branch = wiring::unknown_branch(&config, &arguments.dir).await;
    let place = Place { dir: arguments.dir, root, revision: arguments.commit };
    let service = Service::of(&config).await;
    let sources = match (&arguments.out, &service) {
        (Some(_), _) => place.committed().await?,
        // It is asked about commits; what is not committed is planned here.
        (None, Some(_)) => match place.clone().committed().await {
            Ok(sources) => sources,
            Err(_) => place.read().await?,
        },
        (None, None) => place.read().await?,
    };
    let recalled = Recalled::of(&config).await;
    let remembered = recalled.environments().await?;
    let Selection { environments, errors } = select(&sources, &arguments.environments, &remembered)?;
    if environments.is_empty() && errors.is_empty() {
        output::remark(&format!(
            "There is no environment in `{}`: nothing to plan. `beamline validate` says how to begin.",
            sources.root
        ));
    }
    if let Some(remark) = unknown_branch {
        output::remark(&remark);
    }
    let mut planner = Planner::new(&config, &sources, &recalled, aliases(&environments))?;
    let (mut plans, mut memory, mut diagnostics) = (Vec::new(), None, Vec::new());
    for environment in environments {
        let asked = match &service {
            Some(service) => service.plan(sources.commit, &environment).await?,
            None => None,
        };
        let plan = match asked {
            Some(Answer::Planned(plan)) => *plan,
            Some(Answer::Invalid(found)) => {
                diagnostics.extend(found);
                continue;
            }
            Some(Answer::Nothing) => continue,
            None => {
                memory = recalled.remark();
                let plan = planner.plan(environment).await?;
                if let Some(remark) = memory.filter(|_| plans.is_empty() && !arguments.json) {
                    output::print(&format!("{remark}\n\n"))?;
                }
                plan
            }
        };
        if !arguments.json {
            output::print(&format!("{}\n", shown(&plan)))?;
        }
        if let Some(store) = recalled.store()
            && let Some(open) = store.unfinished_run_of(&plan.environment).await?
        {
            let began = open.began.strftime("%Y-%m-%d %H:%M UTC");
            output::remark(&format!(
                "note: an apply of {} that began {began} has not ended; the next one finishes it first",
                plan.environment
            ));
        }
        plans.push(plan);
    }
    let is_refused = !errors.is_empty() || !diagnostics.is_empty();
    let of_files = errors.iter().filter_map(|error| serde_json::to_value(error).ok());
    let all: Vec<Value> = of_files.chain(diagnostics).collect();
    let document = json!({ "memory": memory, "plans": plans, "errors": all });
    if let Some(file) = &arguments.out {
        plan_file::write(file, document.clone())?;
        let is_refused = is_refused || plans.iter().any(|plan| !plan.blockers.is_empty());
        let next = if is_refused {
            "it cannot be applied as it is".to_owned()
        } else {
            let config = global.config.as_deref().map(|path| format!(" --config {}", path.display()));
            format!("to apply just this: beamline apply {}{}", shown_path(file), config.unwrap_or_default())
        };
        output::remark(&format!("Written to {}; {next}", shown_path(file)));
    }
    if arguments.json {
        output::print_json(document)?;
    } else {
        print_errors(&errors);
        if let Some(remark) = unknown_comments(&config, plans.iter()).filter(|_| service.is_none()) {
            output::remark(remark);
        }
    }
    let blocked = plans.iter().any(|plan| !plan.blockers.is_empty());
    let changes = plans.iter().any(|plan| !plan.steps.is_empty());
    Ok(match (blocked || is_refused, changes && arguments.detailed_exitcode) {
        (true, _) => End::Failed,
        (false, true) => End::Changes,
        (false, false) => End::Done,
    })
}

/// Plans in this process, by its own credentials: made when the first plan is.
struct Planner<'a> {
    config: &'a Config,
    sources: &'a Sources,
    recalled: &'a Recalled,
    branch: BranchName,
    aliases: BTreeSet<String>,
    estate: Option<Estate>,
}

impl<'a> Planner<'a> {
    fn new(
        config: &'a Config,
        sources: &'a Sources,
        recalled: &'a Recalled,
        aliases: BTreeSet<String>,
    ) -> Result<Self, CliError> {
        let (branch, estate) = (wiring::branch(config)?, None);
        Ok(Self { config, sources, recalled, branch, aliases, estate })
    }

    async fn plan(&mut self, environment: Environment) -> Result<MadePlan, CliError> {
        let estate = match self.estate.take() {
            Some(estate) => estate,
            None => {
                let now = wiring::Description::Now;
                wiring::estate(self.config, &Clock::system(), Some(&self.aliases), now).await?
            }
        };
        let estate = self.estate.insert(estate);
        let journal = self.recalled.store().map(|store| Journal { store, branch: &self.branch });
        let subject = Knowledge { estate, journal }.subject(environment, self.sources).await?;
        Ok(plan_of(&subject).await?.plan)
    }
}

/// A path as `apply` tells it from an environment.
fn shown_path(file: &Path) -> String {
    let text = file.display().to_string();
    if is_file_name(&text) { text } else { format!("./{text}") }
}

/// A plan for people.
pub(in crate::cli) fn shown(plan: &MadePlan) -> String {
    render(plan, Colours::of_stdout().style())
}

/// What is wrong with the definitions that could not be planned.
pub(in crate::cli) fn print_errors(errors: &[Diagnostic]) {
    let colours = Colours::of_stderr();
    for error in errors {
        output::remark(&format!("{}\n", error.render(colours.into())));
    }
}
