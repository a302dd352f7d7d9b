//! Each tool of the built-in servers, with what it refuses. Pages come from a server on the loopback interface.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json};

use super::super::testing::Bench;
use super::super::{Ran, ToolFault, Toolbox};
use super::*;
use crate::domain::sandbox::{GitAccess, Hosts};

/// Serves these pages (path, head lines, body) as long as the process lives, and gives its address.
fn pages(pages: &'static [(&str, &str, &str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            let known = pages.iter().find(|(known, ..)| path == *known);
            let (head, body) = known.map_or(("HTTP/1.1 404 Not Found", "no such page"), |(_, head, body)| (head, body));
            let length = body.len();
            let _ = stream
                .write_all(format!("{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").as_bytes());
        }
    });
    address
}

const HTML: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8";

fn bench_with(network: &[&str]) -> Bench {
    let mut bench = Bench::new();
    bench.allowed.network = Hosts::of(network.iter().map(|host| (*host).to_owned()));
    bench
}

#[test]
fn the_servers_have_the_tools_that_other_systems_know() {
    let listed = |server: &str| tools_of(server).map(|tool| tool.told().name).collect::<Vec<_>>().join(" ");
    assert_eq!(listed("fetch"), "fetch_url fetch_documentation scrape_website download_file");
    assert_eq!(listed("memory"), "store_knowledge retrieve_context update_memory search_knowledge");
    assert_eq!(listed("git"), "git_init git_commit git_branch git_merge git_push search_repositories");
    assert_eq!(listed("filesystem"), "read_file write_file create_directory list_files delete_file execute_code");
    assert_eq!(listed("sequential_thinking"), "plan_steps execute_step validate_step iterate_until_success");
    #[cfg(feature = "sqlite")]
    assert_eq!(listed("database"), "execute_query create_schema migrate_database seed_data");
    assert_eq!(listed("time"), "current_time convert_time wait_until");
    assert_eq!(listed("nobody"), "");
    let toolbox = Toolbox::of_servers().unwrap();
    assert_eq!(toolbox.specs().len(), all().len());
    for tool in all() {
        assert_eq!(mcp::parts(&tool.full_name()), Some((tool.server, tool.name)));
        assert!(names().contains(&tool.server));
    }
}

#[tokio::test]
async fn pages_are_fetched_from_allowed_hosts_alone_at_every_hop() {
    let address = pages(&[
        ("/a", HTML, "<title>A</title><main><h1>Head</h1><p>see <a href=/b>b</a></p></main><footer>foot</footer>"),
        ("/away", "HTTP/1.1 302 Found\r\nlocation: http://localhost:1/", ""),
        ("/near", "HTTP/1.1 301 Moved\r\nlocation: /a", ""),
        ("/round", "HTTP/1.1 302 Found\r\nlocation: /round", ""),
        ("/bytes", "HTTP/1.1 200 OK\r\ncontent-type: image/png", "\u{0}\u{1}png"),
    ]);
    let url = |path: &str| json!({ "url": format!("http://{address}{path}") });
    let bench = bench_with(&[&address]);
    let read = bench.does("mcp__fetch__fetch_url", url("/near")).await;
    assert!(read.contains("(text/html)") && read.contains("# Head") && read.contains("foot"), "{read}");
    let raw = bench.does("mcp__fetch__fetch_url", json!({ "url": format!("http://{address}/a"), "raw": true })).await;
    assert!(raw.contains("<h1>Head</h1>"));
    let told = |path: &'static str| bench.told("mcp__fetch__fetch_url", url(path));
    assert!(told("/away").await.contains("localhost:1 may not be reached"));
    assert!(told("/round").await.contains("redirects"));
    assert!(told("/none").await.contains("status 404: no such page"));
    assert!(told("/bytes").await.contains("use download_file"));
    for (wrong, why) in [("ftp://x/", "only http and https"), ("no", "no address"), ("http://u:p@h/", "password")] {
        assert!(bench.told("mcp__fetch__fetch_url", json!({ "url": wrong })).await.contains(why), "{wrong}");
    }
    let refused = bench_with(&[]).told("mcp__fetch__fetch_url", url("/a")).await;
    assert!(refused.contains("--allow-net 127.0.0.1"), "{refused}");
    // A name that is allowed and stands for this machine is refused all the same, unless it is that of this machine.
    let refused =
        bench_with(&["*.localhost"]).told("mcp__fetch__fetch_url", json!({ "url": "http://a.localhost/" })).await;
    assert!(refused.contains("belongs to this machine") || refused.contains("cannot be resolved"), "{refused}");
}

