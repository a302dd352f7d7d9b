//! The keys in here are made up, and put together so that this file itself has none.

use std::path::Path;

use super::*;

/// Drawn once from a random source.
const RANDOM: &str = "q7Zt4Lx9Kw2Pn8Vb3Rm6Ys1Dc5Hf0JgXuT4eWiOaQ";

fn kinds(file: &str, text: &str) -> Vec<(u32, &'static str)> {
    scan(file, text.as_bytes()).into_iter().map(|it| (it.line, it.kind.name())).collect()
}

fn of_line(line: &str) -> Vec<&'static str> {
    kinds("a.txt", line).into_iter().map(|(_, kind)| kind).collect()
}

fn random(length: usize) -> String {
    RANDOM.chars().cycle().take(length).collect()
}

#[test]
fn each_provider_by_its_shape() {
    for (line, kind) in [
        (format!("AK{}Q3TZ7NKW2PLX8VBD", "IA"), "aws-key"),
        (format!("token: gh{}_{}", "p", random(36)), "github-token"),
        (format!("github{}pat_{}", "_", random(82)), "github-token"),
        (format!("gl{}-{}", "pat", random(20)), "gitlab-token"),
        (format!("s{}-{}", "k", random(48)), "openai-key"),
        (format!("s{}-proj-{}", "k", random(64)), "openai-key"),
        (format!("s{}-ant-api03-{}", "k", random(80)), "anthropic-key"),
        (format!("s{}-or-v1-{}", "k", random(64)), "openrouter-key"),
        (format!("g{}_{}", "sk", random(52)), "groq-key"),
        (format!("AI{}{}", "za", random(35)), "google-key"),
        (format!("xo{}-1234-{}", "xb", random(24)), "slack-token"),
        (format!("s{}_live_{}", "k", random(24)), "stripe-key"),
        (format!("np{}_{}", "m", random(36)), "npm-token"),
        (format!("h{}_{}", "f", random(34)), "huggingface-token"),
        (format!("ey{}.ey{}.{}", "JhbGciOiJIUzI1NiJ9", "JzdWIiOiIxIn0x", random(43)), "jwt"),
        (format!("postgres://app:{}@db.local/x", &RANDOM[..12]), "url-password"),
    ] {
        assert_eq!(of_line(&line), [kind], "{line}");
        assert_eq!(of_line(&format!("export KEY=\"{line}\" # x")), [kind], "{line}");
        assert_eq!(of_line(&format!("x = \"\\n{line}\\n\"")), [kind], "{line}");
        let finding = scan("f", line.as_bytes()).remove(0);
        assert!(!finding.to_string().contains(&RANDOM[..8]), "{finding}");
    }
}

#[test]
fn shapes_that_are_no_secrets() {
    for line in [
        format!("ta{}-{}", "sk", random(48)),
        format!("gh{}_{}", "p", "a".repeat(36)),
        format!("AK{}IOSFODNN7EXAMPLE", "IA"),
        "sk-this-is-a-long-name-of-a-css-class-and-no-key".to_owned(),
        "https://user:${PASSWORD}@host/".to_owned(),
        "http://localhost:8080/a@b".to_owned(),
        format!("s{}-{}", "k", random(31)),
        "eyJhb.eyJ.x".to_owned(),
    ] {
        assert_eq!(of_line(&line), [""; 0], "{line}");
    }
}

#[test]
fn private_keys_and_programs_that_know_of_them() {
    let header = format!("-----BEGIN {}KEY-----", "RSA PRIVATE ");
    assert_eq!(kinds("k.pem", &format!("x\n{header}\n{}\n", random(64))), [(2, "private-key")]);
    assert_eq!(kinds("k.rs", &format!("let k = \"{header}\\n{}\";", random(64))), [(1, "private-key")]);
    assert_eq!(kinds("k.rs", &format!("if text.starts_with(\"{header}\") {{\n    return;\n}}\n")), []);
    assert_eq!(kinds("k.pem", &format!("-----BEGIN {}KEY-----\n{}", "PUBLIC ", random(64))), []);
}

#[test]
fn literals_by_their_names() {
    let value = &RANDOM[..20];
    for line in [
        format!("password = \"{value}\""),
        format!("const DB_PASSWORD: &str = \"{value}\";"),
        format!("  \"api_key\": \"{value}\","),
        format!("client-secret => '{value}'"),
        format!("accessKey:`{value}`"),
        format!("config[\"auth_token\"] = '{value}'"),
    ] {
        assert_eq!(of_line(&line), ["assigned-secret"], "{line}");
        assert!(!scan("f", line.as_bytes())[0].excerpt.contains(value));
    }
    assert_eq!(kinds(".env.local", &format!("DB_PASSWORD={value}\n")), [(1, "assigned-secret")]);
    for line in [
        format!("password = {value}"),
        format!("digest = \"{value}\""),
        "password = \"correct horse battery staple 1\"".to_owned(),
        "password = \"changeme-12345\"".to_owned(),
        "token = \"{{ inputs.token1 }}\"".to_owned(),
        "let token = next_token(\"abc123def456ghi789jkl\");".to_owned(),
        "password = \"\"".to_owned(),
        format!("secret: load(\"{value}\")"),
    ] {
        assert_eq!(of_line(&line), [""; 0], "{line}");
    }
    assert_eq!(kinds("deep/Cargo.lock", &format!("secret = \"{value}\"")), []);
}

