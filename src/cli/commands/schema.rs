//! `beamline schema`: the JSON Schema of definition files.

use crate::cli::error::{CliError, End};
use crate::cli::output;
use crate::definitions;

pub(in crate::cli) fn run() -> Result<End, CliError> {
    output::print_line(&format!("{:#}", definitions::schema()))?;
    Ok(End::Done)
}
