//! Where a status leads: a page that says what was done about a commit, and lets nothing into the browser.

use beamline::wire;

use crate::support::{DaemonWorld, Setup, consent_to_remove, small};

struct Page {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

async fn page(world: &DaemonWorld, commit: &str) -> Page {
    at(world, &format!("/commits/{commit}")).await
}

async fn at(world: &DaemonWorld, path: &str) -> Page {
    wire::install_tls_provider();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(world.address(path)).send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Page { status, headers, text: answer.text().await.unwrap() }
}

#[tokio::test(start_paused = true)]
async fn a_commit_page_shows_its_runs_and_its_plans() {
    let mut world = DaemonWorld::with(Setup { secrets: Some(vec![]), ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let first = world.repository.push("first");
    world.settled("main", &first).await;
    let applied = page(&world, &first.to_string()).await;
    assert_eq!(applied.status, 200);
    assert!(applied.text.contains("<h2 id=\"apply-dev\">apply of dev</h2>"), "{}", applied.text);
    assert!(applied.text.contains("<p class=\"success\">Applied: 7 created</p>"), "{}", applied.text);
    assert!(applied.text.contains("storage_accounts/default: done"), "{}", applied.text);

    world.repository.write("environments/dev.yaml", &small(3));
    let second = world.repository.push_to("feature", "more nodes");
    world.settled("feature", &second).await;
    let planned = page(&world, &second.to_string()).await;
    assert!(planned.text.contains("<h2 id=\"plan-dev\">plan of dev</h2>"), "{}", planned.text);
    assert!(planned.text.contains("max_node_count"), "{}", planned.text);
    assert!(!planned.text.contains("apply of dev"), "{}", planned.text);
    assert_eq!(planned.text.matches("1 to change").count(), 1, "{}", planned.text);
    let root = at(&world, "/").await;
    assert_eq!(root.status, 200);
    assert!(root.text.contains("<code>/commits/</code>"), "{}", root.text);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_blocks_an_apply_stands_on_the_page_with_every_line_to_write() {
    let mut world = DaemonWorld::with(Setup { secrets: Some(vec![]), ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.repository.write("environments/other.yaml", &small(1));
    world.start().await;
    world.push("the beginning").await;
    world.repository.remove("environments/dev.yaml");
    let lines = consent_to_remove("dev");
    let (first, rest) = lines.split_once('\n').unwrap();
    let message = format!("dev goes\n\n{first}\nBeamline-Consent: destroy dev/wrkspace");
    let commit = world.repository.push(&message);
    world.settled("main", &commit).await;
    let blocked = page(&world, &commit.to_string()).await;
    for line in rest.lines() {
        assert!(blocked.text.contains(line), "{line}: {}", blocked.text);
    }
    let status = world.repository.note(&commit);
    let asked =
        format!("; {} more are needed, the first: Beamline-Consent: destroy dev/", rest.lines().count());
    assert!(status.contains(&asked), "{status}");
    world.push(&format!("the rest\n\n{rest}")).await;
    assert_eq!(world.groups(), ["rg-other"]);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_newer_ones_overtook_leads_to_them() {
    let mut world = DaemonWorld::with(Setup { secrets: Some(vec![]), ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.repository.commit("first");
    let overtaken = world.repository.git(&["rev-parse", "HEAD"]);
    world.repository.write("environments/dev.yaml", &small(2));
    world.start().await;
    let head = world.repository.push("second");
    world.settled("main", &head).await;
    let shown = page(&world, &overtaken).await;
    assert_eq!(shown.status, 200);
    assert!(shown.text.contains(&format!("<a href=\"{head}\">")), "{}", shown.text);
    assert_eq!(page(&world, &"1".repeat(40)).await.status, 404);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn whatever_a_definition_says_is_text_on_the_page() {
    let mut world = DaemonWorld::with(Setup { secrets: Some(vec![]), ..Setup::new() });
    let described = "workspace:\n  description: \"</pre><b>&\"";
    world
        .repository
        .write("environments/dev.yaml", &small(1).replace("workspace:\n", &format!("{described}\n")));
    let wrong = small(1).replace("location: eastus", "location: eastus\ntags: { \"<img src=x>\": a }");
    world.repository.write("environments/wrong.yaml", &wrong);
    world.start().await;
    let head = world.repository.push("<script>alert(1)</script>");
    world.settled("main", &head).await;
    let page = page(&world, &head.to_string()).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("`&lt;img src=x&gt;` cannot be the name of a tag"), "{}", page.text);
    for markup in ["<script", "<img", "</pre><b>"] {
        assert!(!page.text.contains(markup), "{markup} is in {}", page.text);
    }
    assert!(page.text.contains("&lt;/pre&gt;&lt;b&gt;&amp;"), "{}", page.text);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_stands_on_the_page_by_its_path() {
    let mut world = DaemonWorld::with(Setup { secrets: Some(vec![]), ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.repository.write("environments/Prod West.yaml", &small(1));
    world.start().await;
    let head = world.repository.push("first");
    world.settled("main", &head).await;
    let shown = page(&world, &head.to_string()).await;
    assert!(shown.text.contains("apply of dev</h2>"), "{}", shown.text);
    let section =
        "<h2>Files that cannot be read: no apply of what they hold</h2><ul id=\"apply-unreadable-Prod-West-";
    let (_, told) = shown.text.split_once(section).unwrap_or_else(|| panic!("{}", shown.text));
    let (told, _) = told.split_once("</ul>").unwrap();
    assert_eq!(told.matches("environments/Prod West.yaml").count(), 1, "{told}");
    assert!(!shown.text.contains("apply of unreadable"), "{}", shown.text);
    world.repository.remove("environments/Prod West.yaml");
    world.push("given up").await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_is_not_found_and_no_page_lets_anything_in() {
    let mut world = DaemonWorld::with(Setup { secrets: Some(vec![]), ..Setup::new() });
    world.repository.write("README", "nothing");
    world.start().await;
    let quiet = world.repository.push("no environment");
    world.settled("main", &quiet).await;
    let long = "a".repeat(5000);
    for (id, status) in [
        (quiet.to_string().as_str(), 200),
        ("abc", 404),
        (&"f".repeat(40), 404),
        ("%3Cscript%3E", 404),
        ("%00", 404),
        (&long, 404),
    ] {
        let page = page(&world, id).await;
        assert_eq!(page.status, status, "{id}");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!policy.contains("script-src"), "{policy}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert_eq!(page.headers["x-frame-options"], "DENY");
        assert_eq!(page.headers["referrer-policy"], "no-referrer");
        assert_eq!(page.headers["cache-control"], "no-store");
        assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"), "{id}");
        assert!(!page.text.contains("<script"), "{}", page.text);
    }
    world.finish().await;
}
