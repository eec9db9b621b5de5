//! Stories: whole behaviours over real Git repositories and the simulator, through unchanged
//! production clients. One binary; one module per behaviour.

#![expect(clippy::unwrap_used, reason = "a story that cannot be told fails")]

mod support;

mod apply_then_plan;
mod architecture;
mod arm_contract;
mod branches;
mod cli;
mod clock_jumps;
mod commit_page;
mod consent_lines;
mod crash;
mod deletions;
mod existing;
mod failures;
mod foreign;
mod forge_contracts;
mod forge_trouble;
mod forged_webhooks;
mod git_servers;
mod github_outlet;
mod in_place;
mod interrupted;
mod invalid_definitions;
mod lost_journal;
mod many_environments;
mod many_webhooks;
mod names_of_files;
mod night_log;
mod ownership;
mod plan_properties;
mod plan_text;
mod provisioning_states;
mod pull_request_comments;
mod pull_request_consents;
mod pull_request_forks;
mod pull_request_reviews;
mod pull_requests;
mod push_to_status;
mod readiness;
mod real_clients;
mod refused_heads;
mod removal;
mod renames;
mod replacements;
mod retries;
mod same_instant;
mod served_forges;
mod simulator_connections;
mod simulator_examples;
mod simulator_fuzz;
mod simulator_shapes;
mod soft_deleted_vaults;
mod state_folder;
mod stopping;
mod touched_environments;
mod trying_again;
mod unwritable_journal;
mod waiting;
mod waking;
mod webhook_examples;
mod webhook_flood;
mod webhooks;
mod whole_truth;