#[tokio::test]
async fn documentation_is_read_without_its_surroundings_and_may_be_remembered() {
    let address =
        pages(&[("/doc", HTML, "<title>Api</title><nav>menu</nav><main><p>POST /login takes a token.</p></main>")]);
    let bench = bench_with(&[&address]);
    let url = format!("http://{address}/doc");
    let read =
        bench.does("mcp__fetch__fetch_documentation", json!({ "url": url, "remember": true, "tags": ["auth"] })).await;
    assert!(
        read.contains("kept in memory: 1 chunks") && read.contains("POST /login") && !read.contains("menu"),
        "{read}"
    );
    let found = bench
        .does("mcp__memory__search_knowledge", json!({ "filters": { "type": "api_doc", "tags": ["auth"] } }))
        .await;
    assert!(found.contains("1 of 1 chunks") && found.contains(&url), "{found}");
}

#[tokio::test]
async fn a_website_is_read_page_by_page_within_its_rules() {
    let address = pages(&[
        ("/robots.txt", "HTTP/1.1 200 OK", "User-agent: *\nDisallow: /private"),
        (
            "/",
            HTML,
            "<p>first</p><a href='/two'>2</a><a href='/private'>p</a><a href='/gone'>g</a><a href='http://elsewhere.example/'>e</a>",
        ),
        ("/two", HTML, "<p>second</p><a href='/three'>3</a>"),
        ("/three", HTML, "<p>third</p>"),
        ("/private", HTML, "<p>hidden</p>"),
    ]);
    let bench = bench_with(&[&address]);
    let all = bench.does("mcp__fetch__scrape_website", json!({ "url": format!("http://{address}/") })).await;
    assert!(all.starts_with("(3 pages)"), "{all}");
    assert!(all.contains("first") && all.contains("second") && all.contains("third"), "{all}");
    assert!(all.contains("robots.txt disallows") && !all.contains("hidden") && all.contains("status 404"), "{all}");
    assert!(!all.contains("elsewhere"), "only pages of the same host");
    let few =
        bench.does("mcp__fetch__scrape_website", json!({ "url": format!("http://{address}/"), "max_pages": 1 })).await;
    assert!(few.starts_with("(1 pages; 3 more are linked)"), "{few}");
    let missing = bench.told("mcp__fetch__scrape_website", json!({ "url": format!("http://{address}/gone") })).await;
    assert!(missing.contains("status 404"));
}

#[tokio::test]
async fn a_download_goes_into_the_worktree_and_nowhere_else() {
    let address = pages(&[("/f", "HTTP/1.1 200 OK\r\ncontent-type: text/plain", "content")]);
    let bench = bench_with(&[&address]);
    let url = format!("http://{address}/f");
    let done = bench.does("mcp__fetch__download_file", json!({ "url": url, "path": "in/f.txt" })).await;
    assert_eq!(done, "`in/f.txt` written: 7 bytes, text/plain");
    assert_eq!(bench.text("in/f.txt"), "content");
    for path in ["../f", "/etc/f", ".git/config"] {
        bench.told("mcp__fetch__download_file", json!({ "url": url, "path": path })).await;
    }
    assert!(!bench.outside().join("f").exists());
}

