//! Stories: what the world answers and sends, checked against what the forges publish.

mod azure_devops;
mod bench;
mod bitbucket;
mod contract;
mod gitea;
mod github;
mod github_app;
mod gitlab;
mod history;
mod served;
mod trouble;
mod webhooks;
