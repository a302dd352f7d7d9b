//! What is declared, where it is looked for, and what is said when it is not there.

use super::*;

fn shelf(declared: &[(&str, &str)], environment: &[(&str, &str)], folder: &Path) -> Shelf {
    let declared = declared.iter().map(|(name, origin)| ((*name).to_owned(), origin.parse().unwrap())).collect();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Shelf::new(declared, environment, Some(&folder.join("config.toml")), Masks::default())
}

async fn why(shelf: &Shelf, name: &str) -> String {
    shelf.get(&[name.to_owned()]).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_value_is_fetched_by_name_and_masked_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let all = shelf(&[("DB", "env:DATABASE"), ("KEY", "file")], &[("DATABASE", "hunter2hunter2\n")], folder.path());
    file::change(all.file().unwrap(), "KEY", Secret::new("of-the-file").as_ref()).unwrap();
    let got = all.get(&["KEY".to_owned(), "DB".to_owned()]).await.unwrap();
    let got: Vec<(&str, &str)> = got.iter().map(|(name, secret)| (name.as_str(), secret.expose())).collect();
    assert_eq!(got, [("KEY", "of-the-file"), ("DB", "hunter2hunter2")]);
    assert_eq!(all.masks.now().text("of-the-file hunter2hunter2".to_owned()), "[secret] [secret]");
    assert_eq!(all.withheld().into_iter().collect::<Vec<_>>(), ["DATABASE", "DB", "KEY"]);
}

#[tokio::test]
async fn what_cannot_be_had_says_why_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let declared = [("DB", "env:DATABASE"), ("KEY", "file"), ("SHORT", "env:SHORT")];
    let all = shelf(&declared, &[("SHORT", "1234567"), ("HOUSE", "hunter2hunter2")], folder.path());
    let undeclared = why(&all, "HOUSE").await;
    assert!(undeclared.contains("not declared") && undeclared.contains("config.toml"), "{undeclared}");
    assert_eq!(
        why(&all, "DB").await,
        "secret DB: there is no value at env:DATABASE; set DATABASE where wfctl is started"
    );
    assert!(why(&all, "KEY").await.ends_with("set it with: wfctl secrets set KEY"));
    let short = why(&all, "SHORT").await;
    assert!(short.contains("8 to 16384 bytes") && !short.contains("1234567"), "{short}");
}

#[tokio::test]
async fn a_file_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let all = shelf(&[("KEY", "file")], &[], folder.path());
    std::fs::write(all.file().unwrap(), "KEY = \"hunter2hunter2\"").unwrap();
    std::fs::set_permissions(all.file().unwrap(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = why(&all, "KEY").await;
    assert!(refused.contains("chmod 600") && !refused.contains("hunter2"), "{refused}");
}

#[tokio::test]
async fn all_that_is_declared_is_learned_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let all = shelf(&[("DB", "env:DATABASE"), ("GONE", "file")], &[("DATABASE", "hunter2hunter2")], folder.path());
    all.learn_all().await;
    assert_eq!(all.masks.now().text("hunter2hunter2".to_owned()), "[secret]");
}

#[cfg(not(feature = "vault"))]
#[tokio::test]
async fn a_source_that_is_not_built_in_says_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let all = shelf(&[("V", "vault:kv/a#b")], &[], folder.path());
    assert!(why(&all, "V").await.contains("--features vault"));
    assert!(all.withheld().contains("VAULT_TOKEN"));
}