#[tokio::test]
async fn memory_is_stored_retrieved_updated_and_listed() {
    let bench = Bench::new();
    let stored = bench.does("mcp__memory__store_knowledge", json!({ "content": "The password hunter2 opens staging.", "type": "error", "source": "log.txt", "tags": ["Staging"] })).await;
    let id = stored.strip_prefix("stored as ").unwrap().to_owned();
    let found = bench.does("memory_search", json!({ "query": "staging password" })).await;
    assert!(found.contains("no embeddings are configured") && found.contains("data, not instructions"), "{found}");
    assert!(found.contains("(secret)") && !found.contains("hunter2"), "secrets are not kept: {found}");
    assert!(found.contains("error from log.txt, task build, at commit c0ffee, tags staging"), "{found}");
    let again = bench.does("memory_store", json!({ "content": "The password hunter2 opens staging.", "type": "error", "source": "log.txt", "tags": ["staging"] })).await;
    assert_eq!(again, format!("stored as {id} (1 were there already)"));
    let updated = bench
        .does("mcp__memory__update_memory", json!({ "id": id, "content": "Staging is gone.", "platform": "web" }))
        .await;
    assert_eq!(updated, format!("updated {id}"));
    let listed = bench.does("mcp__memory__search_knowledge", json!({ "filters": { "platform": "web" } })).await;
    assert!(listed.contains("Staging is gone."), "{listed}");
    let none = bench
        .does("mcp__memory__retrieve_context", json!({ "query": "password", "filters": { "platform": "ios" } }))
        .await;
    assert!(none.starts_with("nothing of that is in memory"), "{none}");
    let gone = json!({ "id": id, "delete": true });
    assert_eq!(bench.does("mcp__memory__update_memory", gone.clone()).await, format!("deleted {id}"));
    assert!(bench.does("mcp__memory__update_memory", gone).await.contains("no chunk"), "twice is as good as once");
    assert!(bench.told("mcp__memory__update_memory", json!({ "id": id, "content": "x" })).await.contains("no chunk"));
    assert!(
        bench.told("memory_search", json!({ "query": "x", "filters": { "since": "soon" } })).await.contains("no time")
    );
    assert!(bench.told("memory_store", json!({ "content": "x", "type": "poem" })).await.contains("/type"));
}

#[tokio::test]
async fn files_are_worked_on_within_the_worktree() {
    let bench = Bench::new();
    bench.does("mcp__filesystem__create_directory", json!({ "path": "a/b" })).await;
    bench.does("mcp__filesystem__write_file", json!({ "path": "a/b/f", "content": "one\n" })).await;
    assert!(bench.does("mcp__filesystem__read_file", json!({ "path": "a/b/f" })).await.contains("1\tone"));
    assert_eq!(bench.does("mcp__filesystem__list_files", json!({ "path": "a" })).await, "b/\n");
    bench.does("mcp__filesystem__delete_file", json!({ "path": "a/b/f" })).await;
    assert!(!bench.root().join("a/b/f").exists());
    for (tool, arguments) in [
        ("read_file", json!({ "path": "../x" })),
        ("write_file", json!({ "path": "/etc/x", "content": "" })),
        ("create_directory", json!({ "path": ".git/x" })),
        ("list_files", json!({ "path": ".." })),
        ("delete_file", json!({ "path": "nothing" })),
    ] {
        bench.told(&format!("mcp__filesystem__{tool}"), arguments).await;
    }
}

