//! What people do on a forge, as requests of its own REST API: for a terminal to copy, and for tests to
//! send, so that what is printed is what is tested.

use http::Method;
use serde_json::{Value, json};

use super::super::options::ForgeKind;
use super::ServedForge;

/// Something that a person does. What is not known yet may be a word to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed<'a> {
    /// Opens a pull request of this branch into the main branch.
    Open {
        /// The branch, without `refs/heads/`.
        branch: &'a str,
        /// The title, as people see it.
        title: &'a str,
    },
    /// Opens one of a branch of the contributor's fork.
    OpenFromFork {
        /// The branch, without `refs/heads/`.
        branch: &'a str,
        /// The title, as people see it.
        title: &'a str,
    },
    /// Comments on a pull request.
    Comment {
        /// The number that the forge gave it, from 1.
        number: &'a str,
        /// The text of the comment.
        text: &'a str,
    },
    /// Merges a pull request.
    Merge {
        /// The number that the forge gave it, from 1.
        number: &'a str,
        /// The head that was looked at: Azure DevOps wants it named.
        head: &'a str,
        /// In which of the three ways it is merged.
        how: Merging,
    },
    /// Closes a pull request without merging it.
    Close {
        /// The number that the forge gave it, from 1.
        number: &'a str,
    },
}

/// The ways of merging that every forge has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merging {
    /// With a merge commit.
    Commit,
    /// As one commit whose message is the title.
    Squash,
}

/// A request that does what the button on a real forge does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The method that the forge's API asks for.
    pub method: Method,
    /// The whole URL, with host and port.
    pub url: String,
    /// The JSON body; null where the forge takes none.
    pub body: Value,
}

/// The header by which a token is known to the API of a forge.
#[must_use]
pub fn credential(kind: ForgeKind, token: &str) -> (&'static str, String) {
    match kind {
        ForgeKind::GitHub | ForgeKind::Bitbucket | ForgeKind::AzureDevOps => {
            ("authorization", format!("Bearer {token}"))
        }
        ForgeKind::Gitea | ForgeKind::Forgejo => ("authorization", format!("token {token}")),
        ForgeKind::GitLab => ("private-token", token.to_owned()),
    }
}

impl ServedForge {
    /// The request that does `deed` here.
    #[must_use]
    pub fn example(&self, deed: &Deed<'_>) -> Example {
        let place = {
            let state = self.world.state();
            Place {
                kind: state.options.kind,
                base: state.base_url.clone(),
                repository: state.options.repository.clone(),
                branch: state.options.default_branch.clone(),
                fork: self.fork.clone(),
                fork_id: state.named_uuid(&self.fork).to_string(),
            }
        };
        place.example(deed)
    }
}

struct Place {
    kind: ForgeKind,
    base: String,
    repository: String,
    branch: String,
    fork: String,
    fork_id: String,
}

impl Place {
    fn example(&self, deed: &Deed<'_>) -> Example {
        match self.kind {
            ForgeKind::GitHub => self.github(deed),
            ForgeKind::GitLab => self.gitlab(deed),
            ForgeKind::Gitea | ForgeKind::Forgejo => self.gitea(deed),
            ForgeKind::AzureDevOps => self.azure_devops(deed),
            ForgeKind::Bitbucket => self.bitbucket(deed),
        }
    }

    fn at(&self, method: Method, path: &str, body: Value) -> Example {
        Example { method, url: format!("{}{path}", self.base), body }
    }

    /// The owner of the fork and a branch of it.
    fn theirs(&self, branch: &str) -> String {
        format!("{}:{branch}", self.fork.split('/').next().unwrap_or_default())
    }

    fn github(&self, deed: &Deed<'_>) -> Example {
        let root = format!("/api/v3/repos/{}", self.repository);
        let base = &self.branch;
        let open = |head: &str, title: &str| json!({ "title": title, "head": head, "base": base });
        match deed {
            Deed::Open { branch, title } => {
                self.at(Method::POST, &format!("{root}/pulls"), open(branch, title))
            }
            Deed::OpenFromFork { branch, title } => {
                self.at(Method::POST, &format!("{root}/pulls"), open(&self.theirs(branch), title))
            }
            Deed::Comment { number, text } => {
                self.at(Method::POST, &format!("{root}/issues/{number}/comments"), json!({ "body": text }))
            }
            Deed::Merge { number, how, .. } => {
                let word = match how {
                    Merging::Commit => "merge",
                    Merging::Squash => "squash",
                };
                let body = json!({ "merge_method": word });
                self.at(Method::PUT, &format!("{root}/pulls/{number}/merge"), body)
            }
            Deed::Close { number } => {
                self.at(Method::PATCH, &format!("{root}/pulls/{number}"), json!({ "state": "closed" }))
            }
        }
    }

