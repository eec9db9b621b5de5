//! What goes wrong, said by each forge in its own way.

use serde_json::{Value, json};

use super::bench::{Bench, sha};
use crate::forge::{ForgeKind, Outage, Permission};

/// Where a list of pull requests is.
fn pulls(kind: ForgeKind) -> &'static str {
    match kind {
        ForgeKind::GitHub => "/repos/octo/infra/pulls",
        ForgeKind::GitLab => "/api/v4/projects/octo%2Fcloud%2Finfra/merge_requests",
        ForgeKind::Gitea | ForgeKind::Forgejo => "/api/v1/repos/octo/infra/pulls",
        ForgeKind::AzureDevOps => {
            "/octo/platform%20team/_apis/git/repositories/infra/pullrequests?api-version=7.1"
        }
        ForgeKind::Bitbucket => "/2.0/repositories/octo/infra/pullrequests",
    }
}

/// A request that writes a status to `main`.
fn post(kind: ForgeKind) -> (String, Value) {
    let at = sha('a');
    let url = "https://b.example.com";
    match kind {
        ForgeKind::GitHub => (format!("/repos/octo/infra/statuses/{at}"), json!({ "state": "success" })),
        ForgeKind::GitLab => {
            (format!("/api/v4/projects/octo%2Fcloud%2Finfra/statuses/{at}"), json!({ "state": "success" }))
        }
        ForgeKind::Gitea | ForgeKind::Forgejo => {
            (format!("/api/v1/repos/octo/infra/statuses/{at}"), json!({ "state": "success" }))
        }
        ForgeKind::AzureDevOps => (
            format!(
                "/octo/platform%20team/_apis/git/repositories/infra/commits/{at}/statuses?api-version=7.1"
            ),
            json!({ "state": "succeeded", "context": { "name": "plan" } }),
        ),
        ForgeKind::Bitbucket => (
            format!("/2.0/repositories/octo/infra/commit/{at}/statuses/build"),
            json!({ "type": "build", "key": "k", "state": "SUCCESSFUL", "url": url }),
        ),
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_and_revoked_tokens_are_401() {
    for kind in ForgeKind::ALL {
        let bench = Bench::new(kind);
        assert_eq!(bench.get(pulls(kind)).await.status, 200, "{kind:?}");
        assert_eq!(bench.send_as("wrong", "GET", pulls(kind), Value::Null).await.status, 401, "{kind:?}");
        let nobody = bench.raw("GET", pulls(kind), &[], Vec::new()).await.status;
        assert_eq!(nobody, if kind == ForgeKind::AzureDevOps { 203 } else { 401 });
        bench.world.revoke_tokens();
        assert_eq!(bench.get(pulls(kind)).await.status, 401, "{kind:?}");
        let token = bench.world.renew_token("bot").unwrap();
        assert_eq!(bench.send_as(&token, "GET", pulls(kind), Value::Null).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_is_not_there_or_not_for_you_is_404_and_a_missing_permission_403() {
    for kind in ForgeKind::ALL {
        let bench = Bench::new(kind);
        let stranger = bench.world.add_account("stranger", Permission::None);
        assert_eq!(bench.send_as(&stranger, "GET", pulls(kind), Value::Null).await.status, 404, "{kind:?}");
        let elsewhere = pulls(kind).replace("infra", "nothing");
        assert_eq!(bench.get(&elsewhere).await.status, 404);
        let reader = bench.world.add_account("reader", Permission::Read);
        let (place, body) = post(kind);
        assert_eq!(bench.send_as(&reader, "POST", &place, body.clone()).await.status, 403, "{kind:?}");
        bench.world.delete_repository();
        assert_eq!(bench.get(pulls(kind)).await.status, 404);
        assert_eq!(bench.send("POST", &place, body.clone()).await.status, 404);
        bench.world.restore_repository();
        let done = bench.send("POST", &place, body).await;
        assert!(done.status < 300, "{kind:?} {} {}", done.status, done.body);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_seen_by_everybody_and_passes() {
    for kind in ForgeKind::ALL {
        let bench = Bench::new(kind);
        bench.world.go_down();
        assert_eq!(bench.get(pulls(kind)).await.status, 503);
        bench.world.fail_with(Outage::NoConnection);
        let lost = bench.get(pulls(kind)).await;
        assert_eq!((lost.status, lost.header("x-simulator-lost")), (502, "1"));
        bench.world.come_back();
        assert_eq!(bench.get(pulls(kind)).await.status, 200);
        assert_eq!(bench.world.requests().values().sum::<u64>(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_writes_wait_for_the_hour_to_pass() {
    for kind in ForgeKind::ALL {
        let bench = Bench::new(kind);
        bench.world.limit_writes(Some(3));
        let (place, body) = post(kind);
        for _ in 0..3 {
            let done = bench.send("POST", &place, body.clone()).await;
            assert!(done.status < 300, "{kind:?} {} {}", done.status, done.body);
            bench.wait(60).await;
        }
        let refused = bench.send("POST", &place, body.clone()).await;
        assert_eq!(refused.status, if kind == ForgeKind::GitHub { 403 } else { 429 }, "{kind:?}");
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        assert_eq!(wait, 3600 - 180);
        assert_eq!(bench.get(pulls(kind)).await.status, 200);
        bench.wait(wait).await;
        assert!(bench.send("POST", &place, body).await.status < 300);
        assert_eq!(bench.world.history().sights().len(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_refused_without_harm() {
    for kind in ForgeKind::ALL {
        let bench = Bench::with_pull_request(kind);
        let mut random = fastrand::Rng::with_seed(9);
        let (place, _) = post(kind);
        for _ in 0..200 {
            let garbage: Vec<u8> = (0..random.usize(1..60)).map(|_| random.u8(..)).collect();
            let headers = [("authorization", "Basic ///"), ("private-token", bench.token.as_str())];
            let answer = bench.raw("POST", &place, &headers, garbage).await.status;
            assert!((400..500).contains(&answer) || answer == 203, "{kind:?} {answer}");
        }
        for body in [json!([]), json!("x"), json!({ "state": 7, "context": [], "comments": 1 })] {
            assert!(bench.send("POST", &place, body).await.status >= 400, "{kind:?}");
        }
        for query in
            ["?page=0&per_page=-1", "?page=99999999999999999999", "?page=18446744073709551615&x=%zz%"]
        {
            let target = format!("{}{}", pulls(kind).split('?').next().unwrap(), query);
            assert_eq!(bench.get(&target).await.status, 200, "{kind:?} {query}");
        }
        assert!(bench.world.history().sights().is_empty());
    }
}