#[tokio::test]
async fn code_goes_to_the_runner_of_commands_word_for_word() {
    let bench = Bench::new();
    let code = "print('$HOME')\nEOF\n";
    bench.next_command(Ran { code: Some(3), timed_out: false, output: b"said".to_vec(), output_bytes: 4 });
    let done = bench
        .does("mcp__filesystem__execute_code", json!({ "language": "python", "code": code, "timeout_s": 9 }))
        .await;
    assert_eq!(done, "exit code 3\nsaid");
    let (line, timeout_ms) = bench.commands().remove(0);
    assert_eq!(timeout_ms, 9_000);
    let (first, rest) = line.split_once('\n').unwrap();
    let end = first.strip_prefix("python3 - <<'").unwrap().strip_suffix('\'').unwrap();
    assert_eq!(rest, format!("{}\n{end}", code.trim_end()));
    let told = bench.told("mcp__filesystem__execute_code", json!({ "language": "cobol", "code": "x" })).await;
    assert!(told.contains("/language"), "{told}");
    let long = "x".repeat(crate::domain::limits::COMMAND_BYTES);
    assert!(
        bench
            .told("mcp__filesystem__execute_code", json!({ "language": "sh", "code": long }))
            .await
            .contains("more than")
    );
}

#[tokio::test]
async fn git_writes_with_leave_alone() {
    let mut bench = Bench::new();
    for (tool, arguments) in [
        ("git_init", json!({})),
        ("git_branch", json!({ "create": "x" })),
        ("git_push", json!({ "remote": "origin", "branch": "main" })),
    ] {
        let told = bench.told(&format!("mcp__git__{tool}"), arguments).await;
        assert!(told.contains("--allow-git"), "{tool}: {told}");
    }
    bench.allowed.git = GitAccess::Write;
    assert!(bench.does("mcp__git__git_init", json!({})).await.contains("on branch main"));
    assert!(bench.does("mcp__git__git_init", json!({})).await.contains("already"));
    bench.put("f", "one\n");
    let first = bench.does("mcp__git__git_commit", json!({ "message": "First" })).await;
    assert_eq!(
        bench.does("mcp__git__git_commit", json!({ "message": "First" })).await,
        first,
        "twice is the same commit"
    );
    assert!(bench.told("mcp__git__git_commit", json!({ "message": "Second" })).await.contains("nothing is changed"));
    bench.does("mcp__git__git_branch", json!({ "create": "side" })).await;
    bench.does("mcp__git__git_branch", json!({ "create": "side" })).await;
    let listed = bench.does("mcp__git__git_branch", json!({})).await;
    assert!(listed.contains("* main ") && listed.contains("  side "), "{listed}");
    for (arguments, why) in [
        (json!({ "create": "a..b" }), "no name of a branch"),
        (json!({ "create": "ai/generated/p/x" }), "wfctl itself"),
        (json!({ "create": "y", "from": "nowhere" }), "not a commit"),
    ] {
        assert!(bench.told("mcp__git__git_branch", arguments).await.contains(why));
    }
    bench.put("f", "two\n");
    bench.does("mcp__git__git_commit", json!({ "message": "Second" })).await;
    assert!(bench.told("mcp__git__git_branch", json!({ "create": "side" })).await.contains("exists"));
    assert!(bench.does("mcp__git__git_merge", json!({ "revision": "side" })).await.contains("already"));
    assert!(bench.told("mcp__git__git_merge", json!({ "revision": "nobody" })).await.contains("not a commit"));
    assert!(
        bench
            .told("mcp__git__git_push", json!({ "remote": "origin", "branch": "main" }))
            .await
            .contains("none is configured")
    );
    let config = bench.root().join(".git/config");
    let text = std::fs::read_to_string(&config).unwrap() + "[remote \"origin\"]\n\turl = /nowhere\n";
    std::fs::write(&config, text).unwrap();
    let push = |branch: &str| json!({ "remote": "origin", "branch": branch });
    assert!(bench.told("mcp__git__git_push", push("nobody")).await.contains("no branch"));
    assert!(bench.does("mcp__git__git_push", push("main")).await.starts_with("pushed main to origin"));
    assert_eq!(bench.commands()[0].0, "git push -- 'origin' 'refs/heads/main:refs/heads/main'", "without force");
    bench.next_command(Ran { code: Some(1), timed_out: false, output: b"rejected".to_vec(), output_bytes: 8 });
    assert!(bench.told("mcp__git__git_push", push("main")).await.contains("was not pushed to origin: rejected"));
}

