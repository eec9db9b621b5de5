//! GitHub, seen by an App: JWT, installation tokens, check runs.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::bench::{Answer, Bench, sha};
use crate::forge::{Annotation, ForgeKind, Seen, Shown};

/// Made for this test and used nowhere else.
const KEY: &str = include_str!("test_app_key.pem");
const TOKENS: &str = "/app/installations/7/access_tokens";

fn jwt(header: &Value, claims: &Value) -> String {
    let der: String = KEY.lines().filter(|line| !line.starts_with('-')).collect();
    let pair = RsaKeyPair::from_der(&STANDARD.decode(der).unwrap()).unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn app() -> Bench {
    let bench = Bench::with_pull_request(ForgeKind::GitHub);
    bench.world.install_app(99, 7, KEY).unwrap();
    bench
}

/// A request for a token with these times, in seconds from now.
async fn ask(bench: &Bench, path: &str, issued: i64, ends: i64) -> Answer {
    let now = bench.clock.now().as_second();
    let claims = json!({ "iat": now + issued, "exp": now + ends, "iss": "99" });
    let jwt = jwt(&json!({ "alg": "RS256", "typ": "JWT" }), &claims);
    bench.raw("POST", path, &[("authorization", &format!("Bearer {jwt}"))], Vec::new()).await
}

#[tokio::test(start_paused = true)]
async fn an_installation_token_ends_after_an_hour() {
    let bench = app();
    let given = ask(&bench, TOKENS, -60, 540).await;
    assert_eq!((given.status, &given.body["expires_at"]), (201, &json!("2026-11-01T01:00:00Z")));
    let token = given.body["token"].as_str().unwrap().to_owned();
    let pulls = "/repos/octo/infra/pulls";
    assert_eq!(bench.send_as(&token, "GET", pulls, Value::Null).await.status, 200);
    bench.wait(3599).await;
    assert_eq!(bench.send_as(&token, "GET", pulls, Value::Null).await.status, 200);
    bench.wait(1).await;
    let ended = bench.send_as(&token, "GET", pulls, Value::Null).await;
    assert_eq!((ended.status, &ended.body["message"]), (401, &json!("Bad credentials")));
    assert_eq!(ask(&bench, "/app/installations/8/access_tokens", -60, 540).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_jwt_is_believed_only_as_documented() {
    let bench = app();
    for (issued, ends, why) in
        [(5, 540, "'Issued at'"), (-60, 0, "'Expiration time'"), (-60, 660, "too far in the future")]
    {
        let refused = ask(&bench, TOKENS, issued, ends).await;
        assert_eq!(refused.status, 401);
        assert!(refused.body["message"].as_str().unwrap().contains(why), "{}", refused.body);
    }
    let now = bench.clock.now().as_second();
    let claims = json!({ "iat": now - 60, "exp": now + 540, "iss": "99" });
    let good = jwt(&json!({ "alg": "RS256" }), &claims);
    let none = jwt(&json!({ "alg": "none" }), &claims);
    let others = jwt(&json!({ "alg": "RS256" }), &json!({ "iat": now - 60, "exp": now + 540, "iss": "98" }));
    let forged = format!("{}.{}", good.rsplit_once('.').unwrap().0, URL_SAFE_NO_PAD.encode([1; 256]));
    for bad in [none, others, forged, String::new(), "a.b".to_owned(), bench.token.clone()] {
        let headers = [("authorization", format!("Bearer {bad}"))];
        let refused = bench.raw("POST", TOKENS, &[(headers[0].0, &headers[0].1)], Vec::new()).await;
        assert_eq!(refused.status, 401, "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn check_runs_grow_by_annotations_and_only_apps_write_them() {
    let bench = app();
    let given = ask(&bench, TOKENS, -60, 540).await;
    let token = given.body["token"].as_str().unwrap();
    let runs = "/repos/octo/infra/check-runs";
    let begun = json!({ "name": "beamline/plan", "head_sha": sha('b'), "status": "in_progress" });
    assert_eq!(bench.send("POST", runs, begun.clone()).await.status, 403);
    let run = bench.send_as(token, "POST", runs, begun).await;
    assert_eq!((run.status, &run.body["conclusion"]), (201, &Value::Null));
    let place = format!("{runs}/{}", run.body["id"]);
    let annotation = json!({
        "path": "prod.yaml", "start_line": 3, "end_line": 3, "annotation_level": "failure", "message": "no such field",
    });
    let output = |count: usize| {
        json!({ "conclusion": "failure", "output": {
            "title": "1 error", "summary": "It is wrong.", "annotations": vec![annotation.clone(); count],
        } })
    };
    assert_eq!(bench.send_as(token, "PATCH", &place, output(51)).await.status, 422);
    assert_eq!(bench.send_as(token, "PATCH", &place, output(50)).await.status, 200);
    let done = bench.send_as(token, "PATCH", &place, output(1)).await;
    assert_eq!(
        (&done.body["status"], &done.body["output"]["annotations_count"]),
        (&json!("completed"), &json!(51))
    );
    let listed = bench.get(&format!("{place}/annotations?per_page=100")).await;
    assert_eq!(listed.body.as_array().unwrap().len(), 51);
    assert_eq!(bench.get(&place).await.status, 200);
    let last = bench.world.history().sights().last().unwrap().seen.clone();
    let Seen::CheckRun { shown, annotations, .. } = last else { panic!("{last:?}") };
    let expected = Annotation {
        path: "prod.yaml".to_owned(),
        start_line: 3,
        end_line: 3,
        level: "failure".to_owned(),
        message: "no such field".to_owned(),
    };
    assert_eq!((shown, &annotations[50]), (Shown::Failure, &expected));
    assert!(bench.checked() >= 5);
    let incomplete = json!({ "name": "x", "head_sha": sha('b'), "status": "completed" });
    assert_eq!(bench.send_as(token, "POST", runs, incomplete).await.status, 422);
}

#[tokio::test(start_paused = true)]
async fn the_button_asks_for_a_check_again() {
    let bench = app();
    assert!(!bench.world.rerun_check("beamline/plan"));
    let given = ask(&bench, TOKENS, -60, 540).await;
    let body = json!({ "name": "beamline/plan", "head_sha": sha('b'), "conclusion": "success" });
    let token = given.body["token"].as_str().unwrap();
    bench.send_as(token, "POST", "/repos/octo/infra/check-runs", body).await;
    drop(bench.world.deliveries());
    assert!(bench.world.rerun_check("beamline/plan"));
    let delivery = bench.world.deliveries().remove(0);
    assert_eq!(delivery.header("x-github-event"), Some("check_run"));
    let said = delivery.json();
    assert_eq!((&said["action"], &said["check_run"]["head_sha"]), (&json!("rerequested"), &json!(sha('b'))));
    assert_eq!(said["installation"]["id"], 7);
}