    fn gitlab(&self, deed: &Deed<'_>) -> Example {
        let project = |name: &str| format!("/api/v4/projects/{}", name.replace('/', "%2F"));
        let requests = format!("{}/merge_requests", project(&self.repository));
        let target = &self.branch;
        match deed {
            Deed::Open { branch, title } => {
                let body = json!({ "title": title, "source_branch": branch, "target_branch": target });
                self.at(Method::POST, &requests, body)
            }
            Deed::OpenFromFork { branch, title } => {
                let body = json!({
                    "title": title, "source_branch": branch, "target_branch": target, "target_project_id": 42,
                });
                self.at(Method::POST, &format!("{}/merge_requests", project(&self.fork)), body)
            }
            Deed::Comment { number, text } => {
                self.at(Method::POST, &format!("{requests}/{number}/notes"), json!({ "body": text }))
            }
            Deed::Merge { number, how, .. } => {
                let body = json!({ "squash": *how == Merging::Squash });
                self.at(Method::PUT, &format!("{requests}/{number}/merge"), body)
            }
            Deed::Close { number } => {
                self.at(Method::PUT, &format!("{requests}/{number}"), json!({ "state_event": "close" }))
            }
        }
    }

    fn gitea(&self, deed: &Deed<'_>) -> Example {
        let root = format!("/api/v1/repos/{}", self.repository);
        let base = &self.branch;
        let open = |head: &str, title: &str| json!({ "title": title, "head": head, "base": base });
        match deed {
            Deed::Open { branch, title } => {
                self.at(Method::POST, &format!("{root}/pulls"), open(branch, title))
            }
            Deed::OpenFromFork { branch, title } => {
                self.at(Method::POST, &format!("{root}/pulls"), open(&self.theirs(branch), title))
            }
            Deed::Comment { number, text } => {
                self.at(Method::POST, &format!("{root}/issues/{number}/comments"), json!({ "body": text }))
            }
            Deed::Merge { number, how, .. } => {
                let word = match how {
                    Merging::Commit => "merge",
                    Merging::Squash => "squash",
                };
                self.at(Method::POST, &format!("{root}/pulls/{number}/merge"), json!({ "Do": word }))
            }
            Deed::Close { number } => {
                self.at(Method::PATCH, &format!("{root}/pulls/{number}"), json!({ "state": "closed" }))
            }
        }
    }

    fn azure_devops(&self, deed: &Deed<'_>) -> Example {
        let (place, name) = self.repository.rsplit_once('/').unwrap_or(("", &self.repository));
        let place = place.replace(' ', "%20");
        let root = format!("/{place}/_apis/git/repositories/{name}/pullrequests");
        let target = format!("refs/heads/{}", self.branch);
        let open = |branch: &str, title: &str| json!({ "title": title, "sourceRefName": format!("refs/heads/{branch}"), "targetRefName": target });
        let version = "api-version=7.1";
        match deed {
            Deed::Open { branch, title } => {
                self.at(Method::POST, &format!("{root}?{version}"), open(branch, title))
            }
            Deed::OpenFromFork { branch, title } => {
                let mut body = open(branch, title);
                body["forkSource"] = json!({ "repository": { "id": self.fork_id } });
                self.at(Method::POST, &format!("{root}?{version}"), body)
            }
            Deed::Comment { number, text } => {
                let comment = json!({ "parentCommentId": 0, "content": text, "commentType": 1 });
                let body = json!({ "comments": [comment], "status": 1 });
                self.at(Method::POST, &format!("{root}/{number}/threads?{version}"), body)
            }
            Deed::Merge { number, head, how } => {
                let word = match how {
                    Merging::Commit => "noFastForward",
                    Merging::Squash => "squash",
                };
                let body = json!({
                    "status": "completed", "lastMergeSourceCommit": { "commitId": head },
                    "completionOptions": { "mergeStrategy": word },
                });
                self.at(Method::PATCH, &format!("{root}/{number}?{version}"), body)
            }
            Deed::Close { number } => {
                let body = json!({ "status": "abandoned" });
                self.at(Method::PATCH, &format!("{root}/{number}?{version}"), body)
            }
        }
    }

    fn bitbucket(&self, deed: &Deed<'_>) -> Example {
        let root = format!("/2.0/repositories/{}/pullrequests", self.repository);
        match deed {
            Deed::Open { branch, title } => {
                let body = json!({ "title": title, "source": { "branch": { "name": branch } } });
                self.at(Method::POST, &root, body)
            }
            Deed::OpenFromFork { branch, title } => {
                let repository = json!({ "full_name": self.fork });
                let source = json!({ "branch": { "name": branch }, "repository": repository });
                self.at(Method::POST, &root, json!({ "title": title, "source": source }))
            }
            Deed::Comment { number, text } => {
                let body = json!({ "content": { "raw": text } });
                self.at(Method::POST, &format!("{root}/{number}/comments"), body)
            }
            Deed::Merge { number, how, .. } => {
                let word = match how {
                    Merging::Commit => "merge_commit",
                    Merging::Squash => "squash",
                };
                let body = json!({ "merge_strategy": word });
                self.at(Method::POST, &format!("{root}/{number}/merge"), body)
            }
            Deed::Close { number } => self.at(Method::POST, &format!("{root}/{number}/decline"), json!({})),
        }
    }
}