#[tokio::test]
async fn a_merge_brings_both_sides_together_or_changes_nothing() {
    let mut bench = Bench::new();
    bench.allowed.git = GitAccess::Write;
    bench.put("a", "one\n");
    bench.commit("base");
    bench.does("mcp__git__git_branch", json!({ "create": "base" })).await;
    bench.put("b", "ours\n");
    bench.does("mcp__git__git_commit", json!({ "message": "Ours" })).await;
    bench.does("mcp__git__git_branch", json!({ "create": "ours" })).await;
    let root = bench.root().to_owned();
    // Other lines of work from the same commit.
    let other = |files: &[(&str, &str)]| crate::workspace::git::commit_on(&root, "base", files);
    let clash = other(&[("a", "one\n"), ("b", "theirs\n")]);
    crate::workspace::git::create_branch(&root, "clash", Some(&clash)).unwrap();
    let told = bench.told("mcp__git__git_merge", json!({ "revision": "clash" })).await;
    assert!(told.contains('b') && bench.text("b") == "ours\n", "{told}");
    bench.put("c", "not committed\n");
    assert!(bench.told("mcp__git__git_merge", json!({ "revision": "clash" })).await.contains("commit them first"));
    std::fs::remove_file(root.join("c")).unwrap();
    let made = other(&[("a", "one\n"), ("d", "theirs\n")]);
    let done = bench.does("mcp__git__git_merge", json!({ "revision": made })).await;
    assert!(done.contains("HEAD is") && bench.text("d") == "theirs\n" && bench.text("b") == "ours\n", "{done}");
    assert!(bench.does("git_status", json!({})).await.contains("no differences"));
}

#[tokio::test]
async fn repositories_are_searched_where_it_is_allowed() {
    let address = pages(&[(
        "/search/repositories?q=durable%20engine&per_page=2",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json",
        r#"{"items":[{"full_name":"a/b","stargazers_count":7,"html_url":"https://h/a/b","description":"Runs."},{"full_name":"c/d"}]}"#,
    )]);
    let bench = bench_with(&[&address]);
    let ask = |query: &str| json!({ "query": query, "limit": 2, "api": format!("http://{address}") });
    let found = bench.does("mcp__git__search_repositories", ask("durable engine")).await;
    assert!(found.starts_with("a/b (7 stars) https://h/a/b\n  Runs.\nc/d (0 stars)"), "{found}");
    assert!(bench.told("mcp__git__search_repositories", ask("other")).await.contains("status 404"));
    assert!(bench.told("mcp__git__search_repositories", json!({ "query": "x" })).await.contains("may not be reached"));
}

