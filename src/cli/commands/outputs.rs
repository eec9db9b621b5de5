//! `beamline outputs`: what pipelines ask an environment for.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::arguments::Global;
use crate::cli::commands::plan::print_errors;
use crate::cli::error::{CliError, End};
use crate::cli::output;
use crate::cli::sources::Place;
use crate::cli::subject::{Knowledge, Selection, aliases, outputs_of, plan_of, select};
use crate::cli::wiring;
use crate::clock::Clock;
use crate::config::{Config, Overrides};

/// Print names, ids and addresses of an environment's resources
///
/// Reads them from Azure: `workspace.name`, `compute_clusters.cpu-cluster.principal_id` and so on. With a
/// NAME it prints the value alone, for use in a script.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  beamline outputs production
  beamline outputs production workspace.name
  beamline outputs production --json | jq -r '.outputs[\"storage_accounts.default.id\"]'

Exit codes:
  0  printed    1  failed, or there is no such output    2  the command line is wrong")]
pub(in crate::cli) struct Outputs {
    /// The environment
    environment: String,
    /// One output, or the resource whose outputs are wanted
    name: Option<String>,
    /// The repository, or a folder in it
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Read this commit instead of the working tree
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
    /// Print a JSON document: {"format": 1, "environment": …, "outputs": {…}}
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(global: &Global, arguments: Outputs) -> Result<End, CliError> {
    let config = Config::load(&Overrides { file: global.config.clone(), ..Overrides::default() })?;
    let root = config.repository.definitions.clone();
    let place = Place { dir: arguments.dir, root, revision: arguments.commit };
    let sources = place.read().await?;
    let Selection { environments, errors } =
        select(&sources, std::slice::from_ref(&arguments.environment), &[])?;
    let Some(environment) = environments.first().cloned() else {
        print_errors(&errors);
        return Ok(End::Failed);
    };
    let estate =
        wiring::estate(&config, &Clock::system(), Some(&aliases(&environments)), wiring::Description::Now)
            .await?;
    let knowledge = Knowledge { estate: &estate, journal: None };
    let observed = plan_of(&knowledge.subject(environment, &sources).await?).await?.observed;
    let all = outputs_of(observed.present.iter().map(|(address, found)| (address, &found.body)));
    let inside = |name: &str, wanted: &str| {
        name == wanted || name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
    };
    let wanted = arguments.name.as_deref();
    let outputs: serde_json::Map<String, Value> =
        all.into_iter().filter(|(name, _)| wanted.is_none_or(|wanted| inside(name, wanted))).collect();
    if let Some(wanted) = wanted.filter(|_| outputs.is_empty()) {
        return Err(CliError::Other(format!(
            "{} has no output `{wanted}` now; `beamline outputs {}` lists them",
            arguments.environment, arguments.environment
        )));
    }
    if arguments.json {
        output::print_json(json!({ "environment": arguments.environment, "outputs": outputs }))?;
        return Ok(End::Done);
    }
    match wanted.and_then(|wanted| outputs.get(wanted)) {
        Some(value) => output::print_line(&plain(value))?,
        None => {
            for (name, value) in &outputs {
                output::print_line(&format!("{name} = {}", plain(value)))?;
            }
        }
    }
    Ok(End::Done)
}

/// A value as a script wants it: text without quotes.
pub(in crate::cli) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
