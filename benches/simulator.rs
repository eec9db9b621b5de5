//! What the simulator carries: requests per second over TLS on loopback with kept and with fresh
//! connections, the time of list and Resource Graph pages in a world of 100,000 resources, its memory,
//! and how long a save of that world holds requests back. Client and server share the process, so that
//! the client's work is included everywhere.
//!
//! Run with `cargo bench --bench simulator`. Any failed request ends it with an error.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be run fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use beamline::clock::Clock;
use beamline::resources::id::ResourceId;
use beamline_simulator::{DEFAULT_SUBSCRIPTION, Server, StateFile, World, WorldOptions};
use serde_json::{Value, json};

/// Clients at the same time where requests per second are counted.
const CLIENTS: usize = 32;

/// Requests of all clients together, with kept connections.
const KEPT: usize = 20_000;

/// Requests of all clients together, with a connection each.
const FRESH: usize = 5_000;

/// Resource groups, and storage accounts in each: 100,000 accounts.
const GROUPS: usize = 1_000;
const PER_GROUP: usize = 100;

/// Rounds of each page; the median and the worst are reported.
const ROUNDS: usize = 21;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::new(WorldOptions::new(Clock::system()));
        let server = Server::start(world.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let bench = Bench { world, base: server.base_url(), ca: server.ca_pem().to_owned() };
        bench.world.put(&id("bench"), json!({ "location": "eastus" }));
        bench.world.put(&account("bench", "stbench"), body(0));
        bench.throughput().await;
        bench.fill();
        bench.pages().await;
        bench.save().await;
        drop(bench);
        server.stop().await;
    });
}

struct Bench {
    world: World,
    base: String,
    ca: String,
}

/// How a client uses its connections.
#[derive(Clone, Copy)]
enum Habit {
    KeptHttp1,
    KeptHttp2,
    /// A connection for each request, as azurerm opens them.
    Fresh,
}

impl Bench {
    fn client(&self, habit: Habit) -> reqwest::Client {
        let ca = reqwest::Certificate::from_pem(self.ca.as_bytes()).unwrap();
        let builder = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().tcp_nodelay(true);
        match habit {
            Habit::KeptHttp1 => builder.http1_only(),
            Habit::KeptHttp2 => builder,
            Habit::Fresh => builder.http1_only().pool_max_idle_per_host(0),
        }
        .build()
        .unwrap()
    }

    fn url(&self, target: &str) -> String {
        format!("{}{target}?api-version=2025-06-01", self.base)
    }

    async fn throughput(&self) {
        let get = self.url(account("bench", "stbench").as_str());
        println!("requests over TLS on loopback, {CLIENTS} clients, client included");
        for (name, habit, total) in [
            ("GET, kept connections, HTTP/1.1", Habit::KeptHttp1, KEPT),
            ("GET, kept connections, HTTP/2", Habit::KeptHttp2, KEPT),
            ("GET, a connection for each request", Habit::Fresh, FRESH),
        ] {
            let mut run = self.run(habit, total, |client, _| client.get(&get)).await;
            println!("{name:<36} {run}", run = run.text());
        }
        let mut run = self
            .run(Habit::KeptHttp1, KEPT / 4, |client, number| {
                client
                    .put(self.url(account("bench", &format!("stput{number:06}")).as_str()))
                    .json(&body(GROUPS + number))
            })
            .await;
        println!("{:<36} {}", "PUT, kept connections, HTTP/1.1", run.text());
    }