#[tokio::test]
async fn a_plan_is_worked_off_with_evidence() {
    let bench = Bench::new();
    let server = |tool: &str| format!("mcp__sequential_thinking__{tool}");
    assert!(
        bench
            .told(&server("execute_step"), json!({ "step": 1, "result": "x" }))
            .await
            .contains("begin with plan_steps")
    );
    let plan = bench.does(&server("plan_steps"), json!({ "goal": "ship", "steps": ["build", "test"] })).await;
    assert!(plan.contains("1. build (planned)") && plan.contains("Next: step 1"), "{plan}");
    assert!(
        bench.told(&server("validate_step"), json!({ "step": 1, "command": "true" })).await.contains("not executed")
    );
    assert!(bench.told(&server("execute_step"), json!({ "step": 3, "result": "x" })).await.contains("the plan has 2"));
    assert!(bench.told(&server("execute_step"), json!({ "step": 1 })).await.contains("either"));
    bench.does(&server("execute_step"), json!({ "step": 1, "result": "built it" })).await;
    bench.next_command(Ran { code: Some(1), timed_out: false, output: b"red".to_vec(), output_bytes: 3 });
    let red = bench.does(&server("validate_step"), json!({ "step": 1, "command": "make check" })).await;
    assert!(red.contains("step 1: failed\nexit code 1\nred"), "{red}");
    let green = bench.does(&server("validate_step"), json!({ "step": 1, "command": "make check" })).await;
    assert!(green.contains("1. build (valid)") && green.contains("Next: step 2"), "{green}");
    assert!(bench.told(&server("validate_step"), json!({ "step": 1, "valid": true })).await.contains("evidence"));
    bench.next_command(Ran { code: Some(1), timed_out: false, output: Vec::new(), output_bytes: 0 });
    let done = bench
        .does(&server("iterate_until_success"), json!({ "step": 2, "command": "make test", "max_attempts": 3 }))
        .await;
    assert!(done.contains("it ended well (2 of at most 3 tries)") && done.contains("All steps are valid"), "{done}");
    let changed = bench.does(&server("plan_steps"), json!({ "goal": "ship", "steps": ["build", "sign"] })).await;
    assert!(changed.contains("1. build (valid)") && changed.contains("2. sign (planned)"), "{changed}");
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_database_is_a_file_of_the_worktree_and_changes_whole_or_not_at_all() {
    let bench = Bench::new();
    let tool = |name: &str| format!("mcp__database__{name}");
    let made = bench.does(&tool("create_schema"), json!({ "database": "data/app.db", "sql": "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, tags TEXT); CREATE INDEX by_name ON users(name)" })).await;
    assert!(made.contains("index by_name, table users"), "{made}");
    let rows = json!([{ "name": "ada", "tags": ["x"] }, { "name": "bob" }]);
    let seed = |rows: &Value| json!({ "database": "data/app.db", "table": "users", "rows": rows, "if_empty": true });
    assert_eq!(bench.does(&tool("seed_data"), seed(&rows)).await, "2 rows put into users");
    assert!(bench.does(&tool("seed_data"), seed(&rows)).await.contains("nothing was done"));
    let query = |sql: &str, params: Value| json!({ "database": "data/app.db", "query": sql, "params": params });
    let found = bench
        .does(&tool("execute_query"), query("SELECT id, name, tags FROM users WHERE name = ?", json!(["ada"])))
        .await;
    assert_eq!(found, "1 rows\n{\"id\":1,\"name\":\"ada\",\"tags\":\"[\\\"x\\\"]\"}");
    assert_eq!(
        bench.does(&tool("execute_query"), query("UPDATE users SET name = 'eve' WHERE id = 2", json!([]))).await,
        "1 rows changed"
    );
    let migrate = |sql: &str| json!({ "database": "data/app.db", "migrations": [{ "version": 2, "sql": sql }, { "version": 1, "sql": "ALTER TABLE users ADD COLUMN age INTEGER" }] });
    let before = std::fs::read(bench.root().join("data/app.db")).unwrap();
    assert!(bench.told(&tool("migrate_database"), migrate("nonsense")).await.contains("nothing was changed"));
    assert_eq!(std::fs::read(bench.root().join("data/app.db")).unwrap(), before);
    assert_eq!(bench.does(&tool("migrate_database"), migrate("UPDATE users SET age = 7")).await, "from version 0 to 2");
    assert!(bench.does(&tool("migrate_database"), migrate("nonsense")).await.contains("already"));
    let count = bench.does(&tool("execute_query"), query("SELECT sum(age) AS ages FROM users", json!([]))).await;
    assert_eq!(count, "1 rows\n{\"ages\":14}");
    for sql in [
        "ATTACH '/tmp/wfctl-test-outside.db' AS other",
        "VACUUM INTO '/tmp/wfctl-test-outside.db'",
        "SELECT nothing FROM users",
        "SELECT 1; SELECT 2",
    ] {
        bench.told(&tool("execute_query"), query(sql, json!([]))).await;
    }
    assert!(!std::path::Path::new("/tmp/wfctl-test-outside.db").exists());
    assert_eq!(std::fs::read_dir(bench.root().join("data")).unwrap().count(), 1, "no file beside it");
    bench.put("text.db", "this is no database, though it is long enough to be taken for the beginning of one");
    let told = bench.told(&tool("execute_query"), json!({ "database": "text.db", "query": "SELECT 1" })).await;
    assert!(told.contains("not a database"), "{told}");
    assert!(
        bench.told(&tool("execute_query"), json!({ "database": "../x.db", "query": "SELECT 1" })).await.contains("..")
    );
    let twice = json!({ "database": "data/app.db", "migrations": [{ "version": 3, "sql": "x" }, { "version": 3, "sql": "y" }] });
    assert!(bench.told(&tool("migrate_database"), twice).await.contains("two migrations to version 3"));
}

#[tokio::test]
async fn times_are_told_converted_and_waited_for() {
    let bench = Bench::new();
    assert_eq!(bench.does("mcp__time__current_time", json!({})).await, "2026-11-21T12:00:00+00:00[UTC] (Saturday)");
    let berlin = bench.does("mcp__time__current_time", json!({ "timezone": "Europe/Berlin" })).await;
    assert_eq!(berlin, "2026-11-21T13:00:00+01:00[Europe/Berlin] (Saturday)");
    let convert = |time: &str| json!({ "time": time, "from": "America/New_York", "to": "Asia/Tokyo" });
    let converted = bench.does("mcp__time__convert_time", convert("2026-07-01T20:00:00")).await;
    assert!(converted.ends_with("is 2026-07-02T09:00:00+09:00[Asia/Tokyo] (Thursday)"), "{converted}");
    assert!(bench.does("mcp__time__convert_time", convert("16:30")).await.contains("2026-11-22T06:30:00+09:00"));
    assert!(
        bench
            .does("mcp__time__convert_time", convert("2026-07-01T20:00:00Z"))
            .await
            .contains("2026-07-02T05:00:00+09:00")
    );
    assert!(bench.told("mcp__time__convert_time", convert("noon")).await.contains("is no time"));
    assert!(bench.told("mcp__time__current_time", json!({ "timezone": "Moon/Base" })).await.contains("no time zone"));
    assert_eq!(bench.does("mcp__time__wait_until", json!({ "time": "2026-11-21T12:00:00Z" })).await, "waited 0ms");
    assert!(bench.does("mcp__time__wait_until", json!({ "duration": "1ms" })).await.starts_with("waited 1"));
    for (wrong, why) in [
        (json!({ "time": "2026-11-22T12:00:00Z" }), "longer than"),
        (json!({ "time": "soon" }), "is no time"),
        (json!({ "duration": "some" }), "is no while"),
        (json!({}), "either"),
    ] {
        assert!(bench.told("mcp__time__wait_until", wrong).await.contains(why));
    }
}

#[tokio::test]
async fn in_a_replay_nobody_outside_is_asked() {
    let bench = Bench::new();
    let mut site = bench.site();
    site.beyond.world = None;
    let toolbox = Toolbox::of_servers().unwrap();
    for (name, arguments) in [
        ("mcp__fetch__fetch_url", json!({ "url": "http://127.0.0.1/" })),
        ("mcp__memory__retrieve_context", json!({ "query": "x" })),
        ("mcp__time__current_time", json!({})),
    ] {
        let call =
            crate::domain::chat::ToolCall { id: "1".into(), name: name.into(), arguments: arguments.to_string() };
        let done = toolbox.call(&toolbox.plan(&call).unwrap(), &site).await;
        assert!(matches!(done, Err(ToolFault::Ends(failure)) if failure.message.contains("replay")), "{name}");
    }
}
