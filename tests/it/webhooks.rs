//! What the daemon serves: webhooks that are stored before they are answered and wake a look at once, and
//! its health. Real sockets, real time.

use beamline::wire;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use crate::support::{DaemonWorld, Setup, small};

const SECRET: &str = "a secret of the webhook";

struct Hook<'a> {
    event: &'a str,
    id: &'a str,
    secret: Option<&'a str>,
}

impl Hook<'_> {
    async fn send(&self, world: &DaemonWorld) -> u16 {
        let body = json!({
            "ref": "refs/heads/main",
            "after": "1111111111111111111111111111111111111111",
            "deleted": false,
            "zen": "Keep it logically awesome.",
            "repository": { "full_name": "team/environments" },
        })
        .to_string();
        let mut request = client()
            .post(world.address("/webhooks/github"))
            .header("x-github-event", self.event)
            .header("x-github-delivery", self.id);
        if let Some(secret) = self.secret {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            mac.update(body.as_bytes());
            let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            request = request.header("x-hub-signature-256", format!("sha256={hex}"));
        }
        request.body(body).send().await.unwrap().status().as_u16()
    }
}

fn client() -> reqwest::Client {
    wire::install_tls_provider();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn served() -> DaemonWorld {
    // It polls once an hour, and nothing is pushed: only the webhook wakes it.
    let mut world = DaemonWorld::with(Setup { secrets: Some(vec![SECRET]), ..Setup::real_time() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    world
}

#[tokio::test]
async fn only_signed_webhooks_count_and_each_once() {
    let world = served().await;
    let id = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
    let hook = |event, secret| Hook { event, id, secret };
    assert_eq!(hook("push", None).send(&world).await, 401);
    assert_eq!(hook("push", Some("another secret")).send(&world).await, 401);
    assert_eq!(hook("ping", Some(SECRET)).send(&world).await, 200);
    assert_eq!(hook("issues", Some(SECRET)).send(&world).await, 202);
    let strange = Hook { event: "push", id: "no id at all \u{e9}", secret: Some(SECRET) };
    assert!(world.store().pending_deliveries().await.unwrap().is_empty());
    assert_eq!(strange.send(&world).await, 400);
    assert_eq!(hook("push", Some(SECRET)).send(&world).await, 202);
    assert_eq!(hook("push", Some(SECRET)).send(&world).await, 202);
    world
        .soon("the webhook is acted on", async || {
            world.store().pending_deliveries().await.unwrap().is_empty()
        })
        .await;
    world.stop_quietly().await;
}

#[tokio::test]
async fn a_webhook_is_stored_before_it_is_answered() {
    let world = served().await;
    world.soon("ready", async || status(&world, "/readyz").await == 200).await;
    // While the origin is away no look can succeed, and what was stored stays to be acted on.
    let (origin, away) = (world.repository.origin(), world.repository.folder().join("away"));
    std::fs::rename(&origin, &away).unwrap();
    let hook = Hook { event: "push", id: "1", secret: Some(SECRET) };
    assert_eq!(hook.send(&world).await, 202);
    assert_eq!(world.store().pending_deliveries().await.unwrap().len(), 1);
    std::fs::rename(&away, &origin).unwrap();
    let hook = Hook { event: "push", id: "2", secret: Some(SECRET) };
    assert_eq!(hook.send(&world).await, 202);
    world
        .soon("both are acted on", async || world.store().pending_deliveries().await.unwrap().is_empty())
        .await;
    world.stop_quietly().await;
}

#[tokio::test]
async fn health_says_alive_at_once_and_ready_after_the_first_look() {
    let world = served().await;
    assert_eq!(status(&world, "/healthz").await, 200);
    world.soon("ready", async || status(&world, "/readyz").await == 200).await;
    assert_eq!(status(&world, "/nothing").await, 404);
    world.stop_quietly().await;
}

async fn status(world: &DaemonWorld, path: &str) -> u16 {
    client().get(world.address(path)).send().await.unwrap().status().as_u16()
}