    /// Lets the clients send `total` requests.
    async fn run(
        &self,
        habit: Habit,
        total: usize,
        request: impl Fn(&reqwest::Client, usize) -> reqwest::RequestBuilder + Sync,
    ) -> Run {
        let client = self.client(habit);
        let next = AtomicUsize::new(0);
        let began = Instant::now();
        let each = (0..CLIENTS).map(|_| async {
            let (mut walls, mut errors) = (Vec::new(), 0);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    return (walls, errors);
                }
                let sent = Instant::now();
                match send(request(&client, number)).await {
                    Ok(_) => walls.push(sent.elapsed()),
                    Err(what) => {
                        eprintln!("{what}");
                        errors += 1;
                    }
                }
            }
        });
        let ended = futures::future::join_all(each).await;
        let errors: usize = ended.iter().map(|(_, errors)| errors).sum();
        let mut walls: Vec<Duration> = ended.into_iter().flat_map(|(walls, _)| walls).collect();
        walls.sort();
        let run = Run { walls, wall: began.elapsed(), errors };
        assert_eq!(run.errors, 0, "requests failed");
        run
    }

    fn fill(&self) {
        let before = memory_mb();
        let began = Instant::now();
        for number in 0..GROUPS {
            let group = format!("group{number:04}");
            self.world.put(&id(&group), json!({ "location": "eastus" }));
            for own in 0..PER_GROUP {
                let name = format!("st{number:04}x{own:03}");
                self.world.put(&account(&group, &name), body(number));
            }
        }
        let (count, after) = (self.world.ids().len(), memory_mb());
        println!("\n{count} resources, made in {:.1} s", began.elapsed().as_secs_f64());
        println!("resident memory: {before:.0} MB before, {after:.0} MB after (aim: below 1,000 MB)\n");
    }

    async fn pages(&self) {
        let subscription = format!("/subscriptions/{DEFAULT_SUBSCRIPTION}");
        let storage = "providers/Microsoft.Storage/storageAccounts";
        println!("pages in that world, {ROUNDS} rounds");
        for (name, target) in [
            ("list of a group's accounts", format!("{subscription}/resourceGroups/group0500/{storage}")),
            ("list of all accounts, a page", format!("{subscription}/{storage}")),
            ("list of all resources, a page", format!("{subscription}/resources")),
            ("list of all groups, a page", format!("{subscription}/resourceGroups")),
        ] {
            self.page(name, 100, |client| client.get(self.url(&target))).await;
        }
        for (name, rows, query, options) in [
            (
                "graph: a type in a group",
                100,
                "where resourceGroup =~ 'group0500' and type =~ 'microsoft.storage/storageaccounts'",
                json!({}),
            ),
            (
                "graph: a type and a tag",
                100,
                "where type =~ 'microsoft.storage/storageaccounts' and tags['number'] == '500'",
                json!({}),
            ),
            ("graph: a tag, any type", 100, "where tags['number'] == '500'", json!({})),
            ("graph: everything, 100 rows", 100, "project id, name", json!({ "$top": 100 })),
            (
                "graph: everything, late 100 rows",
                100,
                "project id, name",
                json!({ "$top": 100, "$skip": 90_000 }),
            ),
            (
                "graph: everything by name, 100 rows",
                100,
                "project id, name | order by name asc",
                json!({ "$top": 100 }),
            ),
        ] {
            let sent = json!({ "query": format!("Resources | {query}"), "options": options });
            self.page(name, rows, |client| {
                client.post(self.url("/providers/Microsoft.ResourceGraph/resources")).json(&sent)
            })
            .await;
        }
    }

    async fn page(
        &self,
        name: &str,
        rows: usize,
        request: impl Fn(&reqwest::Client) -> reqwest::RequestBuilder,
    ) {
        let client = self.client(Habit::KeptHttp1);
        let mut walls = Vec::new();
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let answer = send(request(&client)).await.unwrap();
            walls.push(began.elapsed());
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            let found = answer["value"].as_array().or_else(|| answer["data"].as_array()).unwrap();
            assert_eq!(found.len(), rows, "{name}");
        }
        walls.sort();
        let (median, worst) = (millis(walls[ROUNDS / 2]), millis(walls[ROUNDS - 1]));
        println!("{name:<36} median {median:>7.1} ms, worst {worst:>7.1} ms");
    }

    /// One client reads while the world is saved.
    async fn save(&self) {
        let client = self.client(Habit::KeptHttp1);
        let url = self.url(account("bench", "stbench").as_str());
        let saved = Arc::new(AtomicBool::new(false));
        let (world, done) = (self.world.clone(), Arc::clone(&saved));
        send(client.get(&url)).await.unwrap();
        let saving = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let folder = tempfile::tempdir().unwrap();
            let mut file = StateFile::new(folder.path().join("world.json"));
            file.save(&world).unwrap();
            done.store(true, Ordering::Relaxed);
            (std::fs::metadata(file.path()).unwrap().len(), began.elapsed())
        });
        let mut walls = Vec::new();
        while !saved.load(Ordering::Relaxed) {
            let began = Instant::now();
            send(client.get(&url)).await.unwrap();
            walls.push(began.elapsed());
        }
        let (length, wall) = saving.await.unwrap();
        walls.sort();
        println!(
            "\na save of that world: {:.0} MB in {:.0} ms; meanwhile {} requests, median {:.1} ms, worst {:.1} ms",
            length as f64 / 1e6,
            millis(wall),
            walls.len(),
            millis(walls[walls.len() / 2]),
            millis(walls[walls.len() - 1]),
        );
    }
}

/// What the clients of a run saw.
struct Run {
    /// Of the answers, sorted.
    walls: Vec<Duration>,
    wall: Duration,
    errors: usize,
}

impl Run {
    fn text(&mut self) -> String {
        let at = |share: f64| millis(self.walls[(self.walls.len() as f64 * share) as usize]);
        format!(
            "{:>6.0}/s, {} errors, p50 {:>5.1} ms, p99 {:>5.1} ms",
            self.walls.len() as f64 / self.wall.as_secs_f64(),
            self.errors,
            at(0.5),
            at(0.99),
        )
    }
}

async fn send(request: reqwest::RequestBuilder) -> Result<bytes::Bytes, String> {
    let answer = request.bearer_auth("opaque").send().await.map_err(|error| format!("{error:?}"))?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| format!("{error:?}"))?;
    if status.is_success() { Ok(body) } else { Err(format!("{status}: {}", String::from_utf8_lossy(&body))) }
}

fn id(group: &str) -> ResourceId {
    format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/{group}").parse().unwrap()
}

fn account(group: &str, name: &str) -> ResourceId {
    id(group).provider("Microsoft.Storage/storageAccounts", name)
}

fn body(number: usize) -> Value {
    json!({
        "location": "eastus", "kind": "StorageV2", "sku": { "name": "Standard_LRS" },
        "tags": { "number": number.to_string(), "owner": "bench" },
        "properties": { "minimumTlsVersion": "TLS1_2", "allowBlobPublicAccess": false },
    })
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The resident memory of this process; 0 where the system does not say.
fn memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kb| kb.parse::<f64>().ok()).unwrap_or_default() / 1000.0
}
