//! The web interface: pages, styles and modules that a browser runs, compiled into the program as they are. There is no
//! build step and nothing is fetched from elsewhere; `assets/` is the source and what is served.
//!
//! This room knows only its files. Whoever serves HTTP asks for them by name; what they show comes from the API.

mod files;

use std::sync::LazyLock;

use files::FILES;

/// A file of the interface.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its media type.
    pub content_type: &'static str,
    /// Changes with its content; with its quotes.
    pub etag: String,
    /// What is in it.
    pub bytes: &'static [u8],
}

/// A file by its path below `assets/`; `index.html` is the page itself.
pub fn asset(path: &str) -> Option<Asset> {
    static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| FILES.iter().map(|(_, bytes)| tag(bytes)).collect());
    let at = FILES.binary_search_by(|(name, _)| (*name).cmp(path)).ok()?;
    let (name, bytes) = FILES[at];
    Some(Asset { content_type: content_type(name), etag: TAGS[at].clone(), bytes })
}

fn tag(bytes: &[u8]) -> String {
    let hash = blake3::hash(bytes).to_hex();
    format!("\"{}\"", &hash[..32])
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some(_) | None => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn text(path: &str) -> &'static str {
        std::str::from_utf8(asset(path).unwrap().bytes).unwrap()
    }

    fn names(of: &str) -> impl Iterator<Item = &'static str> + use<'_> {
        FILES.iter().map(|(name, _)| *name).filter(move |name| name.ends_with(of))
    }

    #[test]
    fn every_file_is_in_the_program_and_in_order() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/interfaces/web/assets");
        let (mut open, mut found) = (vec![root.clone()], BTreeSet::new());
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path: PathBuf = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let listed: Vec<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(listed, found.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn files_are_found_by_name_alone() {
        let index = asset("index.html").unwrap();
        assert_eq!(index.content_type, "text/html; charset=utf-8");
        assert_eq!(index.etag, asset("index.html").unwrap().etag);
        assert_ne!(index.etag, asset("js/main.js").unwrap().etag);
        assert!(FILES.iter().all(|(name, _)| content_type(name) != "application/octet-stream"));
        for missing in ["", "/", "../mod.rs", "js", "js/", "INDEX.HTML"] {
            assert!(asset(missing).is_none(), "{missing}");
        }
    }

    #[test]
    fn the_page_has_nothing_inline_and_names_only_files_that_exist() {
        let index = text("index.html");
        for banned in ["<style", "style=", "onclick", "onload", "javascript:"] {
            assert!(!index.contains(banned), "{banned}");
        }
        let scripts = index.matches("<script").count();
        assert_eq!(scripts, index.matches("<script type=\"module\" src=\"/assets/").count());
        for named in index.split("\"/assets/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(asset(named).is_some(), "{named}");
        }
    }

    #[test]
    fn modules_import_only_modules_that_exist() {
        for name in names(".js") {
            let folder = Path::new(name).parent().unwrap();
            for line in text(name).lines().filter(|line| line.starts_with("import ") || line.starts_with("} from ")) {
                let from = line.split('"').nth(1).unwrap_or_default();
                let mut path = folder.to_owned();
                for part in from.split('/') {
                    match part {
                        "." => {}
                        ".." => assert!(path.pop(), "{name}: {from}"),
                        part => path.push(part),
                    }
                }
                assert!(asset(path.to_str().unwrap()).is_some(), "{name} imports {from}");
            }
        }
    }

    #[test]
    fn text_never_becomes_markup_and_nothing_comes_from_elsewhere() {
        let banned =
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser"];
        for name in names(".js") {
            for word in banned {
                assert!(!text(name).contains(word), "{name}: {word}");
            }
        }
        for (name, bytes) in FILES {
            let without_namespace = std::str::from_utf8(bytes).unwrap().replace("http://www.w3.org/2000/svg", "");
            for word in ["http://", "https://", "@import", "url("] {
                assert!(!without_namespace.contains(word), "{name}: {word}");
            }
        }
    }

    #[test]
    fn each_module_says_what_it_is() {
        for name in names(".js").chain(names(".css")) {
            let start = text(name);
            assert!(start.starts_with("/*") || start.contains("\n/**"), "{name}");
            assert!(start.lines().count() <= 400, "{name} is too long");
        }
    }
}