#[test]
fn the_comment_lets_a_line_pass() {
    let line = format!("password = \"{}\"", &RANDOM[..20]);
    assert_eq!(kinds("f", &format!("{line} # {ALLOWED}\n{line}\n")), [(2, "assigned-secret")]);
    assert_eq!(kinds("f", &format!("// {ALLOWED}: a test\n{line}\n{line}\n")), [(3, "assigned-secret")]);
}

#[test]
fn a_diff_tells_only_what_it_adds() {
    let key = format!("gh{}_{}", "p", random(36));
    let diff = format!(
        "diff --git a/old.txt b/new.txt\n--- a/old.txt\n+++ b/new.txt\n@@ -3,3 +3,4 @@ fn x\n context\n-{key}\n+++ {key}\n+fine\n \
         context\n\\ No newline at end of file\n--- a/b\n+++ b/dir/b.env\n@@ -0,0 +1 @@\n+API_KEY={}\n",
        &RANDOM[..24]
    );
    let told: Vec<String> = scan_diff(&diff).iter().map(ToString::to_string).collect();
    let expected =
        ["new.txt:4: github-token: ghp_… (40 characters)", "dir/b.env:1: assigned-secret: API_KEY = … (24 characters)"];
    assert_eq!(told, expected);
    assert_eq!(scan_diff("@@ -9999999999,1 +1 @@\n+x\n@@ nonsense\n+++"), []);
}

#[test]
fn binary_and_broken_files_do_no_harm() {
    let key = format!("gh{}_{}", "p", random(36));
    assert_eq!(scan("a.png", format!("\0{key}").as_bytes()), []);
    let mut broken = b"\xff\xfe\\".to_vec();
    broken.extend_from_slice("ü\\é = ".as_bytes());
    broken.extend_from_slice(key.as_bytes());
    assert_eq!(scan("a.txt", &broken).len(), 1);
}

#[test]
fn one_finding_past_the_bound_is_dropped() {
    let line = format!("gh{}_{}\n", "p", random(36));
    assert_eq!(scan("a", line.repeat(limits::SECRET_FINDINGS + 1).as_bytes()).len(), limits::SECRET_FINDINGS);
}

/// Texts that would cost the square of their length if a rule looked at the rest of the line for each place.
#[test]
fn time_is_linear() {
    for piece in ["password=\"", "://a:", "-----BEGIN ", "eyJ.", "\\", "password: ", "sk-", "'"] {
        let time = |length: usize| {
            let text = piece.repeat(length / piece.len());
            let started = std::time::Instant::now();
            assert_eq!(scan("a.env", text.as_bytes()).len(), 0, "{piece}");
            started.elapsed().as_secs_f64()
        };
        let (short, long) = (time(100_000).max(0.001), time(1_600_000));
        // Sixteen times the text: linear is 16, quadratic 256. Other load may slow one of the two.
        assert!(long / short < 130.0, "{piece}: {short} s, then {long} s");
    }
}

/// Hashes, tests and documents of a real repository: this one.
#[test]
fn this_repository_has_no_secrets() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    let mut findings = Vec::new();
    for entry in ignore::WalkBuilder::new(root).build().flatten() {
        if entry.file_type().is_some_and(|kind| kind.is_file()) {
            let name = entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned();
            findings.extend(scan(&name, &std::fs::read(entry.path()).unwrap()));
            seen += 1;
        }
    }
    assert!(seen > 200, "{seen} files");
    assert_eq!(findings, []);
}

#[test]
fn a_known_value_is_found_in_every_form_and_nothing_lets_it_pass() {
    let masker = crate::telemetry::mask::Masker::new([("DB", "hunter2hunter2")]);
    let content = b"\0binary\n# wfctl:allow-secret\npassword = hunter2hunter2\naHVudGVyMmh1bnRlcjI=\n";
    let found: Vec<String> = scan_known("a.txt", content, &masker).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["a.txt:3: known-secret: the value of DB", "a.txt:4: known-secret: the value of DB"]);
    assert!(scan_known("a.txt", b"nothing", &masker).is_empty());
}