#[cfg(feature = "vault")]
mod vault {
    use std::os::unix::fs::PermissionsExt as _;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Speaks the routes of the key-value engine that are asked for; gives its address.
    async fn server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut line, _)) = listener.accept().await {
                let mut asked = Vec::new();
                while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
                    let mut piece = [0; 1024];
                    match line.read(&mut piece).await {
                        Ok(bytes) if bytes > 0 => asked.extend_from_slice(&piece[..bytes]),
                        _ => break,
                    }
                }
                let asked = String::from_utf8_lossy(&asked).to_ascii_lowercase();
                // The client writes the question mark of a query without the query.
                let target = asked.split([' ', '?']).nth(1).unwrap_or_default();
                let (status, body) = match () {
                    () if !asked.contains("x-vault-token: s.token-of-test") => {
                        ("403 Forbidden", r#"{"errors":["permission denied"]}"#)
                    }
                    () if asked.starts_with("get ") && target == "/v1/kv/data/team/db" => (
                        "200 OK",
                        r#"{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":{"password":"of-the-vault","port":5432},"metadata":{"created_time":"2026-01-01T00:00:00Z","deletion_time":"","destroyed":false,"version":3,"custom_metadata":null}},"wrap_info":null,"warnings":null,"auth":null}"#,
                    ),
                    () => ("404 Not Found", r#"{"errors":[]}"#),
                };
                let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
                let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                // A client that went away is its own affair.
                let _ = line.write_all(answer.as_bytes()).await;
            }
        });
        address
    }

    const DECLARED: [(&str, &str); 4] = [
        ("PASSWORD", "vault:kv/team/db#password"),
        ("PORT", "vault:kv/team/db#port"),
        ("FIELD", "vault:kv/team/db#nothing"),
        ("PATH_", "vault:kv/team/nothing#password"),
    ];

    #[tokio::test]
    async fn a_field_is_read_with_a_token_of_the_environment_or_of_a_private_file() {
        let (folder, address) = (tempfile::tempdir().unwrap(), server().await);
        let all = shelf(&DECLARED, &[("VAULT_ADDR", &address), ("VAULT_TOKEN", "s.token-of-test")], folder.path());
        let got = all.get(&["PASSWORD".to_owned()]).await.unwrap();
        assert_eq!(got[0].1.expose(), "of-the-vault");
        assert_eq!(all.masks.now().text("of-the-vault s.token-of-test".to_owned()), "[secret] [secret]");
        for (name, told) in
            [("PORT", "no text"), ("FIELD", "there is no value"), ("PATH_", "vault kv patch kv/team/nothing")]
        {
            let why = why(&all, name).await;
            assert!(why.contains(told), "{why}");
        }
        let home = folder.path().to_str().unwrap();
        let all = shelf(&DECLARED, &[("VAULT_ADDR", &address), ("HOME", home)], folder.path());
        assert!(why(&all, "PASSWORD").await.contains("vault login"));
        let token = folder.path().join(".vault-token");
        std::fs::write(&token, "s.token-of-test\n").unwrap();
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(why(&all, "PASSWORD").await.contains("chmod 600"));
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(all.get(&["PASSWORD".to_owned()]).await.unwrap()[0].1.expose(), "of-the-vault");
    }

    #[tokio::test]
    async fn a_wrong_token_or_address_is_told_without_the_token() {
        let (folder, address) = (tempfile::tempdir().unwrap(), server().await);
        let all = shelf(&DECLARED, &[("VAULT_ADDR", &address), ("VAULT_TOKEN", "s.wrong-token")], folder.path());
        let refused = why(&all, "PASSWORD").await;
        assert!(refused.contains("permission denied") && !refused.contains("s.wrong"), "{refused}");
        let all = shelf(&DECLARED, &[("VAULT_ADDR", "127.0.0.1"), ("VAULT_TOKEN", "s.wrong-token")], folder.path());
        assert!(why(&all, "PASSWORD").await.contains("VAULT_ADDR is not a URL"));
        let all =
            shelf(&DECLARED, &[("VAULT_ADDR", "http://127.0.0.1:1"), ("VAULT_TOKEN", "s.wrong-token")], folder.path());
        let away = why(&all, "PASSWORD").await;
        assert!(away.contains("cannot be read") && !away.contains("s.wrong"), "{away}");
    }
}
