//! What agents remember, for people and for other clients: `wfctl memory`, and built-in servers of tools over stdio.

use serde_json::{Value, json};

use crate::mcp_client::Client;
use crate::rig::Rig;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_file_is_remembered_found_shown_and_forgotten() {
    let rig = Rig::new();
    rig.write("api.md", "# Log in\n\nPOST /login takes a bearer token.\n");
    rig.write("long.md", &format!("{}\n\n", "A paragraph about nothing. ".repeat(30)).repeat(12));
    let none = rig.wfctl(&["memory", "list"]);
    assert_eq!(none.code, Some(0));
    assert!(none.err.contains("wfctl memory add FILE"), "{}", none.err);
    let added = rig.wfctl(&["memory", "add", "api.md", "--tag", "auth", "--platform", "backend", "--at", "c0ffee"]);
    assert_eq!(added.code, Some(0), "{}", added.err);
    let id = added.out.trim().to_owned();
    let again = rig.wfctl(&["memory", "add", "api.md", "--tag", "auth", "--platform", "backend", "--at", "c0ffee"]);
    assert_eq!(again.out.trim(), id);
    assert!(again.err.contains("1 of 1 chunks were there already"), "{}", again.err);
    assert!(rig.wfctl(&["memory", "add", "long.md", "--type", "task"]).out.lines().count() > 1);
    let found = rig.wfctl(&["memory", "search", "bearer token"]);
    assert!(found.out.contains(&id) && found.out.contains("POST /login"), "{}", found.out);
    assert!(found.err.contains("ranked by words alone (BM25): no embeddings are configured"), "{}", found.err);
    let found = lines(&rig.wfctl(&["memory", "search", "token", "--type", "api_doc", "--json"]).out);
    assert_eq!(found[0]["metadata"]["tags"], json!(["auth"]));
    assert_eq!(found[0]["type"], "memory_chunk");
    assert_eq!(rig.wfctl(&["memory", "search", "token", "--tag", "other"]).code, Some(5));
    assert!(rig.wfctl(&["memory", "show", &id]).out.contains("# Log in"));
    let status = lines(&rig.wfctl(&["memory", "status", "--json"]).out);
    assert_eq!((&status[0]["kinds"]["api_doc"], &status[0]["embeddings"]), (&json!(1), &Value::Null));
    let all = rig.wfctl(&["memory", "status", "--all"]);
    assert!(all.out.contains("work") && all.out.contains("chunks"), "{}", all.out);
    assert_eq!(rig.wfctl(&["memory", "delete", &id]).code, Some(0));
    let gone = rig.wfctl(&["memory", "show", &id]);
    assert_eq!(gone.code, Some(2));
    assert!(gone.err.contains("there is no chunk") && gone.err.contains("wfctl memory list"), "{}", gone.err);
    let missing = rig.wfctl(&["memory", "add", "missing.md"]);
    assert!(missing.code != Some(0) && missing.err.contains("missing.md"), "{}", missing.err);
}

/// A configured model without its key is no reason not to find anything.
#[test]
fn embeddings_that_cannot_be_had_are_told() {
    let rig = Rig::new();
    let config = "[memory]\nembeddings = \"openai/text-embedding-3-small\"\n";
    std::fs::write(rig.folder().join(".config/wfctl/config.toml"), config).unwrap();
    rig.write("a.md", "one word\n");
    rig.wfctl(&["memory", "add", "a.md"]);
    let found = rig.wfctl(&["memory", "search", "word"]);
    assert_eq!(found.code, Some(0));
    assert!(found.err.contains("OPENAI_API_KEY"), "{}", found.err);
    assert!(rig.wfctl(&["memory", "status"]).out.contains("vectors of openai/text-embedding-3-small; 0 have one"));
}

fn said(client: &Client, tool: &str, arguments: Value) -> (String, bool) {
    let result = client.ask(tool, arguments).unwrap();
    (result.content[0].as_text().unwrap().text.clone(), result.is_error == Some(true))
}

#[test]
fn built_in_servers_serve_the_folder_that_they_are_started_in() {
    let rig = Rig::new();
    let files = Client::start(&rig, &["--server", "filesystem"]);
    let mut names: Vec<&str> = files.tools.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["create_directory", "delete_file", "execute_code", "list_files", "read_file", "write_file"]);
    let reads = files.tools["read_file"].annotations.clone().unwrap();
    assert_eq!((reads.read_only_hint, reads.idempotent_hint), (Some(true), Some(true)));
    assert_eq!(files.tools["execute_code"].annotations.clone().unwrap().idempotent_hint, Some(false));
    said(&files, "write_file", json!({"path": "a/b.txt", "content": "here\n"}));
    assert_eq!(rig.read("a/b.txt"), "here\n");
    let (text, failed) = said(&files, "execute_code", json!({"language": "sh", "code": "cat a/b.txt; exit 3"}));
    assert!(text.starts_with("exit code 3\nhere") && !failed, "{text}");
    let (text, failed) = said(&files, "read_file", json!({"path": "../home/lock"}));
    assert!(failed, "{text}");
    assert!(files.ask("fetch_url", json!({})).is_err(), "a tool of another server");
    files.close();

    let memory = Client::start(&rig, &["--server", "memory"]);
    let (text, failed) = said(&memory, "store_knowledge", json!({"content": "The mice know.", "type": "task"}));
    assert!(text.starts_with("stored as") && !failed, "{text}");
    memory.close();
    assert!(rig.wfctl(&["memory", "search", "mice"]).out.contains("The mice know."), "it is the memory of this folder");

    let fetch = Client::start(&rig, &["--server", "fetch"]);
    let (text, failed) = said(&fetch, "fetch_url", json!({"url": "http://127.0.0.1:1/"}));
    assert!(failed && text.contains("--allow-net"), "{text}");
    fetch.close();
}

#[test]
fn the_repository_is_changed_with_leave_alone() {
    let rig = Rig::new();
    rig.repository("r");
    let root = rig.path("r");
    let start = |arguments: &[&str]| {
        let mut command = rig.command(&[&["mcp", "--server", "git"], arguments].concat());
        command.current_dir(&root);
        let command = tokio::process::Command::from(command);
        Client::over(rmcp::ClientLifecycleMode::Initialize, async {
            rmcp::transport::TokioChildProcess::new(command).unwrap()
        })
    };
    rig.write("r/new.txt", "new\n");
    let before = rig.git("r", &["rev-parse", "HEAD"]);
    let careful = start(&[]);
    let (text, failed) = said(&careful, "git_commit", json!({"message": "No"}));
    assert!(failed && text.contains("--allow-git"), "{text}");
    careful.close();
    assert_eq!(rig.git("r", &["rev-parse", "HEAD"]), before);
    let trusted = start(&["--allow-git"]);
    let (text, failed) = said(&trusted, "git_commit", json!({"message": "Add new"}));
    assert!(text.starts_with("committed as") && !failed, "{text}");
    trusted.close();
    assert_eq!(rig.git("r", &["log", "-1", "--format=%s"]).trim(), "Add new");
    assert_eq!(rig.git("r", &["status", "--porcelain"]).trim(), "");
}

#[test]
fn an_unknown_server_is_refused_with_the_known_ones() {
    let rig = Rig::new();
    let refused = rig.wfctl(&["mcp", "--server", "memroy"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.err.contains("Did you mean `memory`?") && refused.err.contains("fetch, memory, git"),
        "{}",
        refused.err
    );
    let refused = rig.wfctl(&["mcp", "--allow-net", "example.org"]);
    assert!(refused.err.contains("--server"), "{}", refused.err);
}
