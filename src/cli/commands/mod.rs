//! One file per command: its arguments with their help, and what it does.

pub(super) mod apply;
pub(super) mod completions;
pub(super) mod daemon;
pub(super) mod demo;
pub(super) mod outputs;
pub(super) mod plan;
pub(super) mod schema;
pub(super) mod simulate;
pub(super) mod validate;
